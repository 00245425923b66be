#include "courier/words.h"

#include <errno.h>
#include <openssl/x509.h>
#include <string.h>

/* "localhost:3000 (127.0.0.1)", or just the first when the address says nothing new. */
static struct str where(struct arena *a, const struct failure *f)
{
	if (f->address.n == 0 || str_has(f->dest, f->address))
		return f->dest;
	return arena_fmt(a, "%.*s (%.*s)", STR_FMT(f->dest), STR_FMT(f->address));
}

static struct str timed_out(struct arena *a, const struct failure *f)
{
	long long ms = f->limit_ms;

	switch (f->phase) {
	case PHASE_QUEUED:
		return arena_fmt(
			a,
			"no answer from %.*s within %lld ms: too many requests were running for "
			"this one to start",
			STR_FMT(f->dest), ms);
	case PHASE_RESOLVING:
		return arena_fmt(a, "the name of %.*s was not resolved within %lld ms",
				 STR_FMT(f->dest), ms);
	case PHASE_CONNECTING:
		return arena_fmt(a, "no connection to %.*s within %lld ms", STR_FMT(where(a, f)),
				 ms);
	case PHASE_READING:
		return arena_fmt(
			a,
			"no complete answer from %.*s within %lld ms: status %ld and %zu bytes of "
			"the body had come",
			STR_FMT(f->dest), ms, f->status, f->body_bytes);
	case PHASE_WAITING:
		break;
	}
	return arena_fmt(a, "no answer from %.*s within %lld ms", STR_FMT(f->dest), ms);
}

static struct str not_connected(struct arena *a, const struct failure *f)
{
	struct str w = where(a, f);

	if (f->refused != NULL)
		return arena_fmt(a, "delivery to %.*s is not allowed: %.*s is %s", STR_FMT(f->dest),
				 STR_FMT(f->address), f->refused);
	switch (f->os_errno) {
	case ECONNREFUSED:
		return arena_fmt(a, "connection refused by %.*s", STR_FMT(w));
	case EHOSTUNREACH:
	case ENETUNREACH:
		return arena_fmt(a, "no route to %.*s", STR_FMT(w));
	case ETIMEDOUT:
		return arena_fmt(a, "no connection to %.*s: it does not respond", STR_FMT(w));
	case EMFILE:
	case ENFILE:
		return arena_fmt(a,
				 "no connection to %.*s: this server has no file descriptors left",
				 STR_FMT(w));
	case 0:
		return arena_fmt(a, "no connection to %.*s", STR_FMT(w));
	default:
		return arena_fmt(a, "no connection to %.*s: %s", STR_FMT(w),
				 strerror((int)f->os_errno));
	}
}

static struct str broken_off(struct arena *a, const struct failure *f)
{
	const char *how = f->os_errno == ECONNRESET || f->os_errno == EPIPE ? "reset" : "closed";

	if (f->status != 0)
		return arena_fmt(
			a,
			"%.*s %s the connection before its answer was complete: status %ld and "
			"%zu bytes of the body had come",
			STR_FMT(f->dest), how, f->status, f->body_bytes);
	return arena_fmt(a, "%.*s %s the connection without an answer", STR_FMT(f->dest), how);
}

static struct str bad_certificate(struct arena *a, const struct failure *f)
{
	struct str d = f->dest;

	switch (f->verify_result) {
	case X509_V_ERR_UNSPECIFIED: /* the chain was fine, then the name did not match */
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH: {
		struct str host = d;

		while (host.n > 0 && host.p[host.n - 1] != ':')
			host.n--;
		host.n -= host.n > 0;
		return arena_fmt(a, "the certificate of %.*s is not valid for host %.*s",
				 STR_FMT(d), STR_FMT(host));
	}
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return arena_fmt(a, "the certificate of %.*s has expired", STR_FMT(d));
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return arena_fmt(a, "the certificate of %.*s is not valid yet", STR_FMT(d));
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return arena_fmt(a, "the certificate of %.*s is self-signed and not trusted here",
				 STR_FMT(d));
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return arena_fmt(
			a, "the certificate of %.*s is from an authority that is not trusted here",
			STR_FMT(d));
	default:
		return arena_fmt(a, "the certificate of %.*s is not valid: %s", STR_FMT(d),
				 X509_verify_cert_error_string(f->verify_result));
	}
}

static struct str failed_handshake(struct arena *a, const struct failure *f)
{
	if (strstr(f->text, "wrong version number") != NULL)
		return arena_fmt(a, "%.*s does not speak TLS: is it an http:// destination?",
				 STR_FMT(f->dest));
	return arena_fmt(a, "the TLS handshake with %.*s failed: %s", STR_FMT(f->dest),
			 f->text[0] != '\0' ? f->text : "the connection was closed");
}

static struct str with_text(struct arena *a, const struct failure *f, const char *what)
{
	return arena_fmt(a, "%s %.*s: %s", what, STR_FMT(f->dest), f->text);
}

struct str words_for(struct arena *a, const struct failure *f)
{
	switch (f->cause) {
	case CAUSE_NAME:
		return arena_fmt(a, "no such host: %.*s (the name could not be resolved)",
				 STR_FMT(f->dest));
	case CAUSE_CONNECT:
		return not_connected(a, f);
	case CAUSE_TIME:
		return timed_out(a, f);
	case CAUSE_CLOSED:
		return broken_off(a, f);
	case CAUSE_LIMIT:
		return arena_fmt(a, "%.*s was cut off: %s", STR_FMT(f->dest), f->text);
	case CAUSE_NOT_HTTP:
		return with_text(a, f, "no HTTP answer from");
	case CAUSE_BROKEN:
		return with_text(a, f, "broken answer from");
	case CAUSE_CERTIFICATE:
		return bad_certificate(a, f);
	case CAUSE_TLS:
		return failed_handshake(a, f);
	case CAUSE_OTHER:
		break;
	}
	return with_text(a, f, "the request failed, destination");
}
