/* load.c - bench-load, the load generator's command line: options in, one line of JSON out. */
#include "load.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sock.h"

enum {
	SECONDS_DEFAULT = 10,
	SECONDS_MAX = 86400,
	RATE_MAX = 1000000,
};

static const uint64_t REQUESTS_MAX = 1000000000000u;

static const char usage_text[] =
	"usage: bench-load [options] http://ADDRESS:PORT/PATH\n"
	"Sends one request again and again and prints one line of JSON about the answers.\n"
	"ADDRESS is a numeric IPv4 address; everything behind the port is sent as the target, as "
	"it is.\n"
	"  -c, --conns N         keep-alive connections, default 64\n"
	"  -n, --requests N      stop after N requests\n"
	"  -t, --seconds N       send nothing after N seconds, default 10 (3600 with -n)\n"
	"  -r, --rate N          open loop: N requests a second on a fixed schedule, measured from "
	"the\n"
	"                        moment at which each was due; default is a closed loop\n"
	"  -m, --method WORD     default POST\n"
	"  -H, --header LINE     a header field, \"Name: value\"; may be repeated\n"
	"  -b, --body-bytes N    size of the made-up body, default 200; it starts with the time "
	"stamp that\n"
	"                        bench-sink reads\n"
	"  -f, --body-file FILE  this body instead, as it is, without a stamp\n"
	"  -d, --drain-ms N      wait so long for the last answers, default 10000\n"
	"  -p, --progress N      a line to stderr every N seconds\n"
	"errors = refused (not 2xx) + broken (connection lost) + unanswered + unsent.\n";

__attribute__((noreturn)) static void usage(void)
{
	fputs(usage_text, stderr);
	exit(2);
}

static void add_header(struct load_settings *set, const char *line)
{
	int n = snprintf(set->headers + set->headers_n, sizeof(set->headers) - set->headers_n,
			 "%s\r\n", line);

	if (n < 0 || set->headers_n + (size_t)n >= sizeof(set->headers))
		sock_die("the headers are over %d bytes", LOAD_HEADERS_BYTES);
	if (!strchr(line, ':') || strpbrk(line, "\r\n"))
		sock_die("--header must be \"Name: value\", not '%s'", line);
	set->headers_n += (size_t)n;
}

/* http://ADDRESS:PORT/PATH */
static void read_url(struct load_settings *set, const char *url)
{
	static const char scheme[] = "http://";
	const char *host = url + sizeof(scheme) - 1;
	const char *colon, *path;
	char port[8];

	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
		usage();
	colon = strchr(host, ':');
	path = strchr(host, '/');
	if (!colon || !path || path < colon || (size_t)(colon - host) >= sizeof(set->host) ||
	    (size_t)(path - colon) > sizeof(port))
		usage();
	memcpy(set->host, host, (size_t)(colon - host));
	memcpy(port, colon + 1, (size_t)(path - colon) - 1);
	port[path - colon - 1] = '\0';
	set->port = (int)sock_number(port, "the port", 1, 65535);
	set->path = path;
}

static void read_option(struct load_settings *set, int o, const char *arg)
{
	switch (o) {
	case 'c':
		set->conns = (int)sock_number(arg, "--conns", 1, LOAD_CONNS_MAX);
		break;
	case 'n':
		set->requests_max = sock_number(arg, "--requests", 1, REQUESTS_MAX);
		break;
	case 't':
		set->seconds_max = sock_number(arg, "--seconds", 1, SECONDS_MAX);
		break;
	case 'r':
		set->rate_per_s = sock_number(arg, "--rate", 1, RATE_MAX);
		break;
	case 'm':
		set->method = arg;
		break;
	case 'H':
		add_header(set, arg);
		break;
	case 'b':
		set->body_bytes =
			sock_number(arg, "--body-bytes", SOCK_STAMP_BYTES, LOAD_BODY_BYTES_MAX);
		break;
	case 'f':
		set->body_file = arg;
		break;
	case 'd':
		set->drain_ms = sock_number(arg, "--drain-ms", 0, SECONDS_MAX * 1000ull);
		break;
	case 'p':
		set->progress_s = sock_number(arg, "--progress", 1, SECONDS_MAX);
		break;
	default:
		usage();
	}
}

static void read_options(struct load_settings *set, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "conns", required_argument, NULL, 'c' },
		{ "requests", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 't' },
		{ "rate", required_argument, NULL, 'r' },
		{ "method", required_argument, NULL, 'm' },
		{ "header", required_argument, NULL, 'H' },
		{ "body-bytes", required_argument, NULL, 'b' },
		{ "body-file", required_argument, NULL, 'f' },
		{ "drain-ms", required_argument, NULL, 'd' },
		{ "progress", required_argument, NULL, 'p' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "c:n:t:r:m:H:b:f:d:p:", long_options, NULL)) != -1)
		read_option(set, o, optarg);
	if (optind != argc - 1)
		usage();
	read_url(set, argv[optind]);
	if (set->seconds_max == 0)
		set->seconds_max = set->requests_max > 0 ? 3600 : SECONDS_DEFAULT;
	if (set->requests_max == 0)
		set->requests_max = REQUESTS_MAX;
}

static void report(const struct load_counts *n)
{
	const struct hist *h = &n->hist;
	uint64_t sent = n->issued - n->unsent;
	double seconds = n->end_ns > n->start_ns ? (double)(n->end_ns - n->start_ns) / 1e9 : 0;

	printf("{\"requests\":%" PRIu64 ",\"ok\":%" PRIu64 ",\"errors\":%" PRIu64, n->issued, n->ok,
	       n->refused + n->broken + n->unanswered + n->unsent);
	printf(",\"refused\":%" PRIu64 ",\"first_refusal\":%d,\"broken\":%" PRIu64
	       ",\"unanswered\":%" PRIu64 ",\"unsent\":%" PRIu64,
	       n->refused, n->first_refusal, n->broken, n->unanswered, n->unsent);
	printf(",\"seconds\":%.3f,\"rate\":%.1f", seconds,
	       seconds > 0 ? (double)h->count / seconds : 0);
	printf(",\"p50_us\":%.1f,\"p95_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f",
	       hist_percentile_us(h, 500), hist_percentile_us(h, 950), hist_percentile_us(h, 990),
	       (double)h->max_ns / 1000.0);
	printf(",\"cpu_us_per_request\":%.2f,\"start_ns\":%" PRIu64 ",\"end_ns\":%" PRIu64
	       ",\"stamp_sum\":%" PRIu64 "}\n",
	       sent > 0 ? (double)n->cpu_us / (double)sent : 0, n->start_ns, n->end_ns,
	       n->stamp_sum);
}

int main(int argc, char **argv)
{
	struct load_settings *set = calloc(1, sizeof(*set));
	struct load_counts *counts = calloc(1, sizeof(*counts));

	if (!set || !counts)
		sock_die("no memory");
	set->method = "POST";
	set->conns = 64;
	set->body_bytes = 200;
	set->drain_ms = 10000;
	read_options(set, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	sock_files_raise();
	load_run(set, counts);
	report(counts);
	free(set);
	free(counts);
	return 0;
}
