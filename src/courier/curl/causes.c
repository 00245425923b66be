#include "courier/curl/causes.h"

#include <string.h>

static enum cause cause_of(const struct failure *f, CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return CAUSE_NAME;
	case CURLE_COULDNT_CONNECT:
		return CAUSE_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return CAUSE_TIME;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return CAUSE_CLOSED;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		/* Without an errno it is about what was received. */
		return f->os_errno == 0 && f->text[0] != '\0' ? CAUSE_BROKEN : CAUSE_CLOSED;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return CAUSE_NOT_HTTP;
	case CURLE_PEER_FAILED_VERIFICATION:
		return CAUSE_CERTIFICATE;
	case CURLE_SSL_CONNECT_ERROR:
		return CAUSE_TLS;
	default:
		/* Some of what is wrong with chunks it calls a failure to write. */
		return strstr(f->text, "chunked") != NULL ? CAUSE_BROKEN : CAUSE_OTHER;
	}
}

void causes_set(struct failure *f, CURLcode code, const char *text, const char *broken)
{
	/* Memory never runs out; this is how libcurl calls a header line of more than 100 KB. */
	if (broken == NULL && code == CURLE_OUT_OF_MEMORY)
		broken = "a line in the head of its answer is too long";
	f->text = broken != NULL ? broken : text;
	f->cause = broken != NULL ? CAUSE_LIMIT : cause_of(f, code);
	if (f->text[0] == '\0' && (f->cause == CAUSE_NOT_HTTP || f->cause == CAUSE_OTHER))
		f->text = curl_easy_strerror(code);
}
