#include "api/auth.h"

#include "base/check.h"
#include "core/query.h"

static struct str bearer(struct str field)
{
	struct str rest = str_trim(field);
	struct str scheme = str_cut(&rest, ' ');

	return str_ieq(scheme, STR("Bearer")) ? str_trim(rest) : STR_NULL;
}

struct str auth_token(struct arena *a, struct str authorization, struct str query)
{
	struct str token = bearer(authorization);

	if (token.p == NULL && !query_get(a, query, STR("qstash_token"), &token))
		return STR_NULL;
	return token;
}

bool auth_is_equal(struct str given, struct str secret)
{
	volatile unsigned char differs = given.n != secret.n;

	check(secret.n > 0);
	for (size_t i = 0; i < given.n; i++)
		differs |= (unsigned char)(given.p[i] ^ secret.p[i % secret.n]);
	return differs == 0;
}
