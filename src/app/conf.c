#include "app/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "core/user.h"

enum conf_kind { CONF_INT, CONF_TEXT, CONF_BOOL };

struct conf_row {
	enum conf_kind kind;
	size_t offset;
	const char *flag, *env, *def, *help;
};

static const struct conf_row rows[] = {
#define X(kind, field, flag, env, def, help) \
	{ CONF_##kind, offsetof(struct conf, field), flag, env, def, help },
	CONF_TABLE(X)
#undef X
};

static bool is_bool(const char *s, bool *ret_value)
{
	static const char *const yes[] = { "1", "true", "yes", "on" }, *const no[] = { "0", "false",
										       "no",
										       "off" };

	for (size_t i = 0; i < countof(yes); i++) {
		if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
			*ret_value = strcmp(s, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

/* `from` names the flag or variable for the error. */
static bool set_value(struct conf *c, const struct conf_row *row, const char *value,
		      const char *from, char ret_error[256])
{
	void *field = (char *)c + row->offset;

	if (row->kind == CONF_TEXT) {
		*(const char **)field = value;
		return true;
	}
	if (row->kind == CONF_BOOL) {
		if (is_bool(value, field))
			return true;
		snprintf(ret_error, 256, "%s: must be true or false, not '%s'", from, value);
		return false;
	}
	if (*value == '\0' || !str_i64(str_c(value), field) || *(int64_t *)field < 0) {
		snprintf(ret_error, 256, "%s: must be a whole number, not '%s'", from, value);
		return false;
	}
	return true;
}

static bool set_defaults(struct conf *c, char ret_error[256])
{
	for (size_t i = 0; i < countof(rows); i++) {
		const char *env = getenv(rows[i].env);

		if (*rows[i].def != '\0' &&
		    !set_value(c, &rows[i], rows[i].def, rows[i].flag, ret_error))
			return false;
		if (rows[i].kind == CONF_TEXT && *rows[i].def == '\0')
			*(const char **)((char *)c + rows[i].offset) = "";
		if (env != NULL && *env != '\0' &&
		    !set_value(c, &rows[i], env, rows[i].env, ret_error))
			return false;
	}
	return true;
}

static const struct conf_row *find_row(struct str name)
{
	for (size_t i = 0; i < countof(rows); i++) {
		if (str_eq(str_c(rows[i].flag), name))
			return &rows[i];
	}
	return NULL;
}

/* One argument, and perhaps the next as its value; returns how many were used, 0 on an error. */
static int take_flag(struct conf *c, int left, char **arg, char ret_error[256])
{
	struct str rest = str_c(arg[0]), name;
	const char *equals = strchr(arg[0], '=');
	const struct conf_row *row;
	bool ignored;

	rest = str_from(rest, str_starts(rest, STR("--")) ? 2 : 1);
	name = str_cut(&rest, '=');
	row = arg[0][0] == '-' ? find_row(name) : NULL;
	if (row == NULL) {
		snprintf(ret_error, 256, "unknown flag '%.100s'; 'qstash dev --help' lists them",
			 arg[0]);
		return 0;
	}
	if (equals != NULL)
		return set_value(c, row, equals + 1, arg[0], ret_error) ? 1 : 0;
	if (row->kind == CONF_BOOL && (left < 2 || !is_bool(arg[1], &ignored)))
		return set_value(c, row, "true", arg[0], ret_error) ? 1 : 0;
	if (left < 2) {
		snprintf(ret_error, 256, "%s needs a value", arg[0]);
		return 0;
	}
	return set_value(c, row, arg[1], arg[0], ret_error) ? 2 : 0;
}

static bool check_values(struct conf *c, char ret_error[256])
{
	if (c->log_port == 0 && c->port != 0)
		c->log_port = c->port + 1;
	if (c->port > 65535 || c->log_port > 65535) {
		snprintf(ret_error, 256,
			 "-port and -log-port must be at most 65535 (log-port is port + 1 unless "
			 "given)");
		return false;
	}
	if (plan_find(str_c(c->quota)) == NULL) {
		snprintf(ret_error, 256,
			 "-quota: '%.60s' is no plan; use free, payg, pro, fixed1m, fixed10m or "
			 "enterprise",
			 c->quota);
		return false;
	}
	if (strcmp(c->courier, "own") != 0 && strcmp(c->courier, "curl") != 0) {
		snprintf(ret_error, 256, "-courier must be own or curl");
		return false;
	}
	if (c->deliveries < 1 || c->deliveries > 100000 || c->memory_mb < 1 ||
	    c->memory_mb > 1024 * 1024) {
		snprintf(ret_error, 256, "-deliveries must be 1 to 100000, -memory 1 to 1048576");
		return false;
	}
	return true;
}

bool conf_parse(int argc, char **argv, struct conf *ret_conf, char ret_error[256])
{
	struct conf c = { 0 };
	int used;

	if (!set_defaults(&c, ret_error))
		return false;
	for (int i = 0; i < argc; i += used) {
		used = 1;
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-help") == 0 ||
		    strcmp(argv[i], "-h") == 0)
			c.help = true;
		else if ((used = take_flag(&c, argc - i, argv + i, ret_error)) == 0)
			return false;
	}
	if (!check_values(&c, ret_error))
		return false;
	*ret_conf = c;
	return true;
}

void conf_print_help(void)
{
	printf("Usage: qstash dev [flags]\n\n"
	       "Runs the server for development: four fixed test users, loopback destinations "
	       "allowed.\n\n");
	for (size_t i = 0; i < countof(rows); i++) {
		printf("  -%-14s %s", rows[i].flag, rows[i].help);
		if (*rows[i].def != '\0')
			printf(" (default %s)", rows[i].def);
		printf(" [%s]\n", rows[i].env);
	}
}
