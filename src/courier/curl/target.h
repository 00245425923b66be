/* target.h - a parsed URL, shared by the requests that go to it.
 *
 * Parsing costs libcurl a tenth of a request, and the same few URLs come again and again: a
 * destination remembers its last one (dispatch.h), a handle the one it was last set to (easy.h).
 */
#ifndef COURIER_CURL_TARGET_H
#define COURIER_CURL_TARGET_H

#include <curl/curl.h>

#include "base/compiler.h"
#include "base/str.h"

struct target {
	CURLU *parsed;
	struct str text; /* NUL-terminated; in the same piece of memory */
	bool is_tls;
	int refs;
};

/* One reference for the caller. NULL when it is not a URL that can be requested; *ret_why is then a
 * constant sentence fragment. */
must_use struct target *target_new(struct str text, const char **ret_why);
struct target *target_ref(struct target *u);
void target_unref(struct target *u); /* NULL is fine */

#endif
