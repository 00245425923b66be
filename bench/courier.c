/* courier.c - bench-courier: what one delivery costs, of either backend alone.
 *
 *	bench-courier own|curl PARALLEL REQUESTS http://127.0.0.1:PORT/
 *
 * Keeps PARALLEL requests under way until REQUESTS are answered, each with the ten headers and 200
 * bytes of body that deliveries have. Prints one line of JSON: requests a second, and microseconds
 * of this process's CPU time for each. The first tenth warms up and is not counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/check.h"
#include "courier/curl/curl_courier.h"
#include "courier/http/http_courier.h"
#include "net/loop.h"

struct run {
	struct loop *loop;
	struct courier *courier;
	struct str url;
	long wanted, sent, done, failed, warm;
	double start_s, start_cpu_s;
};

struct call {
	struct courier_req req;
	struct run *run;
};

static const struct header headers[] = {
	{ STR("User-Agent"), STR("Upstash-QStash") },
	{ STR("Content-Type"), STR("application/json") },
	{ STR("Upstash-Message-Id"), STR("msg_7YoJxFpwkEy5zBp378JgvD6YBDPBEqkBbaAuSmmxxwUmTA") },
	{ STR("Upstash-Retried"), STR("0") },
	{ STR("Upstash-Schedule-Id"), STR("") },
	{ STR("Upstash-Region"), STR("eu-central-1") },
	{ STR("Upstash-Caller-Ip"), STR("127.0.0.1") },
	{ STR("Accept-Encoding"), STR("gzip") },
	{ STR("X-Forwarded-For"), STR("127.0.0.1") },
	{ STR("Upstash-Signature"),
	  STR("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
	      "eyJib2R5IjoiIiwiZXhwIjoxNzAwMDAwMDAwLCJpYXQiOjE2"
	      "OTk5OTk3MDAsImlzcyI6IlVwc3Rhc2giLCJqdGkiOiJqd3RfMTIzNDU2Nzg5MCIsIm5iZiI6MTY5OTk5OTcw"
	      "MC"
	      "wic3ViIjoiaHR0cDovLzEyNy4wLjAuMSJ9.MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI") },
};

static double now_s(void)
{
	struct timespec t;

	check(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
	struct rusage u;

	check(getrusage(RUSAGE_SELF, &u) == 0);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void on_done(struct courier_req *req);

static void send_one(struct call *c)
{
	static char body[200] = "{";

	c->run->sent++;
	arena_reset(&c->req.arena);
	c->req.method = STR("POST");
	c->req.url = c->run->url;
	c->req.header = (struct headers){ (struct header *)(uintptr_t)headers, countof(headers) };
	c->req.body = str_n(body, sizeof(body));
	c->req.timeout_ms = 30000;
	c->req.answer_bytes_max = 1 << 20;
	c->req.done = on_done;
	courier_send(c->run->courier, &c->req);
}

static void on_done(struct courier_req *req)
{
	struct call *c = container_of(req, struct call, req);
	struct run *r = c->run;

	if (req->outcome.status != 200 && r->failed++ == 0)
		fprintf(stderr, "status %d %.*s\n", (int)req->outcome.status,
			STR_FMT(req->outcome.error));
	if (++r->done == r->warm) {
		r->start_s = now_s();
		r->start_cpu_s = cpu_s();
	}
	if (r->done >= r->wanted)
		loop_stop(r->loop);
	else if (r->sent < r->wanted)
		send_one(c);
}

int main(int argc, char **argv)
{
	struct courier_settings set = { .guard = { .allow_private = true },
					.ca_file = getenv("SSL_CERT_FILE") };
	struct run r = { .loop = loop_new() };
	char error[200];
	int parallel;
	struct call *calls;
	double n;

	if (argc != 5 || r.loop == NULL) {
		fprintf(stderr, "usage: bench-courier own|curl PARALLEL REQUESTS URL\n");
		return 2;
	}
	r.courier = strcmp(argv[1], "own") == 0 ? http_courier_open(r.loop, &set, error)
						: curl_courier_open(r.loop, &set, error);
	check(r.courier != NULL);
	parallel = (int)strtol(argv[2], NULL, 10);
	r.wanted = strtol(argv[3], NULL, 10);
	r.warm = r.wanted / 10;
	r.url = str_c(argv[4]);
	calls = xcalloc((size_t)parallel, sizeof(*calls));
	for (int i = 0; i < parallel; i++) {
		calls[i].run = &r;
		arena_init(&calls[i].req.arena);
		send_one(&calls[i]);
	}
	loop_run(r.loop);
	n = (double)(r.done - r.warm);
	printf("{\"courier\":\"%s\",\"parallel\":%d,\"requests\":%ld,\"failed\":%ld,"
	       "\"per_s\":%.0f,\"cpu_us\":%.2f}\n",
	       argv[1], parallel, r.done, r.failed, n / (now_s() - r.start_s),
	       (cpu_s() - r.start_cpu_s) / n * 1e6);
	courier_close(r.courier);
	loop_free(r.loop);
	for (int i = 0; i < parallel; i++)
		arena_done(&calls[i].req.arena);
	free(calls);
	return r.failed != 0;
}
