#include "base/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"

/* Looking an algorithm up by name costs more than hashing a short text, so it is done once. */
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_end;
static EVP_MD *md_sha256;
static EVP_MAC *mac_hmac;
static _Thread_local EVP_MD_CTX *thread_ctx;

static void free_ctx(void *ctx)
{
	EVP_MD_CTX_free(ctx);
}

static void fetch(void)
{
	int failed = pthread_key_create(&thread_end, free_ctx);

	check(!failed);
	md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	mac_hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	check(md_sha256 && mac_hmac);
}

void sha256(unsigned char ret_hash[SHA256_LEN], struct str s)
{
	int ok;

	if (unlikely(!thread_ctx)) {
		pthread_once(&fetch_once, fetch);
		thread_ctx = EVP_MD_CTX_new();
		check(thread_ctx);
		pthread_setspecific(thread_end, thread_ctx);
	}
	ok = EVP_DigestInit_ex2(thread_ctx, md_sha256, NULL) &&
	     EVP_DigestUpdate(thread_ctx, s.n ? s.p : "", s.n) &&
	     EVP_DigestFinal_ex(thread_ctx, ret_hash, NULL);
	check(ok);
}

struct hmac_key {
	EVP_MAC_CTX *ctx;
};

struct hmac_key *hmac_key_new(struct str key)
{
	struct hmac_key *k = xmalloc(sizeof(*k));
	char digest_name[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
		OSSL_PARAM_construct_end(),
	};
	int ok;

	pthread_once(&fetch_once, fetch);
	k->ctx = EVP_MAC_CTX_new(mac_hmac);
	check(k->ctx);
	/* A null key would mean "the key that was there before"; an empty one is a key. */
	ok = EVP_MAC_init(k->ctx, (const unsigned char *)(key.n ? key.p : ""), key.n, params);
	check(ok);
	return k;
}

void hmac_key_free(struct hmac_key *k)
{
	if (!k)
		return;
	EVP_MAC_CTX_free(k->ctx);
	free(k);
}

void hmac_sha256(struct hmac_key *k, unsigned char ret_mac[SHA256_LEN], struct str s)
{
	size_t n;
	int ok = EVP_MAC_init(k->ctx, NULL, 0, NULL) &&
		 EVP_MAC_update(k->ctx, (const unsigned char *)(s.n ? s.p : ""), s.n) &&
		 EVP_MAC_final(k->ctx, ret_mac, &n, SHA256_LEN);

	check(ok && n == SHA256_LEN);
}

bool digest_equal(struct str a, struct str b)
{
	return a.n == b.n && (!a.n || !CRYPTO_memcmp(a.p, b.p, a.n));
}
