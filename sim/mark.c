#include "mark.h"

#include <string.h>

#include "base/check.h"

/* The struct as it is, then its strings; the event has the number 0, which no message has. */
struct str mark_encode(struct arena *a, const struct mark *m, struct str events)
{
	struct buf record, out;
	struct str packed;

	buf_init(&record, SIZE_MAX / 4);
	buf_add(&record, str_n(m, sizeof(*m)));
	buf_add(&record, m->user);
	buf_add(&record, m->name);
	buf_add(&record, m->value);
	buf_init(&out, SIZE_MAX / 4);
	event_encode(&out, &(struct event){ .state = EVENT_CREATED, .record = buf_str(&record) });
	buf_add(&out, events);
	packed = arena_str(a, buf_str(&out));
	buf_done(&record);
	buf_done(&out);
	return packed;
}

static struct str take(struct str *rest, struct str s)
{
	struct str got = str_sub(*rest, 0, s.n);

	*rest = str_from(*rest, s.n);
	return got;
}

bool mark_decode(const struct event *e, struct mark *ret_mark)
{
	struct str rest;

	if (e->id.seq != 0)
		return false;
	check(e->record.n >= sizeof(*ret_mark));
	memcpy(ret_mark, e->record.p, sizeof(*ret_mark));
	rest = str_from(e->record, sizeof(*ret_mark));
	ret_mark->user = take(&rest, ret_mark->user);
	ret_mark->name = take(&rest, ret_mark->name);
	ret_mark->value = take(&rest, ret_mark->value);
	check(rest.n == 0);
	return true;
}
