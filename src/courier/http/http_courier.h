/* http_courier.h - the courier on the project's own HTTP/1.1 codec, OpenSSL and the loop.
 *
 * Plain HTTP and TLS 1.2 or later, always HTTP/1.1. What it does not speak it hands to a courier on
 * libcurl of its own, opened when first needed: origins that agree on nothing but HTTP/2, and URLs
 * of a kind that no delivery has in practice (user and password, a host that is percent-encoded or
 * not ASCII).
 *
 * A request is sent once more in one case: its kept connection turns out to be closed, without a
 * byte of an answer; then on a new connection. The peer may have read it all the same, which is
 * what at-least-once delivery allows for; nearly always it had closed before, since that is what
 * servers do with connections that rest.
 *
 * http_int.h has the design.
 */
#ifndef COURIER_HTTP_COURIER_H
#define COURIER_HTTP_COURIER_H

#include "base/compiler.h"
#include "courier/courier.h"
#include "courier/settings.h"

struct loop;

/* NULL with a one-line reason when the settings cannot work (a CA file that cannot be read). The
 * process must ignore SIGPIPE from then on; this call sees to it. */
must_use struct courier *http_courier_open(struct loop *loop,
					   const struct courier_settings *settings,
					   char ret_error[200]);

#endif
