/* sdk.h - what an SDK asks of the server: the same requests, header by header, handed to the engine of some process.
 *
 * What a process does not answer because it dies is asked again, of another one perhaps, up to five times; so the server may
 * see it twice. Every other answer is final.
 */
#ifndef SIM_SDK_H
#define SIM_SDK_H

#include "flow.h"
#include "world.h"

enum sdk_what { SDK_PUBLISH, SDK_WAIT, SDK_FINISH, SDK_CANCEL, SDK_NOTIFY, SDK_DLQ };
enum { SDK_ITEMS_MAX = 4, SDK_HEADERS_MAX = 24 };

#define SDK_URL STR("http://w.test/flow")

/* One publish: an item of a batch. */
struct sdk_item {
	struct str url, body;
	struct header header[SDK_HEADERS_MAX];
	size_t headers;
};

struct sdk_call {
	struct heap_node due; /* in world.calls */
	struct list node;     /* in world.sdk */
	struct world *world;
	struct arena arena; /* of all that is asked */
	enum sdk_what what;
	struct sdk_item item[SDK_ITEMS_MAX]; /* PUBLISH; WAIT: the first, with its body */
	size_t items;
	struct str run; /* FINISH, CANCEL, NOTIFY (empty = all) */
	int64_t created_ms;
	struct str event, bytes; /* NOTIFY; FINISH: bytes are the result */
	int note;                /* NOTIFY: the judge's number of it */
	enum run_dlq_what dlq_what;
	int tries;
	bool answered;
	int status;                       /* 200, an error, or 0: no answer */
	void (*done)(struct sdk_call *c); /* may free it */
	void *arg;
};

must_use struct sdk_call *sdk_new(struct world *w, enum sdk_what what);
/* Asks; `done` is called later, from sdk_turn. */
void sdk_send(struct sdk_call *c);
void sdk_free(struct sdk_call *c);

void sdk_header(struct sdk_item *item, struct str name, struct str value);
/* What all publishes of a run have. created_ms 0 = not said. */
struct sdk_item *sdk_item(struct sdk_call *c, struct str url, struct str run, int64_t created_ms);
/* The headers of a beginning; with the settings of retries. */
struct sdk_item *sdk_start(struct sdk_call *c, struct str run, int64_t retries);

int64_t sdk_next_ms(const struct world *w);
void sdk_turn(struct world *w);
void sdk_done(struct world *w);

#endif
