/* serve.h - `qstash serve`, the server for production, and `qstash compute`, one of the processes that it consists of
 * when its messages are in Redis.
 */
#ifndef APP_SERVE_H
#define APP_SERVE_H

#include "app/conf.h"

/* Runs until a signal; argv without the command's name, NULL-terminated. Returns the exit status. */
int serve_main(int argc, char **argv);
int serve_compute_main(int argc, char **argv);
/* Says where what is; log_port 0 = there is none. */
void serve_print_banner(const struct conf *conf, const char *dir, int port, int log_port);

#endif
