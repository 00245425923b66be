#include "names.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t released;
	int lookups, waiting;
	bool is_released;
} names = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, false };

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int names_lookups(void)
{
	int n;

	pthread_mutex_lock(&names.mutex);
	n = names.lookups;
	pthread_mutex_unlock(&names.mutex);
	return n;
}

int names_waiting(void)
{
	int n;

	pthread_mutex_lock(&names.mutex);
	n = names.waiting;
	pthread_mutex_unlock(&names.mutex);
	return n;
}

void names_release(void)
{
	pthread_mutex_lock(&names.mutex);
	names.is_released = true;
	pthread_cond_broadcast(&names.released);
	pthread_mutex_unlock(&names.mutex);
}

static void wait_for_release(void)
{
	pthread_mutex_lock(&names.mutex);
	names.waiting++;
	while (!names.is_released)
		pthread_cond_wait(&names.released, &names.mutex);
	names.waiting--;
	pthread_mutex_unlock(&names.mutex);
}

static int resolve_test_name(getaddrinfo_fn *real, struct str name, const char *service,
			     const struct addrinfo *hints, struct addrinfo **ret)
{
	const char *first = NULL, *second = NULL;
	int rc;

	pthread_mutex_lock(&names.mutex);
	names.lookups++;
	pthread_mutex_unlock(&names.mutex);
	if (str_starts(name, STR("slow")))
		wait_for_release();
	else if (str_eq(name, STR("here.test")))
		first = "127.0.0.1";
	else if (str_eq(name, STR("meta.test")) || str_eq(name, STR("mixed.test")))
		first = "169.254.169.254";
	else if (str_eq(name, STR("two.test")))
		first = "127.0.0.2";
	else if (str_eq(name, STR("six.test")))
		first = "::1";
	if (str_eq(name, STR("mixed.test")) || str_eq(name, STR("two.test")) ||
	    str_eq(name, STR("six.test")))
		second = "127.0.0.1";
	if (first == NULL)
		return EAI_NONAME;
	rc = real(first, service, hints, ret);
	if (rc == 0 && second != NULL)
		rc = real(second, service, hints, &(*ret)->ai_next);
	return rc;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **ret)
{
	getaddrinfo_fn *real = (getaddrinfo_fn *)(uintptr_t)dlsym(RTLD_NEXT, "getaddrinfo");
	struct str name = str_c(node);

	check(real != NULL);
	if (name.n > 5 && str_eq(str_from(name, name.n - 5), STR(".test")))
		return resolve_test_name(real, name, service, hints, ret);
	return real(node, service, hints, ret);
}
