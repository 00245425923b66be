/* cors.h - the answer to a browser that asks whether a page may call us (spec 8.6).
 */
#ifndef API_CORS_H
#define API_CORS_H

#include "base/compiler.h"

struct call;
struct httpd_req;

bool cors_is_preflight(const struct httpd_req *req);
/* Answers it: everything is allowed. */
void cors_answer_preflight(struct call *c);

#endif
