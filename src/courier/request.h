/* request.h - what a backend judges and leaves out of the requests that it is given.
 *
 * The headers that frame a message or belong to one connection (Host, Content-Length,
 * Transfer-Encoding, Connection, Expect and the like) are the courier's own: two truths about where
 * a body ends must not get out. What could begin a new line, and so change what is sent, is
 * refused.
 */
#ifndef COURIER_REQUEST_H
#define COURIER_REQUEST_H

#include "courier/courier.h"

enum { REQUEST_METHOD_BYTES_MAX = 31, REQUEST_URL_BYTES_MAX = 64 * 1024 };

/* Method and headers can be sent as they are. If not, *ret_error is a sentence, in the request's
 * arena. */
must_use bool request_judge(struct courier_req *req, struct str *ret_error);
/* The header of that name is not the caller's to give. */
bool request_owns(struct str name);
/* Why the text is no URL that can be requested, as far as can be seen without taking it apart; a
 * constant part of a sentence. NULL = nothing wrong so far. */
const char *request_url_fault(struct str url);
/* A URL was refused for that reason: the sentence. */
struct str request_url_refused(struct arena *a, const char *why);
/* A method whose requests carry Content-Length even without a body. */
bool request_expects_body(struct str method);

#endif
