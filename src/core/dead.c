#include "core/dead.h"

#include "base/codec.h"
#include "core/headers.h"

enum dead_tag { DEAD_STATUS = 1, DEAD_HEADER, DEAD_BODY, DEAD_CUT, DEAD_ERROR, DEAD_DURATION };

void dead_encode(struct buf *out, const struct outcome *o)
{
	tlv_i64(out, DEAD_STATUS, o->status);
	headers_encode(out, DEAD_HEADER, &o->header);
	tlv_add(out, DEAD_BODY, o->body);
	if (o->body_cut)
		tlv_i64(out, DEAD_CUT, 1);
	tlv_add(out, DEAD_ERROR, o->error);
	tlv_i64(out, DEAD_DURATION, o->duration_ms);
}

bool dead_decode(struct arena *a, struct str response, struct outcome *ret_outcome)
{
	struct outcome o = { 0 };
	int64_t cut = 0;
	uint8_t tag;
	struct str value;
	int got;

	o.header.v = arena_array(a, struct header, headers_count(response, DEAD_HEADER));
	while ((got = tlv_next(&response, &tag, &value)) == 1) {
		bool ok = true;

		if (tag == DEAD_STATUS)
			ok = tlv_i64_value(value, &o.status);
		else if (tag == DEAD_HEADER)
			ok = headers_take(&o.header, value);
		else if (tag == DEAD_BODY)
			o.body = value;
		else if (tag == DEAD_CUT)
			ok = tlv_i64_value(value, &cut);
		else if (tag == DEAD_ERROR)
			o.error = value;
		else if (tag == DEAD_DURATION)
			ok = tlv_i64_value(value, &o.duration_ms);
		if (!ok)
			return false;
	}
	o.body_cut = cut != 0;
	if (got < 0)
		return false;
	*ret_outcome = o;
	return true;
}
