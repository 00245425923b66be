/* words.h - why there is no answer, in a sentence that an operator can act on.
 */
#ifndef COURIER_CURL_WORDS_H
#define COURIER_CURL_WORDS_H

#include <curl/curl.h>

#include "base/arena.h"
#include "base/str.h"

/* How far an exchange got. */
enum phase { PHASE_QUEUED, PHASE_RESOLVING, PHASE_CONNECTING, PHASE_WAITING, PHASE_READING };

struct failure {
	CURLcode code;
	struct str dest;     /* "host:port" */
	struct str address;  /* the numeric address last tried; empty = none */
	const char *refused; /* why the guard refused `address`; NULL = it did not */
	const char *broken;  /* why the answer was broken off (answer.h); NULL = it was not that */
	const char *curl_text; /* libcurl's own words; may be empty */
	long os_errno, verify_result;
	enum phase phase;
	int64_t limit_ms;  /* for CURLE_OPERATION_TIMEDOUT: which time was over */
	long status;       /* of the answer that broke off; 0 = it had not begun */
	size_t body_bytes; /* of its body that came */
};

/* The sentence, in the arena. */
struct str words_for(struct arena *a, const struct failure *f);

#endif
