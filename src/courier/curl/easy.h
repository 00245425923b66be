/* easy.h - a libcurl easy handle, set up once and used for one exchange after the other.
 *
 * A new handle per request costs a tenth of all the work, so handles are pooled and only what
 * differs from the request before is set. What never differs is in easy_new: no proxy, no redirect,
 * no cookie, no header but ours, TLS 1.2 or later with a verified peer.
 */
#ifndef COURIER_CURL_EASY_H
#define COURIER_CURL_EASY_H

#include <curl/curl.h>
#include <sys/socket.h>

#include "base/list.h"
#include "courier/curl/exchange.h"
#include "courier/guard.h"
#include "courier/words.h"

struct dispatch;
struct roots;
struct target;
struct sockets;

/* What handles need of their courier. */
struct easy_env {
	struct guard guard;
	struct roots *roots;
	struct sockets *sockets;
	struct dispatch *dispatch;
	CURLSH *share;         /* resolved names and TLS sessions */
	const int64_t *now_ms; /* mono, of this turn */
};

/* How the request's body is given to libcurl. */
enum easy_shape { EASY_NO_BODY, EASY_BODY, EASY_HEAD };

struct easy {
	CURL *curl;
	struct easy_env *env;
	struct exchange *x;    /* NULL while in the pool */
	struct list node;      /* in the pool */
	enum easy_shape shape; /* as last set, like all below */
	char method[32];
	struct target *target; /* a reference */
	bool http2;            /* offered, where there is TLS */
	bool wants_fresh;      /* CURLOPT_FRESH_CONNECT is on */
	/* Of the exchange: */
	bool dialled;   /* it opened a socket, so it is not on a reused connection */
	bool was_ready; /* it has been written to a connection */
	bool is_spent;  /* not to be used again: libcurl carries error numbers, and the count of
			 * its own retries, over to later requests */
	struct sockaddr_storage tried; /* the last address */
	const char *refused;           /* the guard's last refusal */
	char text[CURL_ERROR_SIZE];
};

struct easy *easy_new(struct easy_env *env);
void easy_free(struct easy *e);
/* Sets the handle up for the exchange; it may then be added to a lane. */
void easy_load(struct easy *e, struct exchange *x);
/* True when an exchange that ended with `code` was answered, but libcurl dropped the answer: over
 * HTTP/2, when it comes before the request's body is sent. Over HTTP/1.1 that does not happen. */
bool easy_lost_answer(const struct easy *e, CURLcode code);
/* Writes the outcome of an exchange that ended with `code`. */
void easy_judge(struct easy *e, CURLcode code, int64_t limit_ms);
enum phase easy_phase(struct easy *e);
/* After the handle has left its lane: ready for the next. */
void easy_unload(struct easy *e);

#endif
