#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "app/db.h"
#include "app/dev.h"
#include "app/logd.h"
#include "app/serve.h"
#include "app/users.h"
#include "base/log.h"

#define QSTASH_VERSION "0.1.0"

static void print_usage(FILE *out)
{
	fputs("Usage: qstash COMMAND\n\n"
	      "  dev        run the development server ('qstash dev --help' lists the flags)\n"
	      "  serve      run the server for production ('qstash serve --help')\n"
	      "  compute    run one compute process of a server ('qstash compute --help')\n"
	      "  logs       run a process that keeps the logs of a server ('qstash logs --help')\n"
	      "  users      make, list, change and delete users ('qstash users --help')\n"
	      "  db         list, add and drain databases ('qstash db --help')\n"
	      "  version    print the version\n"
	      "  help       print this\n",
	      out);
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "help";

	signal(SIGPIPE, SIG_IGN);
	/* Bodies come and go in mappings of their own, so that a burst of them does not stay with us. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	log_setup(LOG_INFO);
	if (strcmp(command, "dev") == 0)
		return dev_main(argc - 2, argv + 2);
	if (strcmp(command, "serve") == 0)
		return serve_main(argc - 2, argv + 2);
	if (strcmp(command, "compute") == 0)
		return serve_compute_main(argc - 2, argv + 2);
	if (strcmp(command, "logs") == 0)
		return logd_main(argc - 2, argv + 2);
	if (strcmp(command, "users") == 0)
		return users_main(argc - 2, argv + 2);
	if (strcmp(command, "db") == 0)
		return db_main(argc - 2, argv + 2);
	if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0) {
		puts("qstash " QSTASH_VERSION);
		return 0;
	}
	if (strcmp(command, "help") == 0 || strcmp(command, "--help") == 0 ||
	    strcmp(command, "-h") == 0) {
		print_usage(stdout);
		return 0;
	}
	fprintf(stderr, "qstash: unknown command '%s'\n", command);
	print_usage(stderr);
	return 2;
}
