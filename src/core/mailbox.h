/* mailbox.h - where steps of a workflow run wait for an event, and where what came too early waits for
 * them (workflow spec 5.6 to 5.8).
 *
 * There is one mailbox for each event of a run, kept as a document (store.h, DOC_MAILBOX) under the name
 * that mailbox_name gives it, so that all runs that wait for an event are found one after the other. It
 * is due when the first of its waits times out. A notification meets a wait of its own kind; one that is
 * for this run alone and finds none is kept, first in first out.
 */
#ifndef CORE_MAILBOX_H
#define CORE_MAILBOX_H

#include "core/run.h"

struct mailbox_wait {
	struct run_step step;
	bool is_webhook;
	int64_t deadline_ms;
	struct str url, timeout_url; /* as asked for; timeout_url empty = url */
	struct headers header, timeout_header;
	/* Records of the messages that take the result to the endpoint, without body and id. */
	struct str message, timeout_message;
};

/* A notification that nobody waited for. */
struct mailbox_note {
	bool is_webhook;
	struct str bytes;
};

struct mailbox {
	struct mailbox_wait *wait;
	size_t waits;
	struct mailbox_note *note;
	size_t notes;
};

void mailbox_encode(struct buf *out, const struct mailbox *m);
/* Views into `record`; lists from the arena, each with room for one more. False when it is broken. */
must_use bool mailbox_decode(struct arena *a, struct str record, struct mailbox *ret_mailbox);

/* "<event>\n<run>\n<created_ms>"; neither part holds a control byte. */
struct str mailbox_name(struct arena *a, struct str event, struct str run, int64_t created_ms);
/* What the names of all mailboxes of an event begin with. */
struct str mailbox_prefix(struct arena *a, struct str event);
must_use bool mailbox_name_parse(struct str name, struct str *ret_event, struct str *ret_run,
				 int64_t *ret_created_ms);

/* The first wait of the kind; SIZE_MAX when there is none. */
size_t mailbox_find_wait(const struct mailbox *m, bool is_webhook);
size_t mailbox_find_step(const struct mailbox *m, int64_t step_id); /* the same */
size_t mailbox_find_note(const struct mailbox *m, bool is_webhook); /* the same */
size_t mailbox_find_due(const struct mailbox *m, int64_t now_ms);   /* the same */
void mailbox_take_wait(struct mailbox *m, size_t at);
void mailbox_take_note(struct mailbox *m, size_t at);
size_t mailbox_note_bytes(const struct mailbox *m);
bool mailbox_is_empty(const struct mailbox *m);
int64_t mailbox_due_ms(const struct mailbox *m); /* 0 = never */

#endif
