#include "app/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "logs/logslot.h"

enum conf_kind { CONF_INT, CONF_TEXT, CONF_BOOL, CONF_LIST };
enum { CONF_COMMANDS_N = CONF_USERS + 1 };

/* Of a command; env is NULL when it has no such setting, and empty when no variable gives it. */
struct conf_use {
	const char *env, *def;
};

struct conf_row {
	enum conf_kind kind;
	size_t offset;
	const char *flag;
	struct conf_use use[CONF_COMMANDS_N];
	const char *help;
};

#define ON(env, def) { env, def }
#define OFF { NULL, NULL }

/* Whose settings a command takes. */
static enum conf_command like(enum conf_command command)
{
	return command == CONF_COMPUTE || command == CONF_LOGS ? CONF_SERVE : command;
}

static const struct conf_row rows[] = {
#define X(kind, field, flag, dev, serve, users, help) \
	{ CONF_##kind, offsetof(struct conf, field), flag, { dev, serve, users }, help },
	CONF_TABLE(X)
#undef X
};

static const char *const command_names[] = {
#define X(name, text) text,
	CONF_COMMANDS(X)
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

static bool list_add(struct conf_list *list, struct str value, const char *from,
		     char ret_error[256])
{
	if (list->n == CONF_LIST_MAX) {
		snprintf(ret_error, 256, "%s: may be given %d times at most", from, CONF_LIST_MAX);
		return false;
	}
	list->v[list->n++] = value;
	return true;
}

/* From a flag: the whole value. From a variable: what stands between spaces and commas. */
static bool list_take(struct conf_list *list, const char *value, bool from_flag, const char *from,
		      char ret_error[256])
{
	if (from_flag && !list->from_flag)
		*list = (struct conf_list){ .from_flag = true };
	if (from_flag)
		return *value == '\0' || list_add(list, str_c(value), from, ret_error);
	while (*value != '\0') {
		size_t n = strcspn(value, " ,\t\n");

		if (n > 0 && !list_add(list, str_n(value, n), from, ret_error))
			return false;
		value += n + (value[n] != '\0');
	}
	return true;
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
	if (row->kind == CONF_LIST)
		return list_take(field, value, *from == '-', from, ret_error);
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

static bool set_default(struct conf *c, const struct conf_row *row, char ret_error[256])
{
	const struct conf_use *use = &row->use[like(c->command)];
	const char *env;

	if (row->kind == CONF_TEXT)
		*(const char **)((char *)c + row->offset) = "";
	if (use->env == NULL)
		return true;
	if (*use->def != '\0' && !set_value(c, row, use->def, row->flag, ret_error))
		return false;
	env = *use->env != '\0' ? getenv(use->env) : NULL;
	return env == NULL || *env == '\0' || set_value(c, row, env, use->env, ret_error);
}

static const struct conf_row *find_row(const struct conf *c, struct str name)
{
	for (size_t i = 0; i < countof(rows); i++) {
		if (rows[i].use[like(c->command)].env != NULL && str_eq(str_c(rows[i].flag), name))
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
	row = arg[0][0] == '-' ? find_row(c, name) : NULL;
	if (row == NULL) {
		snprintf(ret_error, 256, "unknown flag '%.100s'; 'qstash %s --help' lists them",
			 arg[0], command_names[c->command]);
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

static bool check_process_values(const struct conf *c, char ret_error[256])
{
	int64_t n;

	if (strcmp(c->processes, "auto") != 0 &&
	    (!str_i64(str_c(c->processes), &n) || n < 1 || n > CONF_PROCESSES_MAX)) {
		snprintf(ret_error, 256, "-processes must be auto, or 1 to %d", CONF_PROCESSES_MAX);
		return false;
	}
	if (c->redis.n == 0 && strcmp(c->processes, "1") != 0) {
		snprintf(ret_error, 256,
			 "-processes: several processes need a Redis server to share (-redis)");
		return false;
	}
	if (c->command == CONF_COMPUTE && c->redis.n == 0) {
		snprintf(ret_error, 256, "a compute process needs a Redis server (-redis)");
		return false;
	}
	if (c->lease_s < 2 || c->lease_s > 600) {
		snprintf(ret_error, 256, "-lease must be 2 to 600");
		return false;
	}
	if (c->busy_percent < 1 || c->busy_s < 1 || c->idle_s < 1 ||
	    c->idle_percent >= c->busy_percent) {
		snprintf(ret_error, 256,
			 "-busy-cpu, -busy-seconds and -idle-seconds must be at least 1, -idle-cpu "
			 "less than -busy-cpu");
		return false;
	}
	return true;
}

static bool check_log_values(const struct conf *c, char ret_error[256])
{
	if (c->redis.n > 0 && (c->log_processes < 1 || c->log_processes > LOGSLOT_MAX)) {
		snprintf(ret_error, 256, "-log-processes must be 1 to %d", LOGSLOT_MAX);
		return false;
	}
	if (c->redis.n == 0 && c->command == CONF_LOGS) {
		snprintf(ret_error, 256, "log processes read Redis servers: name them with -redis");
		return false;
	}
	if (*c->logs_secret != '\0' && strlen(c->logs_secret) < CONF_ADMIN_TOKEN_MIN) {
		snprintf(ret_error, 256,
			 "-logs-secret (QSTASH_LOGS_SECRET) must have at least %d characters",
			 CONF_ADMIN_TOKEN_MIN);
		return false;
	}
	if (c->command != CONF_LOGS)
		return true;
	if (c->slot >= c->log_processes || c->log_backlog_mb < 1 || c->logs_port > 65535) {
		snprintf(ret_error, 256,
			 "-slot must be less than -log-processes, -log-backlog at least 1, "
			 "-logs-port at most 65535");
		return false;
	}
	if (c->logs_port > 0 && *c->logs_secret == '\0') {
		snprintf(ret_error, 256, "-logs-port needs a -logs-secret");
		return false;
	}
	return true;
}

static bool check_server_values(struct conf *c, char ret_error[256])
{
	if (c->command == CONF_DEV && c->log_port == 0 && c->port != 0)
		c->log_port = c->port + 1;
	if (c->port > 65535 || c->log_port > 65535) {
		snprintf(ret_error, 256, "-port and -log-port must be at most 65535%s",
			 c->command == CONF_DEV ? " (log-port is port + 1 unless given)" : "");
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
	if (*c->admin_token != '\0' && strlen(c->admin_token) < CONF_ADMIN_TOKEN_MIN) {
		snprintf(ret_error, 256,
			 "-admin-token (QSTASH_ADMIN_TOKEN) must have at least %d characters; "
			 "'openssl rand "
			 "-hex 32' makes one",
			 CONF_ADMIN_TOKEN_MIN);
		return false;
	}
	return true;
}

static bool is_help(const char *arg)
{
	return strcmp(arg, "--help") == 0 || strcmp(arg, "-help") == 0 || strcmp(arg, "-h") == 0;
}

bool conf_parse(enum conf_command command, int argc, char **argv, struct conf *ret_conf,
		char ret_error[256])
{
	struct conf c = { .command = command };
	int used;

	for (size_t i = 0; i < countof(rows); i++) {
		if (!set_default(&c, &rows[i], ret_error))
			return false;
	}
	for (int i = 0; i < argc; i += used) {
		used = 1;
		if (is_help(argv[i]))
			c.help = true;
		else if (command == CONF_USERS && argv[i][0] != '-' && c.args < CONF_ARGS_MAX)
			c.arg[c.args++] = argv[i];
		else if ((used = take_flag(&c, argc - i, argv + i, ret_error)) == 0)
			return false;
	}
	if (command != CONF_USERS && !check_server_values(&c, ret_error))
		return false;
	/* The embedded server keeps its log itself. */
	if (c.redis.n == 0)
		c.log_processes = 0;
	if (like(command) == CONF_SERVE &&
	    (!check_process_values(&c, ret_error) || !check_log_values(&c, ret_error)))
		return false;
	*ret_conf = c;
	return true;
}

void conf_print_flags(enum conf_command command)
{
	for (size_t i = 0; i < countof(rows); i++) {
		const struct conf_use *use = &rows[i].use[like(command)];

		if (use->env == NULL)
			continue;
		printf("  -%-14s %s", rows[i].flag, rows[i].help);
		if (*use->def != '\0')
			printf(" (default %s)", use->def);
		printf(*use->env != '\0' ? " [%s]\n" : "\n", use->env);
	}
}
