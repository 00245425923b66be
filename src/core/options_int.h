/* options_int.h - what the files of options.h share; nobody else includes it.
 *
 * A parse has three steps: collect (options.c) sorts all headers into settings, forwarded headers
 * and settings of callbacks, the strongest source first; the table's functions (options_value.c)
 * judge and apply the settings one by one; what is forwarded is put together last (options_list.c).
 */
#ifndef CORE_OPTIONS_INT_H
#define CORE_OPTIONS_INT_H

#include "core/options.h"

/* In the order in which they are applied. */
enum setting {
	SETTING_METHOD,
	SETTING_TIMEOUT,
	SETTING_RETRIES,
	SETTING_RETRY_DELAY,
	SETTING_DELAY,
	SETTING_NOT_BEFORE,
	SETTING_LABEL,
	SETTING_FLOW_KEY,
	SETTING_FLOW_VALUE,
	SETTING_REDACT,
	SETTING_QUEUE,
	SETTING_DEDUP_ID,
	SETTING_DEDUP_CONTENT,
	SETTING_CALLBACK,
	SETTING_FAILURE_CALLBACK,
	SETTING_CRON,
	SETTING_SCHEDULE_ID,
	SETTING_HEADER_FORWARD,
	SETTINGS,
};

/* Where a header comes from; of two with the same name the lesser rank counts. */
enum rank {
	RANK_REQUEST,       /* Upstash-Forward-X (or Upstash-Callback-X) in the request */
	RANK_REQUEST_PLAIN, /* X itself in the request */
	RANK_QUERY,
	RANK_GROUP,
	RANK_GROUP_PLAIN,
	RANK_MESSAGE, /* the dead letter has it */
};

struct options_list {
	struct options_entry {
		struct str name, value; /* name canonical */
		enum rank rank;
	} *v;
	size_t n, cap;
};

struct options_parser {
	struct arena *a;
	const struct options_source *src;
	bool is_callback;  /* the settings are a callback's; names come without prefix */
	struct str prefix; /* what the user wrote before a setting's name, for error texts */
	struct msg *m;
	struct options o;
	struct str value[SETTINGS]; /* trimmed; p == NULL = not given */
	enum rank rank[SETTINGS];   /* of the value */
	uint32_t repeated; /* lists of which the source has more than one: bit 1 << setting */
	struct options_list forward, callback, failure;
	struct problem *problem;
};

/* Sets the problem, with the setting's full name in front, and returns false. */
bool options_refuse(struct options_parser *ps, enum setting s, int status, const char *fmt, ...)
	printf_like(4, 5);

/* options_value.c: one function per setting. */
struct options_setting {
	struct str name; /* without "Upstash-" */
	bool (*apply)(struct options_parser *ps, struct str value);
	unsigned uses; /* bits 1 << enum options_use, and OPTIONS_IN_CALLBACK */
	bool is_list;  /* repeated ones are joined with commas */
};
enum { OPTIONS_IN_CALLBACK = 1 << 8 };
extern const struct options_setting options_settings[SETTINGS];

/* What holds between settings, once all are applied. */
must_use bool options_value_check(struct options_parser *ps);

/* options_list.c */
void options_list_init(struct arena *a, struct options_list *l, size_t cap);
/* `rest` is the name behind "Upstash-Forward-". */
must_use bool options_list_forward(struct options_parser *ps, struct str rest, struct str value,
				   enum rank rank);
/* One setting of a callback; `rest` is the name behind "Upstash-Callback-". */
must_use bool options_list_callback(struct options_parser *ps, struct options_list *l,
				    struct str rest, struct str value, enum rank rank);
/* Adds the plain headers that are forwarded, and makes m->header. */
must_use bool options_list_headers(struct options_parser *ps);
/* Makes the callbacks' header lists and judges their settings. */
must_use bool options_list_callbacks(struct options_parser *ps);

#endif
