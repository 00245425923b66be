#include "app/supervised.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/poison.h"
#include "base/check.h"
#include "base/log.h"
#include "net/channel.h"

enum { NUMBERS_EVERY_MS = 1000 };

struct supervised {
	struct channel *channel;
	struct inhand *page;
	const struct supervised_ops *ops;
	void *arg;
	bool is_taken[INHERIT_FDS_END];
	int64_t numbers_at_ms;
};

static bool is_type(int fd, int wanted)
{
	int type = 0;
	socklen_t n = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == wanted;
}

static bool listens(int fd)
{
	int yes = 0;
	socklen_t n = sizeof(yes);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &n) == 0 && yes;
}

/* It may have died between our start and this. */
static bool die_with_supervisor(void)
{
	char byte;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return false;
	return recv(INHERIT_CHANNEL_FD, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

bool supervised_find(struct supervised **ret_self, char ret_error[200])
{
	struct supervised *s;
	void *page;

	*ret_self = NULL;
	if (getenv(INHERIT_NAME) == NULL)
		return true;
	page = mmap(NULL, sizeof(struct inhand), PROT_READ | PROT_WRITE, MAP_SHARED,
		    INHERIT_PAGE_FD, 0);
	if (!is_type(INHERIT_CHANNEL_FD, SOCK_SEQPACKET) || page == MAP_FAILED ||
	    !die_with_supervisor()) {
		snprintf(ret_error, 200,
			 "the supervisor that " INHERIT_NAME " tells of is not there; unset it to "
			 "run this process by hand");
		return false;
	}
	s = xcalloc(1, sizeof(*s));
	s->page = page;
	*ret_self = s;
	return true;
}

static void message(void *arg, struct str m)
{
	struct supervised *s = arg;
	struct str what = str_cut(&m, ' ');
	struct inhand poison;

	if (str_eq(what, STR("retire")))
		s->ops->retire(s->arg);
	else if (str_eq(what, STR("quarantine")) && poison_parse(m, &poison))
		s->ops->quarantine(s->arg, str_n(poison.user, poison.user_n),
				   (struct msg_id){ poison.seq, poison.nonce });
}

/* What is under way here ends as if the machine had stopped: others take it over. */
static void supervisor_gone(void *arg)
{
	log_error("supervised", "the supervisor is gone");
	_exit(1);
}

void supervised_open(struct supervised *s, struct loop *loop, const struct supervised_ops *ops,
		     void *arg)
{
	static const struct channel_ops channel_ops = { message, supervisor_gone };

	if (s == NULL)
		return;
	s->ops = ops;
	s->arg = arg;
	s->channel = channel_open(loop, INHERIT_CHANNEL_FD, &channel_ops, s);
	/* A message that is quarantined must be known as that before it can be claimed. */
	channel_read(s->channel);
}

int supervised_take_socket(struct supervised *s, int fd)
{
	check(fd >= INHERIT_PORT_FD && fd < INHERIT_FDS_END);
	if (s == NULL || s->is_taken[fd] || !listens(fd))
		return 0;
	s->is_taken[fd] = true;
	return fd;
}

struct inhand *supervised_inhand(struct supervised *s)
{
	return s != NULL ? s->page : NULL;
}

static bool tell(struct supervised *s, const char *text)
{
	return channel_send(s->channel, str_c(text));
}

void supervised_ready(struct supervised *s)
{
	if (s != NULL)
		check(tell(s, "ready"));
}

static int64_t cpu_us(void)
{
	struct rusage use;

	check(getrusage(RUSAGE_SELF, &use) == 0);
	return (int64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
	       use.ru_utime.tv_usec + use.ru_stime.tv_usec;
}

/* A supervisor that does not listen misses some. */
static void tell_numbers(struct supervised *s, const struct supervised_numbers *n, int64_t mono_ms)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "numbers at_ms=%lld cpu_us=%lld waiting=%d deliveries=%d memory_bytes=%zu",
		 (long long)mono_ms, (long long)cpu_us(), n->waiting, n->deliveries,
		 n->memory_bytes);
	(void)tell(s, text);
}

int64_t supervised_turn(struct supervised *s, const struct supervised_numbers *n, int64_t mono_ms)
{
	if (s == NULL)
		return INT64_MAX;
	if (mono_ms >= s->numbers_at_ms) {
		tell_numbers(s, n, mono_ms);
		s->numbers_at_ms = mono_ms + NUMBERS_EVERY_MS;
	}
	return s->numbers_at_ms;
}

void supervised_close(struct supervised *s)
{
	if (s == NULL)
		return;
	channel_close(s->channel);
	munmap(s->page, sizeof(*s->page));
	free(s);
}
