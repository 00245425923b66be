/* gates.h - answers that show gates: queues and flow-control keys, one or all of them.
 */
#ifndef API_GATES_H
#define API_GATES_H

#include "api/call.h"

struct gates_ask {
	enum gate_kind kind;
	struct str name;     /* that one alone, as an object; empty = an array of all */
	struct str part;     /* only those whose names have it */
	const char *missing; /* what 404 says when there is none with the name */
	void (*write)(struct json_out *j, const struct scan_row *row);
};

/* Answers the call, later. */
void gates_answer(struct call *c, const struct gates_ask *ask);

#endif
