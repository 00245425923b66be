/* plans.h - the plans of this server: the built-in ones as the file of -plans changes them.
 */
#ifndef APP_PLANS_H
#define APP_PLANS_H

#include "base/arena.h"
#include "base/compiler.h"
#include "core/plan.h"

enum { PLANS_ERROR_BYTES = 1024, PLANS_FILE_BYTES_MAX = 1024 * 1024 };

/* An empty path gives the built-in plans. False with one line for the user in ret_error, which names the file. */
must_use bool plans_load(struct arena *a, const char *path, struct plans *ret_plans,
			 char ret_error[PLANS_ERROR_BYTES]);
/* The plan that -quota names. */
must_use bool plans_choose(const struct plans *set, const char *name, const struct plan **ret_plan,
			   char ret_error[PLANS_ERROR_BYTES]);

#endif
