/* kit_redis.h - redis-servers of a test's own, on a socket in its directory. */
#ifndef TEST_STORE_KIT_REDIS_H
#define TEST_STORE_KIT_REDIS_H

#include <sys/types.h>

#include "kit.h"
#include "store/redis/redis_store.h"

struct redis_server {
	pid_t pid;
	struct store *store; /* the kit's, as it was opened */
	bool durable;        /* every write is on disk before it is answered */
	char dir[80], socket[100], log[100], url[120];
};

/* `name` is that of its directory in the test's own. */
void redis_server_init(struct redis_server *s, const char *name, bool durable);
void redis_server_start(struct redis_server *s);
void redis_server_kill(
	struct redis_server *s); /* may be started again; the data is what it wrote to disk */

#endif
