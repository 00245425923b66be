/* Which messages are poison. */
#include "t.h"

#include "app/poison.h"

static struct inhand message(const char *user, uint64_t seq, uint64_t nonce)
{
	struct inhand h = { 0 };

	inhand_take(&h, str_c(user), (struct msg_id){ seq, nonce });
	return h;
}

TEST(the_third_death_makes_it_poison_once)
{
	struct inhand h = message("ada", 7, 8), other = message("ada", 7, 9);
	struct poison p = { 0 };

	T_CHECK(!poison_death(&p, &h));
	T_CHECK(!poison_death(&p, &other));
	T_CHECK(!poison_death(&p, &h));
	T_CHECK(!poison_has(&p.v[0]));
	T_CHECK(poison_death(&p, &h));
	T_CHECK(poison_has(&p.v[0]) && p.v[0].message.nonce == 8);
	T_CHECK(!poison_has(&p.v[1]));
	T_CHECK(!poison_death(&p, &h));
	T_EQ_INT(p.n, 2);
}

TEST(a_message_is_its_user_s)
{
	struct inhand a = message("ada", 7, 8), b = message("bob", 7, 8);
	struct poison p = { 0 };

	for (int i = 0; i < 2; i++)
		T_CHECK(!poison_death(&p, &a) && !poison_death(&p, &b));
	T_EQ_INT(p.n, 2);
	T_CHECK(poison_death(&p, &b));
}

TEST(who_had_nothing_in_hand_died_of_something_else)
{
	struct inhand none = { 0 }, broken = message("ada", 1, 1);
	struct poison p = { 0 };

	broken.user_n = 4000;
	for (int i = 0; i < 5; i++)
		T_CHECK(!poison_death(&p, &none) && !poison_death(&p, &broken));
	T_EQ_INT(p.n, 0);
}

TEST(the_oldest_is_forgotten_first)
{
	struct inhand first = message("ada", 1, 1);
	struct poison p = { 0 };

	T_CHECK(!poison_death(&p, &first) && !poison_death(&p, &first));
	for (uint64_t i = 2; i <= POISON_MAX; i++) {
		struct inhand h = message("ada", i, i);

		T_CHECK(!poison_death(&p, &h));
	}
	T_EQ_INT(p.n, POISON_MAX);
	T_CHECK(poison_death(&p, &first)); /* still known, and the newest now */
	for (uint64_t i = 2; i <= POISON_MAX; i++) {
		struct inhand h = message("bob", i, i);

		T_CHECK(!poison_death(&p, &h));
	}
	T_EQ_INT(p.n, POISON_MAX);
	T_CHECK(poison_has(&p.v[POISON_MAX - 1]));
	T_CHECK(!poison_death(&p, &(struct inhand){ .seq = 1, .nonce = 9 }));
	T_CHECK(!poison_death(&p, &first)); /* forgotten: counted from one again */
	T_EQ_INT(p.v[0].deaths, 1);
}

static const struct {
	const char *line;
	bool ok;
} lines[] = {
	{ "ada 7 8", true },
	{ "a 18446744073709551615 0", true },
	{ "", false },
	{ "ada", false },
	{ "ada 7", false },
	{ "ada 7 x", false },
	{ "ada 7 8 9", false },
	{ "ada -7 8", false },
	{ "ada 0 8", false },
	{ " 7 8", false },
	{ "0123456789012345678901234567890123456789012345678901234567890123 7 8", true },
	{ "01234567890123456789012345678901234567890123456789012345678901234 7 8", false },
};

TEST_EACH(as_a_line_and_back, lines)
{
	struct inhand h = { 0 };
	struct buf b;

	buf_init(&b, 256);
	T_EQ_INT(poison_parse(str_c(row->line), &h), row->ok);
	if (row->ok) {
		poison_format(&h, &b);
		T_EQ_STR(buf_str(&b), row->line);
	}
	buf_done(&b);
}
