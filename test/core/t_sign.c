#include "t.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/codec.h"
#include "base/json.h"
#include "core/sign.h"

/* HMAC by its definition (RFC 2104) over the plain hash, so that the signature is checked by other
 * means than it is made. */
static void hmac_by_definition(unsigned char ret_mac[SHA256_LEN], struct str key, struct str text)
{
	unsigned char pad[64] = { 0 }, inner[SHA256_LEN];
	char *room = malloc(sizeof(pad) + SHA256_LEN + text.n);

	T_CHECK(room && key.n <= sizeof(pad));
	memcpy(pad, key.p, key.n);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	memcpy(room, pad, sizeof(pad));
	memcpy(room + sizeof(pad), text.p, text.n);
	sha256(inner, str_n(room, sizeof(pad) + text.n));
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	memcpy(room, pad, sizeof(pad));
	memcpy(room + sizeof(pad), inner, sizeof(inner));
	sha256(ret_mac, str_n(room, sizeof(pad) + sizeof(inner)));
	free(room);
}

TEST(definition_is_that_of_rfc_4231)
{
	unsigned char mac[SHA256_LEN];
	struct buf hex;

	hmac_by_definition(mac, STR("Jefe"), STR("what do ya want for nothing?"));
	buf_init(&hex, 64);
	hex_encode(&hex, str_n(mac, sizeof(mac)));
	T_EQ_STR(buf_str(&hex), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	buf_done(&hex);
}

static const struct str secret = { "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", 32 };

static struct str token_for(struct arena *a, const struct sign_claims *c)
{
	struct hmac_key *key = hmac_key_new(secret);
	struct str token;
	struct buf b;

	buf_init(&b, 1 << 20);
	sign_token(&b, key, c);
	T_CHECK(!b.overflow);
	token = arena_str(a, buf_str(&b));
	buf_done(&b);
	hmac_key_free(key);
	return token;
}

static struct str decoded(struct arena *a, struct str part)
{
	struct str text;
	struct buf b;

	T_CHECK(!str_has_byte(part, '=') && !str_has_byte(part, '+') && !str_has_byte(part, '/'));
	buf_init(&b, 1 << 20);
	T_CHECK(b64_decode(&b, part));
	text = arena_str(a, buf_str(&b));
	buf_done(&b);
	return text;
}

/* Header, claims and signature of a token, decoded; the signature is checked. */
static struct str claims_of(struct arena *a, struct str token)
{
	struct str rest = token, header = str_cut(&rest, '.'), claims = str_cut(&rest, '.');
	unsigned char mac[SHA256_LEN];

	T_EQ_STR(decoded(a, header), "{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
	hmac_by_definition(mac, secret, str_sub(token, 0, header.n + 1 + claims.n));
	T_EQ_STR(decoded(a, rest), str_n(mac, sizeof(mac)));
	return decoded(a, claims);
}

TEST(token_is_exact)
{
	struct sign_claims c = {
		.sub = STR("https://example.com/a?b=c"),
		.body = STR("hello"),
		.now_s = 1700000000,
		.jti = { 0, 1 },
	};
	struct arena a;

	arena_init(&a);
	T_EQ_STR(claims_of(&a, token_for(&a, &c)),
		 "{\"iss\":\"Upstash\",\"sub\":\"https://example.com/"
		 "a?b=c\",\"exp\":1700000300,\"nbf\":0,"
		 "\"iat\":1700000000,\"jti\":\"jwt_1111111111111111111112\","
		 "\"body\":\"LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=\"}");
	arena_done(&a);
}

static const struct {
	const char *sub, *body_hash;
	struct str body;
} bodies[] = {
	{ "http://a", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=", { "", 0 } },
	{ "http://a", "bjQLnP-zepicpUTmu3gKLHiQHT-zNzh2hRGjBhevoB0=", { "\0", 1 } },
	{ "http://a/\"quoted\"\\", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=", { NULL, 0 } },
	{ "http://b\xc3\xbc"
	  "cher.example/?x=\xe2\x82\xac",
	  "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
	  { NULL, 0 } },
};

TEST_EACH(claims_hold_url_and_hash_of_the_body, bodies)
{
	struct sign_claims c = { str_c(row->sub), row->body, 1, { 2, 3 } };
	struct arena a;
	struct json *v;
	char error[96];

	arena_init(&a);
	v = json_parse(&a, claims_of(&a, token_for(&a, &c)), error);
	T_CHECK(v);
	T_EQ_STR(json_get(v, STR("sub"))->text, row->sub);
	T_EQ_STR(json_get(v, STR("body"))->text, row->body_hash);
	arena_done(&a);
}

/* Control bytes grow to six when escaped, more than the room that is asked for in advance. */
TEST(url_of_escapes_grows_the_buffer)
{
	static char url[5000];
	struct sign_claims c = { .sub = { url, sizeof(url) }, .now_s = 1 };
	struct arena a;
	struct json *v;
	char error[96];

	memset(url, '\x01', sizeof(url));
	arena_init(&a);
	v = json_parse(&a, claims_of(&a, token_for(&a, &c)), error);
	T_CHECK(v);
	T_EQ_STR(json_get(v, STR("sub"))->text, c.sub);
	arena_done(&a);
}

TEST(what_the_buffer_held_stays)
{
	struct hmac_key *key = hmac_key_new(secret);
	struct sign_claims c = { .sub = STR("http://a"), .now_s = 1 };
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1 << 20);
	buf_add(&b, STR("Upstash-Signature: "));
	sign_token(&b, key, &c);
	T_CHECK(str_starts(buf_str(&b), STR("Upstash-Signature: eyJ")));
	claims_of(&a, str_from(buf_str(&b), 19));
	buf_done(&b);
	arena_done(&a);
	hmac_key_free(key);
}

TEST(no_room_is_an_overflow)
{
	struct hmac_key *key = hmac_key_new(secret);
	struct sign_claims c = { .sub = STR("http://a"), .now_s = 1 };
	struct buf b;

	buf_init(&b, 100);
	sign_token(&b, key, &c);
	T_CHECK(b.overflow);
	buf_done(&b);
	hmac_key_free(key);
}

TEST(jti_makes_each_token_another)
{
	struct sign_claims c = { .sub = STR("http://a"), .now_s = 1, .jti = { 5, 6 } }, d = c;
	struct arena a;

	arena_init(&a);
	d.jti[1] = 7;
	T_EQ_STR(token_for(&a, &c), token_for(&a, &c));
	T_CHECK(!str_eq(token_for(&a, &c), token_for(&a, &d)));
	arena_done(&a);
}
