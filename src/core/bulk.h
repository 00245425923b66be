/* bulk.h - a bulk action: something done to all messages that a filter selects, however long it takes
 * (spec 2.2.4).
 *
 * It is kept as a document, with how far it has come, so that it goes on after a crash. It walks the messages in
 * the order of their acceptance twice: first it counts those that match, then it acts. Messages that were accepted
 * after it was made are none of its business.
 */
#ifndef CORE_BULK_H
#define CORE_BULK_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "core/filter.h"
#include "core/msg.h"

enum bulk_kind { BULK_CANCEL = 1 };

enum bulk_phase { BULK_COUNTING = 1, BULK_ACTING, BULK_FINISHED };

struct bulk {
	struct str id;
	enum bulk_kind kind;
	enum bulk_phase phase;
	int64_t created_ms;   /* Unix ms */
	int64_t completed_ms; /* Unix ms; 0 until it is finished */
	int64_t total;        /* messages that matched; grows while counting */
	int64_t processed;    /* acted upon so far */
	int64_t max;          /* most to act upon; 0 = all */
	uint64_t until_seq;   /* the last message that it may look at */
	uint64_t at_seq;      /* looked at up to this one, in the present phase */
	struct filter filter; /* of FILTER_CANCEL: its texts and its times */
};

/* "bulk_" and 22 characters, in the order of time. */
enum { BULK_ID_LEN = 27 };
struct str bulk_id(struct arena *a, struct msg_id unique);

/* The stored document (store.h, DOC_BULK). */
void bulk_encode(struct buf *out, const struct bulk *b);
/* Views into `record`, arrays from the arena. False when it is broken. */
must_use bool bulk_decode(struct arena *a, struct str record, struct bulk *ret_bulk);

#endif
