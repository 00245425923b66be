/* outgoing.h - what the caller gave, in the form that libcurl takes.
 */
#ifndef COURIER_CURL_OUTGOING_H
#define COURIER_CURL_OUTGOING_H

#include "courier/curl/exchange.h"

struct dispatch;

/* Fills x->dest, x->target (a reference) and x->header from x->req. False when the request cannot
 * be sent as it is; *ret_error then says why, in the request's arena, and x->target is NULL.
 * Headers that frame a message or belong to one connection are left out: the courier has its
 * own. */
must_use bool outgoing_prepare(struct exchange *x, struct dispatch *dispatch,
			       struct str *ret_error);

#endif
