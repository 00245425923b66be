#include "certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/check.h"
#include "t.h"

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	check(e != NULL && X509_add_ext(cert, e, -1) == 1);
	X509_EXTENSION_free(e);
}

/* Unsigned; from and to are days relative to now. */
static X509 *blank(EVP_PKEY *key, const char *name, int from_days, int to_days)
{
	X509 *cert = X509_new();
	uint64_t serial;

	check(cert != NULL && RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1);
	check(X509_set_version(cert, 2) == 1);
	check(ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 2) == 1);
	check(X509_gmtime_adj(X509_getm_notBefore(cert), from_days * 86400L) != NULL);
	check(X509_gmtime_adj(X509_getm_notAfter(cert), to_days * 86400L) != NULL);
	check(X509_set_pubkey(cert, key) == 1);
	check(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
					 (const unsigned char *)name, -1, -1, 0) == 1);
	return cert;
}

static X509 *make_ca(EVP_PKEY *key, const char *name)
{
	X509 *ca = blank(key, name, -1, 10);

	check(X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1);
	add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign");
	check(X509_sign(ca, key, EVP_sha256()) > 0);
	return ca;
}

static X509 *make_cert(struct certs *c, const struct cert_spec *spec, EVP_PKEY *key)
{
	X509 *cert = blank(key, "server", spec->from_days, spec->to_days);
	X509 *issuer = spec->signer == SIGNED_BY_CA      ? c->ca
		       : spec->signer == SIGNED_BY_OTHER ? c->other_ca
							 : cert;
	EVP_PKEY *signer = spec->signer == SIGNED_BY_CA      ? c->ca_key
			   : spec->signer == SIGNED_BY_OTHER ? c->other_key
							     : key;

	check(X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1);
	add_extension(cert, issuer, NID_subject_alt_name, spec->names);
	check(X509_sign(cert, signer, EVP_sha256()) > 0);
	return cert;
}

static void write_cert(const char *path, X509 *cert)
{
	FILE *f = fopen(path, "w");

	check(f != NULL && PEM_write_X509(f, cert) == 1);
	fclose(f);
}

void certs_init(struct certs *c)
{
	c->ca_key = EVP_EC_gen("P-256");
	c->other_key = EVP_EC_gen("P-256");
	check(c->ca_key != NULL && c->other_key != NULL);
	c->ca = make_ca(c->ca_key, "Test CA");
	c->other_ca = make_ca(c->other_key, "Other CA");
	snprintf(c->dir, sizeof(c->dir), "%s", t_tmpdir());
	snprintf(c->ca_file, sizeof(c->ca_file), "%s/ca.pem", c->dir);
	write_cert(c->ca_file, c->ca);
}

void certs_done(struct certs *c)
{
	EVP_PKEY_free(c->ca_key);
	EVP_PKEY_free(c->other_key);
	X509_free(c->ca);
	X509_free(c->other_ca);
}

SSL_CTX *certs_context(struct certs *c, const struct cert_spec *spec)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = make_cert(c, spec, key);

	check(ctx != NULL && SSL_CTX_use_certificate(ctx, cert) == 1);
	check(SSL_CTX_use_PrivateKey(ctx, key) == 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

void certs_files(struct certs *c, const struct cert_spec *spec)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = make_cert(c, spec, key);
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/server.pem", c->dir);
	write_cert(path, cert);
	snprintf(path, sizeof(path), "%s/server.key", c->dir);
	f = fopen(path, "w");
	check(f != NULL && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(f);
	X509_free(cert);
	EVP_PKEY_free(key);
}
