#include "t.h"

#include <stdlib.h>

#include "base/codec.h"
#include "core/user.h"

static struct user full(void)
{
	return (struct user){
		.id = STR("defaultUser"),
		.token = STR(
			"eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0="),
		.read_only_token = STR("ro"),
		.key_current = STR("sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r"),
		.key_next = STR("sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs"),
		.plan = STR("payg"),
		.created_ms = 1700000000000,
	};
}

static void round_trip(const struct user *u)
{
	struct user back;
	struct buf b;

	buf_init(&b, 1 << 16);
	user_encode(&b, u);
	T_CHECK(user_decode(buf_str(&b), &back));
	T_EQ_STR(back.id, u->id);
	T_EQ_STR(back.token, u->token);
	T_EQ_STR(back.read_only_token, u->read_only_token);
	T_EQ_STR(back.key_current, u->key_current);
	T_EQ_STR(back.key_next, u->key_next);
	T_EQ_STR(back.plan, u->plan);
	T_EQ_INT(back.created_ms, u->created_ms);
	T_EQ_INT(back.deleting, u->deleting);
	buf_done(&b);
}

TEST(a_document_gives_the_user_back)
{
	struct user u = full();

	round_trip(&u);
	u.read_only_token = STR_NULL;
	u.plan = STR("");
	u.deleting = true;
	round_trip(&u);
}

TEST(what_a_user_cannot_do_without)
{
	for (int missing = 0; missing < 4; missing++) {
		struct user u = full(), back;
		struct str *needed[] = { &u.id, &u.token, &u.key_current, &u.key_next };
		struct buf b;

		*needed[missing] = STR_NULL;
		buf_init(&b, 1 << 16);
		user_encode(&b, &u);
		T_CHECK(!user_decode(buf_str(&b), &back));
		buf_done(&b);
	}
}

TEST(a_cut_document_is_broken)
{
	struct user u = full(), back;
	struct buf b;
	size_t whole = 0;

	buf_init(&b, 1 << 16);
	user_encode(&b, &u);
	for (size_t n = 0; n < b.n; n++) {
		char *copy = str_dup(str_n(b.p, n));

		whole += user_decode(str_n(copy, n), &back);
		free(copy);
	}
	/* After the next key, and after the plan. */
	T_EQ_INT(whole, 2);
	buf_done(&b);
}

TEST(unknown_tags_are_passed_over)
{
	struct user u = full(), back;
	struct buf b;

	buf_init(&b, 1 << 16);
	tlv_add(&b, 250, STR("later"));
	user_encode(&b, &u);
	T_CHECK(user_decode(buf_str(&b), &back));
	T_EQ_STR(back.id, u.id);
	buf_done(&b);
}
