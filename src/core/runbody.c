#include "core/runbody.h"

#include "base/check.h"

enum { STEP_VALUES_MAX = 100 * 1000 }; /* JSON values of one step */

void runbody_entry(struct json_out *j, const struct runbody_entry *e)
{
	char id[MSG_ID_LEN + 1];

	msg_id_text(id, e->id);
	json_open(j, '{');
	json_kstr(j, STR("messageId"), str_n(id, MSG_ID_LEN));
	json_key(j, STR("body"));
	json_b64(j, e->body);
	json_kstr(j, STR("callType"), e->is_config ? STR("stepConfig") : STR("step"));
	json_close(j, '}');
}

static struct str finish(struct arena *a, struct buf *b)
{
	struct str text;

	check(!b->overflow);
	text = arena_str(a, buf_str(b));
	buf_done(b);
	return text;
}

static void put_step(struct json_out *j, const struct run_step *step)
{
	json_kint(j, STR("stepId"), step->id);
	json_kstr(j, STR("stepName"), step->name);
	json_kstr(j, STR("stepType"), step->type);
}

struct str runbody_waited(struct arena *a, const struct run_step *step, struct str event,
			  enum runbody_wait how, struct str bytes)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, SIZE_MAX / 4);
	j = json_out(&b);
	json_open(&j, '{');
	put_step(&j, step);
	/* On a timeout there is none: null would be taken for data. */
	if (how == RUNBODY_NOTIFIED) {
		json_key(&j, STR("out"));
		json_b64(&j, bytes);
	}
	json_kstr(&j, STR("waitEventId"), event);
	json_kbool(&j, STR("waitTimeout"), how == RUNBODY_TIMEOUT);
	json_kint(&j, STR("concurrent"), step->concurrent);
	json_close(&j, '}');
	return finish(a, &b);
}

static bool is_first(const struct headers *h, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (str_ieq(h->v[i].name, h->v[at].name))
			return false;
	}
	return true;
}

static void put_header(struct arena *a, struct json_out *j, const struct headers *h)
{
	json_key(j, STR("header"));
	json_open(j, '{');
	for (size_t i = 0; i < h->n; i++) {
		if (!is_first(h, i))
			continue;
		json_key(j, header_canonical(a, h->v[i].name));
		json_open(j, '[');
		for (size_t k = i; k < h->n; k++) {
			if (str_ieq(h->v[k].name, h->v[i].name))
				json_str(j, h->v[k].value);
		}
		json_close(j, ']');
	}
	json_close(j, '}');
}

struct str runbody_webhook(struct arena *a, const struct runbody_request *r)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, SIZE_MAX / 4);
	j = json_out(&b);
	json_open(&j, '{');
	json_kstr(&j, STR("method"), r->method);
	put_header(a, &j, &r->header);
	if (r->body.n > 0) {
		json_key(&j, STR("body"));
		json_b64(&j, r->body);
	}
	json_kstr(&j, STR("proto"), r->proto);
	json_kstr(&j, STR("host"), r->host);
	json_kstr(&j, STR("url"), r->url);
	json_close(&j, '}');
	return finish(a, &b);
}

struct str runbody_invoked(struct arena *a, const struct run_step *step, enum runbody_end end,
			   struct str result)
{
	struct json_out j;
	struct str out;
	struct buf b;

	buf_init(&b, SIZE_MAX / 4);
	j = json_out(&b);
	json_open(&j, '{');
	if (end == RUNBODY_SUCCESS)
		json_kstr_opt(&j, STR("body"), result);
	json_kbool(&j, STR("isCanceled"), end == RUNBODY_CANCELED);
	json_kbool(&j, STR("isFailed"), end == RUNBODY_FAILED);
	json_close(&j, '}');
	out = finish(a, &b);

	buf_init(&b, SIZE_MAX / 4);
	j = json_out(&b);
	json_open(&j, '{');
	put_step(&j, step);
	json_kstr(&j, STR("out"), out);
	json_kint(&j, STR("concurrent"), step->concurrent);
	json_close(&j, '}');
	return finish(a, &b);
}

static int64_t number(const struct json *object, struct str key)
{
	const struct json *v = json_get(object, key);
	int64_t n = 0;

	return v != NULL && json_i64(v, &n) ? n : 0;
}

static struct str text(const struct json *object, struct str key)
{
	const struct json *v = json_get(object, key);

	return v != NULL && v->kind == JSON_STRING ? v->text : STR_NULL;
}

bool runbody_named_step(const struct json *object, struct run_step *ret_step)
{
	struct run_step s = {
		.id = number(object, STR("stepId")),
		.name = text(object, STR("stepName")),
		.type = text(object, STR("stepType")),
		.concurrent = number(object, STR("concurrent")),
	};

	if (s.id < 0 || s.concurrent < 0 || s.type.n == 0)
		return false;
	*ret_step = s;
	return true;
}

bool runbody_step(struct arena *a, struct str body, struct runbody_step *ret_step)
{
	char error[96];
	const struct json *v = json_parse_bounded(a, body, STEP_VALUES_MAX, error);
	struct runbody_step s = { .json = v, .target = number(v, STR("targetStep")) };

	if (v == NULL || !runbody_named_step(v, &s.step))
		return false;
	*ret_step = s;
	return true;
}
