/* When a message is a duplicate of another. */
#include "kit.h"

#include "core/options.h"

TEST(no_key_when_none_is_wanted)
{
	struct options o = { 0 };
	struct msg m = { .url = STR("http://x"), .body = STR("b") };
	struct arena a;

	arena_init(&a);
	T_CHECK(!options_dedup_key(&a, &m, &o).n);
	arena_done(&a);
}

TEST(an_explicit_id_is_the_key_whatever_the_message)
{
	struct options o = { .dedup_id = STR("id 1"), .dedup_by_content = true };
	struct msg m = { .url = STR("http://x"), .body = STR("b") };
	struct arena a;

	arena_init(&a);
	T_EQ_STR(options_dedup_key(&a, &m, &o), "id:id 1");
	m.url = STR("http://y");
	m.body = STR("c");
	T_EQ_STR(options_dedup_key(&a, &m, &o), "id:id 1");
	m.topic = STR("group");
	T_EQ_STR(options_dedup_key(&a, &m, &o), "id:id 1\nhttp://y");
	arena_done(&a);
}

TEST(content_is_destination_body_and_headers)
{
	struct options o = { .dedup_by_content = true };
	struct msg m[] = {
		{ .url = STR("http://x"), .body = STR("b") },
		{ .url = STR("http://y"), .body = STR("b") },
		{ .url = STR("http://x"), .body = STR("c") },
		{ .url = STR("http://x"), .topic = STR("t"), .body = STR("b") },
		{ .url = STR("http://x"), .body = STR("b"), .header = HEADERS(H("A", "1")) },
		{ .url = STR("http://x"), .body = STR("b"), .header = HEADERS(H("A", "2")) },
		{ .url = STR("http://x"),
		  .body = STR("b"),
		  .header = HEADERS(H("A", "1"), H("A", "1")) },
		{ .url = STR("http://xb"), .body = STR("") },
	};
	struct str key[countof(m)];
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < countof(m); i++) {
		key[i] = options_dedup_key(&a, &m[i], &o);
		T_EQ_INT(key[i].n, 5 + 64);
		T_CHECK(str_starts(key[i], STR("hash:")));
		for (size_t k = 0; k < i; k++)
			T_CHECK(!str_eq(key[i], key[k]));
	}
	/* What is no content does not count. */
	m[0].id.seq = 7;
	m[0].created_ms = 1;
	m[0].retries_max = 9;
	m[0].labels = STR("l");
	m[0].caller_ip = STR("ip");
	T_EQ_STR(options_dedup_key(&a, &m[0], &o), key[0]);
	arena_done(&a);
}
