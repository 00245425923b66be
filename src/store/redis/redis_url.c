#include "store/redis/redis_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"

enum { PORT_DEFAULT = 6379, URL_BYTES_MAX = 4096, DATABASES_MAX = 65535 };

static bool refuse(char ret_error[REDIS_ERROR_LEN], const char *why)
{
	snprintf(ret_error, REDIS_ERROR_LEN,
		 "the Redis URL %s; it is redis://[user:password@]host[:port][/database], "
		 "rediss:// the same "
		 "over TLS, or unix://[user:password@]/path[?db=database]",
		 why);
	return false;
}

/* Percent-decoded; NULL when broken or with a NUL in it. */
static char *decoded(struct str s)
{
	struct buf b;
	char *text = NULL;

	buf_init(&b, URL_BYTES_MAX);
	if (percent_decode(&b, s) && !b.overflow && !str_has_byte(buf_str(&b), '\0'))
		text = str_dup(buf_str(&b));
	buf_done(&b);
	return text;
}

/* "user:password", ":password", or "password" alone. */
static bool take_login(struct str login, struct redis_url *u)
{
	struct str user = STR_NULL;

	if (str_has_byte(login, ':'))
		user = str_cut(&login, ':');
	if (user.n && (u->user = decoded(user)) == NULL)
		return false;
	return !login.n || (u->password = decoded(login)) != NULL;
}

static bool take_database(struct str text, struct redis_url *u)
{
	uint64_t v = 0;

	if (text.n && (!str_u64(text, &v) || v > DATABASES_MAX))
		return false;
	u->database = (int)v;
	return true;
}

static bool take_port(struct str text, struct redis_url *u)
{
	uint64_t v;

	if (!str_u64(text, &v) || v == 0 || v > UINT16_MAX)
		return false;
	u->port = (int)v;
	return true;
}

/* "host", "host:port", "[v6]:port" */
static bool take_place(struct str place, struct redis_url *u)
{
	struct str host;

	if (str_starts(place, STR("["))) {
		place = str_from(place, 1);
		host = str_cut(&place, ']');
		if (place.n && *place.p != ':')
			return false;
		place = str_from(place, 1);
	} else {
		host = str_cut(&place, ':');
	}
	if (!host.n || (u->host = decoded(host)) == NULL)
		return false;
	u->port = PORT_DEFAULT;
	return !place.n || take_port(place, u);
}

/* What is before the last '@' of a part; the rest stays in *part. */
static struct str cut_login(struct str *part)
{
	struct str login = STR_NULL;
	size_t at;

	for (at = part->n; at > 0 && part->p[at - 1] != '@'; at--)
		;
	if (at > 0) {
		login = str_sub(*part, 0, at - 1);
		*part = str_from(*part, at);
	}
	return login;
}

static bool parse_socket(struct str rest, struct redis_url *u, char ret_error[REDIS_ERROR_LEN])
{
	struct str path = str_cut(&rest, '?');
	struct str login = cut_login(&path);

	if (!take_login(login, u))
		return refuse(ret_error, "has a broken user or password");
	if (!str_starts(path, STR("/")) || (u->path = decoded(path)) == NULL)
		return refuse(ret_error, "needs the absolute path of a socket");
	if (rest.n && (!str_starts(rest, STR("db=")) || !take_database(str_from(rest, 3), u)))
		return refuse(ret_error, "has a database that is no number");
	return true;
}

static bool parse_host(struct str rest, struct redis_url *u, char ret_error[REDIS_ERROR_LEN])
{
	struct str place = str_cut(&rest, '/');
	struct str login = cut_login(&place);

	if (!take_login(login, u))
		return refuse(ret_error, "has a broken user or password");
	if (!take_place(place, u))
		return refuse(ret_error, "has no valid host and port");
	if (!take_database(rest, u))
		return refuse(ret_error, "has a database that is no number");
	return true;
}

bool redis_url_parse(struct str text, struct redis_url *ret_url, char ret_error[REDIS_ERROR_LEN])
{
	struct redis_url u = { 0 };
	bool ok;

	if (text.n > URL_BYTES_MAX)
		return refuse(ret_error, "is too long");
	if (str_starts(text, STR("unix://"))) {
		ok = parse_socket(str_from(text, 7), &u, ret_error);
	} else if (str_starts(text, STR("redis://"))) {
		ok = parse_host(str_from(text, 8), &u, ret_error);
	} else if (str_starts(text, STR("rediss://"))) {
		u.tls = true;
		ok = parse_host(str_from(text, 9), &u, ret_error);
	} else {
		ok = refuse(ret_error, "has another scheme");
	}
	if (ok)
		*ret_url = u;
	else
		redis_url_done(&u);
	return ok;
}

void redis_url_done(struct redis_url *u)
{
	free(u->host);
	free(u->path);
	free(u->user);
	free(u->password);
}
