#include "t.h"

#include <pthread.h>
#include <string.h>

#include "base/codec.h"
#include "base/digest.h"

static void t_eq_hex(const unsigned char *bytes, const char *hex)
{
	struct buf b;

	buf_init(&b, 2 * SHA256_LEN);
	hex_encode(&b, str_n(bytes, SHA256_LEN));
	T_EQ_STR(buf_str(&b), hex);
	buf_done(&b);
}

/* FIPS 180-4 examples. */
static const struct {
	const char *text, *hash;
} hashes[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

TEST_EACH(sha256_of_known_texts, hashes)
{
	unsigned char hash[SHA256_LEN];

	sha256(hash, str_c(row->text));
	t_eq_hex(hash, row->hash);
}

TEST(sha256_is_independent_of_what_came_before)
{
	unsigned char hash[SHA256_LEN];

	sha256(hash, STR("something else"));
	sha256(hash, STR_NULL);
	t_eq_hex(hash, hashes[0].hash);
}

/* RFC 4231 cases 1, 2 and 6, and the empty key over the empty text. */
static const struct {
	const char *key;
	int repeat; /* of the key */
	const char *text, *mac;
} macs[] = {
	{ "\x0b", 20, "Hi There",
	  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ "Jefe", 1, "what do ya want for nothing?",
	  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ "\xaa", 131, "Test Using Larger Than Block-Size Key - Hash Key First",
	  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
	{ "", 0, "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
};

TEST_EACH(hmac_of_known_texts, macs)
{
	unsigned char mac[SHA256_LEN];
	struct hmac_key *k;
	struct buf key;

	buf_init(&key, 1000);
	for (int i = 0; i < row->repeat; i++)
		buf_add(&key, str_c(row->key));
	k = hmac_key_new(buf_str(&key));
	buf_done(&key);
	hmac_sha256(k, mac, str_c(row->text));
	t_eq_hex(mac, row->mac);
	/* The key is still there for the next one. */
	hmac_sha256(k, mac, STR("another"));
	hmac_sha256(k, mac, str_c(row->text));
	t_eq_hex(mac, row->mac);
	hmac_key_free(k);
}

TEST(two_keys_do_not_mix)
{
	struct hmac_key *a = hmac_key_new(STR("a")), *b = hmac_key_new(STR("b"));
	unsigned char first[SHA256_LEN], other[SHA256_LEN], again[SHA256_LEN];

	hmac_sha256(a, first, STR("text"));
	hmac_sha256(b, other, STR("text"));
	hmac_sha256(a, again, STR("text"));
	T_CHECK(!memcmp(first, again, SHA256_LEN));
	T_CHECK(memcmp(first, other, SHA256_LEN));
	hmac_key_free(a);
	hmac_key_free(b);
	hmac_key_free(NULL);
}

TEST(equality)
{
	T_CHECK(digest_equal(STR("abc"), STR("abc")));
	T_CHECK(!digest_equal(STR("abc"), STR("abd")));
	T_CHECK(!digest_equal(STR("abc"), STR("ab")));
	T_CHECK(digest_equal(STR_NULL, STR("")));
}

static void *hash_in_thread(void *arg)
{
	for (int i = 0; i < 1000; i++)
		sha256(arg, STR("abc"));
	return NULL;
}

TEST(threads_have_contexts_of_their_own)
{
	unsigned char hash[4][SHA256_LEN];
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		T_EQ_INT(pthread_create(&thread[i], NULL, hash_in_thread, hash[i]), 0);
	for (int i = 0; i < 4; i++) {
		T_EQ_INT(pthread_join(thread[i], NULL), 0);
		t_eq_hex(hash[i], hashes[1].hash);
	}
}
