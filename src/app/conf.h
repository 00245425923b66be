/* conf.h - the settings of a server, from flags, environment and defaults, in that order of precedence.
 *
 * conf_tbl.h is the list. A wrong value is refused with a line that names the flag and what is allowed.
 */
#ifndef APP_CONF_H
#define APP_CONF_H

#include "app/conf_tbl.h"
#include "base/compiler.h"

#define CONF_TYPE_INT int64_t
#define CONF_TYPE_TEXT const char *
#define CONF_TYPE_BOOL bool

struct conf {
#define X(kind, field, flag, env, def, help) CONF_TYPE_##kind field;
	CONF_TABLE(X)
#undef X
	bool help; /* --help was asked for */
};

/* Texts point into argv, the environment or constants. False with a line for the user in ret_error. */
must_use bool conf_parse(int argc, char **argv, struct conf *ret_conf, char ret_error[256]);
void conf_print_help(void);

#endif
