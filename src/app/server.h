/* server.h - databases, courier and API wired together in one process: the embedded server, or a compute process of
 * several.
 */
#ifndef APP_SERVER_H
#define APP_SERVER_H

#include "app/conf.h"
#include "base/compiler.h"
#include "core/plan.h"
#include "core/user.h"

struct server;
struct supervised;

enum { SERVER_ERROR_BYTES = 1024 };

struct server_settings {
	const struct conf *conf; /* all of these outlive the server */
	const struct plans *plans;
	const struct plan *plan; /* of everybody, whatever plan they have; or NULL */
	const struct user *user; /* made when they are not there */
	size_t users;
	const struct user
		*forbid; /* a data directory where one of these has its token or keys is refused */
	size_t forbidden;
	bool cors;                     /* any web page may call */
	struct supervised *supervised; /* NULL: nobody has started this process but its user */
};

/* Opens everything. When it returns, signals are obeyed and requests answered once server_run runs. NULL with one line
 * for the user in ret_error. */
must_use struct server *server_open(const struct server_settings *settings,
				    char ret_error[SERVER_ERROR_BYTES]);
int server_port(const struct server *s);
int server_log_port(const struct server *s); /* 0 = it does not listen there */
const char *server_data_dir(const struct server *s);
/* Until SIGTERM or SIGINT has been obeyed: no new requests, running ones answered, running deliveries ended
 * or handed back. */
void server_run(struct server *s);
void server_close(struct server *s);

#endif
