/* gates.h - calls that change a gate or show gates: queues and flow-control keys, one or all of them.
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

/* A change of the gate that the path names; the handler fills in what its operation needs. */
struct gates_change {
	struct gate_change op;
	const char *missing;    /* what 404 says when there is none with the name */
	struct problem problem; /* for the handler's own refusals */
};

struct gates_change *gates_change(struct call *c, enum gate_kind kind, enum gate_op what,
				  const char *missing);
/* Answers the call, later: 200 without a body, or why not. */
void gates_submit(struct call *c, struct gates_change *g);

/* Answers the call, later. */
void gates_answer(struct call *c, const struct gates_ask *ask);

#endif
