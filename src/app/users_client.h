/* users_client.h - asks the admin API of a server: the one on the data directory, through its control socket, or one
 * elsewhere.
 */
#ifndef APP_USERS_CLIENT_H
#define APP_USERS_CLIENT_H

#include "app/conf.h"
#include "base/arena.h"
#include "base/compiler.h"
#include "base/json.h"
#include "base/str.h"

enum { USERS_ERROR_BYTES = 1024 };

struct users_request {
	const char *method;
	struct str path;
	struct str body; /* empty = none */
};

struct users_answer {
	int status;
	struct str text;   /* in the arena */
	struct json *json; /* of text */
};

/* False with one line for the user in ret_error when there is no answer, or none
 * that is JSON. What the server refuses is an answer. */
must_use bool users_client_ask(const struct conf *conf, struct arena *a,
			       const struct users_request *request, struct users_answer *ret_answer,
			       char ret_error[USERS_ERROR_BYTES]);

/* The same, but what the server refuses is told, like the lack of an answer. False then. */
must_use bool users_client_must(const struct conf *conf, struct arena *a,
				const struct users_request *request,
				struct users_answer *ret_answer);
/* Prints the line for the user. Returns 1, the exit status. */
int users_client_complain(const char *text);

#endif
