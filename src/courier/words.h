/* words.h - why there is no answer, in a sentence that an operator can act on.
 */
#ifndef COURIER_WORDS_H
#define COURIER_WORDS_H

#include "base/arena.h"
#include "base/str.h"

/* How far an exchange got. */
enum phase { PHASE_QUEUED, PHASE_RESOLVING, PHASE_CONNECTING, PHASE_WAITING, PHASE_READING };

enum cause {
	CAUSE_NAME,        /* it could not be resolved */
	CAUSE_CONNECT,     /* the guard's refusal, or os_errno */
	CAUSE_TIME,        /* limit_ms are over, in that phase */
	CAUSE_CLOSED,      /* the connection ended before the answer did */
	CAUSE_LIMIT,       /* the answer was broken off here; text says why, "its answer has ..." */
	CAUSE_NOT_HTTP,    /* what came is no head of an answer; text */
	CAUSE_BROKEN,      /* the framing of its body is broken; text */
	CAUSE_CERTIFICATE, /* verify_result */
	CAUSE_TLS,         /* the handshake failed; text */
	CAUSE_OTHER,       /* text */
};

struct failure {
	enum cause cause;
	struct str dest;     /* "host:port" */
	struct str address;  /* the numeric address last tried; empty = none */
	const char *refused; /* why the guard refused `address`; NULL = it did not */
	const char *text;    /* more about it; may be empty */
	long os_errno, verify_result;
	enum phase phase;
	int64_t limit_ms;  /* which time was over */
	long status;       /* of the answer that broke off; 0 = it had not begun */
	size_t body_bytes; /* of its body that came */
};

/* The sentence, in the arena. */
struct str words_for(struct arena *a, const struct failure *f);

#endif
