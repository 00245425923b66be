#include "courier/curl/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "courier/request.h"

static struct target *allocate(struct str text)
{
	struct target *u = xmalloc(sizeof(*u) + text.n + 1);
	char *p = (char *)(u + 1);

	memcpy(p, text.p, text.n);
	p[text.n] = '\0';
	*u = (struct target){ .parsed = curl_url(),
			      .text = { p, text.n },
			      .is_tls = str_istarts(text, STR("https:")),
			      .refs = 1 };
	check(u->parsed != NULL);
	return u;
}

struct target *target_new(struct str text, const char **ret_why)
{
	struct target *u;
	CURLUcode code;

	/* libcurl would skip the slash of a missing host and take what follows for the host. */
	*ret_why = request_url_fault(text);
	if (*ret_why != NULL)
		return NULL;
	u = allocate(text);
	/* Dots in the path are the destination's business: what is signed is what is requested. */
	code = curl_url_set(u->parsed, CURLUPART_URL, u->text.p, CURLU_PATH_AS_IS);
	if (code != CURLUE_OK) {
		*ret_why = curl_url_strerror(code);
		target_unref(u);
		return NULL;
	}
	return u;
}

struct target *target_ref(struct target *u)
{
	check(u->refs > 0);
	u->refs++;
	return u;
}

void target_unref(struct target *u)
{
	if (u == NULL || --u->refs > 0)
		return;
	check(u->refs == 0);
	curl_url_cleanup(u->parsed);
	free(u);
}
