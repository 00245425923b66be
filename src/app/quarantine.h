/* quarantine.h - messages that processes die of.
 *
 * A process that dies leaves word of the message that it had in hand (engine/inhand.h). A message of which three have
 * died is poison: it is not to be attempted any more. Only the last few dozen are remembered.
 */
#ifndef APP_QUARANTINE_H
#define APP_QUARANTINE_H

#include "base/buf.h"
#include "base/compiler.h"
#include "engine/inhand.h"

enum { QUARANTINE_MAX = 64, QUARANTINE_DEATHS = 3 };

struct quarantine_entry {
	struct inhand message;
	int deaths;
};

struct quarantine {
	struct quarantine_entry v[QUARANTINE_MAX]; /* the one that somebody died of last is first */
	size_t n;
};

/* A process has died with this in hand. True when the message has just become poison. */
bool quarantine_death(struct quarantine *q, const struct inhand *h);
/* Is it poison? */
bool quarantine_has(const struct quarantine_entry *e);

/* A message as a line of text for another process, "USER SEQ NONCE", and back: false when that is none. */
void quarantine_format(const struct inhand *h, struct buf *out);
must_use bool quarantine_parse(struct str line, struct inhand *ret_message);

#endif
