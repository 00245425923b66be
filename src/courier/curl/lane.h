/* lane.h - one multi handle of libcurl: a set of connections and the exchanges that run on them.
 *
 * Why there are several: dispatch.h. A lane does nothing by itself: it is told of events on its
 * sockets and asks, through due_ms, to be run at a time.
 */
#ifndef COURIER_CURL_LANE_H
#define COURIER_CURL_LANE_H

#include <curl/curl.h>

#include "base/compiler.h"

struct easy;
struct sockets;

struct lane {
	CURLM *multi;
	struct sockets *sockets;
	const int64_t *now_ms; /* mono, of this turn */
	int64_t due_ms;        /* mono; when to call lane_run at the latest */
	bool has_news;         /* lane_finished may have something */
};

struct lane *lane_new(struct sockets *sockets, const int64_t *now_ms, int connections_max);
/* All handles must have left. Closes its connections. */
void lane_free(struct lane *l);

void lane_add(struct lane *l, struct easy *e); /* begins at the next lane_run */
void lane_remove(struct lane *l,
		 struct easy *e); /* a finished one, or one that is to be cancelled */

/* Does what is due: begins what was added, timers. */
void lane_run(struct lane *l);
/* Something happened on a socket of the lane; a sockets_fn. */
void lane_event(struct lane *l, int fd, int bits);
/* A handle whose exchange ended, still to be removed; NULL when there are no more. */
struct easy *lane_finished(struct lane *l, CURLcode *ret_code);

#endif
