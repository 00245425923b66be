/* server.h - the embedded shape: store, log, courier, engine and API wired together in one process.
 */
#ifndef APP_SERVER_H
#define APP_SERVER_H

#include "app/conf.h"
#include "base/compiler.h"
#include "core/user.h"

struct server;

/* Opens everything and makes sure that the given users exist. When it returns, requests are answered once
 * server_run runs. NULL with one line for the user in ret_error. */
must_use struct server *server_open(const struct conf *conf, const struct user *users, size_t n,
				    char ret_error[256]);
int server_port(const struct server *s);
int server_log_port(const struct server *s);
const char *server_data_dir(const struct server *s);
/* Until SIGTERM or SIGINT has been obeyed: no new requests, running ones answered, running deliveries ended
 * or handed back. */
void server_run(struct server *s);
void server_close(struct server *s);

#endif
