/* poison.h - messages that processes die of.
 *
 * A process that dies leaves word of the message that it had in hand (engine/inhand.h). A message of which three have
 * died is poison: it is not to be attempted any more. Only the last few dozen are remembered.
 */
#ifndef APP_POISON_H
#define APP_POISON_H

#include "base/buf.h"
#include "base/compiler.h"
#include "engine/inhand.h"

enum { POISON_MAX = 64, POISON_DEATHS = 3 };

struct poison_entry {
	struct inhand message;
	int deaths;
};

struct poison {
	struct poison_entry v[POISON_MAX]; /* the one that somebody died of last is first */
	size_t n;
};

/* A process has died with this in hand. True when the message has just become poison. */
bool poison_death(struct poison *q, const struct inhand *h);
/* Is it poison? */
bool poison_has(const struct poison_entry *e);

/* A message as a line of text for another process, "USER SEQ NONCE", and back: false when that is none. */
void poison_format(const struct inhand *h, struct buf *out);
must_use bool poison_parse(struct str line, struct inhand *ret_message);

#endif
