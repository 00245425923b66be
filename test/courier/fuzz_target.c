/* Any bytes as the URL of a request. */
#include "base/check.h"
#include "courier/curl/dispatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct dispatch_limits limits = { .running_max = 1,
					       .dest_running_max = 1,
					       .lanes = 1,
					       .lane_running_max = 1,
					       .lane_dest_max = 1 };

static void put_and_end(struct dispatch *q, struct str text)
{
	struct exchange x = { 0 };
	const char *why = NULL;

	list_init(&x.node);
	x.target = dispatch_target(q, text, &x.dest, &why);
	check((x.target == NULL) == (why != NULL));
	if (x.target == NULL)
		return;
	check(str_eq(x.target->text, text) && x.target->text.p[text.n] == '\0');
	check(x.target->is_tls == str_starts(x.dest->key, STR("https://")));
	check(x.dest->name.n > 0 && str_has_byte(x.dest->name, ':'));
	dispatch_put(q, &x);
	check(dispatch_next(q, 0) == &x);
	dispatch_ended(q, &x);
	target_unref(x.target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dispatch q;

	dispatch_init(&q, limits);
	put_and_end(&q, str_n(data, size));
	/* Once more, now that it is known. */
	put_and_end(&q, str_n(data, size));
	check(q.dests.n <= 1);
	dispatch_done(&q);
	return 0;
}
