/* HTTP/2, which is libcurl's. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "certs.h"
#include "rig.h"
#include "server.h"
#include "t.h"

static const struct cert_spec good = { "DNS:localhost,IP:127.0.0.1", SIGNED_BY_CA, -1, 5 };

struct nginx {
	pid_t pid;
	int port;
};

/* "/say" answers without reading a request's body, "/pass" goes on to a server of the test's
 * own. */
static void write_conf(const struct certs *certs, int port, int behind_port)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/nginx.conf", certs->dir);
	f = fopen(path, "w");
	check(f != NULL);
	fprintf(f,
		"daemon off; master_process off; pid %1$s/nginx.pid; error_log stderr crit;\n"
		"events { worker_connections 1024; }\n"
		"http { access_log off; client_body_temp_path %1$s; proxy_temp_path %1$s;\n"
		"fastcgi_temp_path %1$s; uwsgi_temp_path %1$s; scgi_temp_path %1$s;\n"
		"server { listen 127.0.0.1:%2$d ssl http2; root %1$s;\n"
		"http2_max_concurrent_streams 100;\n"
		"ssl_certificate %1$s/server.pem; ssl_certificate_key %1$s/server.key;\n"
		"location /say { return 201 \"$server_protocol $request_method $http_x_a\"; }\n"
		"location /move { return 302 /say; }\n"
		"location /pass { proxy_pass http://127.0.0.1:%3$d;\n"
		"add_header X-Connection $connection; add_header X-Protocol $server_protocol; }\n"
		"location /large { } } }\n",
		certs->dir, port, behind_port);
	fclose(f);
	snprintf(path, sizeof(path), "%s/large", certs->dir);
	f = fopen(path, "w");
	check(f != NULL);
	for (int i = 0; i < 300000; i++)
		fputc('a' + i % 26, f);
	fclose(f);
}

/* Skips the test where there is no nginx, or one without HTTP/2. */
static struct nginx nginx_start(struct certs *certs, int behind_port)
{
	struct nginx n;
	char conf[300];
	int fd;

	if (access("/usr/sbin/nginx", X_OK) != 0)
		T_SKIP("nginx is not installed: HTTP/2 is not tested");
	certs_files(certs, &good);
	fd = listen_only(1, &n.port);
	close(fd);
	write_conf(certs, n.port, behind_port);
	snprintf(conf, sizeof(conf), "%s/nginx.conf", certs->dir);
	n.pid = fork();
	check(n.pid >= 0);
	if (n.pid == 0) {
		/* It must not outlive a test that fails. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/usr/sbin/nginx", "nginx", "-p", certs->dir, "-c", conf, (char *)NULL);
		_exit(127);
	}
	return n;
}

static void nginx_stop(struct nginx *n)
{
	int status;

	kill(n->pid, SIGTERM);
	T_CHECK(waitpid(n->pid, &status, 0) == n->pid);
}

static void wait_for_nginx(struct rig *r, const struct nginx *n)
{
	bool up = false;

	for (int64_t end_ms = t_now_ms() + 10000; !up; rig_run(r, 5)) {
		struct call *c = rig_get(r, "https://localhost:%d/say", n->port);

		up = c->req.outcome.status == 201;
		call_free(c);
		T_CHECK(t_now_ms() < end_ms);
	}
}

static int distinct(const uint64_t *v, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++) {
		bool is_new = true;

		for (int j = 0; j < i; j++)
			is_new &= v[j] != v[i];
		count += is_new;
	}
	return count;
}

static void check_h2_burst(struct rig *r, int port)
{
	enum { N = 200 };
	struct call *c[N];
	uint64_t connection[N];
	int done = r->done;

	for (int i = 0; i < N; i++) {
		c[i] = call_new(r, "POST", "https://localhost:%d/pass", port);
		c[i]->req.body = STR("a body");
		call_send(c[i]);
	}
	rig_wait(r, done + N);
	for (int i = 0; i < N; i++) {
		call_answered(c[i], 200);
		T_EQ_STR(c[i]->req.outcome.body, "a body");
		T_EQ_STR(call_answer_header(c[i], "X-Protocol"), "HTTP/2.0");
		T_CHECK(str_u64(call_answer_header(c[i], "X-Connection"), &connection[i]));
		call_free(c[i]);
	}
	/* Many requests share a connection. */
	T_CHECK(distinct(connection, N) <= 20);
}

/* Sends the request's body back. */
static void echo(struct conn *c)
{
	struct request req;

	while (conn_request(c, &req) && conn_answer(c, req.body))
		continue;
}

TEST(speaks_http_2_where_it_is_offered)
{
	struct courier_settings set = rig_settings();
	struct server *behind = server_start(echo, NULL);
	struct certs certs;
	struct nginx n;
	struct rig r;
	struct call *c;

	certs_init(&certs);
	n = nginx_start(&certs, server_port(behind));
	set.ca_file = certs.ca_file;
	rig_open(&r, set);
	wait_for_nginx(&r, &n);
	c = call_new(&r, "DELETE", "https://localhost:%d/say", n.port);
	call_header(c, "x-a", "lower");
	rig_do(c);
	call_answered(c, 201);
	T_EQ_STR(c->req.outcome.body, "HTTP/2.0 DELETE lower");
	T_CHECK(call_answer_header(c, "Content-Length").n > 0);
	call_free(c);
	c = call_new(&r, "HEAD", "https://localhost:%d/large", n.port);
	rig_do(c);
	call_answered(c, 200);
	T_EQ_STR(call_answer_header(c, "Content-Length"), "300000");
	call_free(c);
	c = rig_get(&r, "https://localhost:%d/move", n.port);
	call_answered(c, 302);
	call_free(c);
	c = rig_get(&r, "https://localhost:%d/large", n.port);
	call_answered(c, 200);
	T_EQ_INT(c->req.outcome.body.n, 300000);
	call_free(c);
	c = call_new(&r, "GET", "https://localhost:%d/large", n.port);
	c->req.answer_bytes_max = 1000;
	rig_do(c);
	call_answered(c, 200);
	T_CHECK(c->req.outcome.body_cut && c->req.outcome.body.n == 1000);
	call_free(c);
	check_h2_burst(&r, n.port);
	check_h2_burst(&r, n.port);
	rig_close(&r);
	nginx_stop(&n);
	server_stop(behind);
	certs_done(&certs);
}

static void post_unwanted(struct rig *r, int port, struct str body)
{
	struct call *c[40];
	int done = r->done;

	for (int i = 0; i < 40; i++) {
		c[i] = call_new(r, i % 5 == 0 ? "HEAD" : "POST", "https://localhost:%d/say", port);
		c[i]->req.body = body;
		call_send(c[i]);
	}
	rig_wait(r, done + 40);
	for (int i = 0; i < 40; i++) {
		call_answered(c[i], 201);
		if (i % 5 != 0)
			T_CHECK(has_text(c[i]->req.outcome.body, " POST "));
		call_free(c[i]);
	}
}

TEST(gets_answers_that_come_before_the_body_is_sent_over_http_2)
{
	struct courier_settings set = rig_settings();
	char *large = xcalloc(1, 300000);
	struct certs certs;
	struct nginx n;

	certs_init(&certs);
	n = nginx_start(&certs, 1);
	set.ca_file = certs.ca_file;
	for (int i = 0; i < 8; i++) {
		struct rig r;

		rig_open(&r, set);
		wait_for_nginx(&r, &n);
		post_unwanted(&r, n.port, i % 2 ? STR("a body") : str_n(large, 300000));
		post_unwanted(&r, n.port, STR("another"));
		rig_close(&r);
	}
	nginx_stop(&n);
	certs_done(&certs);
	free(large);
}

static void cancel_half(struct rig *r, int port)
{
	struct call *c[40];
	int done = r->done;

	for (int i = 0; i < 40; i++) {
		c[i] = call_new(r, "GET", "https://localhost:%d/large", port);
		call_send(c[i]);
	}
	rig_wait(r, done + 1);
	for (int i = 0; i < 40; i += 2) {
		if (c[i]->done == 0)
			courier_cancel(r->courier, &c[i]->req);
		else
			r->done--;
	}
	rig_wait(r, done + 20);
	for (int i = 0; i < 40; i++) {
		if (i % 2 == 1) {
			call_answered(c[i], 200);
			T_EQ_INT(c[i]->req.outcome.body.n, 300000);
		}
		call_free(c[i]);
	}
}

TEST(cancels_some_of_many_on_one_http_2_connection)
{
	struct courier_settings set = rig_settings();
	struct certs certs;
	struct nginx n;
	struct rig r;

	certs_init(&certs);
	n = nginx_start(&certs, 1);
	set.ca_file = certs.ca_file;
	rig_open(&r, set);
	wait_for_nginx(&r, &n);
	for (int i = 0; i < 5; i++)
		cancel_half(&r, n.port);
	rig_close(&r);
	nginx_stop(&n);
	certs_done(&certs);
}
