#include "api/dlqpage.h"

enum { PAGE_BYTES_MAX = 8 * 1024 * 1024 }; /* of a list's JSON; then the page ends early */

bool dlqpage_take_path(struct dlqpage *p)
{
	p->ids = arena_new(call_arena(p->call), struct dlq_id);
	if (!engine_dlq_id_parse(p->call->id[0], p->ids)) {
		call_refuse(p->call, 404, p->not_found);
		return false;
	}
	p->ids_n = 1;
	return true;
}

bool dlqpage_take_filter(struct dlqpage *p, const struct str *named, size_t n, struct str cursor)
{
	p->by_ids = n > 0;
	p->ids = arena_array(call_arena(p->call), struct dlq_id, n + 1);
	for (size_t i = 0; i < n; i++) {
		if (engine_dlq_id_parse(named[i], &p->ids[p->ids_n]))
			p->ids_n++;
	}
	p->has_after = n == 0 && cursor.n > 0;
	if (p->has_after && !engine_dlq_id_parse(cursor, &p->after)) {
		call_refuse(p->call, 400, "cursor: must be one that this server gave");
		return false;
	}
	return true;
}

static void cursor_member(const struct dlqpage *p, struct json_out *j)
{
	if (p->more && !p->by_ids)
		json_kstr(j, STR("cursor"), engine_dlq_id_text(call_arena(p->call), p->last));
}

void dlqpage_answer(struct dlqpage *p, int status, struct str key, const char *none)
{
	struct json_out j;

	if (none != NULL && p->n == 0 && p->by_ids) {
		call_refuse(p->call, 404, none);
		return;
	}
	j = call_json(p->call);
	json_open(&j, '{');
	json_key(&j, key);
	json_open(&j, '[');
	for (size_t i = 0; i < p->n; i++) {
		struct dlq_id id = p->write(p, &j, i);

		if (j.b->n > PAGE_BYTES_MAX && !p->by_ids && i + 1 < p->n) {
			p->more = true;
			p->last = id;
			break;
		}
	}
	json_close(&j, ']');
	cursor_member(p, &j);
	json_close(&j, '}');
	call_answer(p->call, status);
}

void dlqpage_answer_one(struct dlqpage *p, int status)
{
	struct json_out j;

	if (p->n == 0) {
		call_refuse(p->call, 404, p->not_found);
		return;
	}
	j = call_json(p->call);
	p->write(p, &j, 0);
	if (j.b->n == 0)
		call_refuse(p->call, 500, "the record of this dead letter is broken");
	else
		call_answer(p->call, status);
}

void dlqpage_answer_deleted(struct dlqpage *p)
{
	struct json_out j = call_json(p->call);

	json_open(&j, '{');
	json_kint(&j, STR("deleted"), (int64_t)p->n);
	cursor_member(p, &j);
	json_close(&j, '}');
	call_answer(p->call, 200);
}

void dlqpage_answer_deleted_one(struct dlqpage *p)
{
	if (p->n == 0)
		call_refuse(p->call, 404, p->not_found);
	else
		dlqpage_answer_deleted(p);
}
