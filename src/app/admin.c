#include "app/admin.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "app/admin_client.h"

static int print_help(const struct admin_commands *group, FILE *out, int status)
{
	fprintf(out, "Usage: qstash %s COMMAND [flags]\n\n%s\n\n", group->name, group->about);
	for (size_t i = 0; i < group->n; i++)
		fprintf(out, "  %-16s %-16s %s\n", group->command[i].name, group->command[i].args,
			group->command[i].help);
	if (status == 0) {
		puts("");
		conf_print_flags(CONF_USERS);
	}
	return status;
}

static int run(const struct admin_commands *group, const struct conf *conf)
{
	struct arena a;
	int status;

	for (size_t i = 0; i < group->n; i++) {
		const struct admin_command *c = &group->command[i];

		if (conf->args == 0 || strcmp(conf->arg[0], c->name) != 0)
			continue;
		if (conf->args - 1 < c->args_min || conf->args - 1 > c->args_max) {
			fprintf(stderr, "qstash: use: qstash %s %s %s\n", group->name, c->name,
				c->args);
			return 2;
		}
		arena_init(&a);
		status = c->run(conf, &a);
		arena_done(&a);
		return status;
	}
	return print_help(group, stderr, 2);
}

int admin_main(const struct admin_commands *group, int argc, char **argv)
{
	char error[256] = "";
	struct conf conf;
	int status;

	if (!conf_parse(CONF_USERS, argc, argv, &conf, error)) {
		fprintf(stderr, "qstash: %s\n", error);
		return 2;
	}
	if (conf.help)
		return print_help(group, stdout, 0);
	if (*conf.url != '\0' && *conf.admin_token == '\0') {
		admin_client_complain("--url needs --admin-token (QSTASH_ADMIN_TOKEN)");
		return 2;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	status = run(group, &conf);
	curl_global_cleanup();
	return status;
}
