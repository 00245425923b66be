#include "engine/directory.h"

#include "base/codec.h"

/* Never renumbered: stored documents carry them. */
enum tag {
	DATABASE_NAME = 1,
	DATABASE_URL,
	DATABASE_DRAINING,
	PLACE_DATABASE,
	PLACE_TO,
	PLACE_FROM
};

void directory_database_encode(struct buf *out, const struct directory_database *d)
{
	tlv_add(out, DATABASE_NAME, d->name);
	tlv_add(out, DATABASE_URL, d->url);
	if (d->draining)
		tlv_i64(out, DATABASE_DRAINING, 1);
}

bool directory_database_decode(struct str record, struct directory_database *ret_d)
{
	struct directory_database d = { 0 };
	struct str value;
	uint8_t tag;
	int got;

	while ((got = tlv_next(&record, &tag, &value)) == 1) {
		if (tag == DATABASE_NAME)
			d.name = value;
		else if (tag == DATABASE_URL)
			d.url = value;
		else if (tag == DATABASE_DRAINING)
			d.draining = true;
	}
	if (got < 0 || d.name.n == 0 || d.url.n == 0)
		return false;
	*ret_d = d;
	return true;
}

void directory_place_encode(struct buf *out, const struct directory_place *p)
{
	tlv_add(out, PLACE_DATABASE, p->database);
	tlv_add(out, PLACE_TO, p->to);
	tlv_add(out, PLACE_FROM, p->from);
}

bool directory_place_decode(struct str record, struct directory_place *ret_p)
{
	struct directory_place p = { 0 };
	struct str value;
	uint8_t tag;
	int got;

	while ((got = tlv_next(&record, &tag, &value)) == 1) {
		if (tag == PLACE_DATABASE)
			p.database = value;
		else if (tag == PLACE_TO)
			p.to = value;
		else if (tag == PLACE_FROM)
			p.from = value;
	}
	if (got < 0 || p.database.n == 0)
		return false;
	*ret_p = p;
	return true;
}

void directory_name(struct buf *out, char letter, struct str name)
{
	buf_add(out, str_n(&letter, 1));
	buf_add(out, name);
}
