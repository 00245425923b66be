/* curl_courier.h - the courier on libcurl's multi interface and the project's loop.
 *
 *	send ──► outgoing ──► dispatch ──► easy, in a lane ──► answer ──► done
 *	         checked      order and    libcurl at work     in the
 *	                      limits                           request's arena
 *
 * Everything happens on the loop's thread, in two places: when the watched sockets have events, and
 * in a hook at the end of each turn, which starts what was sent and looks at deadlines. Plain HTTP
 * is 1.1, over TLS HTTP/2 is used where the destination offers it.
 *
 * A request is sent once more in two cases. Its kept connection turns out to be closed, without a
 * line of an answer: on a new connection. It was answered over HTTP/2 before its body was sent, and
 * libcurl lost the answer: over HTTP/1.1.
 *
 * The headers that frame a message or belong to a connection (Host, Content-Length,
 * Transfer-Encoding, Connection, Expect and the like) are the courier's own; such ones in a request
 * are left out.
 */
#ifndef COURIER_CURL_COURIER_H
#define COURIER_CURL_COURIER_H

#include "base/compiler.h"
#include "courier/courier.h"
#include "courier/settings.h"

struct loop;

/* NULL with a one-line reason when the settings cannot work (a CA file that cannot be read). The
 * process must ignore SIGPIPE from then on; this call sees to it. */
must_use struct courier *curl_courier_open(struct loop *loop,
					   const struct courier_settings *settings,
					   char ret_error[200]);

#endif
