/* roots.h - the certificates that destinations' certificates must lead to.
 *
 * Loaded once and shared by all connections: libcurl by itself would read the file anew for each.
 */
#ifndef COURIER_ROOTS_H
#define COURIER_ROOTS_H

#include "base/compiler.h"

struct roots; /* an X509_STORE of OpenSSL */

/* From a PEM file, or with NULL from where OpenSSL looks by default (SSL_CERT_FILE, the system's
 * folder). NULL with a one-line reason when the file cannot be used. */
must_use struct roots *roots_load(const char *ca_file, char ret_error[200]);
void roots_free(struct roots *r);
/* Makes an SSL_CTX (of which the caller has a void pointer from libcurl) trust them. */
void roots_use(struct roots *r, void *ssl_ctx);

#endif
