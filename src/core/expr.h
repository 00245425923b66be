/* expr.h - the retry-delay expression: arithmetic that gives milliseconds (spec 3.1).
 *
 *	expr    = term { ("+" | "-") term }
 *	term    = factor { ("*" | "/" | "%") factor }
 *	factor  = { "-" | "+" } primary
 *	primary = number | "retried" | name "(" expr { "," expr } ")" | "(" expr ")"
 *
 * Functions: pow(x,y) sqrt(x) abs(x) exp(x) floor(x) ceil(x) round(x) min(x,...) max(x,...). Spaces
 * are free. The text is at most LIMIT_EXPR_BYTES long and nests at most LIMIT_EXPR_DEPTH deep, so
 * an evaluation costs microseconds and a bounded stack.
 */
#ifndef CORE_EXPR_H
#define CORE_EXPR_H

#include "base/compiler.h"
#include "base/str.h"

/* Says in ret_why what is wrong and where. */
must_use bool expr_check(struct str text, char ret_why[96]);
/* The value as computed, which may be negative, infinite or not a number; the caller bounds it.
 * `retried` is the number of retries already made. False when the text is no expression. */
must_use bool expr_eval(struct str text, int64_t retried, double *ret_ms);

#endif
