/* auth.h - where a request says who it is (spec 1.2).
 */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"

/* The token of `Authorization: Bearer`, else that of ?qstash_token=; p == NULL when there is
 * none. An Authorization of another scheme does not count: it may belong to a webhook's sender.
 * A view into either, or into the arena. Token characters are not judged. */
struct str auth_token(struct arena *a, struct str authorization, struct str query);

/* Are the two the same? Takes as long whatever the difference, so that time tells nothing of the secret. */
bool auth_is_equal(struct str given, struct str secret);

#endif
