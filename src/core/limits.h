/* limits.h - the limits of limits_tbl.h as constants.
 */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#include "core/limits_tbl.h"

#define X(name, value, what) enum { name = (value) };
LIMITS(X)
#undef X

#endif
