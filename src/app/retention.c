#include "app/retention.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/map.h"

enum { UNKNOWN_S = 3 * 24 * 3600 };

struct entry {
	char *user;
	int64_t seconds;
};

struct retention {
	pthread_mutex_t lock;
	struct map users;
};

struct retention *retention_new(void)
{
	struct retention *r = xcalloc(1, sizeof(*r));

	check(pthread_mutex_init(&r->lock, NULL) == 0);
	map_init(&r->users, 0);
	return r;
}

void retention_free(struct retention *r)
{
	struct entry *e;
	size_t pos = 0;

	if (r == NULL)
		return;
	while ((e = map_next(&r->users, &pos)) != NULL) {
		free(e->user);
		free(e);
	}
	map_done(&r->users);
	check(pthread_mutex_destroy(&r->lock) == 0);
	free(r);
}

void retention_set(struct retention *r, struct str user, int64_t seconds)
{
	struct entry *e;

	pthread_mutex_lock(&r->lock);
	e = map_get(&r->users, user);
	if (e == NULL) {
		e = xcalloc(1, sizeof(*e));
		e->user = str_dup(user);
		map_put(&r->users, str_c(e->user), e);
	}
	e->seconds = seconds;
	pthread_mutex_unlock(&r->lock);
}

int64_t retention_of(void *arg, struct str user)
{
	struct retention *r = arg;
	struct entry *e;
	int64_t seconds;

	pthread_mutex_lock(&r->lock);
	e = map_get(&r->users, user);
	seconds = e != NULL ? e->seconds : UNKNOWN_S;
	pthread_mutex_unlock(&r->lock);
	return seconds;
}
