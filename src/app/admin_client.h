/* admin_client.h - asks the admin API of a server: the one on the data directory, through its control socket, or one
 * elsewhere.
 */
#ifndef APP_ADMIN_CLIENT_H
#define APP_ADMIN_CLIENT_H

#include "app/conf.h"
#include "base/arena.h"
#include "base/compiler.h"
#include "base/json.h"
#include "base/str.h"

enum { ADMIN_ERROR_BYTES = 1024 };

struct admin_request {
	const char *method;
	struct str path;
	struct str body; /* empty = none */
};

struct admin_answer {
	int status;
	struct str text;   /* in the arena */
	struct json *json; /* of text */
};

/* False with one line for the user in ret_error when there is no answer, or none
 * that is JSON. What the server refuses is an answer. */
must_use bool admin_client_ask(const struct conf *conf, struct arena *a,
			       const struct admin_request *request, struct admin_answer *ret_answer,
			       char ret_error[ADMIN_ERROR_BYTES]);

/* The same, but what the server refuses is told, like the lack of an answer. False then. */
must_use bool admin_client_must(const struct conf *conf, struct arena *a,
				const struct admin_request *request,
				struct admin_answer *ret_answer);
/* Prints the line for the user. Returns 1, the exit status. */
int admin_client_complain(const char *text);

/* A path: `before`, the name with everything escaped that is special in one, `after`. */
struct str admin_client_path(struct arena *a, const char *before, const char *name,
			     const char *after);
/* A body with one member. */
struct str admin_client_body(struct arena *a, const char *key, const char *text);
/* The text of a member; empty when there is none. */
struct str admin_client_text(const struct json *object, const char *key);

#endif
