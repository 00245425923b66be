/* Where deliveries must not go, and what is said when there is nobody. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guard_cases.h"
#include "names.h"
#include "rig.h"
#include "server.h"
#include "t.h"

static void answer_all(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req) && conn_answer(c, STR("ok")))
		continue;
}

/* Spellings of this machine; %d is the port. */
static const struct {
	const char *url;
} loopback[] = {
	{ "http://127.0.0.1:%d/" },
	{ "http://localhost:%d/" },
	{ "http://LOCALHOST:%d/" },
	{ "http://localhost.:%d/" },
	{ "http://a.localhost:%d/" },
	{ "http://127.1:%d/" },
	{ "http://127.0.1:%d/" },
	{ "http://2130706433:%d/" },
	{ "http://0x7f000001:%d/" },
	{ "http://0x7f.1:%d/" },
	{ "http://0177.0.0.1:%d/" },
	{ "http://017700000001:%d/" },
	{ "http://127.255.255.254:%d/" },
	{ "http://127.0.0.1.:%d/" },
	{ "http://[::1]:%d/" },
	{ "http://[0:0:0:0:0:0:0:1]:%d/" },
	{ "http://[::ffff:127.0.0.1]:%d/" },
	{ "http://[::ffff:7f00:1]:%d/" },
	{ "http://[64:ff9b::127.0.0.1]:%d/" },
	{ "http://[::1%%25lo]:%d/" },
	{ "http://public.example@127.0.0.1:%d/" },
	{ "http://here.test:%d/" },
	{ "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1:%d/" },
	{ "http://%%31%%32%%37.0.0.1:%d/" },
	{ "https://127.0.0.1:%d/" },
	{ "http://127\xe3\x80\x82"
	  "0.0.1:%d/" },
	{ "http://0:%d/" },
	{ "http://0.0.0.0:%d/" },
	{ "http://[::]:%d/" },
};

TEST_EACH(reaches_no_loopback_address_however_it_is_spelled, loopback)
{
	struct server *s = server_start(answer_all, NULL);
	struct curl_courier_settings set = { .guard = { .allow_private = false } };
	struct rig r;
	struct call *c;
	char url[200];

	rig_open(&r, set);
	c = call_new(&r, "GET", "x");
	snprintf(url, sizeof(url), row->url, server_port(s));
	c->req.url = str_c(url);
	rig_do(c);
	T_EQ_INT(c->req.outcome.status, 0);
	T_CHECK(c->req.outcome.error.n > 0);
	T_EQ_INT(server_connections(s), 0);
	call_free(c);
	rig_close(&r);
	server_stop(s);
}

static const struct {
	const char *url, *error;
	bool allow_private;
} refusals[] = {
	{ "http://127.0.0.1:1/",
	  "delivery to 127.0.0.1:1 is not allowed: 127.0.0.1 is a loopback address "
	  "(127.0.0.0/8); the setting allow-private permits it",
	  false },
	{ "http://here.test/",
	  "delivery to here.test:80 is not allowed: 127.0.0.1 is a loopback address", false },
	{ "https://[::1]/",
	  "delivery to [::1]:443 is not allowed: ::1 is the loopback address (::1); the setting",
	  false },
	{ "http://10.1.2.3/", "10.1.2.3 is a private address (10.0.0.0/8); the setting", false },
	{ "http://169.254.169.254/latest/meta-data/", "169.254.169.254 is a link-local address",
	  false },
	{ "http://169.254.169.254/latest/meta-data/", "169.254.169.254 is a link-local address",
	  true },
	{ "http://meta.test/",
	  "delivery to meta.test:80 is not allowed: 169.254.169.254 is a link-local", true },
	{ "http://[fd00:ec2::254]/", "fd00:ec2::254 is AWS's metadata service", true },
	{ "http://[::ffff:169.254.169.254]/", "is a link-local address", true },
	{ "http://2852039166/", "169.254.169.254 is a link-local address", true },
	{ "http://100.100.100.200/", "is Alibaba Cloud's metadata service", true },
	{ "http://0.0.0.0:1/", "0.0.0.0 is an unspecified address", true },
	{ "http://255.255.255.255/", "is the broadcast address", true },
	{ "http://224.0.0.1/", "is a multicast address", true },
	{ "http://[fe80::1%25lo]/", "fe80::1 is a link-local address", true },
};

TEST_EACH(says_which_rule_refused_and_what_would_permit_it, refusals)
{
	struct curl_courier_settings set = { .guard = { .allow_private = row->allow_private } };
	struct rig r;
	struct call *c;

	rig_open(&r, set);
	c = call_new(&r, "GET", "x");
	c->req.url = str_c(row->url);
	rig_do(c);
	call_failed(c, row->error);
	if (row->allow_private)
		T_CHECK(!has_text(c->req.outcome.error, "setting"));
	call_free(c);
	rig_close(&r);
}

/* The literal of each address of the guard's own table, through the whole courier. No socket stays
 * open for any; those of a resolver's thread may for a moment. */
TEST(makes_no_socket_for_an_address_it_must_never_reach)
{
	struct curl_courier_settings set = rig_settings();
	struct rig r;

	/* Few enough for a single lane; what is made with its first request stays. */
	set.connections_max = 64;
	rig_open(&r, set);
	call_free(rig_get(&r, "http://0.0.0.0:9/"));
	for (size_t i = 0; i < countof(guard_cases); i++) {
		bool is_v6 = strchr(guard_cases[i].text, ':') != NULL;
		struct call *c;
		int fds;

		if (guard_cases[i].verdict != GUARD_NEVER)
			continue;
		fds = open_fds();
		c = call_new(&r, "GET", is_v6 ? "http://[%s]:9/" : "http://%s:9/",
			     guard_cases[i].text);
		rig_do(c);
		call_failed(c, "is not allowed");
		T_UNTIL(open_fds() <= fds, 5);
		call_free(c);
	}
	rig_close(&r);
}

TEST(takes_the_allowed_address_of_several)
{
	struct server *s = server_start(answer_all, NULL);
	struct rig r;
	struct call *c;

	rig_open(&r, rig_settings());
	c = rig_get(&r, "http://mixed.test:%d/", server_port(s));
	call_answered(c, 200);
	call_free(c);
	c = rig_get(&r, "http://mixed.test:1/");
	call_failed(c, "connection refused by mixed.test:1 (127.0.0.1)");
	call_free(c);
	rig_close(&r);
	server_stop(s);
}

TEST(reaches_this_machine_when_it_may)
{
	static const char *const urls[] = { "http://127.0.0.1:%d/", "http://localhost:%d/",
					    "http://127.1:%d/", "http://here.test:%d/",
					    "http://[::ffff:127.0.0.1]:%d/" };
	struct server *s = server_start(answer_all, NULL);
	struct rig r;

	rig_open(&r, rig_settings());
	for (size_t i = 0; i < countof(urls); i++) {
		struct call *c = call_new(&r, "GET", "x");
		char url[100];

		snprintf(url, sizeof(url), urls[i], server_port(s));
		c->req.url = str_c(url);
		rig_do(c);
		call_answered(c, 200);
		call_free(c);
	}
	rig_close(&r);
	server_stop(s);
}

static void reset_at_once(struct conn *c)
{
	struct request req;

	if (conn_request(c, &req))
		conn_reset_on_close(c);
}

static void reset_in_the_answer(struct conn *c)
{
	struct request req;

	if (!conn_request(c, &req))
		return;
	conn_send(c, STR("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"));
	conn_pause(c, 100);
	conn_reset_on_close(c);
}

TEST(says_what_went_wrong_with_the_connection)
{
	struct server *s;
	struct rig r;
	struct call *c;
	int port, fd = listen_only(1, &port);

	rig_open(&r, rig_settings());
	close(fd);
	c = rig_get(&r, "http://127.0.0.1:%d/", port);
	call_failed(c, "connection refused by 127.0.0.1:");
	T_EQ_INT(c->req.outcome.sent_bytes, 0);
	call_free(c);
	c = rig_get(&r, "http://dead.test:%d/", port);
	call_failed(c, "no such host: dead.test:");
	call_free(c);
	s = server_start(reset_at_once, NULL);
	c = rig_get(&r, "http://127.0.0.1:%d/", server_port(s));
	call_failed(c, "reset the connection without an answer");
	call_free(c);
	server_stop(s);
	s = server_start(reset_in_the_answer, NULL);
	c = rig_get(&r, "http://127.0.0.1:%d/", server_port(s));
	call_failed(c,
		    "reset the connection before its answer was complete: status 200 and 4 bytes");
	call_free(c);
	rig_close(&r);
	server_stop(s);
}
