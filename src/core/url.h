/* url.h - URLs of destinations, taken apart and judged (spec 4.1).
 *
 * Strict where parsers differ, because what we judge somebody else will connect to: no control
 * bytes, no spaces, no backslash before the path, one '@' at most, no percent signs in the host.
 */
#ifndef CORE_URL_H
#define CORE_URL_H

#include "base/compiler.h"
#include "base/problem.h"
#include "base/str.h"

/* Views into the text. */
struct url {
	struct str scheme;    /* "http" or "https", any case */
	struct str userinfo;  /* without '@'; empty = none */
	struct str host;      /* an IPv6 address with its brackets */
	struct str authority; /* host and port as written, without userinfo */
	struct str path;      /* begins with '/', or empty */
	struct str query;     /* without '?' */
	struct str fragment;  /* without '#' */
	struct str whole;     /* all but the fragment: what is delivered to */
	uint16_t port;        /* 80 or 443 when not given */
};

/* True when it is an absolute http or https URL as described above. */
must_use bool url_parse(struct str s, struct url *ret_url);
/* The same, and says in a few words what is wrong. */
must_use bool url_judge(struct str s, struct url *ret_url, const char **ret_why);

enum dest_kind {
	DEST_URL,
	DEST_API,   /* "api/llm" */
	DEST_GROUP, /* the name of a URL group, which need not exist */
};

/* 400 with the texts of spec 1.5. */
must_use bool dest_classify(struct str dest, enum dest_kind *ret_kind, struct problem *ret_problem);

/* For filters. Is `host` the URL's, with or without its port, any case? Is `path` its path? ("/"
 * when it has none) False when `url` is none. */
bool url_has_host(struct str url, struct str host);
bool url_has_path(struct str url, struct str path);

#endif
