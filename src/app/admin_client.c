#include "app/admin_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/dirs.h"
#include "base/check.h"
#include "base/codec.h"

enum { ANSWER_BYTES_MAX = 16 * 1024 * 1024, BODY_BYTES_MAX = 1024 * 1024, TIMEOUT_S = 60 };

/* One request under way. The fields that point into the arena are NUL-terminated. */
struct asking {
	const struct conf *conf;
	CURL *curl;
	struct curl_slist *headers;
	struct buf answer;
	char *socket_path;
	char why[CURL_ERROR_SIZE];
};

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
	struct asking *q = arg;

	buf_add(&q->answer, str_n(p, size * n));
	return q->answer.overflow ? 0 : size * n;
}

static void set_headers(struct asking *q, struct arena *a)
{
	struct str token = arena_fmt(a, "Authorization: Bearer %s", q->conf->admin_token);

	q->headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (*q->conf->url != '\0')
		q->headers = curl_slist_append(q->headers, token.p);
	curl_easy_setopt(q->curl, CURLOPT_HTTPHEADER, q->headers);
}

/* False when there is no data directory to look for the socket in. */
static bool set_target(struct asking *q, struct arena *a, struct str path)
{
	struct str base = str_c(q->conf->url);
	char *dir;

	if (base.n > 0) {
		while (base.n > 0 && base.p[base.n - 1] == '/')
			base.n--;
		curl_easy_setopt(q->curl, CURLOPT_URL,
				 arena_fmt(a, "%.*s%.*s", STR_FMT(base), STR_FMT(path)).p);
		if (*q->conf->ca_file != '\0')
			curl_easy_setopt(q->curl, CURLOPT_CAINFO, q->conf->ca_file);
		return true;
	}
	dir = dirs_find(q->conf);
	if (dir == NULL)
		return false;
	q->socket_path = dirs_join(dir, DIRS_CONTROL);
	free(dir);
	curl_easy_setopt(q->curl, CURLOPT_UNIX_SOCKET_PATH, q->socket_path);
	curl_easy_setopt(q->curl, CURLOPT_URL,
			 arena_fmt(a, "http://localhost%.*s", STR_FMT(path)).p);
	return true;
}

static void set_up(struct asking *q, const char *method, struct str body)
{
	curl_easy_setopt(q->curl, CURLOPT_ERRORBUFFER, q->why);
	curl_easy_setopt(q->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(q->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(q->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(q->curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
	curl_easy_setopt(q->curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(q->curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(q->curl, CURLOPT_WRITEDATA, q);
	if (body.n > 0) {
		curl_easy_setopt(q->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
		curl_easy_setopt(q->curl, CURLOPT_COPYPOSTFIELDS, body.p);
	}
}

static void tell(const struct asking *q, CURLcode code, char ret_error[ADMIN_ERROR_BYTES])
{
	if (q->socket_path != NULL && code == CURLE_COULDNT_CONNECT)
		snprintf(ret_error, ADMIN_ERROR_BYTES,
			 "no server runs on this data directory (%.300s); start one with 'qstash "
			 "serve', name "
			 "another directory with --data-dir, or a server elsewhere with --url",
			 q->socket_path);
	else
		snprintf(ret_error, ADMIN_ERROR_BYTES, "cannot ask %.300s: %s",
			 q->socket_path != NULL ? q->socket_path : q->conf->url,
			 *q->why != '\0' ? q->why : curl_easy_strerror(code));
}

static bool perform(struct asking *q, struct arena *a, struct admin_answer *ret_answer,
		    char ret_error[ADMIN_ERROR_BYTES])
{
	CURLcode code = curl_easy_perform(q->curl);
	char why[96];
	long status = 0;

	if (code != CURLE_OK) {
		tell(q, code, ret_error);
		return false;
	}
	curl_easy_getinfo(q->curl, CURLINFO_RESPONSE_CODE, &status);
	ret_answer->status = (int)status;
	ret_answer->text = arena_str(a, buf_str(&q->answer));
	ret_answer->json = json_parse(a, ret_answer->text, why);
	if (ret_answer->json != NULL)
		return true;
	snprintf(ret_error, ADMIN_ERROR_BYTES,
		 "the answer (status %ld) is not JSON: is this a qstash server?", status);
	return false;
}

bool admin_client_ask(const struct conf *conf, struct arena *a, const struct admin_request *request,
		      struct admin_answer *ret_answer, char ret_error[ADMIN_ERROR_BYTES])
{
	struct asking q = { .conf = conf, .curl = curl_easy_init() };
	bool ok = false;

	check(q.curl != NULL);
	buf_init(&q.answer, ANSWER_BYTES_MAX);
	set_headers(&q, a);
	set_up(&q, request->method, request->body);
	if (set_target(&q, a, request->path))
		ok = perform(&q, a, ret_answer, ret_error);
	else
		snprintf(ret_error, ADMIN_ERROR_BYTES,
			 "no data directory: give one with --data-dir");
	curl_slist_free_all(q.headers);
	curl_easy_cleanup(q.curl);
	buf_done(&q.answer);
	free(q.socket_path);
	return ok;
}

int admin_client_complain(const char *text)
{
	fprintf(stderr, "qstash: %s\n", text);
	return 1;
}

bool admin_client_must(const struct conf *conf, struct arena *a,
		       const struct admin_request *request, struct admin_answer *ret_answer)
{
	char error[ADMIN_ERROR_BYTES];
	const struct json *why;

	if (!admin_client_ask(conf, a, request, ret_answer, error)) {
		admin_client_complain(error);
		return false;
	}
	if (ret_answer->status < 400)
		return true;
	why = json_get(ret_answer->json, STR("error"));
	if (ret_answer->status == 404 && *conf->url != '\0' && why != NULL &&
	    str_eq(why->text, STR("no such endpoint")))
		admin_client_complain("that server has no admin API: it runs without -admin-token");
	else if (why != NULL && why->kind == JSON_STRING)
		admin_client_complain(arena_str(a, why->text).p);
	else
		admin_client_complain(ret_answer->text.p);
	return false;
}

struct str admin_client_path(struct arena *a, const char *before, const char *name,
			     const char *after)
{
	struct buf escaped;
	struct str path;

	buf_init(&escaped, BODY_BYTES_MAX);
	percent_encode(&escaped, str_c(name));
	path = arena_fmt(a, "%s%.*s%s", before, STR_FMT(buf_str(&escaped)), after);
	buf_done(&escaped);
	return path;
}

struct str admin_client_body(struct arena *a, const char *key, const char *text)
{
	struct json_out j;
	struct buf body;
	struct str copy;

	buf_init(&body, BODY_BYTES_MAX);
	j = json_out(&body);
	json_open(&j, '{');
	json_kstr(&j, str_c(key), str_c(text));
	json_close(&j, '}');
	copy = arena_str(a, buf_str(&body));
	buf_done(&body);
	return copy;
}

struct str admin_client_text(const struct json *object, const char *key)
{
	const struct json *v = json_get(object, str_c(key));

	return v != NULL ? v->text : STR_NULL;
}
