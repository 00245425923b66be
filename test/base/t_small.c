/* The modules too small for a file each: check, list, log, problem. */
#include "t.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "base/log.h"
#include "base/problem.h"

/* What `run` writes to standard error, in a process of its own; ret_status is its wait status. */
static struct str stderr_of(void (*run)(void), char *space, size_t cap, int *ret_status)
{
	size_t n = 0;
	ssize_t got;
	int ends[2];
	pid_t pid;

	T_EQ_INT(pipe(ends), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(ends[1], STDERR_FILENO);
		run();
		_exit(0);
	}
	close(ends[1]);
	while (n < cap && (got = read(ends[0], space + n, cap - n)) > 0)
		n += (size_t)got;
	close(ends[0]);
	T_EQ_INT(waitpid(pid, ret_status, 0), pid);
	return str_n(space, n);
}

static void fail_a_check(void)
{
	int apples = 3;

	check(apples == 4);
}

TEST(failed_check_says_where_and_aborts)
{
	char space[1000];
	int status;
	struct str text = stderr_of(fail_a_check, space, sizeof(space), &status);

	T_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	T_CHECK(str_has(text, STR("apples == 4")));
	T_CHECK(str_has(text, STR("t_small.c")));
}

TEST(allocation_of_nothing_is_something)
{
	void *p = xmalloc(0);

	T_CHECK(p != NULL);
	p = xrealloc(p, 0);
	T_CHECK(p != NULL);
	free(p);
	p = xcalloc(0, 8);
	T_CHECK(p != NULL);
	free(p);
}

struct item {
	int value;
	struct list node;
};

static int list_sum_of_places(const struct list *head)
{
	int sum = 0, place = 1;

	for (const struct list *l = head->next; l != head; l = l->next)
		sum = sum * 10 + list_entry(l, struct item, node)->value * place;
	return sum;
}

TEST(list_order)
{
	struct item a = { .value = 1 }, b = { .value = 2 }, c = { .value = 3 };
	struct list head;

	list_init(&head);
	T_CHECK(list_is_empty(&head));
	T_CHECK(!list_pop(&head));
	list_push(&head, &a.node);
	list_push(&head, &b.node);
	list_push_front(&head, &c.node);
	T_EQ_INT(list_sum_of_places(&head), 312);
	list_remove(&a.node);
	T_EQ_INT(list_sum_of_places(&head), 32);
	list_remove(&a.node);
	list_insert_before(&b.node, &a.node);
	T_EQ_INT(list_sum_of_places(&head), 312);
	T_CHECK(list_pop(&head) == &c.node);
	T_CHECK(list_is_empty(&c.node));
	T_EQ_INT(list_sum_of_places(&head), 12);
}

TEST(list_each_allows_removal)
{
	struct item items[4] = { { .value = 1 }, { .value = 2 }, { .value = 3 }, { .value = 4 } };
	struct list head, *it, *tmp;

	list_init(&head);
	for (int i = 0; i < 4; i++)
		list_push(&head, &items[i].node);
	list_each(it, tmp, &head) {
		if (list_entry(it, struct item, node)->value % 2)
			list_remove(it);
	}
	T_EQ_INT(list_sum_of_places(&head), 24);
}

static void log_some(void)
{
	log_setup(LOG_WARN);
	log_info("store", "not shown");
	log_warn("store", "commit took %d ms\nforged line", 12);
	log_setup(LOG_OFF);
	log_error("store", "not shown either");
}

TEST(log_line_is_one_line)
{
	char space[1000];
	int status;
	struct str text = stderr_of(log_some, space, sizeof(space), &status);

	T_EQ_INT(status, 0);
	T_EQ_STR(str_from(text, 24), " warn store: commit took 12 ms forged line\n");
	T_EQ_INT(text.p[10], 'T');
	T_EQ_INT(text.p[23], 'Z');
}

static void log_long(void)
{
	log_error("x", "%05000d", 7);
}

TEST(log_line_is_bounded)
{
	char space[4000];
	int status;
	struct str text = stderr_of(log_long, space, sizeof(space), &status);

	T_CHECK(text.n > 1000 && text.n <= 2048);
	T_EQ_INT(text.p[text.n - 1], '\n');
}

TEST(log_allows_some_a_minute)
{
	struct log_limit l = { 0 };

	log_setup(LOG_OFF);
	for (int i = 0; i < 3; i++)
		T_CHECK(log_allowed(&l, 3, 1000000 + i));
	for (int i = 0; i < 5; i++)
		T_CHECK(!log_allowed(&l, 3, 1000000 + 100 + i));
	T_EQ_INT(l.skipped, 5);
	T_CHECK(!log_allowed(&l, 3, 1000000 + 59999));
	T_CHECK(log_allowed(&l, 3, 1000000 + 60000));
	T_EQ_INT(l.skipped, 0);
	/* A clock set back does not silence for longer. */
	T_CHECK(log_allowed(&l, 1, 5));
	T_CHECK(!log_allowed(&l, 1, 6));
}

static void log_after_skipping(void)
{
	struct log_limit l = { 0 };

	for (int i = 0; i < 8; i++)
		(void)log_allowed(&l, 2, 1);
	(void)log_allowed(&l, 2, 60001);
}

TEST(log_says_how_many_were_left_out)
{
	char space[1000];
	int status;
	struct str text = stderr_of(log_after_skipping, space, sizeof(space), &status);

	T_CHECK(str_has(text, STR("6 lines")));
}

TEST(problem_sets_and_returns_false)
{
	struct problem p = { 0 };

	T_CHECK(!problem_set(&p, 400, "Upstash-Delay must be at most %d days", 7));
	T_EQ_INT(p.status, 400);
	T_EQ_STR(p.text, "Upstash-Delay must be at most 7 days");
}

/* A text cut anywhere inside a character of two, three or four bytes loses the whole character. */
TEST(problem_is_cut_between_characters)
{
	static const char *const characters[] = { "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };

	for (size_t c = 0; c < countof(characters); c++) {
		for (int pad = 500; pad < 520; pad++) {
			struct problem p;
			size_t len;

			problem_set(&p, 422, "%0*d%s%s", pad, 0, characters[c],
				    "tail that is cut off");
			len = strlen(p.text);
			T_CHECK(len >= sizeof(p.text) - 4);
			T_CHECK(str_is_utf8(str_c(p.text)));
		}
	}
}
