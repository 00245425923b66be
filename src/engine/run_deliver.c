/* run_deliver.c - the delivery of a workflow's step: its body is the run's history up to the message's own
 * entry, read at the time of the attempt, so that a retry carries what the first attempt carried.
 */
#include <stdlib.h>

#include "base/check.h"
#include "core/runbody.h"
#include "engine/engine_int.h"

enum { PAGE_ENTRIES = 500, PAGE_BYTES = 8 * 1024 * 1024 };

struct run_reading {
	struct delivery *delivery;
	struct scan scan;
	struct buf body;
	struct json_out json;
	uint64_t after; /* seq of the last entry that was read */
};

void run_deliver_free(struct delivery *d)
{
	if (d->reading == NULL)
		return;
	buf_done(&d->reading->body);
	free(d->reading);
	d->reading = NULL;
}

static uint64_t slice_end(const struct msg *m)
{
	return m->run_until ? m->run_until : m->id.seq;
}

static void read_page(struct run_reading *r);

static void add_entries(struct run_reading *r)
{
	for (size_t i = 0; i < r->scan.rows; i++) {
		const struct scan_row *row = &r->scan.row[i];

		runbody_entry(&r->json, &(struct runbody_entry){
						.id = row->id,
						.body = row->record,
						.is_config = row->run_entry == RUN_ENTRY_CONFIG,
					});
		r->after = row->id.seq;
	}
}

/* The whole slice is there. */
static void finish(struct run_reading *r)
{
	/* As if the endpoint had said so; it may be told by the failure callback. */
	const struct outcome too_long = {
		.status = 429,
		.error = STR("EXCEEDS_LIMIT"),
		.body = STR("{\"error\":\"EXCEEDS_LIMIT\",\"message\":\"the history of this "
			    "workflow run is too long to be sent\"}"),
	};
	struct delivery *d = r->delivery;

	json_close(&r->json, ']');
	if (r->body.overflow) {
		d->msg.retries_max = 0;
		delivery_settle(d, &too_long);
		return;
	}
	d->msg.body = buf_str(&r->body);
	delivery_count_bytes(d, d->record.n + r->body.cap);
	if (d->engine->stopping)
		delivery_return(d);
	else
		delivery_send(d);
}

static void page_read(struct store_req *req)
{
	struct run_reading *r = req->arg;
	struct delivery *d = r->delivery;
	bool applied = req->result == STORE_APPLIED, more = r->scan.more;

	engine_answered(d->engine);
	if (applied)
		add_entries(r);
	arena_done(&r->scan.arena);
	if (!applied)
		delivery_ask_again(d);
	else if (more)
		read_page(r);
	else if (r->after == slice_end(&d->msg))
		finish(r);
	else
		/* Over and gone while this message was on its way. */
		delivery_give_up(d, STR("the workflow run is over"));
}

static void read_page(struct run_reading *r)
{
	const struct msg *m = &r->delivery->msg;

	scan_init(&r->scan, SCAN_RUN, page_read, r);
	r->scan.user = m->user;
	r->scan.run = (struct run_ref){ m->run, m->run_created_ms };
	r->scan.id.seq = r->after;
	r->scan.run_until = slice_end(m);
	r->scan.max = PAGE_ENTRIES;
	r->scan.bytes_max = PAGE_BYTES;
	arena_init(&r->scan.arena);
	engine_submit(r->delivery->engine, &r->scan.req);
}

void run_deliver(struct delivery *d)
{
	struct run_reading *r;

	run_deliver_free(d);
	r = xcalloc(1, sizeof(*r));
	r->delivery = d;
	buf_init(&r->body, d->engine->set.run_body_max);
	r->json = json_out(&r->body);
	json_open(&r->json, '[');
	d->reading = r;
	d->state = DELIVERY_READING;
	read_page(r);
}
