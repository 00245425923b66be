/* rig.h - a courier on a loop, driven from the test's own thread.
 *
 * The backend is the one that the program is linked with: rig_curl.c or rig_http.c. The same tests
 * run on both; where their answers differ, a test asks rig_is_curl and says why.
 */
#ifndef TEST_COURIER_RIG_H
#define TEST_COURIER_RIG_H

#include "base/compiler.h"
#include "courier/courier.h"
#include "courier/settings.h"
#include "net/loop.h"

struct rig {
	struct loop *loop;
	struct courier *courier;
	int done, wanted; /* the loop runs until done reaches wanted */
	int64_t end_ms;   /* or until this monotonic time */
	bool is_sending;  /* inside courier_send */
};

struct call {
	struct courier_req req;
	struct rig *rig;
	int done;                     /* how often `done` was called */
	int64_t done_ms;              /* when, on the test's clock */
	void (*then)(struct call *c); /* called from `done`; NULL = nothing */
};

extern const bool rig_is_curl;
/* Opens the backend, as its own open function does. */
struct courier *rig_courier(struct loop *loop, const struct courier_settings *settings,
			    char ret_error[200]);

/* The usual settings: private addresses allowed. */
struct courier_settings rig_settings(void);
void rig_open(struct rig *r, struct courier_settings settings);
void rig_close(struct rig *r);

/* A call to http://127.0.0.1:port/path, 10 s, 1 MB; fields may be changed before call_send. The
 * text is formatted as by printf. */
struct call *call_new(struct rig *r, const char *method, const char *url_fmt, ...)
	printf_like(3, 4);
void call_header(struct call *c, const char *name, const char *value);
void call_send(struct call *c);
void call_free(struct call *c);

/* Runs the loop until that many calls in all are done; fails after 20 s. */
void rig_wait(struct rig *r, int done);
/* Runs the loop for that long, whatever happens. */
void rig_run(struct rig *r, int ms);
/* Runs the loop until the condition holds; fails after 20 s. */
#define RIG_UNTIL(r, cond)                                                            \
	do {                                                                          \
		for (int64_t t_end_ = t_now_ms() + 20000; !(cond); rig_run((r), 2)) { \
			if (t_now_ms() > t_end_)                                      \
				T_FAIL("still not true after 20 s: %s", #cond);       \
		}                                                                     \
	} while (0)

/* Sends one and waits for it. */
struct call *rig_get(struct rig *r, const char *url_fmt, ...) printf_like(2, 3);
void rig_do(struct call *c);

/* First value of an answer's header; p == NULL when absent. */
struct str call_answer_header(const struct call *c, const char *name);
bool has_text(struct str s, const char *part);
/* The call has no answer and its error has this in it. */
void call_failed(const struct call *c, const char *part);
/* It has an answer with this status, and no error. */
void call_answered(const struct call *c, int status);

/* Its error, up to where a client adds words of its own. */
struct str call_verdict(const struct call *c);

int open_fds(void); /* of this process */

#endif
