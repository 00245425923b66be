/* sign.h - the signature of a delivery: a JWT (HS256) over destination, time and body (spec 7.1).
 */
#ifndef CORE_SIGN_H
#define CORE_SIGN_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/digest.h"
#include "base/str.h"

struct sign_claims {
	struct str sub;  /* URL exactly as delivered to */
	struct str body; /* the body's bytes; hashed here */
	int64_t now_s;   /* Unix s, never rounded up */
	uint64_t jti[2]; /* random: makes each token unique */
};

/* Appends the token. Allocates nothing but what `out` grows by. */
hot_path void sign_token(struct buf *out, struct hmac_key *key, const struct sign_claims *c);

#endif
