/* digest.h - SHA-256 and HMAC-SHA-256 over OpenSSL, with contexts made once.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/compiler.h"
#include "base/str.h"

enum { SHA256_LEN = 32 };

void sha256(unsigned char ret_hash[SHA256_LEN], struct str s);

/* A key prepared for many signatures (re-initialising without the key is four times cheaper). */
struct hmac_key;
must_use struct hmac_key *hmac_key_new(struct str key);
void hmac_key_free(struct hmac_key *k); /* NULL is fine */
void hmac_sha256(struct hmac_key *k, unsigned char ret_mac[SHA256_LEN], struct str s);

/* Equal without telling by timing where the first difference is. */
bool digest_equal(struct str a, struct str b);

#endif
