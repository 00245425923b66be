#include "t.h"

#include <math.h>
#include <string.h>

#include "core/expr.h"
#include "core/limits.h"

static const struct {
	const char *text;
	int64_t retried;
	double value;
} good[] = {
	/* The documentation's own. */
	{ "1000", 0, 1000 },
	{ "1000 * (1 + retried)", 0, 1000 },
	{ "1000 * (1 + retried)", 4, 5000 },
	{ "pow(2, retried) * 1000", 0, 1000 },
	{ "pow(2, retried) * 1000", 5, 32000 },
	{ "max(1000, pow(2, retried) * 100)", 0, 1000 },
	{ "max(1000, pow(2, retried) * 100)", 4, 1600 },
	{ "15000", 3, 15000 },
	{ "7000 * retried", 2, 14000 },
	{ "pow(retried, 2) * 1000", 3, 9000 },
	/* Order of operations. */
	{ "1+2*3", 0, 7 },
	{ "(1+2)*3", 0, 9 },
	{ "10-4-3", 0, 3 },
	{ "100/10/2", 0, 5 },
	{ "7%4", 0, 3 },
	{ "7.5 % 2", 0, 1.5 },
	{ "2*7%4", 0, 2 },
	{ "1 - -1", 0, 2 },
	{ "1--1", 0, 2 },
	{ "-3", 0, -3 },
	{ "--3", 0, 3 },
	{ "-+-+3", 0, 3 },
	{ "2*-3", 0, -6 },
	{ "-2*3", 0, -6 },
	{ "-(1+2)", 0, -3 },
	{ "((((((1))))))", 0, 1 },
	/* Numbers. */
	{ "1.5", 0, 1.5 },
	{ ".5", 0, .5 },
	{ "5.", 0, 5 },
	{ "0.1", 0, 0.1 },
	{ "007", 0, 7 },
	{ "123456789012345678", 0, 123456789012345678.0 },
	/* Functions. */
	{ "sqrt(16)", 0, 4 },
	{ "abs(-5)", 0, 5 },
	{ "abs(5)", 0, 5 },
	{ "exp(0)", 0, 1 },
	{ "floor(1.9)", 0, 1 },
	{ "floor(-1.1)", 0, -2 },
	{ "ceil(1.1)", 0, 2 },
	{ "round(1.5)", 0, 2 },
	{ "round(1.4)", 0, 1 },
	{ "min(3,2)", 0, 2 },
	{ "max(3,2)", 0, 3 },
	{ "min(3,2,1,4)", 0, 1 },
	{ "max(1,2,5,4)", 0, 5 },
	{ "max(7)", 0, 7 },
	{ "pow(pow(2,2),sqrt(9))", 0, 64 },
	{ "max(min(retried,3)*1000,500)", 9, 3000 },
	{ "retried", 1000000, 1000000 },
	/* Spaces. */
	{ "  1  +\t2  ", 0, 3 },
	{ "max ( 1 , 2 )", 0, 2 },
};

TEST_EACH(values, good)
{
	char why[96];
	double v = -1;

	if (!expr_check(str_c(row->text), why))
		T_FAIL("%s: %s", row->text, why);
	T_CHECK(expr_eval(str_c(row->text), row->retried, &v));
	if (fabs(v - row->value) > 1e-9 * fabs(row->value))
		T_FAIL("%s is %.17g, expected %.17g", row->text, v, row->value);
}

TEST(values_that_are_no_numbers_are_values)
{
	double v;

	T_CHECK(expr_eval(STR("1/0"), 0, &v) && isinf(v) && v > 0);
	T_CHECK(expr_eval(STR("-1/0"), 0, &v) && isinf(v) && v < 0);
	T_CHECK(expr_eval(STR("0/0"), 0, &v) && isnan(v));
	T_CHECK(expr_eval(STR("1%0"), 0, &v) && isnan(v));
	T_CHECK(expr_eval(STR("sqrt(-1)"), 0, &v) && isnan(v));
	T_CHECK(expr_eval(STR("pow(10,400)"), 0, &v) && isinf(v));
	T_CHECK(expr_eval(STR("exp(1000*retried)"), 1, &v) && isinf(v));
}

static const struct {
	const char *text, *why;
} bad[] = {
	{ "", "number, name or '(' expected at position 1" },
	{ " ", "number, name or '(' expected at position 2" },
	{ "1 2", "operator expected at position 3" },
	{ "1 +", "number, name or '(' expected at position 4" },
	{ "* 2", "number, name or '(' expected at position 1" },
	{ "1 * / 2", "number, name or '(' expected at position 5" },
	{ "(1", "')' expected at position 3" },
	{ "1)", "operator expected at position 2" },
	{ "()", "number, name or '(' expected at position 2" },
	{ "foo", "unknown name (allowed: retried pow sqrt abs exp floor ceil round min max) at "
		 "position 1" },
	{ "1 + foo(1)", "unknown name (allowed: retried pow sqrt abs exp floor ceil round min max) "
			"at position 5" },
	{ "Retried", "unknown name (allowed: retried pow sqrt abs exp floor ceil round min max) at "
		     "position 1" },
	{ "retried2", "unknown name (allowed: retried pow sqrt abs exp floor ceil round min max) "
		      "at position 1" },
	{ "retried(1)", "operator expected at position 8" },
	{ "pow", "'(' expected at position 4" },
	{ "pow(1)", "pow takes two arguments at position 7" },
	{ "pow(1,2,3)", "pow takes two arguments at position 11" },
	{ "sqrt()", "number, name or '(' expected at position 6" },
	{ "sqrt(1,2)", "sqrt takes one argument at position 10" },
	{ "max()", "number, name or '(' expected at position 5" },
	{ "max(1,)", "number, name or '(' expected at position 7" },
	{ "max(1;2)", "',' or ')' expected at position 6" },
	{ "max(1,2", "',' or ')' expected at position 8" },
	{ "2 ^ 3", "operator expected at position 3" },
	{ "2 ** 3", "number, name or '(' expected at position 4" },
	{ "1e3", "operator expected at position 2" },
	{ "0x10", "operator expected at position 2" },
	{ "1.2.3", "operator expected at position 4" },
	{ ".", "digit expected at position 2" },
	{ "1000ms", "operator expected at position 5" },
	{ "10s", "operator expected at position 3" },
	{ "1,2", "operator expected at position 2" },
	{ "1\n+1", "operator expected at position 2" },
	{ "\xc3\xa9", "number, name or '(' expected at position 1" },
};

TEST_EACH(reasons, bad)
{
	char why[96] = "";
	double v;

	T_CHECK(!expr_check(str_c(row->text), why));
	T_EQ_STR(why, row->why);
	T_CHECK(!expr_eval(str_c(row->text), 0, &v));
}

TEST(a_nul_is_not_the_end)
{
	char why[96];

	T_CHECK(!expr_check(STR("1\0"), why));
	T_CHECK(!expr_check(STR("\0"
				"1"),
			    why));
	T_CHECK(!expr_check(STR("1+\0"
				"1"),
			    why));
}

TEST(nesting_has_a_limit)
{
	char text[200], why[96];

	for (int depth = 1; depth < 60; depth++) {
		memset(text, '(', (size_t)depth);
		text[depth] = '1';
		memset(text + depth + 1, ')', (size_t)depth);
		T_EQ_INT(expr_check(str_n(text, 2 * (size_t)depth + 1), why),
			 depth < LIMIT_EXPR_DEPTH);
	}
	T_EQ_STR(why, "nested too deeply at position 33");
}

TEST(length_has_a_limit)
{
	char text[LIMIT_EXPR_BYTES + 1], why[96];
	double v;

	memset(text, ' ', sizeof(text));
	text[0] = '1';
	T_CHECK(expr_check(str_n(text, LIMIT_EXPR_BYTES), why));
	T_CHECK(!expr_check(str_n(text, LIMIT_EXPR_BYTES + 1), why));
	memset(text, '-', sizeof(text));
	text[LIMIT_EXPR_BYTES - 1] = '1';
	T_CHECK(expr_eval(str_n(text, LIMIT_EXPR_BYTES), 0, &v));
	T_CHECK(v == -1);
	memset(text, '9', sizeof(text));
	T_CHECK(!expr_check(str_n(text, LIMIT_EXPR_BYTES), why));
	T_EQ_STR(why, "number too long at position 1025");
}

TEST(sixteen_arguments_are_the_most)
{
	char why[96];

	T_CHECK(expr_check(STR("max(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16)"), why));
	T_CHECK(!expr_check(STR("max(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17)"), why));
}
