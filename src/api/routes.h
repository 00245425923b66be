/* routes.h - the table of routes as data.
 */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "api/router.h"

struct route_table routes_table(void);

#endif
