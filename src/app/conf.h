/* conf.h - the settings of a command, from flags, environment and defaults, in that order of precedence.
 *
 * conf_tbl.h is the list. A wrong value is refused with a line that names the flag and what is allowed.
 */
#ifndef APP_CONF_H
#define APP_CONF_H

#include "app/conf_tbl.h"
#include "base/compiler.h"
#include "base/str.h"

enum { CONF_LIST_MAX = 64 };

struct conf_list {
	struct str v[CONF_LIST_MAX];
	size_t n;
	bool from_flag; /* then what the variable says does not count */
};

#define CONF_TYPE_INT int64_t
#define CONF_TYPE_TEXT const char *
#define CONF_TYPE_BOOL bool
#define CONF_TYPE_LIST struct conf_list

enum conf_command {
#define X(name, text) CONF_##name,
	CONF_COMMANDS(X)
#undef X
};

enum { CONF_ARGS_MAX = 3, CONF_ADMIN_TOKEN_MIN = 24, CONF_PROCESSES_MAX = 64 };

struct conf {
#define X(kind, field, flag, dev, serve, users, help) CONF_TYPE_##kind field;
	CONF_TABLE(X)
#undef X
	enum conf_command command;
	const char *arg[CONF_ARGS_MAX]; /* what is not a flag; none but for "users" */
	int args;
	bool help; /* --help was asked for */
};

/* Texts point into argv, the environment or constants. False with a line for the user in ret_error. */
must_use bool conf_parse(enum conf_command command, int argc, char **argv, struct conf *ret_conf,
			 char ret_error[256]);
/* The flags of a command, a line each. */
void conf_print_flags(enum conf_command command);

#endif
