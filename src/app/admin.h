/* admin.h - commands that ask the admin API of a server: `qstash users ...`, `qstash db ...`.
 */
#ifndef APP_ADMIN_H
#define APP_ADMIN_H

#include "app/conf.h"
#include "base/arena.h"

struct admin_command {
	const char *name;
	int args_min, args_max;
	const char *args, *help; /* as they are shown */
	/* conf->arg[1] is the first argument. Returns the exit status. */
	int (*run)(const struct conf *conf, struct arena *a);
};

struct admin_commands {
	const char *name, *about; /* of the group */
	const struct admin_command *command;
	size_t n;
};

/* Runs the command that the arguments name. Returns the exit status: 0 done, 1 the server refused or could not be
 * reached, 2 wrong use. */
int admin_main(const struct admin_commands *group, int argc, char **argv);

#endif
