/* load.h - the load generator: what it is told, what it counts, and the run in between.
 *
 * Closed loop: each connection has one request outstanding, and the next leaves when the answer is
 * there; it measures how much the other side can do. Open loop: requests are due on a fixed
 * schedule (start + k / rate) whatever the answers do. One that finds no free connection waits for
 * one, and is measured from the moment at which it was due, so a slow answer shows in the latency
 * of all that it held up, and never in a lower rate.
 *
 * A run is always bounded: by a count, by a time, or both, and behind those by `drain_ms`, the time
 * for which answers that are still missing are waited for.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "hist.h"
#include "sock.h"

enum {
	LOAD_CONNS_MAX = 10000,
	LOAD_HEADERS_BYTES = 16384,
	LOAD_BODY_BYTES_MAX = 128 << 20,
};

struct load_settings {
	char host[64]; /* numeric IPv4 address */
	int port;
	const char *path; /* the target as it is sent, with query */
	const char *method;
	char headers[LOAD_HEADERS_BYTES]; /* whole lines, each with its line end */
	size_t headers_n;
	const char *body_file; /* sent as it is, without a stamp; NULL: a made-up body */
	size_t body_bytes;     /* of the made-up body, at least the stamp */
	int conns;
	uint64_t requests_max; /* stop after so many */
	uint64_t seconds_max;  /* issue nothing after so long */
	uint64_t rate_per_s;   /* 0: closed loop */
	uint64_t drain_ms;     /* wait so long for the last answers */
	uint64_t progress_s;   /* a line to stderr every so often; 0: none */
};

struct load_counts {
	uint64_t issued;     /* requests sent, or due and never sent */
	uint64_t ok;         /* answered 2xx */
	uint64_t refused;    /* answered with anything else */
	uint64_t broken;     /* the connection ended, or the answer was not HTTP */
	uint64_t unanswered; /* no answer when the run ended */
	uint64_t unsent;     /* due, but no connection became free before the run ended */
	uint64_t stamp_sum;  /* sum of the stamps of those that are ok */
	uint64_t start_ns;   /* the first request left */
	uint64_t end_ns;     /* the last answer was there */
	uint64_t cpu_us;     /* user and system time of the run, connecting left out */
	int first_refusal;   /* status of the first that was refused, 0 if none */
	struct hist hist;    /* of answers, whatever their status */
};

/* Connects, runs to the end, closes. Dies when it cannot connect at the start. */
void load_run(const struct load_settings *set, struct load_counts *ret);

#endif
