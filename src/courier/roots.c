#include "courier/roots.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

static X509_STORE *store_of(struct roots *r)
{
	return (X509_STORE *)(void *)r;
}

static bool load(X509_STORE *store, const char *ca_file, char ret_error[200])
{
	bool ok;

	if (ca_file == NULL)
		return X509_STORE_set_default_paths(store) == 1;
	if (access(ca_file, R_OK) != 0) {
		snprintf(ret_error, 200, "cannot read the CA file %.100s: %s", ca_file,
			 strerror(errno));
		return false;
	}
	ok = X509_STORE_load_file(store, ca_file) == 1;
	if (!ok)
		snprintf(ret_error, 200, "the CA file %.100s holds no usable PEM certificate",
			 ca_file);
	return ok;
}

struct roots *roots_load(const char *ca_file, char ret_error[200])
{
	X509_STORE *store = X509_STORE_new();

	check(store != NULL);
	snprintf(ret_error, 200, "the system's trusted certificates cannot be set up");
	if (!load(store, ca_file, ret_error)) {
		ERR_clear_error();
		X509_STORE_free(store);
		return NULL;
	}
	/* Any certificate in the file is trusted as it is, an intermediate one too. */
	check(X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST) ==
	      1);
	return (struct roots *)(void *)store;
}

void roots_free(struct roots *r)
{
	X509_STORE_free(store_of(r));
}

void roots_use(struct roots *r, void *ssl_ctx)
{
	SSL_CTX_set1_cert_store(ssl_ctx, store_of(r));
}
