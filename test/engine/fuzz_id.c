/* Any text as the id of a message, or of a dead letter, which is a list's cursor, too: what is accepted is
 * written again as an id that means the same. */
#include "base/check.h"
#include "engine/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_msg(struct str text)
{
	char again[MSG_ID_LEN + 1];
	struct msg_id id;

	if (!msg_id_parse(text, &id))
		return;
	check(id.seq > 0 && id.seq <= INT64_MAX);
	msg_id_text(again, id);
	check(str_eq(str_c(again), text));
}

static void fuzz_dlq(struct str text)
{
	struct dlq_id id, again;
	struct arena a;

	if (!engine_dlq_id_parse(text, &id))
		return;
	check(id.ms >= 0 && id.seq <= INT64_MAX);
	arena_init(&a);
	check(engine_dlq_id_parse(engine_dlq_id_text(&a, id), &again));
	check(again.ms == id.ms && again.seq == id.seq);
	arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_msg(str_n(data, size));
	fuzz_dlq(str_n(data, size));
	return 0;
}
