#include "core/expr.h"

#include <math.h>
#include <stdio.h>

#include "base/check.h"
#include "core/limits.h"

struct parser {
	struct str text;
	size_t at;
	double retried;
	int depth;
	const char *why; /* the first thing that is wrong; NULL while all is well */
};

enum { ARGS_MAX = 16 };

/* The place is kept as well, for `at` stays where the first failure was. */
static double fail(struct parser *p, const char *why)
{
	if (!p->why)
		p->why = why;
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* The next byte that is no space; NUL at the end, which no expression holds. */
static char peek(struct parser *p)
{
	while (p->at < p->text.n && is_space(p->text.p[p->at]))
		p->at++;
	return p->at < p->text.n ? p->text.p[p->at] : '\0';
}

static bool take(struct parser *p, char c)
{
	if (p->why || peek(p) != c)
		return false;
	p->at++;
	return true;
}

static double take_number(struct parser *p)
{
	struct str s = p->text;
	double v = 0, place = 1;
	size_t digits = 0;
	bool fraction = false;

	for (; p->at < s.n && (is_digit(s.p[p->at]) || (s.p[p->at] == '.' && !fraction)); p->at++) {
		if (s.p[p->at] == '.') {
			fraction = true;
			continue;
		}
		v = v * 10 + (s.p[p->at] - '0');
		place *= fraction ? 10 : 1;
		digits++;
	}
	if (!digits)
		return fail(p, "digit expected");
	/* Beyond some 300 digits both are infinite. */
	return isfinite(v) && isfinite(place) ? v / place : fail(p, "number too long");
}

static struct str take_name(struct parser *p)
{
	size_t from = p->at;

	while (p->at < p->text.n && (is_letter(p->text.p[p->at]) || is_digit(p->text.p[p->at])))
		p->at++;
	return str_sub(p->text, from, p->at - from);
}

static double min_of(const double *v, size_t n)
{
	double best = v[0];

	for (size_t i = 1; i < n; i++)
		best = fmin(best, v[i]);
	return best;
}

static double max_of(const double *v, size_t n)
{
	double best = v[0];

	for (size_t i = 1; i < n; i++)
		best = fmax(best, v[i]);
	return best;
}

struct function {
	struct str name;
	size_t args; /* 0 = one or more */
	double (*one)(double x);
	double (*two)(double x, double y);
	double (*many)(const double *v, size_t n);
	const char *wrong_count;
};

static const struct function functions[] = {
	{ .name = { "pow", 3 }, .args = 2, .two = pow, .wrong_count = "pow takes two arguments" },
	{ .name = { "sqrt", 4 }, .args = 1, .one = sqrt, .wrong_count = "sqrt takes one argument" },
	{ .name = { "abs", 3 }, .args = 1, .one = fabs, .wrong_count = "abs takes one argument" },
	{ .name = { "exp", 3 }, .args = 1, .one = exp, .wrong_count = "exp takes one argument" },
	{ .name = { "floor", 5 },
	  .args = 1,
	  .one = floor,
	  .wrong_count = "floor takes one argument" },
	{ .name = { "ceil", 4 }, .args = 1, .one = ceil, .wrong_count = "ceil takes one argument" },
	{ .name = { "round", 5 },
	  .args = 1,
	  .one = round,
	  .wrong_count = "round takes one argument" },
	{ .name = { "min", 3 }, .many = min_of },
	{ .name = { "max", 3 }, .many = max_of },
};

static const struct function *find_function(struct str name)
{
	for (size_t i = 0; i < countof(functions); i++) {
		if (str_eq(functions[i].name, name))
			return &functions[i];
	}
	return NULL;
}

static double parse_sum(struct parser *p);

/* p stands behind the opening parenthesis. Returns the number of arguments; at least one. */
static size_t parse_args(struct parser *p, double v[ARGS_MAX])
{
	size_t n = 0;

	do {
		if (n == ARGS_MAX) {
			fail(p, "too many arguments");
			return n;
		}
		v[n++] = parse_sum(p);
	} while (take(p, ','));
	if (!take(p, ')'))
		fail(p, "',' or ')' expected");
	return n;
}

static double parse_named(struct parser *p)
{
	size_t from = p->at;
	struct str name = take_name(p);
	const struct function *f;
	double v[ARGS_MAX] = { 0 };
	size_t n;

	if (str_eq(name, STR("retried")))
		return p->retried;
	f = find_function(name);
	if (!f) {
		p->at = from;
		return fail(p, "unknown name (allowed: retried pow sqrt abs exp floor ceil round "
			       "min max)");
	}
	if (!take(p, '('))
		return fail(p, "'(' expected");
	n = parse_args(p, v);
	if (p->why)
		return 0;
	if (f->args && n != f->args)
		return fail(p, f->wrong_count);
	return f->many ? f->many(v, n) : f->two ? f->two(v[0], v[1]) : f->one(v[0]);
}

static double parse_primary(struct parser *p)
{
	char c = peek(p);
	double v;

	if (is_digit(c) || c == '.')
		return take_number(p);
	if (is_letter(c))
		return parse_named(p);
	if (!take(p, '('))
		return fail(p, "number, name or '(' expected");
	v = parse_sum(p);
	if (!take(p, ')'))
		return fail(p, "')' expected");
	return v;
}

static double parse_factor(struct parser *p)
{
	bool minus = false;
	double v;

	for (;;) {
		if (take(p, '-'))
			minus = !minus;
		else if (!take(p, '+'))
			break;
	}
	v = parse_primary(p);
	return minus ? -v : v;
}

static double parse_term(struct parser *p)
{
	double v = parse_factor(p);

	for (;;) {
		if (take(p, '*'))
			v *= parse_factor(p);
		else if (take(p, '/'))
			v /= parse_factor(p);
		else if (take(p, '%'))
			v = fmod(v, parse_factor(p));
		else
			return v;
	}
}

/* Every way to nest leads through here; LIMIT_EXPR_DEPTH bounds the recursion. */
static double parse_sum(struct parser *p)
{
	double v;

	if (p->depth == LIMIT_EXPR_DEPTH)
		return fail(p, "nested too deeply");
	p->depth++;
	v = parse_term(p);
	for (;;) {
		if (take(p, '+'))
			v += parse_term(p);
		else if (take(p, '-'))
			v -= parse_term(p);
		else
			break;
	}
	p->depth--;
	return v;
}

static double run(struct parser *p)
{
	double v;

	if (p->text.n > (size_t)LIMIT_EXPR_BYTES)
		return fail(p, "too long");
	v = parse_sum(p);
	if (!p->why && peek(p) != '\0')
		fail(p, "operator expected");
	/* A NUL in the text looks like the end. */
	if (!p->why && p->at != p->text.n)
		fail(p, "operator expected");
	check(p->why || p->depth == 0);
	return v;
}

bool expr_check(struct str text, char ret_why[96])
{
	struct parser p = { .text = text };

	run(&p);
	if (!p.why)
		return true;
	snprintf(ret_why, 96, "%s at position %zu", p.why, p.at + 1);
	return false;
}

bool expr_eval(struct str text, int64_t retried, double *ret_ms)
{
	struct parser p = { .text = text, .retried = (double)retried };
	double v = run(&p);

	if (p.why)
		return false;
	*ret_ms = v;
	return true;
}
