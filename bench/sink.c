/* sink.c - the destination of the benchmarks: reads requests, counts them, answers at once.
 *
 * One thread on epoll. A body that starts with a time stamp of bench-load gives a latency, from
 * that stamp to the moment at which the whole request was read; all latencies go into one
 * histogram. GET /stats answers what was counted as one line of JSON, GET /seconds how many came in
 * each second, POST /reset clears it all, and none of these is counted; every other method and path is.
 * A second is centred on a whole number of seconds after the first request, so that bursts once a
 * second, which come a little early or late, are not cut in two.
 *
 * A connection whose peer does not read its answers is dropped as soon as one would have to wait.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hist.h"
#include "sock.h"
#include "wire.h"

enum {
	IN_BYTES = 16384, /* a head must fit */
	OUT_BYTES = 4096, /* answers gathered before they are written */
	EVENTS = 256,
	DELAY_MS_MAX = 3600000,
	SECONDS_MAX = 240, /* counted one by one; the last holds the rest */
};

/* What a request is for, by its first line. */
enum target { TARGET_COUNT, TARGET_STATS, TARGET_SECONDS, TARGET_RESET };

struct conn {
	int fd;                       /* -1: closed, but still in the list of delayed answers */
	bool in_body;                 /* the head was read */
	bool close;                   /* after the answer */
	bool waiting;                 /* its answer is being delayed */
	enum target target;           /* of the request being read */
	struct wire_body body;        /* valid with in_body */
	char stamp[SOCK_STAMP_BYTES]; /* the first bytes of the body */
	size_t stamp_n;
	size_t in_n, out_n; /* bytes in the buffers */
	uint64_t due_ns;    /* of the delayed answer */
	struct conn *next;  /* in the list of delayed answers */
	char in[IN_BYTES];
	char out[OUT_BYTES];
};

struct sink {
	int epoll_fd, listen_fd;
	uint64_t delay_ns; /* every answer waits so long */
	char answer[256];  /* the one answer */
	size_t answer_n;
	struct conn *first, **last;  /* delayed answers; the delay is constant, so oldest first */
	uint64_t connections;        /* open now */
	uint64_t stamped, stamp_sum; /* requests with a stamp, and the sum of their stamps */
	uint64_t count, bad;         /* requests; connections dropped for broken HTTP */
	uint64_t first_ns, last_ns;  /* when the first and the last request was complete */
	uint64_t cpu_us_at_reset;
	uint32_t second[SECONDS_MAX]; /* requests by second */
	int seconds;                  /* of them that had any, up to the last */
	struct hist hist;
};

static void watch(const struct sink *s, struct conn *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (epoll_ctl(s->epoll_fd, op, c->fd, &ev) < 0)
		sock_die("epoll_ctl: %s", strerror(errno));
}

static void conn_close(struct sink *s, struct conn *c)
{
	close(c->fd);
	c->fd = -1;
	s->connections--;
	if (!c->waiting)
		free(c);
}

/* False when the connection is gone. */
static bool conn_flush(struct sink *s, struct conn *c)
{
	if (c->out_n > 0 && send(c->fd, c->out, c->out_n, MSG_NOSIGNAL) != (ssize_t)c->out_n) {
		conn_close(s, c);
		return false;
	}
	c->out_n = 0;
	return true;
}

/* Puts an answer into the connection's buffer. False when the connection is gone. */
static bool conn_answer(struct sink *s, struct conn *c, const char *p, size_t n)
{
	if (c->out_n + n > OUT_BYTES && !conn_flush(s, c))
		return false;
	memcpy(c->out + c->out_n, p, n);
	c->out_n += n;
	return true;
}

static bool conn_answer_json(struct sink *s, struct conn *c, const char *json, int n)
{
	char head[128];
	int head_n = snprintf(head, sizeof(head),
			      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			      "Content-Length: %d\r\n\r\n",
			      n);

	return conn_answer(s, c, head, (size_t)head_n) && conn_answer(s, c, json, (size_t)n);
}

/* An array: the first half second, then second by second. */
static bool conn_answer_seconds(struct sink *s, struct conn *c)
{
	char json[SECONDS_MAX * 12 + 8];
	int n = 0;

	for (int i = 0; i < s->seconds; i++)
		n += snprintf(json + n, sizeof(json) - (size_t)n, "%c%" PRIu32, i ? ',' : '[',
			      s->second[i]);
	n += snprintf(json + n, sizeof(json) - (size_t)n, "%s]\n", n ? "" : "[");
	return conn_answer_json(s, c, json, n);
}

static bool conn_answer_stats(struct sink *s, struct conn *c)
{
	const struct hist *h = &s->hist;
	char json[512];
	int n;

	n = snprintf(json, sizeof(json),
		     "{\"count\":%" PRIu64
		     ",\"p50_us\":%.1f,\"p95_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,"
		     "\"stamped\":%" PRIu64 ",\"stamp_sum\":%" PRIu64 ",\"bad\":%" PRIu64
		     ",\"connections\":%" PRIu64 ",\"first_ns\":%" PRIu64 ",\"last_ns\":%" PRIu64
		     ",\"cpu_us\":%" PRIu64 "}\n",
		     s->count, hist_percentile_us(h, 500), hist_percentile_us(h, 950),
		     hist_percentile_us(h, 990), (double)h->max_ns / 1000.0, s->stamped,
		     s->stamp_sum, s->bad, s->connections, s->first_ns, s->last_ns,
		     sock_cpu_us() - s->cpu_us_at_reset);
	return conn_answer_json(s, c, json, n);
}

static void stats_reset(struct sink *s)
{
	s->count = s->bad = s->stamped = s->stamp_sum = s->first_ns = s->last_ns = 0;
	s->cpu_us_at_reset = sock_cpu_us();
	memset(&s->hist, 0, sizeof(s->hist));
	memset(s->second, 0, sizeof(s->second));
	s->seconds = 0;
}

static void count_request(struct sink *s, const struct conn *c, uint64_t now_ns)
{
	uint64_t stamp, second;

	if (s->count++ == 0)
		s->first_ns = now_ns;
	s->last_ns = now_ns;
	second = (now_ns - s->first_ns + 500000000u) / 1000000000u;
	if (second >= SECONDS_MAX)
		second = SECONDS_MAX - 1;
	s->second[second]++;
	s->seconds = (int)second + 1;
	if (c->stamp_n < SOCK_STAMP_BYTES || !sock_stamp_read(c->stamp, &stamp))
		return;
	s->stamped++;
	s->stamp_sum += stamp;
	hist_add(&s->hist, now_ns > stamp ? now_ns - stamp : 0);
}

static void conn_delay(struct sink *s, struct conn *c, uint64_t now_ns)
{
	c->waiting = true;
	c->due_ns = now_ns + s->delay_ns;
	c->next = NULL;
	*s->last = c;
	s->last = &c->next;
}

/* A whole request was read. False when the connection is gone. */
static bool conn_request_done(struct sink *s, struct conn *c, uint64_t now_ns)
{
	c->in_body = false;
	if (c->target == TARGET_STATS)
		return conn_answer_stats(s, c);
	if (c->target == TARGET_SECONDS)
		return conn_answer_seconds(s, c);
	if (c->target == TARGET_RESET) {
		stats_reset(s);
		return conn_answer(s, c, s->answer, s->answer_n);
	}
	count_request(s, c, now_ns);
	if (s->delay_ns == 0)
		return conn_answer(s, c, s->answer, s->answer_n);
	conn_delay(s, c, now_ns);
	return true;
}

static bool starts_with(const char *p, size_t n, const char *word)
{
	size_t word_n = strlen(word);

	return n >= word_n && memcmp(p, word, word_n) == 0;
}

/* Reads a head at p[0..n). Returns the bytes used, 0 for "not complete", -1 for broken. */
static ssize_t conn_head(struct sink *s, struct conn *c, const char *p, size_t n)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct wire_head h;
	ssize_t used = wire_head_parse(p, n, &h);

	if (used <= 0)
		return used == 0 && n == IN_BYTES ? -1 : used;
	c->target = starts_with(p, n, "GET /stats ")     ? TARGET_STATS
		    : starts_with(p, n, "GET /seconds ") ? TARGET_SECONDS
		    : starts_with(p, n, "POST /reset ")  ? TARGET_RESET
							 : TARGET_COUNT;
	c->in_body = true;
	c->body = wire_body_start(&h);
	c->stamp_n = 0;
	c->close = h.close;
	if (h.expect && c->body.state != WIRE_DONE && !conn_answer(s, c, go_on, sizeof(go_on) - 1))
		return -2;
	return used;
}

static size_t conn_body(struct conn *c, const char *p, size_t n)
{
	const char *data;
	size_t data_n;
	size_t used = wire_body_take(&c->body, p, n, &data, &data_n);
	size_t room = SOCK_STAMP_BYTES - c->stamp_n;

	if (data_n > 0 && room > 0) {
		memcpy(c->stamp + c->stamp_n, data, data_n < room ? data_n : room);
		c->stamp_n += data_n < room ? data_n : room;
	}
	return used;
}

/* Works off what is in the buffer. False when the connection is gone. */
static bool conn_work(struct sink *s, struct conn *c, uint64_t now_ns)
{
	size_t at = 0;

	while (!c->waiting && (at < c->in_n || (c->in_body && c->body.state == WIRE_DONE))) {
		ssize_t used = c->in_body ? (ssize_t)conn_body(c, c->in + at, c->in_n - at)
					  : conn_head(s, c, c->in + at, c->in_n - at);

		if (used == -2)
			return false;
		if (used < 0 || (c->in_body && c->body.state == WIRE_BAD)) {
			s->bad++;
			conn_close(s, c);
			return false;
		}
		if (used == 0 && !c->in_body)
			break;
		at += (size_t)used;
		if (c->in_body && c->body.state == WIRE_DONE && !conn_request_done(s, c, now_ns))
			return false;
	}
	memmove(c->in, c->in + at, c->in_n - at);
	c->in_n -= at;
	if (!conn_flush(s, c))
		return false;
	if (c->close && !c->in_body && !c->waiting) {
		conn_close(s, c);
		return false;
	}
	return true;
}

static void conn_read(struct sink *s, struct conn *c)
{
	ssize_t n;

	if (c->waiting) {
		/* One request at a time: look again when the answer is out. */
		watch(s, c, EPOLL_CTL_MOD, 0);
		return;
	}
	n = recv(c->fd, c->in + c->in_n, IN_BYTES - c->in_n, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_close(s, c);
		return;
	}
	c->in_n += (size_t)n;
	conn_work(s, c, sock_now_ns());
}

static void accept_all(struct sink *s)
{
	for (;;) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		struct conn *c;

		if (fd < 0)
			return;
		c = calloc(1, sizeof(*c));
		if (!c)
			sock_die("no memory for a connection");
		c->fd = fd;
		s->connections++;
		sock_tune(fd);
		watch(s, c, EPOLL_CTL_ADD, EPOLLIN);
	}
}

/* Sends the delayed answers that are due and goes on with what their connections hold. */
static void answer_due(struct sink *s)
{
	uint64_t now_ns = sock_now_ns();

	while (s->first && s->first->due_ns <= now_ns) {
		struct conn *c = s->first;

		s->first = c->next;
		if (!s->first)
			s->last = &s->first;
		c->waiting = false;
		if (c->fd < 0) {
			free(c);
			continue;
		}
		watch(s, c, EPOLL_CTL_MOD, EPOLLIN);
		if (conn_answer(s, c, s->answer, s->answer_n))
			conn_work(s, c, now_ns);
	}
}

static void turn(struct sink *s)
{
	struct epoll_event ev[EVENTS];
	int n = sock_wait(s->epoll_fd, ev, EVENTS, s->first ? s->first->due_ns : SOCK_FOREVER);

	for (int i = 0; i < n; i++) {
		struct conn *c = ev[i].data.ptr;

		if (!c)
			accept_all(s);
		else if (c->waiting && ev[i].events & (EPOLLHUP | EPOLLERR))
			conn_close(s, c);
		else
			conn_read(s, c);
	}
	answer_due(s);
}

static void answer_format(struct sink *s, int status)
{
	bool has_body = status != 204 && status != 304;
	const char *rest =
		has_body ? "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nok" : "\r\n";

	s->answer_n = (size_t)snprintf(s->answer, sizeof(s->answer), "HTTP/1.1 %d %s\r\n%s", status,
				       status < 300 ? "OK" : "No", rest);
}

static void usage(void)
{
	fputs("usage: bench-sink [--port N] [--delay-ms N] [--status N]\n"
	      "Listens on 127.0.0.1, prints \"port N\", and answers every request until it is "
	      "ended.\n"
	      "  --port N      default 0: any free one\n"
	      "  --delay-ms N  time before each answer, default 0\n"
	      "  --status N    status of the answers, default 200\n"
	      "GET /stats and GET /seconds give the counts as JSON, POST /reset clears them.\n",
	      stderr);
	exit(2);
}

static void read_options(struct sink *s, int argc, char **argv, int *ret_port, int *ret_status)
{
	static const struct option long_options[] = { { "port", required_argument, NULL, 'p' },
						      { "delay-ms", required_argument, NULL, 'd' },
						      { "status", required_argument, NULL, 's' },
						      { 0 } };
	int o;

	while ((o = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (o == 'p')
			*ret_port = (int)sock_number(optarg, "--port", 0, 65535);
		else if (o == 'd')
			s->delay_ns = sock_number(optarg, "--delay-ms", 0, DELAY_MS_MAX) * 1000000u;
		else if (o == 's')
			*ret_status = (int)sock_number(optarg, "--status", 200, 599);
		else
			usage();
	}
	if (optind != argc)
		usage();
}

int main(int argc, char **argv)
{
	struct sink *s = calloc(1, sizeof(*s));
	struct epoll_event ev = { .events = EPOLLIN };
	int port = 0, status = 200;

	if (!s)
		sock_die("no memory");
	read_options(s, argc, argv, &port, &status);
	signal(SIGPIPE, SIG_IGN);
	sock_files_raise();
	s->last = &s->first;
	answer_format(s, status);
	s->listen_fd = sock_listen(port, &port);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listen_fd, &ev) < 0)
		sock_die("epoll: %s", strerror(errno));
	stats_reset(s);
	printf("port %d\n", port);
	fflush(stdout);
	for (;;)
		turn(s);
}
