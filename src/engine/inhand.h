/* inhand.h - the message in whose hands-on code this process is right now: building its request, reading its answer.
 *
 * It lies in memory that outlives the process, so that whoever finds the process dead can tell which message it died
 * of. Written in place, by one thread; read only after the writer's end.
 */
#ifndef ENGINE_INHAND_H
#define ENGINE_INHAND_H

#include <stdatomic.h>
#include <string.h>

#include "base/str.h"
#include "core/msg.h"
#include "core/user.h"

struct inhand {
	volatile uint64_t seq; /* 0 = none */
	uint64_t nonce;
	uint32_t user_n;
	char user[USER_ID_BYTES_MAX];
};

/* Of a message that is in nobody's hand. NULL is fine: nobody wants to know. */
static inline void inhand_take(struct inhand *h, struct str user, struct msg_id id)
{
	if (h == NULL || user.n > sizeof(h->user))
		return;
	h->nonce = id.nonce;
	h->user_n = (uint32_t)user.n;
	memcpy(h->user, user.p, user.n);
	atomic_signal_fence(memory_order_seq_cst);
	h->seq = id.seq;
}

static inline void inhand_drop(struct inhand *h)
{
	if (h != NULL)
		h->seq = 0;
}

#endif
