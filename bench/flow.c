/* flow.c - bench-flow: workflows of sequential steps, as their endpoint and as the client that begins them.
 *
 * One thread on epoll. As the endpoint it does what an SDK does with as little as possible: a delivery's history says how many
 * steps are done; the next one's result is published (POST /v2/batch), or the run's end (DELETE), and when the server has
 * answered, the delivery is. So many runs are under way at once; when one ends, the next begins.
 *
 * The latency of a step is the time from when its result is sent to the server until the delivery that carries it is
 * there. With --stops, all runs wait for each other when they have so many steps: a line is printed and one is read, so
 * that somebody can look at the server meanwhile; latencies are counted anew from there.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hist.h"
#include "sock.h"
#include "wire.h"

enum { EVENTS = 256, STOPS_MAX = 16, IN_BYTES = 65536, HEAD_ROOM = 2048 };

static const char usage_text[] = "usage: bench-flow --server PORT --token TOKEN [options]\n"
				 "  --runs N        workflows in all, default 1000\n"
				 "  --conns N       at once, default 32\n"
				 "  --steps N       of each, default 5\n"
				 "  --bytes N       of each step's result, default 100\n"
				 "  --stops N,N...  all runs wait for each other there\n"
				 "The last line is one of JSON.\n";

struct conn {
	int fd;
	bool is_client;    /* ours, to the server */
	struct conn *peer; /* client: the delivery to be answered; NULL = a beginning */
	struct conn *next; /* idle, or held at a stop */
	int run;           /* slot */
	int steps;         /* delivery: done by now */
	bool ends;         /* client: it has asked for the run's end */
	char *in;
	size_t in_n, in_cap;
};

struct bench {
	int epoll_fd, listen_fd, port, server_port;
	const char *token;
	uint64_t runs, begun, ended, steps_done, errors;
	int conns, steps;
	size_t bytes;
	int stop[STOPS_MAX];
	int stops, stop_at;
	struct conn *idle, *held;
	int held_n;
	uint64_t *sent_ns; /* by slot */
	char *out;         /* the request being made */
	size_t out_cap;
	struct hist hist;
};

/* ---- connections -------------------------------------------------------------------------------------- */

static struct conn *conn_new(struct bench *b, int fd, bool is_client)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (c == NULL || fd < 0)
		sock_die("a connection: %s", strerror(errno));
	c->fd = fd;
	c->is_client = is_client;
	sock_tune(fd);
	if (epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		sock_die("epoll_ctl: %s", strerror(errno));
	return c;
}

static void conn_send(const struct conn *c, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			sock_die("send: %s", strerror(errno));
		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
		}
	}
}

static struct conn *client(struct bench *b)
{
	struct conn *c = b->idle;

	if (c == NULL)
		return conn_new(b, sock_connect("127.0.0.1", b->server_port), true);
	b->idle = c->next;
	return c;
}

/* ---- what is asked ------------------------------------------------------------------------------------ */

static void ask(struct bench *b, struct conn *c, const char *method, const char *path,
		const char *body)
{
	int n = snprintf(b->out, b->out_cap,
			 "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
			 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			 method, path, b->token, strlen(body), body);

	b->sent_ns[c->run] = sock_now_ns();
	conn_send(c, b->out, (size_t)n);
}

/* A batch of one, with the headers that the SDK sends. */
static void ask_item(struct bench *b, struct conn *c, const char *run, bool init, const char *body)
{
	size_t cap = HEAD_ROOM + strlen(body);
	char *item = malloc(cap);

	if (item == NULL)
		sock_die("no memory");
	snprintf(item, cap,
		 "[{\"destination\":\"http://127.0.0.1:%d/\",\"headers\":{"
		 "\"upstash-workflow-init\":\"%s\",\"upstash-workflow-runid\":\"%s\","
		 "\"upstash-workflow-url\":\"http://127.0.0.1:%d/\","
		 "\"upstash-feature-set\":\"LazyFetch,InitialBody,WF_DetectTrigger,"
		 "WF_TriggerOnConfig\","
		 "\"upstash-workflow-sdk-version\":\"1\","
		 "\"upstash-forward-upstash-workflow-sdk-version\":\"1\","
		 "\"content-type\":\"application/json\",\"upstash-method\":\"POST\"},"
		 "\"body\":\"%s\"}]",
		 b->port, init ? "true" : "false", run, b->port, body);
	ask(b, c, "POST", "/v2/batch", item);
	free(item);
}

static void run_name(char name[64], int slot, uint64_t number)
{
	snprintf(name, 64, "wfr_bench-%d-%" PRIu64, slot, number);
}

static void begin(struct bench *b, int slot)
{
	struct conn *c = client(b);
	char run[64];

	run_name(run, slot, b->begun++);
	c->run = slot;
	c->peer = NULL;
	c->ends = false;
	ask_item(b, c, run, true, "{}");
}

static void publish_step(struct bench *b, struct conn *c, const char *run, int step)
{
	size_t cap = HEAD_ROOM + b->bytes;
	char *body = malloc(cap);
	int n;

	if (body == NULL)
		sock_die("no memory");
	n = snprintf(
		body, cap,
		"{\\\"stepId\\\":%d,\\\"stepName\\\":\\\"step\\\",\\\"stepType\\\":\\\"Run\\\","
		"\\\"out\\\":\\\"",
		step);
	memset(body + n, 'x', b->bytes);
	snprintf(body + n + b->bytes, cap - (size_t)n - b->bytes, "\\\",\\\"concurrent\\\":1}");
	ask_item(b, c, run, false, body);
	free(body);
}

/* ---- deliveries --------------------------------------------------------------------------------------- */

/* The value of Upstash-Workflow-Runid in the head. */
static void read_run(const struct conn *c, size_t head_n, char run[64], int *ret_slot)
{
	static const char name[] = "\r\nupstash-workflow-runid: ";
	size_t name_n = sizeof(name) - 1, n = 0;

	for (size_t i = 0; i + name_n < head_n; i++) {
		if (strncasecmp(c->in + i, name, name_n) != 0)
			continue;
		for (i += name_n; i < head_n && c->in[i] != '\r' && n < 63; i++)
			run[n++] = c->in[i];
		break;
	}
	run[n] = '\0';
	if (sscanf(run, "wfr_bench-%d-", ret_slot) != 1)
		sock_die("a delivery that is of no run");
}

static int count_entries(const char *p, size_t n)
{
	static const char word[] = "\"messageId\"";
	const char *end = p + n;
	int count = 0;

	while ((p = memmem(p, (size_t)(end - p), word, sizeof(word) - 1)) != NULL) {
		p += sizeof(word) - 1;
		count++;
	}
	return count;
}

static void answer(const struct conn *c)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nUpstash-Workflow-Sdk-Version: 1\r\n"
				   "Upstash-Workflow-Sdk: v1.3.3\r\nContent-Length: 2\r\n\r\n{}";

	conn_send(c, text, sizeof(text) - 1);
}

/* The next step, or the end; its name still stands in the delivery's head. */
static void go_on(struct bench *b, struct conn *c)
{
	struct conn *to = client(b);
	char run[64], path[128];
	int slot;

	read_run(c, strlen(c->in), run, &slot);
	to->run = slot;
	to->peer = c;
	to->ends = c->steps == b->steps;
	if (to->ends) {
		snprintf(path, sizeof(path), "/v2/workflows/runs/%s?cancel=false", run);
		ask(b, to, "DELETE", path, "\"done\"");
	} else {
		publish_step(b, to, run, c->steps + 1);
	}
}

static void print_stop(struct bench *b)
{
	printf("{\"stop\":%d,\"steps\":%" PRIu64 ",\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
	       b->stop[b->stop_at], b->hist.count, hist_percentile_us(&b->hist, 500),
	       hist_percentile_us(&b->hist, 990));
	fflush(stdout);
	while (getchar() != '\n' && !feof(stdin))
		continue;
	memset(&b->hist, 0, sizeof(b->hist));
	b->stop_at++;
	b->held_n = 0;
}

static void delivered(struct bench *b, struct conn *c, size_t head_n, size_t body_n)
{
	uint64_t now_ns = sock_now_ns();
	char run[64];

	read_run(c, head_n, run, &c->run);
	c->steps = count_entries(c->in + head_n, body_n) - 1;
	if (c->steps > 0) {
		hist_add(&b->hist, now_ns - b->sent_ns[c->run]);
		b->steps_done++;
	}
	/* The head stays, as text, until it is answered. */
	c->in[head_n] = '\0';
	if (b->stop_at == b->stops || c->steps != b->stop[b->stop_at]) {
		go_on(b, c);
		return;
	}
	c->next = b->held;
	b->held = c;
	if (++b->held_n < b->conns)
		return;
	print_stop(b);
	while ((c = b->held) != NULL) {
		b->held = c->next;
		go_on(b, c);
	}
}

/* The server has answered what we asked. */
static void answered(struct bench *b, struct conn *c, int status)
{
	struct conn *peer = c->peer;

	if (status < 200 || status > 299) {
		if (b->errors++ == 0)
			fprintf(stderr, "bench-flow: the server answers %d: %.*s\n", status,
				(int)(c->in_n < 2000 ? c->in_n : 2000), c->in);
	}
	c->next = b->idle;
	b->idle = c;
	if (peer != NULL) {
		peer->in_n = 0;
		answer(peer);
	}
	if (c->ends && ++b->ended && b->begun < b->runs)
		begin(b, c->run);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

/* Is a whole message there? One at a time: nobody sends a second before the answer. */
static void look(struct bench *b, struct conn *c)
{
	struct wire_head h;
	ssize_t head_n = wire_head_parse(c->in, c->in_n, &h);
	size_t whole;

	if (head_n == 0)
		return;
	if (head_n < 0 || h.chunked)
		sock_die("a message that cannot be read");
	whole = (size_t)head_n + (h.has_length ? h.length : 0);
	if (c->in_n < whole)
		return;
	if (c->in_n > whole)
		sock_die("more than one message at once");
	if (c->is_client) {
		answered(b, c, h.status);
		c->in_n = 0;
	} else {
		delivered(b, c, (size_t)head_n, whole - (size_t)head_n);
	}
}

/* False when it is over. */
static bool conn_read(struct bench *b, struct conn *c)
{
	ssize_t n;

	/* A byte more, for the zero. */
	if (c->in_cap < c->in_n + IN_BYTES + 1) {
		c->in_cap = 2 * c->in_cap + IN_BYTES + 1;
		c->in = realloc(c->in, c->in_cap);
		if (c->in == NULL)
			sock_die("no memory");
	}
	n = recv(c->fd, c->in + c->in_n, c->in_cap - c->in_n - 1, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0) {
		if (c->is_client)
			sock_die("the server has closed a connection");
		close(c->fd);
		free(c->in);
		free(c);
		return false;
	}
	c->in_n += (size_t)n;
	look(b, c);
	return true;
}

static void accept_all(struct bench *b)
{
	int fd;

	while ((fd = accept4(b->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		(void)conn_new(b, fd, false);
}

static void run_all(struct bench *b)
{
	struct epoll_event ev[EVENTS];

	while (b->ended < b->runs) {
		int n = sock_wait(b->epoll_fd, ev, EVENTS, sock_now_ns() + 60000000000u);

		if (n == 0)
			sock_die("nothing has come for a minute; %" PRIu64 " of %" PRIu64
				 " runs have ended",
				 b->ended, b->runs);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr == NULL)
				accept_all(b);
			else
				(void)conn_read(b, ev[i].data.ptr);
		}
	}
}

/* ---- the command line --------------------------------------------------------------------------------- */

__attribute__((noreturn)) static void usage(void)
{
	fputs(usage_text, stderr);
	exit(2);
}

static void read_stops(struct bench *b, char *list)
{
	char *rest = NULL;

	for (char *p = strtok_r(list, ",", &rest); p; p = strtok_r(NULL, ",", &rest)) {
		if (b->stops == STOPS_MAX)
			usage();
		b->stop[b->stops++] = (int)sock_number(p, "a stop", 1, 1000000);
	}
}

static void read_option(struct bench *b, int option)
{
	switch (option) {
	case 's':
		b->server_port = (int)sock_number(optarg, "--server", 1, 65535);
		break;
	case 't':
		b->token = optarg;
		break;
	case 'r':
		b->runs = sock_number(optarg, "--runs", 1, 100000000);
		break;
	case 'c':
		b->conns = (int)sock_number(optarg, "--conns", 1, 10000);
		break;
	case 'n':
		b->steps = (int)sock_number(optarg, "--steps", 1, 1000000);
		break;
	case 'b':
		b->bytes = sock_number(optarg, "--bytes", 1, 1000000);
		break;
	case 'p':
		read_stops(b, optarg);
		break;
	default:
		usage();
	}
}

static void read_options(struct bench *b, int argc, char **argv)
{
	static const struct option options[] = {
		{ "server", 1, NULL, 's' }, { "token", 1, NULL, 't' }, { "runs", 1, NULL, 'r' },
		{ "conns", 1, NULL, 'c' },  { "steps", 1, NULL, 'n' }, { "bytes", 1, NULL, 'b' },
		{ "stops", 1, NULL, 'p' },  { NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		read_option(b, option);
	if (optind != argc || b->server_port == 0 || b->token == NULL)
		usage();
	if ((uint64_t)b->conns > b->runs)
		b->conns = (int)b->runs;
	if (b->stops > 0 && b->runs != (uint64_t)b->conns)
		sock_die("--stops needs as many --conns as --runs");
}

int main(int argc, char **argv)
{
	static struct bench b = { .runs = 1000, .conns = 32, .steps = 5, .bytes = 100 };
	struct epoll_event ev = { .events = EPOLLIN };
	uint64_t start_ns;

	read_options(&b, argc, argv);
	sock_files_raise();
	b.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	b.listen_fd = sock_listen(0, &b.port);
	b.out_cap = 2 * HEAD_ROOM + b.bytes;
	b.out = malloc(b.out_cap);
	b.sent_ns = calloc((size_t)b.conns, sizeof(*b.sent_ns));
	if (b.out == NULL || b.sent_ns == NULL ||
	    epoll_ctl(b.epoll_fd, EPOLL_CTL_ADD, b.listen_fd, &ev) < 0)
		sock_die("no memory");
	start_ns = sock_now_ns();
	for (int i = 0; i < b.conns; i++)
		begin(&b, i);
	run_all(&b);
	printf("{\"runs\":%" PRIu64 ",\"steps\":%" PRIu64 ",\"seconds\":%.6f,\"p50_us\":%.1f,"
	       "\"p99_us\":%.1f,\"errors\":%" PRIu64 ",\"cpu_us\":%" PRIu64 "}\n",
	       b.ended, b.steps_done, (double)(sock_now_ns() - start_ns) / 1e9,
	       hist_percentile_us(&b.hist, 500), hist_percentile_us(&b.hist, 990), b.errors,
	       sock_cpu_us());
	return b.errors > 0;
}
