/* outcome.h - how one attempt to deliver went, as the courier reports it.
 */
#ifndef CORE_OUTCOME_H
#define CORE_OUTCOME_H

#include "core/msg.h"

struct outcome {
	int64_t status;        /* HTTP status; 0 = no complete answer */
	struct headers header; /* of the answer; names canonical */
	struct str body;       /* of the answer, cut at the limit given to the courier */
	bool body_cut;
	struct str error; /* in words, when status is 0 or the answer was broken; else empty */
	int64_t duration_ms;
	int64_t sent_bytes; /* of the request, head and body; 0 when there was no connection */
};

#endif
