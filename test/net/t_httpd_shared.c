/* Two servers on one listening socket, as processes share it, and the drain that has patience. */
#include "t.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "web.h"

static void ask(struct peer *p, const char *path, int status)
{
	peer_fmt(p, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
	T_EQ_INT(peer_status(p, "GET"), status);
}

TEST(while_one_drains_the_other_accepts)
{
	char why[200];
	int fd = httpd_listen(&(struct httpd_settings){ .host = "127.0.0.1" }, why);
	int other_fd = dup(fd);
	struct web *a = web_start((struct httpd_settings){ .listen_fd = fd });
	struct web *b = web_start((struct httpd_settings){ .listen_fd = other_fd });
	uint64_t before;

	T_CHECK(fd > 0 && other_fd > 0);
	T_EQ_INT(web_port(a), web_port(b));
	web_drain(a);
	T_UNTIL(web_is_drained(a), 10);
	before = web_stats(b).accepted;
	for (int i = 0; i < 20; i++) {
		struct peer p = peer_open(b);

		ask(&p, "/echo", 200);
		T_CHECK(p.keep_alive);
		peer_close(&p);
	}
	T_EQ_INT(web_stats(b).accepted - before, 20);
	web_stop(a);
	web_stop(b);
}

static bool opens(const struct web *w)
{
	struct peer p;

	if (!peer_try_open(w, &p))
		return false;
	peer_close(&p);
	return true;
}

TEST(a_patient_drain_answers_one_more_request_on_each_connection)
{
	struct web *w = web_start((struct httpd_settings){ 0 });
	struct peer idle = peer_open(w), fresh = peer_open(w);

	ask(&idle, "/echo", 200);
	T_UNTIL(web_stats(w).connections == 2, 10);
	web_drain_patiently(w, 60 * 1000);
	T_UNTIL(!opens(w), 10); /* the socket is closed in the loop's next turn */
	ask(&idle, "/echo", 200);
	T_CHECK(!idle.keep_alive && peer_is_closed(&idle));
	T_CHECK(!web_is_drained(w));
	ask(&fresh, "/echo", 200);
	T_CHECK(!fresh.keep_alive && peer_is_closed(&fresh));
	T_UNTIL(web_is_drained(w), 10);
	peer_close(&idle);
	peer_close(&fresh);
	web_stop(w);
}

TEST(patience_ends)
{
	struct web *w = web_start((struct httpd_settings){ 0 });
	struct peer idle = peer_open(w);

	ask(&idle, "/echo", 200);
	web_drain_patiently(w, 50);
	T_CHECK(peer_is_closed(&idle));
	T_UNTIL(web_is_drained(w), 10);
	peer_close(&idle);
	web_stop(w);
}
