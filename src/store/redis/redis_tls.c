#include "store/redis/redis_int.h"

#include <arpa/inet.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

/* The server's certificate must be good for the name, or address, in the URL. hiredis does not check that, so it is done with
 * OpenSSL's own verification. */
static SSL *session(const struct redis_url *url, SSL_CTX *context)
{
	SSL *ssl = SSL_new(context);
	unsigned char address[16];
	bool ok;

	if (ssl == NULL)
		return NULL;
	if (inet_pton(AF_INET, url->host, address) == 1 ||
	    inet_pton(AF_INET6, url->host, address) == 1)
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), url->host) == 1;
	else
		ok = SSL_set_tlsext_host_name(ssl, url->host) == 1 &&
		     SSL_set1_host(ssl, url->host) == 1;
	if (ok) {
		SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
		return ssl;
	}
	SSL_free(ssl);
	return NULL;
}

bool redis_tls_start(redisContext *c, const struct redis_url *url, char ret_error[REDIS_ERROR_LEN])
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = NULL;

	if (context != NULL && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_set_default_verify_paths(context) == 1)
		ssl = session(url, context);
	/* The session keeps it. */
	SSL_CTX_free(context);
	/* From then on the connection's. */
	if (ssl != NULL && redisInitiateSSL(c, ssl) == REDIS_OK)
		return true;
	snprintf(ret_error, REDIS_ERROR_LEN, "no TLS with the Redis server: %s",
		 ssl != NULL && c->errstr[0] ? c->errstr : "OpenSSL cannot be set up");
	SSL_free(ssl);
	return false;
}
