#include "app/poison.h"

#include <string.h>

static bool is_same(const struct inhand *a, const struct inhand *b)
{
	return a->seq == b->seq && a->nonce == b->nonce && a->user_n == b->user_n &&
	       memcmp(a->user, b->user, a->user_n) == 0;
}

bool poison_death(struct poison *q, const struct inhand *h)
{
	struct poison_entry e = { .message = *h };
	size_t at = 0;

	/* The page is another process's, which died in disorder. */
	if (h->seq == 0 || h->user_n > sizeof(h->user))
		return false;
	while (at < q->n && !is_same(&q->v[at].message, h))
		at++;
	if (at < q->n)
		e = q->v[at];
	else if (q->n < POISON_MAX)
		q->n++;
	else
		at--;
	memmove(&q->v[1], &q->v[0], at * sizeof(q->v[0]));
	e.deaths++;
	q->v[0] = e;
	return e.deaths == POISON_DEATHS;
}

bool poison_has(const struct poison_entry *e)
{
	return e->deaths >= POISON_DEATHS;
}

void poison_format(const struct inhand *h, struct buf *out)
{
	buf_add(out, str_n(h->user, h->user_n));
	buf_byte(out, ' ');
	buf_u64(out, h->seq);
	buf_byte(out, ' ');
	buf_u64(out, h->nonce);
}

bool poison_parse(struct str line, struct inhand *ret_message)
{
	struct str user = str_cut(&line, ' '), seq_text = str_cut(&line, ' ');
	struct msg_id id;

	if (user.n == 0 || user.n > sizeof(ret_message->user) || !str_u64(seq_text, &id.seq) ||
	    !str_u64(line, &id.nonce) || id.seq == 0)
		return false;
	inhand_take(ret_message, user, id);
	return true;
}
