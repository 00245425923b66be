#include "courier/curl/lane.h"

#include <stdlib.h>

#include "base/check.h"
#include "courier/curl/easy.h"
#include "courier/curl/sockets.h"

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
	struct lane *l = arg;

	if (what == CURL_POLL_REMOVE)
		sockets_rest(l->sockets, fd);
	else
		sockets_want(l->sockets, fd, what, l);
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct lane *l = arg;

	l->due_ms = timeout_ms < 0 ? INT64_MAX : *l->now_ms + timeout_ms;
	return 0;
}

struct lane *lane_new(struct sockets *sockets, const int64_t *now_ms, int connections_max)
{
	struct lane *l = xcalloc(1, sizeof(*l));
	CURLM *m = curl_multi_init();

	check(m != NULL);
	l->multi = m;
	l->sockets = sockets;
	l->now_ms = now_ms;
	l->due_ms = INT64_MAX;
	curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(m, CURLMOPT_SOCKETDATA, l);
	curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(m, CURLMOPT_TIMERDATA, l);
	/* An idle connection is closed when another needs its place, the longest idle first. */
	curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)connections_max);
	curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)connections_max);
	return l;
}

void lane_free(struct lane *l)
{
	curl_multi_cleanup(l->multi);
	free(l);
}

void lane_add(struct lane *l, struct easy *e)
{
	check(curl_multi_add_handle(l->multi, e->curl) == CURLM_OK);
}

void lane_remove(struct lane *l, struct easy *e)
{
	check(curl_multi_remove_handle(l->multi, e->curl) == CURLM_OK);
}

static void act(struct lane *l, int fd, int bits)
{
	int running;

	l->has_news = true;
	check(curl_multi_socket_action(l->multi, fd, bits, &running) == CURLM_OK);
}

void lane_run(struct lane *l)
{
	l->due_ms = INT64_MAX;
	act(l, CURL_SOCKET_TIMEOUT, 0);
}

void lane_event(struct lane *l, int fd, int bits)
{
	act(l, fd, bits);
}

struct easy *lane_finished(struct lane *l, CURLcode *ret_code)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(l->multi, &left)) != NULL) {
		struct easy *e = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		*ret_code = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &e);
		return e;
	}
	l->has_news = false;
	return NULL;
}
