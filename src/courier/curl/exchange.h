/* exchange.h - one request under way: what the parts of the curl courier share about it.
 *
 *	courier_send ──► WAITING ──► RUNNING ──► FINISHED ──► done()
 *	                    │ timed out              ▲
 *	                    └────────────────────────┘
 *
 * WAITING: in its destination's list (dispatch.h). RUNNING: has a handle (easy.h), is in a lane
 * (lane.h). FINISHED: its outcome is written and `done` is called at the end of this turn's work.
 * It lives in the request's arena, so it is gone once `done` was called.
 */
#ifndef COURIER_CURL_EXCHANGE_H
#define COURIER_CURL_EXCHANGE_H

#include "base/heap.h"
#include "base/list.h"
#include "courier/courier.h"
#include "courier/curl/answer.h"

struct curl_slist;
struct dest;
struct easy;
struct target;

enum exchange_state { EXCHANGE_WAITING, EXCHANGE_RUNNING, EXCHANGE_FINISHED };

struct exchange {
	struct courier_req *req;
	enum exchange_state state;
	struct dest *dest;
	int lane;          /* RUNNING: index */
	struct easy *easy; /* RUNNING: its easy handle */
	bool is_resent;    /* because its answer got lost (easy.h) */
	bool opened;       /* RUNNING: past name resolution */
	struct list node;  /* WAITING: in dest->waiting; FINISHED: in the courier's list */
	struct heap_node deadline;
	int64_t start_ms;      /* mono, when it was sent */
	struct target *target; /* a reference */
	struct curl_slist *header;
	struct answer answer;
};

#endif
