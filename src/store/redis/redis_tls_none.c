#include "store/redis/redis_int.h"

#include <stdio.h>

bool redis_tls_start(redisContext *c, const struct redis_url *url, char ret_error[REDIS_ERROR_LEN])
{
	check(c != NULL && url->tls);
	snprintf(ret_error, REDIS_ERROR_LEN,
		 "rediss:// needs TLS, which this build's hiredis does not offer; build with "
		 "hiredis 1.0 or newer "
		 "and its hiredis_ssl");
	return false;
}
