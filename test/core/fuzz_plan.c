/* A file of plans: what is accepted keeps the limits of each field, shows what it read, and has the built-in
 * plans still. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "core/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_plan(const struct plan *p)
{
	check(p->name.n > 0 && p->name.n <= (size_t)PLAN_NAME_BYTES_MAX);
	check(p->message_bytes_max > 0 && p->timeout_max_s > 0);
	check(p->retries_max >= 0 && p->retries_max <= 1000 * 1000);
	check(p->messages_per_day > 0 || !p->messages_per_day_hard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problem p = { 0 };
	struct plans set;
	struct arena a;

	arena_init(&a);
	if (plan_parse(&a, str_n(data, size), &set, &p)) {
		check(set.n >= 5);
		for (size_t i = 0; i < set.n; i++) {
			check_plan(&set.v[i]);
			check(plan_in(&set, set.v[i].name) == &set.v[i]);
		}
		check(plan_in(&set, STR("free")) != NULL && plan_in(&set, STR("payg")) != NULL);
	} else {
		check(p.status == 400 && p.text[0] != '\0');
	}
	arena_done(&a);
	return 0;
}
