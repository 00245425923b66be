/* dev_users.h - the users of the development server (spec 8.4).
 *
 * Their tokens and keys are public constants: `dev` makes these users, and `serve` refuses a data directory that
 * has them, and `dev` one on which `serve` has run.
 */
#ifndef APP_DEV_USERS_H
#define APP_DEV_USERS_H

#include "core/user.h"

enum { DEV_USERS = 4 };

/* The first one is the default user. */
extern const struct user dev_users[DEV_USERS];

#endif
