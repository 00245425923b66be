/* burst.h - how many calls a user may make in a second, those that publish apart (spec 9.3).
 *
 * The count lives in this process and is gone with it: it guards the process against a client that runs wild, and
 * a second later nobody would want to know it any more. Several processes allow as much each.
 */
#ifndef API_BURST_H
#define API_BURST_H

#include "api/call.h"

/* Counts the call. False when the second's calls are used up; the call is answered then. */
must_use bool burst_admit(struct call *c);

#endif
