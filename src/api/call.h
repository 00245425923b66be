/* call.h - one request on its way through the API: who asks, for what, and how it is answered.
 *
 * A call and everything made for it live in the request's arena, until the first of the
 * functions that answer is called: then they are gone. Each call is answered exactly once.
 */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/api.h"
#include "api/router.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/problem.h"
#include "core/plan.h"
#include "engine/engine.h"
#include "engine/pool.h"

enum {
	API_SMALL_BYTES_MAX = 1024 * 1024,         /* of a body that is not a message */
	API_BATCH_BYTES_MAX = 100 * 1024 * 1024,   /* spec 2.2.2 */
	API_MESSAGE_BYTES_MAX = 100 * 1024 * 1024, /* for a plan without a limit */
	API_OPEN_BYTES_MAX = 10 * 1024 * 1024,     /* of a message from nobody known */
	API_ANSWER_BYTES_MAX = 64 * 1024 * 1024,   /* of what is built; the server sends less */
	API_ANSWER_KEEP_BYTES = 256 * 1024,        /* of memory kept between answers */
};

struct api {
	struct api_settings set;
	struct buf out; /* the answer being built; free between two calls of ours */
};

struct call {
	struct api *api;
	struct httpd_req *req;
	const struct route *route;
	struct str id[ROUTE_IDS_MAX]; /* from the path, decoded */
	struct str rest;              /* of the path, raw */
	struct account *account;      /* NULL on open routes */
	struct engine *engine;        /* the account's */
	const struct plan *plan;      /* the account's */
	size_t body_max;              /* bytes */
	void *data;                   /* the handler's */
};

struct arena *call_arena(const struct call *c);
int64_t call_now_ms(const struct call *c);

/* Asks the log about the caller's messages, for an answer that knows what the caller can have seen. Kind, filters and
 * `done` are filled in already. */
void call_ask_log(struct call *c, struct logs_query *q);

/* Starts the JSON of an answer; to be finished by call_answer before anything else happens. */
struct json_out call_json(struct call *c);
/* Ends the call with the JSON that call_json began. */
void call_answer(struct call *c, int status);
/* Ends the call with 200 and an object of one number. */
void call_answer_count(struct call *c, struct str key, int64_t n);
/* The same as call_answer with further header lines, each ending in CRLF. */
void call_answer_with(struct call *c, int status, struct str headers);
/* Ends the call with JSON made by others. */
void call_answer_text(struct call *c, int status, struct str json);
/* Ends the call with {"error": "..."}; the problem may be anywhere, even in the call. */
void call_fail(struct call *c, const struct problem *p);
/* The same with further header lines, each ending in CRLF. */
void call_fail_with(struct call *c, const struct problem *p, struct str headers);
/* The same with a constant text. */
void call_refuse(struct call *c, int status, const char *text);
/* 405 with Allow. */
void call_refuse_method(struct call *c, struct str allow);
/* 204 without a body, for preflights. */
void call_answer_empty(struct call *c, struct str headers);

#endif
