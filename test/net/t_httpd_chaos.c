/* Many peers that do random things, from a fixed seed: the server must answer every good request on
 * a connection that did nothing wrong, and in the end hold nothing. */
#include "t.h"

#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/rng.h"
#include "web.h"

enum { ROUNDS = 3000, OPEN_MAX_PEERS = 40 };

struct guest {
	struct peer peer;
	bool open;
	bool clean;  /* has sent only whole good requests, none of them held */
	int waiting; /* for this many answers */
};

static const char *const good[] = {
	"GET /echo HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /later HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
	"POST /later HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
	"POST /deny HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
	"GET /empty HTTP/1.1\r\nHost: h\r\n\r\n",
	"GET /bytes/70000 HTTP/1.1\r\nHost: h\r\n\r\n",
};

static const char *const odd[] = {
	"GET /hold HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd",
	"GET / HTTP/1.1\r\n\r\n",
	"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc",
	"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\nabc",
	"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
	"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
	"POST /deny HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n",
	"POST /later HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
	"GET /later HTTP/1.0\r\n\r\nGET /later HTTP/1.0\r\n\r\n",
	"GET /bytes/3000000 HTTP/1.1\r\nHost: h\r\n\r\n",
	"\r\n\r\n",
	"\x16\x03\x01\x02",
	"GET /echo HTT",
	"abc",
};

static void send_in_pieces(struct rng *rng, struct peer *p, struct str s)
{
	while (s.n > 0) {
		size_t n = rng_below(rng, 4) == 0 ? 1 + rng_below(rng, s.n) : s.n;

		/* A full socket is left alone: the server may have stopped reading. */
		if (peer_flood(p, str_sub(s, 0, n), 5) < n)
			return;
		s = str_from(s, n);
	}
}

static void settle(struct guest *g)
{
	while (g->waiting > 0) {
		int status = peer_status(&g->peer, "GET");

		T_CHECK(status == 200 || status == 204 || status == 401);
		g->waiting--;
		if (status <= 0)
			g->waiting = 0;
	}
}

static void leave(struct rng *rng, struct guest *g)
{
	switch (rng_below(rng, 3)) {
	case 0:
		peer_reset(&g->peer);
		break;
	case 1:
		peer_half_close(&g->peer);
		if (g->clean)
			settle(g);
		peer_close(&g->peer);
		break;
	default:
		peer_close(&g->peer);
		break;
	}
	g->open = false;
}

static void act(struct rng *rng, const struct web *w, struct guest *g)
{
	if (!g->open) {
		*g = (struct guest){ .peer = peer_open(w), .open = true, .clean = true };
	} else if (rng_below(rng, 100) < 60) {
		send_in_pieces(rng, &g->peer, str_c(good[rng_below(rng, countof(good))]));
		g->waiting++;
		if (g->clean && rng_below(rng, 2) == 0)
			settle(g);
	} else if (rng_below(rng, 100) < 50) {
		send_in_pieces(rng, &g->peer, str_c(odd[rng_below(rng, countof(odd))]));
		g->clean = false;
	} else {
		leave(rng, g);
	}
}

TEST(random_peers_get_their_answers_and_leave_nothing)
{
	static struct guest guest[OPEN_MAX_PEERS];
	struct httpd_settings set = { .linger_ms = 100,
				      .body_memory_max = 1000,
				      .connections_max = OPEN_MAX_PEERS * 20 };
	struct web *w = web_start(set);
	struct rng rng;

	rng_init(&rng, 7);
	for (int i = 0; i < ROUNDS; i++) {
		act(&rng, w, &guest[rng_below(&rng, OPEN_MAX_PEERS)]);
		if (i % 50 == 0)
			T_EQ_INT(peer_ask(w, "/release"), 200);
	}
	for (int i = 0; i < OPEN_MAX_PEERS; i++) {
		if (guest[i].open && guest[i].clean)
			settle(&guest[i]);
		if (guest[i].open)
			peer_close(&guest[i].peer);
	}
	T_EQ_INT(peer_ask(w, "/release"), 200);
	T_UNTIL(web_held(w) == 0 && web_stats(w).connections == 0, 10);
	T_EQ_INT(web_stats(w).body_bytes, 0);
	T_CHECK(web_stats(w).refused > 100);
	web_drain(w);
	T_UNTIL(web_is_drained(w), 10);
	web_stop(w);
}
