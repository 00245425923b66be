/* schedule.h - a schedule: a message that is made anew each time a cron expression is due (spec 5.4).
 *
 * It carries the message as a template, whole but for its id and times. A schedule for a URL group has no URL in
 * its template; the group is looked up at each trigger, and because the group's default headers may then be others,
 * the settings are kept as they came.
 */
#ifndef CORE_SCHEDULE_H
#define CORE_SCHEDULE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "core/msg.h"

enum schedule_flags {
	SCHEDULE_IS_PAUSED = 1 << 0,
	SCHEDULE_HAS_DELAY = 1 << 1,   /* it was given, if only as 0 */
	SCHEDULE_HAS_TIMEOUT = 1 << 2, /* the same */
};

struct schedule {
	struct str id;
	struct str cron;        /* as given, trimmed */
	struct str destination; /* as given: a URL or the name of a group */
	uint32_t flags;         /* enum schedule_flags */
	int64_t created_ms;     /* Unix ms; of the first schedule with this id */
	int64_t next_ms;        /* Unix ms of the next trigger; 0 = never again */
	int64_t last_ms;        /* of the last trigger; 0 = none yet */
	struct msg_id *last;    /* the messages of the last trigger */
	size_t last_n;
	int64_t delay_ms;       /* of each message */
	struct str error;       /* why the last trigger made no message; empty = it did */
	struct headers setting; /* for a group: request headers and parameters, the strongest first */
	struct msg msg;         /* user, topic or url, body and all that the settings decide */
};

/* The stored document of a schedule (store.h, DOC_SCHEDULE). */
void schedule_encode(struct buf *out, const struct schedule *s);
/* Views into `record`, arrays from the arena. False when it is broken. */
must_use bool schedule_decode(struct arena *a, struct str record, struct schedule *ret_schedule);

#endif
