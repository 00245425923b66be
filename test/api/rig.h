/* rig.h - a whole server in a thread, but for the outside world: the API over a real listener
 * on loopback, the engine over a store in memory, the log in a directory of the test, and a
 * courier that makes up the answers.
 *
 * What a destination answers stands in its URL: ".../status/503" answers 503 with the body "503
 * <path>", and ".../hold" never answers. All others answer 200.
 */
#ifndef TEST_API_RIG_H
#define TEST_API_RIG_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/json.h"
#include "core/plan.h"
#include "net/web.h"

enum { RIG_HEAD_BYTES = 100 }; /* of each request that the courier sends, as it tells */

#define RIG_TOKEN "full-token"
#define RIG_READ_ONLY "read-only-token"
#define RIG_OTHER_TOKEN "other-token" /* of another user */
#define RIG_AUTH "Authorization: Bearer " RIG_TOKEN "\r\n"

struct rig;

struct rig_settings {
	bool cors;
	const char *admin_token; /* NULL = none */
	bool control;
	bool own_plans; /* each user has its own plan (both have payg) */
	const struct plan *plan;
	struct str llm_url; /* what api/llm stands for */
	uint32_t lost_ppm; /* store requests whose answer is lost, half of them done; parts per million */
	uint64_t seed; /* of those */
};

struct rig *rig_start(struct rig_settings set);
void rig_stop(struct rig *r);

struct answer {
	int status;
	struct str head; /* status line and fields */
	struct str body;
	struct json *json; /* of the body; NULL when it is none */
};

/* One request on a connection of its own; `fields` are complete lines. Lives until rig_stop. */
struct answer rig_ask(struct rig *r, const char *method, const char *target, const char *fields,
		      struct str body);
/* The same with the full token and without a body. */
struct answer rig_do(struct rig *r, const char *method, const char *target);
/* Sends these bytes and reads one answer. */
struct answer rig_raw(struct rig *r, struct str bytes);
/* A connection for more than one request. */
struct peer rig_dial(struct rig *r);
/* Publishes with the full token and returns the message's id; the test fails when it is
 * refused. */
struct str rig_publish(struct rig *r, const char *dest, const char *fields, const char *body);
/* The whole log has been taken in when the number of entries with that state is reached. */
void rig_until_logged(struct rig *r, const char *state, size_t n);
/* The user's log entries go, as those do that are too old. */
void rig_forget_log(struct rig *r);
/* Until that many dead letters are listed; returns the list. */
struct answer rig_until_dead(struct rig *r, size_t n);
/* Puts the engine's time of day ahead by so much more. */
void rig_advance(struct rig *r, int64_t ms);
struct arena *rig_arena(struct rig *r);

/* Members of an answer. */
struct str answer_str(struct answer a, const char *key);
int64_t answer_int(struct answer a, const char *key);
bool answer_has(struct answer a, const char *key);
/* Element of an array, which is the member `key`, or the answer itself when key is NULL. */
const struct json *answer_at(struct answer a, const char *key, size_t index);
size_t answer_count(struct answer a, const char *key);

#endif
