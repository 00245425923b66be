#include "courier/curl/easy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "courier/curl/causes.h"
#include "courier/curl/dispatch.h"
#include "courier/curl/sockets.h"
#include "courier/curl/target.h"
#include "courier/request.h"
#include "courier/roots.h"

enum {
	READ_BYTES = 16 * 1024,  /* libcurl's buffer of a running request */
	WRITE_BYTES = 16 * 1024, /* and the one for TLS and large bodies */
};

/* Options are constants and handles are valid here, so that setting one fails only for want of
 * memory. */
#define set(e, option, value) check(curl_easy_setopt((e)->curl, (option), (value)) == CURLE_OK)

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct easy *e = arg;
	const char *why;

	e->dialled = true;
	memset(&e->tried, 0, sizeof(e->tried));
	if (addr->addrlen <= sizeof(e->tried))
		memcpy(&e->tried, &addr->addr, addr->addrlen);
	e->refused = NULL;
	dispatch_opened(e->env->dispatch, e->x, *e->env->now_ms);
	if (!guard_allows(&e->env->guard, &addr->addr, &why)) {
		e->refused = why;
		return CURL_SOCKET_BAD;
	}
	return socket(addr->family, addr->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, addr->protocol);
}

static int on_close(void *arg, curl_socket_t fd)
{
	sockets_close(arg, fd);
	return 0;
}

/* With the first request on a new connection: from then on libcurl tells when it closes it. */
static void keep_socket(struct easy *e)
{
	curl_socket_t fd;

	if (curl_easy_getinfo(e->curl, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
	    fd != CURL_SOCKET_BAD)
		sockets_keep(e->env->sockets, fd);
}

/* A connection is there and the request about to be written. When it is one that was used before
 * and turns out to be dead, libcurl sends the request again, and might do so on the next dead one,
 * five times over. This makes the second try use a new connection, which is then the last. */
static int on_ready(void *arg, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
	struct courier_req *req;
	struct easy *e = arg;

	dispatch_opened(e->env->dispatch, e->x, *e->env->now_ms);
	e->is_spent |= e->was_ready;
	e->was_ready = true;
	if (e->dialled) {
		keep_socket(e);
	} else if (!e->wants_fresh) {
		set(e, CURLOPT_FRESH_CONNECT, 1L);
		e->wants_fresh = true;
	}
	req = e->x->req;
	return req->may_begin == NULL || req->may_begin(req) ? CURL_PREREQFUNC_OK
							     : CURL_PREREQFUNC_ABORT;
}

/* The whole answer is here before all of the request's body is sent. libcurl would go on sending to
 * a destination that reads no more; ending the transfer is what is left to do. */
static bool ends_early(struct easy *e)
{
	curl_off_t sent = 0;

	if (e->x->req->body.n == 0 || !e->x->answer.head_done)
		return false;
	curl_easy_getinfo(e->curl, CURLINFO_SIZE_UPLOAD_T, &sent);
	if ((uint64_t)sent >= e->x->req->body.n || !answer_is_whole(&e->x->answer))
		return false;
	e->x->answer.is_complete = true;
	return true;
}

static size_t on_head_line(char *p, size_t size, size_t n, void *arg)
{
	struct easy *e = arg;
	bool goes_on = answer_head_line(&e->x->answer, str_n(p, size * n)) && !ends_early(e);

	return goes_on ? size * n : 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct easy *e = arg;
	curl_off_t total = -1;
	bool goes_on;

	curl_easy_getinfo(e->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
	goes_on = body_add(&e->x->answer.body, str_n(p, size * n), total) && !ends_early(e);
	return goes_on ? size * n : 0;
}

static CURLcode on_tls(CURL *easy, void *ssl_ctx, void *arg)
{
	roots_use(arg, ssl_ctx);
	return CURLE_OK;
}

static void set_manners(struct easy *e)
{
	set(e, CURLOPT_NOSIGNAL, 1L);
	set(e, CURLOPT_PROTOCOLS_STR, "http,https");
	set(e, CURLOPT_PROXY, "");
	set(e, CURLOPT_NOPROXY, "*");
	set(e, CURLOPT_PATH_AS_IS, 1L);
	set(e, CURLOPT_FOLLOWLOCATION, 0L);
	set(e, CURLOPT_TCP_KEEPALIVE, 1L);
	set(e, CURLOPT_BUFFERSIZE, (long)READ_BYTES);
	set(e, CURLOPT_UPLOAD_BUFFERSIZE, (long)WRITE_BYTES);
	/* Without it, ending a request waits for the thread that resolves its name. */
	set(e, CURLOPT_QUICK_EXIT, 1L);
	set(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	set(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	set(e, CURLOPT_SSL_VERIFYPEER, 1L);
	set(e, CURLOPT_SSL_VERIFYHOST, 2L);
	/* The roots are given by on_tls. */
	set(e, CURLOPT_CAINFO, NULL);
	set(e, CURLOPT_CAPATH, NULL);
}

static void set_callbacks(struct easy *e)
{
	set(e, CURLOPT_PRIVATE, e);
	set(e, CURLOPT_SHARE, e->env->share);
	set(e, CURLOPT_ERRORBUFFER, e->text);
	set(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	set(e, CURLOPT_OPENSOCKETDATA, e);
	set(e, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	/* A connection outlives the handle that opened it. */
	set(e, CURLOPT_CLOSESOCKETDATA, e->env->sockets);
	set(e, CURLOPT_PREREQFUNCTION, on_ready);
	set(e, CURLOPT_PREREQDATA, e);
	set(e, CURLOPT_HEADERFUNCTION, on_head_line);
	set(e, CURLOPT_HEADERDATA, e);
	set(e, CURLOPT_WRITEFUNCTION, on_body);
	set(e, CURLOPT_WRITEDATA, e);
	set(e, CURLOPT_SSL_CTX_FUNCTION, on_tls);
	set(e, CURLOPT_SSL_CTX_DATA, e->env->roots);
}

struct easy *easy_new(struct easy_env *env)
{
	struct easy *e = xcalloc(1, sizeof(*e));

	e->curl = curl_easy_init();
	check(e->curl != NULL);
	e->env = env;
	list_init(&e->node);
	set_manners(e);
	set_callbacks(e);
	return e;
}

void easy_free(struct easy *e)
{
	check(e->x == NULL);
	curl_easy_cleanup(e->curl);
	target_unref(e->target);
	free(e);
}

static bool is_head(const struct courier_req *req)
{
	return str_eq(req->method, STR("HEAD"));
}

static enum easy_shape shape_of(const struct courier_req *req)
{
	if (req->body.n > 0 || request_expects_body(req->method))
		return EASY_BODY;
	return is_head(req) ? EASY_HEAD : EASY_NO_BODY;
}

static void set_shape(struct easy *e, enum easy_shape shape)
{
	if (e->shape == shape)
		return;
	e->shape = shape;
	/* Undoes what the others set; EASY_BODY is what set_body makes of it. */
	set(e, CURLOPT_HTTPGET, 1L);
	if (shape == EASY_HEAD)
		set(e, CURLOPT_NOBODY, 1L);
}

/* What is sent as the method goes beside libcurl's own idea of it, which only decides about
 * bodies. */
static void set_method(struct easy *e, struct str method)
{
	check(method.n < sizeof(e->method));
	if (str_eq(str_c(e->method), method))
		return;
	memcpy(e->method, method.p, method.n);
	e->method[method.n] = '\0';
	set(e, CURLOPT_CUSTOMREQUEST, e->method);
}

static void set_body(struct easy *e, struct str body)
{
	set(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	set(e, CURLOPT_POSTFIELDS, body.n > 0 ? body.p : "");
}

/* HTTP/2 where TLS offers it, and then one connection for many requests: those of a burst wait to
 * see whether the first connection can do it. Without TLS they would wait for its first answer. */
static void set_protocol(struct easy *e, bool http2)
{
	if (e->http2 == http2)
		return;
	e->http2 = http2;
	set(e, CURLOPT_HTTP_VERSION,
	    http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
	set(e, CURLOPT_PIPEWAIT, http2 ? 1L : 0L);
}

static void set_target(struct easy *e, struct target *target)
{
	if (e->target == target)
		return;
	target_unref(e->target);
	e->target = target_ref(target);
	/* The parsed one is used; the text is for libcurl's messages. */
	set(e, CURLOPT_URL, target->text.p);
	set(e, CURLOPT_CURLU, target->parsed);
}

void easy_load(struct easy *e, struct exchange *x)
{
	check(e->x == NULL && x->easy == NULL);
	e->x = x;
	x->easy = e;
	e->dialled = false;
	e->was_ready = false;
	e->is_spent = false;
	e->refused = NULL;
	e->tried.ss_family = AF_UNSPEC;
	set_shape(e, shape_of(x->req));
	set_method(e, x->req->method);
	if (e->shape == EASY_BODY)
		set_body(e, x->req->body);
	/* With a body to send, libcurl does not know that HEAD's answer has none. */
	x->answer.ends_with_head = is_head(x->req) && e->shape == EASY_BODY;
	set(e, CURLOPT_HTTPHEADER, x->header);
	set_target(e, x->target);
	set_protocol(e, x->target->is_tls && !x->dest->avoids_http2);
}

void easy_unload(struct easy *e)
{
	e->x->easy = NULL;
	e->x = NULL;
	if (e->wants_fresh)
		set(e, CURLOPT_FRESH_CONNECT, 0L);
	e->wants_fresh = false;
}

enum phase easy_phase(struct easy *e)
{
	curl_off_t ready_us = 0, first_us = 0;

	curl_easy_getinfo(e->curl, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	curl_easy_getinfo(e->curl, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
	if (e->x->answer.head_bytes > 0)
		return PHASE_READING;
	if (ready_us > 0 || first_us > 0)
		return PHASE_WAITING;
	return e->x->opened ? PHASE_CONNECTING : PHASE_RESOLVING;
}

static struct str numeric(struct arena *a, const struct sockaddr_storage *addr)
{
	char text[INET6_ADDRSTRLEN];
	const void *p = NULL;

	if (addr->ss_family == AF_INET)
		p = &((const struct sockaddr_in *)(const void *)addr)->sin_addr;
	else if (addr->ss_family == AF_INET6)
		p = &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
	if (p == NULL || inet_ntop(addr->ss_family, p, text, sizeof(text)) == NULL)
		return STR_NULL;
	return arena_str(a, str_c(text));
}

static void judge_failure(struct easy *e, CURLcode code, int64_t limit_ms, long status)
{
	struct exchange *x = e->x;
	struct failure f = {
		.dest = x->dest->name,
		.address = numeric(&x->req->arena, &e->tried),
		.refused = e->refused,
		.phase = easy_phase(e),
		.limit_ms = limit_ms,
		.status = status,
		.body_bytes = x->answer.body.n,
	};

	curl_easy_getinfo(e->curl, CURLINFO_OS_ERRNO, &f.os_errno);
	curl_easy_getinfo(e->curl, CURLINFO_SSL_VERIFYRESULT, &f.verify_result);
	causes_set(&f, code, e->text, x->answer.broken);
	x->req->outcome.error = words_for(&x->req->arena, &f);
}

/* Of HTTP/2: libcurl found that the stream takes no more of the request's body, since the whole
 * answer has come. Of errors in the stream itself it has something to say. */
static bool is_answered_early(const struct easy *e, CURLcode code)
{
	return code == CURLE_HTTP2_STREAM && e->text[0] == '\0';
}

/* Whether the answer is all here, whatever libcurl calls it. */
static bool is_complete(const struct easy *e, CURLcode code)
{
	const struct answer *a = &e->x->answer;

	if (a->body.is_cut || a->is_complete)
		return true;
	/* A connection that ends within the head, or after an interim answer, is no error to it. */
	if (!a->head_done || answer_is_interim(a))
		return false;
	return is_answered_early(e, code) ? answer_is_whole(a) : code == CURLE_OK;
}

bool easy_lost_answer(const struct easy *e, CURLcode code)
{
	return is_answered_early(e, code) && !is_complete(e, code);
}

/* Head and body, as far as libcurl came with them. A body that goes out in one write with the head is counted with it,
 * too; then the head's count is the greater one. */
static int64_t sent_bytes(const struct easy *e)
{
	curl_off_t body = 0;
	long heads = 0;

	curl_easy_getinfo(e->curl, CURLINFO_REQUEST_SIZE, &heads);
	curl_easy_getinfo(e->curl, CURLINFO_SIZE_UPLOAD_T, &body);
	return heads > body ? heads : heads + body;
}

void easy_judge(struct easy *e, CURLcode code, int64_t limit_ms)
{
	struct outcome *o = &e->x->req->outcome;
	struct answer *a = &e->x->answer;
	long status = 0;

	e->is_spent |= code != CURLE_OK;
	o->sent_bytes = sent_bytes(e);
	curl_easy_getinfo(e->curl, CURLINFO_RESPONSE_CODE, &status);
	if (!is_complete(e, code)) {
		judge_failure(e, code != CURLE_OK ? code : CURLE_PARTIAL_FILE, limit_ms, status);
		return;
	}
	o->status = status;
	o->header = a->header;
	o->body = body_str(&a->body);
	o->body_cut = a->body.is_cut;
}
