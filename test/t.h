/* t.h - the test harness: tests that register themselves, each in a process of its own.
 *
 *	TEST(cuts_at_the_first_separator)
 *	{
 *		struct str s = STR("a=b");
 *
 *		T_EQ_STR(str_cut(&s, '='), "a");
 *	}
 *
 *	static const struct { const char *text; bool ok; } dates[] = { ... };
 *
 *	TEST_EACH(judges_dates, dates)
 *	{
 *		T_CHECK(date_is_valid(row->text) == row->ok);
 *	}
 *
 * A file with tests links t_dep, which holds main. The program takes a part of a name to run only
 * what matches, `-l` to list, and `-f` to run in the foreground without forking (for a debugger). A
 * test fails when a T_ macro fails, when it crashes, leaks under a sanitizer, or passes its time
 * limit; only then is its output shown. The last line is `N passed, N failed`, and the exit status
 * is 1 when anything failed or nothing ran.
 */
#ifndef TEST_T_H
#define TEST_T_H

#include "base/compiler.h"
#include "base/str.h"

enum { T_TIMEOUT_S = 30 };

/* One registered test. `rows` is a table of row_count rows of row_size bytes, each a case of its
 * own; row_count 0 means a plain test. */
struct t_case {
	const char *name, *file;
	void (*run)(const void *row);
	const void *rows;
	size_t row_size, row_count;
	int timeout_s;
	struct t_case *next;
};

void t_register(struct t_case *c);

/* A test with the usual time limit, or with one of its own. The environment variable
 * T_TIMEOUT_FACTOR multiplies all limits, for builds that run slowly. */
#define TEST(name) TEST_TIMEOUT(name, T_TIMEOUT_S)
#define TEST_TIMEOUT(name, seconds)               \
	static void t_body_##name(void);          \
	static void t_run_##name(const void *row) \
	{                                         \
		t_body_##name();                  \
	}                                         \
	T_REGISTER(name, .timeout_s = (seconds))  \
	static void t_body_##name(void)

/* One case per row of an array; the body sees `row`, a pointer to it. */
#define TEST_EACH(name, table)                                            \
	static void t_body_##name(const __typeof__((table)[0]) *row);     \
	static void t_run_##name(const void *row)                         \
	{                                                                 \
		t_body_##name(row);                                       \
	}                                                                 \
	T_REGISTER(name, .rows = (table), .row_size = sizeof((table)[0]), \
		   .row_count = countof(table), .timeout_s = T_TIMEOUT_S) \
	static void t_body_##name(const __typeof__((table)[0]) *row)

#define T_REGISTER(id, ...)                                                           \
	__attribute__((constructor)) static void t_register_##id(void)                \
	{                                                                             \
		static struct t_case c = {                                            \
			.name = #id, .file = __FILE__, .run = t_run_##id, __VA_ARGS__ \
		};                                                                    \
		t_register(&c);                                                       \
	}

/* Each of these ends the test when it does not hold. */
#define T_CHECK(cond) ((cond) ? (void)0 : t_fail(__FILE__, __LINE__, "not true: %s", #cond))
#define T_FAIL(...) t_fail(__FILE__, __LINE__, __VA_ARGS__)
/* Compared as 64-bit integers; the arguments are evaluated once. */
#define T_EQ_INT(a, b) t_eq_int((long long)(a), (long long)(b), #a, __FILE__, __LINE__)
/* Each side is a struct str or a C string. */
#define T_EQ_STR(a, b) t_eq_str(T_STR(a), T_STR(b), #a, __FILE__, __LINE__)
/* Polls until the condition holds, for at most `seconds`. */
#define T_UNTIL(cond, seconds)                                                              \
	do {                                                                                \
		for (int64_t t_end_ = t_now_ms() + (seconds) * 1000; !(cond); t_pause()) {  \
			if (t_now_ms() > t_end_)                                            \
				t_fail(__FILE__, __LINE__, "still not true after %d s: %s", \
				       (int)(seconds), #cond);                              \
		}                                                                           \
	} while (0)
/* Ends the test without judging it, for what the machine does not offer. Not counted as passed. */
#define T_SKIP(...) t_skip(__VA_ARGS__)

/* A directory of this test's own, made on first use and removed with all that is in it after the
 * test, however it ended. */
const char *t_tmpdir(void);

int64_t t_now_ms(void); /* a monotonic clock */
void t_pause(void);     /* a millisecond */

no_return void t_fail(const char *file, int line, const char *fmt, ...) printf_like(3, 4);
no_return void t_skip(const char *fmt, ...) printf_like(1, 2);
void t_eq_int(long long a, long long b, const char *what, const char *file, int line);
void t_eq_str(struct str a, struct str b, const char *what, const char *file, int line);

static inline struct str t_str(struct str s)
{
	return s;
}

#define T_STR(x) _Generic((x), struct str: t_str, char *: str_c, const char *: str_c)(x)

#endif
