/* fixture.h - a log under test, and how the tests speak to it.
 *
 * The fixture makes messages and events, hands them over, asks, and waits for answers. Every event
 * gets a number of its own as next_delivery_ms, which a log shows as "nextDeliveryTime": so entries
 * can be told apart.
 */
#ifndef TEST_LOGS_FIXTURE_H
#define TEST_LOGS_FIXTURE_H

#include "base/json.h"
#include "core/event.h"
#include "logs/logs.h"

#define FIXTURE_USER "user-1"

struct fixture {
	struct logs *logs;
	struct logs_source *source; /* where fixture_give takes from: the one without a name */
	struct logs_settings settings;
	struct arena arena; /* of everything below; the test's whole life */
	struct rng rng;
	uint64_t seq;   /* of the latest message */
	int64_t serial; /* of the latest event */
	int64_t now_ms;
	struct buf events; /* not handed over yet */
	uint64_t pos;      /* handed over */
	char error[200];
};

/* settings.dir may be left out: it is then the test's own directory. */
void fixture_open(struct fixture *f, struct logs_settings settings);
/* After logs_close: opens it again. */
void fixture_start(struct fixture *f);
/* Closes the log and opens it again, with the settings as they are now. */
void fixture_reopen(struct fixture *f);
void fixture_close(struct fixture *f);

/* A message of FIXTURE_USER with a new id and plain values. */
struct msg fixture_msg(struct fixture *f);
/* An event of it, at now_ms, with its record if it is CREATED. */
struct event fixture_event(struct fixture *f, const struct msg *m, enum event_state state);
/* Packs it to be handed over. */
void fixture_add(struct fixture *f, const struct event *e);
/* The two in one. */
void fixture_put(struct fixture *f, const struct msg *m, enum event_state state);
/* CREATED, ACTIVE, DELIVERED */
void fixture_life(struct fixture *f, const struct msg *m);
/* Hands over what was packed as one outbox entry, and waits until it is committed. */
void fixture_give(struct fixture *f);
void fixture_wait(struct fixture *f);

/* Lets time pass: a pass over the files takes place when one is due. With threads, it takes a moment. */
void fixture_tick(struct fixture *f, int64_t later_ms);

/* Asks and waits for the answer. `query` is a query string. */
struct logs_query fixture_query(struct fixture *f, const char *user, const char *query);
void fixture_ask(struct fixture *f, struct logs_query *q);

/* The answer to a listing as a tree in the arena. */
const struct json *fixture_list(struct fixture *f, const char *user, const char *query);
/* Its serial numbers, "3 2 1", followed by " more" when there is a cursor. */
struct str fixture_serials(struct fixture *f, const char *user, const char *query);
/* Those of all pages; `query` is used for each with the cursor added. Fails after too many pages.
 */
struct str fixture_all(struct fixture *f, const char *user, const char *query);
struct str fixture_serials_of(struct fixture *f, const struct json *answer);

struct str fixture_cursor(const struct json *answer); /* empty = none */
size_t fixture_count(const struct json *answer);
size_t fixture_count_all(struct fixture *f, const char *user); /* of the first page */
const char *fixture_id(struct fixture *f, const struct msg *m);
/* The path of a user's file, or of a file beside it. */
const char *fixture_path(struct fixture *f, const char *user, const char *ending);
/* Copies a file, without what is in its WAL. */
void fixture_copy(const char *from, const char *to);
/* How many names in the directory have that part. */
size_t fixture_files(struct fixture *f, const char *part);

#endif
