#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "t.h"

enum { CONNS_MAX = 4096, REQUEST_BYTES_MAX = 64 << 20 };

struct server {
	int fd, port;
	script_fn script;
	void *arg;
	SSL_CTX *tls;
	pthread_t acceptor, thread[CONNS_MAX];
	pthread_mutex_t mutex;  /* guards what follows */
	int conn_fd[CONNS_MAX]; /* -1 = closed */
	int connections, open, requests;
	bool stopping;
};

int listen_only(int backlog, int *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(fd, (struct sockaddr *)(void *)&a, n) == 0);
	check(listen(fd, backlog) == 0);
	check(getsockname(fd, (struct sockaddr *)(void *)&a, &n) == 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static int get(struct server *s, const int *field)
{
	int v;

	pthread_mutex_lock(&s->mutex);
	v = *field;
	pthread_mutex_unlock(&s->mutex);
	return v;
}

static bool is_stopping(struct server *s)
{
	bool v;

	pthread_mutex_lock(&s->mutex);
	v = s->stopping;
	pthread_mutex_unlock(&s->mutex);
	return v;
}

static bool begin_tls(struct conn *c)
{
	if (c->server->tls == NULL)
		return true;
	c->ssl = SSL_new(c->server->tls);
	check(c->ssl != NULL && SSL_set_fd(c->ssl, c->fd) == 1);
	return SSL_accept(c->ssl) == 1;
}

static void end_conn(struct conn *c)
{
	struct server *s = c->server;

	if (c->ssl != NULL) {
		SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
	}
	pthread_mutex_lock(&s->mutex);
	s->conn_fd[c->number] = -1;
	s->open--;
	close(c->fd);
	pthread_mutex_unlock(&s->mutex);
	buf_done(&c->in);
	free(c);
}

static void *run_conn(void *arg)
{
	struct conn *c = arg;

	if (begin_tls(c))
		c->server->script(c);
	end_conn(c);
	return NULL;
}

static void begin_conn(struct server *s, int fd)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	int on = 1;

	check(s->connections < CONNS_MAX);
	check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
	*c = (struct conn){ .server = s, .fd = fd, .number = s->connections, .arg = s->arg };
	buf_init(&c->in, REQUEST_BYTES_MAX);
	s->conn_fd[s->connections] = fd;
	s->open++;
	check(pthread_create(&s->thread[s->connections++], NULL, run_conn, c) == 0);
}

static void *run_acceptor(void *arg)
{
	struct server *s = arg;
	int fd;

	while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		pthread_mutex_lock(&s->mutex);
		if (s->stopping)
			close(fd);
		else
			begin_conn(s, fd);
		pthread_mutex_unlock(&s->mutex);
	}
	return NULL;
}

struct server *server_start_tls(script_fn script, void *arg, SSL_CTX *tls)
{
	struct server *s = xcalloc(1, sizeof(*s));

	s->fd = listen_only(1024, &s->port);
	s->script = script;
	s->arg = arg;
	s->tls = tls;
	pthread_mutex_init(&s->mutex, NULL);
	check(pthread_create(&s->acceptor, NULL, run_acceptor, s) == 0);
	return s;
}

struct server *server_start(script_fn script, void *arg)
{
	return server_start_tls(script, arg, NULL);
}

int server_port(const struct server *s)
{
	return s->port;
}

int server_connections(struct server *s)
{
	return get(s, &s->connections);
}

int server_open(struct server *s)
{
	return get(s, &s->open);
}

int server_requests(struct server *s)
{
	return get(s, &s->requests);
}

void server_stop(struct server *s)
{
	pthread_mutex_lock(&s->mutex);
	s->stopping = true;
	for (int i = 0; i < s->connections; i++)
		if (s->conn_fd[i] >= 0)
			shutdown(s->conn_fd[i], SHUT_RDWR);
	pthread_mutex_unlock(&s->mutex);
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->acceptor, NULL);
	for (int i = 0; i < s->connections; i++)
		pthread_join(s->thread[i], NULL);
	close(s->fd);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

static bool read_more(struct conn *c)
{
	char *p = buf_room(&c->in, 64 * 1024);
	ssize_t n;

	check(p != NULL);
	n = c->ssl != NULL ? SSL_read(c->ssl, p, 64 * 1024) : recv(c->fd, p, 64 * 1024, 0);
	if (n <= 0)
		return false;
	buf_grew(&c->in, (size_t)n);
	return true;
}

static size_t head_bytes(struct str s)
{
	const char *end = s.n ? memmem(s.p, s.n, "\r\n\r\n", 4) : NULL;

	return end != NULL ? (size_t)(end - s.p) + 4 : 0;
}

static size_t body_bytes(struct str head)
{
	static const char name[] = "\r\nContent-Length: ";
	const char *p = memmem(head.p, head.n, name, sizeof(name) - 1);

	return p != NULL ? strtoull(p + sizeof(name) - 1, NULL, 10) : 0;
}

static void split(struct conn *c, size_t head_n, size_t body_n, struct request *ret_request)
{
	struct str s = buf_str(&c->in), line;

	ret_request->head = str_sub(s, 0, head_n);
	ret_request->body = str_sub(s, head_n, body_n);
	line = s;
	ret_request->method = str_cut(&line, ' ');
	ret_request->path = str_cut(&line, ' ');
	c->taken = head_n + body_n;
	pthread_mutex_lock(&c->server->mutex);
	c->server->requests++;
	pthread_mutex_unlock(&c->server->mutex);
}

bool conn_request(struct conn *c, struct request *ret_request)
{
	size_t head_n, body_n;

	buf_drop(&c->in, c->taken);
	c->taken = 0;
	while ((head_n = head_bytes(buf_str(&c->in))) == 0)
		if (!read_more(c))
			return false;
	body_n = body_bytes(str_sub(buf_str(&c->in), 0, head_n));
	while (c->in.n < head_n + body_n)
		if (!read_more(c))
			return false;
	split(c, head_n, body_n, ret_request);
	return true;
}

bool conn_send(struct conn *c, struct str s)
{
	while (s.n > 0) {
		ssize_t n = c->ssl != NULL ? SSL_write(c->ssl, s.p, (int)s.n)
					   : send(c->fd, s.p, s.n, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		s = str_from(s, (size_t)n);
	}
	return true;
}

bool conn_fmt(struct conn *c, const char *fmt, ...)
{
	char text[4096];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	check(n >= 0 && (size_t)n < sizeof(text));
	return conn_send(c, str_n(text, (size_t)n));
}

bool conn_answer(struct conn *c, struct str body)
{
	return conn_fmt(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body.n) &&
	       conn_send(c, body);
}

void conn_reset_on_close(struct conn *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	check(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
}

void conn_hold(struct conn *c)
{
	while (read_more(c))
		buf_reset(&c->in);
}

bool conn_pause(struct conn *c, int ms)
{
	for (int64_t end_ms = t_now_ms() + ms; t_now_ms() < end_ms; t_pause())
		if (is_stopping(c->server))
			return false;
	return true;
}
