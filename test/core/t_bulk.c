#include "core/bulk.h"

#include "kit.h"

enum { BYTES_MAX = 1 << 16 };

static struct bulk full(struct arena *a)
{
	struct bulk b = {
		.id = STR("bulk_1"),
		.kind = BULK_CANCEL,
		.phase = BULK_ACTING,
		.created_ms = 1700000000000,
		.completed_ms = 1700000000001,
		.total = 12,
		.processed = 7,
		.max = 100,
		.until_seq = INT64_MAX,
		.at_seq = 1ULL << 60,
		.filter = { .use = FILTER_CANCEL, .from_ms = -5, .to_ms = INT64_MAX },
	};

	/* Each field with as many values as its number says, so that none is taken for another. */
	for (size_t i = 0; i < FILTER_FIELDS; i++) {
		b.filter.field[i] = (struct filter_values){ arena_array(a, struct str, i), i };
		for (size_t k = 0; k < i; k++)
			b.filter.field[i].v[k] = arena_fmt(a, "%zu-%zu", i, k);
	}
	return b;
}

static void check_same(const struct bulk *x, const struct bulk *y)
{
	T_EQ_STR(x->id, y->id);
	T_EQ_INT(x->kind, y->kind);
	T_EQ_INT(x->phase, y->phase);
	T_EQ_INT(x->created_ms, y->created_ms);
	T_EQ_INT(x->completed_ms, y->completed_ms);
	T_EQ_INT(x->total, y->total);
	T_EQ_INT(x->processed, y->processed);
	T_EQ_INT(x->max, y->max);
	T_EQ_INT(x->until_seq, y->until_seq);
	T_EQ_INT(x->at_seq, y->at_seq);
	T_EQ_INT(x->filter.use, y->filter.use);
	T_EQ_INT(x->filter.from_ms, y->filter.from_ms);
	T_EQ_INT(x->filter.to_ms, y->filter.to_ms);
	for (size_t i = 0; i < FILTER_FIELDS; i++) {
		T_EQ_INT(x->filter.field[i].n, y->filter.field[i].n);
		for (size_t k = 0; k < x->filter.field[i].n; k++)
			T_EQ_STR(x->filter.field[i].v[k], y->filter.field[i].v[k]);
	}
}

TEST(a_document_gives_the_action_back)
{
	struct bulk b, back;
	struct arena a;
	struct buf out;

	arena_init(&a);
	b = full(&a);
	buf_init(&out, BYTES_MAX);
	bulk_encode(&out, &b);
	T_CHECK(!out.overflow);
	T_CHECK(bulk_decode(&a, buf_str(&out), &back));
	check_same(&b, &back);
	/* Cut anywhere it may be a shorter document, but never reads beyond its end. */
	for (size_t n = 0; n < out.n; n++)
		(void)!bulk_decode(&a, arena_str(&a, str_sub(buf_str(&out), 0, n)), &back);
	buf_done(&out);
	arena_done(&a);
}

TEST(what_is_no_action)
{
	struct arena a;
	struct buf out;
	struct bulk back;

	arena_init(&a);
	for (int i = 0; i < 6; i++) {
		struct bulk b = full(&a);

		if (i == 0)
			b.id = STR_NULL;
		else if (i == 1)
			b.kind = (enum bulk_kind)0;
		else if (i == 2)
			b.kind = (enum bulk_kind)(BULK_CANCEL + 1);
		else if (i == 3)
			b.phase = (enum bulk_phase)0;
		else if (i == 4)
			b.phase = (enum bulk_phase)(BULK_FINISHED + 1);
		else
			b.until_seq = UINT64_MAX;
		buf_init(&out, BYTES_MAX);
		bulk_encode(&out, &b);
		T_CHECK(!bulk_decode(&a, buf_str(&out), &back));
		buf_done(&out);
	}
	T_CHECK(!bulk_decode(&a, STR("\x01"), &back));
	T_CHECK(!bulk_decode(&a, STR(""), &back));
	arena_done(&a);
}

TEST(ids_are_in_the_order_of_time)
{
	struct str early, late;
	struct arena a;

	arena_init(&a);
	early = bulk_id(&a, (struct msg_id){ 1000, UINT64_MAX });
	late = bulk_id(&a, (struct msg_id){ 1001, 0 });
	T_EQ_INT(early.n, BULK_ID_LEN);
	T_CHECK(str_cmp(early, late) < 0);
	arena_done(&a);
}
