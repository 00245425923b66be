/* certs.h - a certificate authority of the test's own, and certificates good and bad.
 */
#ifndef TEST_COURIER_CERTS_H
#define TEST_COURIER_CERTS_H

#include <openssl/ssl.h>

#include "base/compiler.h"

struct certs {
	EVP_PKEY *ca_key, *other_key;
	X509 *ca, *other_ca; /* the other one is trusted by nobody */
	char dir[200];       /* the test's own */
	char ca_file[256];   /* PEM of ca */
};

enum cert_signer { SIGNED_BY_CA, SIGNED_BY_OTHER, SIGNED_BY_ITSELF };

struct cert_spec {
	const char *names; /* "DNS:localhost,IP:127.0.0.1" */
	enum cert_signer signer;
	int from_days, to_days; /* relative to now */
};

void certs_init(struct certs *c);
void certs_done(struct certs *c);
/* A server's context with a certificate like that. */
SSL_CTX *certs_context(struct certs *c, const struct cert_spec *spec);
/* The same as PEM files, "server.pem" and "server.key" in the directory. */
void certs_files(struct certs *c, const struct cert_spec *spec);

#endif
