#include "core/sign.h"

#include <string.h>

#include "base/check.h"
#include "base/codec.h"
#include "base/json.h"

/* base64url of {"alg":"HS256","typ":"JWT"}, and the dot. */
#define JOSE_HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."

enum { VALID_S = 300, CLAIMS_ROOM = 320, MAC_ROOM = 44 };

static void add_claims(struct buf *b, const struct sign_claims *c)
{
	unsigned char hash[SHA256_LEN];
	char jti[2 * B58_U64_LEN];
	struct json_out j;

	b58_u64(jti, c->jti[0]);
	b58_u64(jti + B58_U64_LEN, c->jti[1]);
	sha256(hash, c->body);
	buf_add(b, STR("{\"iss\":\"Upstash\",\"sub\":"));
	j = json_out(b);
	json_str(&j, c->sub);
	buf_add(b, STR(",\"exp\":"));
	buf_i64(b, c->now_s + VALID_S);
	/* nbf is 0 so that a receiver whose clock is behind does not refuse. */
	buf_add(b, STR(",\"nbf\":0,\"iat\":"));
	buf_i64(b, c->now_s);
	buf_add(b, STR(",\"jti\":\"jwt_"));
	buf_add(b, str_n(jti, sizeof(jti)));
	buf_add(b, STR("\",\"body\":\""));
	b64url_encode(b, str_n(hash, sizeof(hash)), true);
	buf_add(b, STR("\"}"));
}

/* The claims are written behind what `out` holds, the token behind them, and then the token is
 * moved over the claims: so there is no second buffer. */
void sign_token(struct buf *out, struct hmac_key *key, const struct sign_claims *c)
{
	unsigned char mac[SHA256_LEN];
	size_t start = out->n, claims_n, token_at;
	/* Escapes in the URL, at most 6 bytes for one, are rare: only then `out` grows on the
	 * way. */
	size_t claims_room = c->sub.n + CLAIMS_ROOM;

	if (!buf_room(out, claims_room + sizeof(JOSE_HEADER) + claims_room / 3 * 4 + 4 + MAC_ROOM))
		return;
	add_claims(out, c);
	token_at = out->n;
	claims_n = token_at - start;
	buf_add(out, STR(JOSE_HEADER));
	/* Room first: the claims must not move while they are read. */
	if (!buf_room(out, claims_n / 3 * 4 + 4 + MAC_ROOM))
		return;
	b64url_encode(out, str_n(out->p + start, claims_n), false);
	hmac_sha256(key, mac, str_n(out->p + token_at, out->n - token_at));
	buf_byte(out, '.');
	b64url_encode(out, str_n(mac, sizeof(mac)), false);
	check(!out->overflow);
	memmove(out->p + start, out->p + token_at, out->n - token_at);
	out->n -= claims_n;
}
