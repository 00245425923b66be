#include "app/plans.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Longer than allowed is read as one byte more than allowed. */
static bool read_file(const char *path, struct buf *ret_bytes)
{
	FILE *f = fopen(path, "re");
	char chunk[4096];
	size_t n;
	bool ok;

	if (f == NULL)
		return false;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(ret_bytes, str_n(chunk, n));
	ok = ferror(f) == 0;
	fclose(f);
	return ok;
}

bool plans_load(struct arena *a, const char *path, struct plans *ret_plans,
		char ret_error[PLANS_ERROR_BYTES])
{
	struct problem p = { 0 };
	struct buf bytes;
	bool ok;

	if (*path == '\0')
		return plan_parse(a, STR("{\"plans\":{}}"), ret_plans, &p);
	buf_init(&bytes, PLANS_FILE_BYTES_MAX);
	ok = read_file(path, &bytes);
	if (!ok)
		snprintf(ret_error, PLANS_ERROR_BYTES, "-plans: cannot read %.300s: %s", path,
			 strerror(errno));
	else if (bytes.overflow)
		snprintf(ret_error, PLANS_ERROR_BYTES, "-plans: %.300s is longer than %d bytes",
			 path, PLANS_FILE_BYTES_MAX);
	else if (!plan_parse(a, arena_str(a, buf_str(&bytes)), ret_plans, &p))
		snprintf(ret_error, PLANS_ERROR_BYTES, "-plans: %.300s: %s", path, p.text);
	ok = ok && !bytes.overflow && p.status == 0;
	buf_done(&bytes);
	return ok;
}

bool plans_choose(const struct plans *set, const char *name, const struct plan **ret_plan,
		  char ret_error[PLANS_ERROR_BYTES])
{
	struct buf names;

	*ret_plan = plan_in(set, str_c(name));
	if (*ret_plan != NULL)
		return true;
	buf_init(&names, PLANS_ERROR_BYTES / 2);
	for (size_t i = 0; i < set->n; i++)
		buf_fmt(&names, "%s%.*s", i > 0 ? ", " : "", STR_FMT(set->v[i].name));
	snprintf(ret_error, PLANS_ERROR_BYTES, "-quota: '%.60s' is no plan; there are %.*s", name,
		 STR_FMT(buf_str(&names)));
	buf_done(&names);
	return false;
}
