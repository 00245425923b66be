/* settings.h - what every backend of the courier is opened with.
 */
#ifndef COURIER_SETTINGS_H
#define COURIER_SETTINGS_H

#include "base/compiler.h"
#include "courier/guard.h"

enum {
	SETTINGS_CONNECTIONS = 4096,
	SETTINGS_HOST_CONNECTIONS = 512,
	SETTINGS_CONNECT_TIMEOUT_MS = 10 * 1000,
};

struct courier_settings {
	struct guard guard;
	/* PEM file of trusted roots; NULL = where OpenSSL looks (SSL_CERT_FILE, the system's). */
	const char *ca_file;
	/* 0 stands for the values above. */
	int connections_max;        /* open at once in all */
	int host_connections_max;   /* to one host */
	int64_t connect_timeout_ms; /* never longer than the request's own */
};

#endif
