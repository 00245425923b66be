#include "app/llm.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "core/limits.h"
#include "core/url.h"

#define ROUTE "/v1/chat/completions"

static struct str without_end(struct str s, struct str end)
{
	if (s.n >= end.n && str_eq(str_from(s, s.n - end.n), end))
		s.n -= end.n;
	return s;
}

char *llm_url(const char *setting, char ret_error[256])
{
	struct str base = str_trim(str_c(setting));
	char text[LIMIT_URL_BYTES];
	const char *why = NULL;
	struct url u;

	if (base.n == 0)
		return str_dup(STR(""));
	base = without_end(base, STR("/"));
	base = without_end(base, STR("/chat/completions"));
	base = without_end(base, STR("/v1"));
	if (base.n + strlen(ROUTE) >= sizeof(text)) {
		snprintf(ret_error, 256, "llm-url: it is too long");
		return NULL;
	}
	snprintf(text, sizeof(text), "%.*s" ROUTE, STR_FMT(base));
	if (!url_judge(str_c(text), &u, &why)) {
		snprintf(ret_error, 256, "llm-url: must be a http:// or https:// URL: %s", why);
		return NULL;
	}
	return str_dup(str_c(text));
}
