#include "core/plan.h"

#include <string.h>

#include "base/check.h"
#include "core/plan_fields_tbl.h"
#include "core/plan_tbl.h"

enum { PLAN_VALUES_MAX = 100 * 1000 };

enum field_kind { FIELD_INT, FIELD_BOOL };

struct field {
	enum field_kind kind;
	struct str name;
	size_t offset;
	int64_t least, most;
};

static const struct field fields[] = {
#define X(kind, field, name, least, most) \
	{ FIELD_##kind, { name, sizeof(name) - 1 }, offsetof(struct plan, field), least, most },
	PLAN_FIELDS(X)
#undef X
};

static int64_t *int_of(struct plan *p, const struct field *f)
{
	check(f->kind == FIELD_INT);
	return (int64_t *)(void *)((char *)p + f->offset);
}

/* ---- finding ---------------------------------------------------------------------------------------- */

static const struct plan *find(const struct plan *v, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(v[i].name, name))
			return &v[i];
	}
	return NULL;
}

const struct plan *plan_at(size_t index)
{
	return index < countof(plan_table) ? &plan_table[index] : NULL;
}

const struct plan *plan_in(const struct plans *set, struct str name)
{
	struct plans built_in = { plan_table, countof(plan_table) };
	const struct plan *p;

	if (set == NULL)
		set = &built_in;
	p = find(set->v, set->n, name);
	return p == NULL && str_eq(name, STR("pro")) ? find(set->v, set->n, STR("fixed1m")) : p;
}

const struct plan *plan_find(struct str name)
{
	return plan_in(NULL, name);
}

/* ---- reading a file --------------------------------------------------------------------------------- */

static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '_' && c != '-' && c != '.')
			return false;
	}
	return s.n > 0 && s.n <= PLAN_NAME_BYTES_MAX;
}

static bool set_int(struct plan *p, const struct field *f, const struct json *v,
		    struct problem *problem)
{
	int64_t n = 0;

	if ((v->kind != JSON_NULL && !json_i64(v, &n)) || n < f->least || n > f->most)
		return problem_set(
			problem, 400, "plans.%.*s.%.*s: must be a whole number from %lld to %lld%s",
			STR_FMT(p->name), STR_FMT(f->name), (long long)f->least, (long long)f->most,
			f->least == 0 ? " (0 or null: no limit)" : "");
	*int_of(p, f) = n;
	return true;
}

static bool set_bool(struct plan *p, const struct field *f, const struct json *v,
		     struct problem *problem)
{
	if (v->kind != JSON_BOOL)
		return problem_set(problem, 400, "plans.%.*s.%.*s: must be true or false",
				   STR_FMT(p->name), STR_FMT(f->name));
	*(bool *)((char *)p + f->offset) = v->boolean;
	return true;
}

static bool set_member(struct plan *p, const struct json *v, struct problem *problem)
{
	struct buf allowed;
	struct str names;

	if (str_eq(v->key, STR("extends")))
		return true;
	for (size_t i = 0; i < countof(fields); i++) {
		const struct field *f = &fields[i];

		if (str_eq(v->key, f->name))
			return f->kind == FIELD_BOOL ? set_bool(p, f, v, problem)
						     : set_int(p, f, v, problem);
	}
	buf_init(&allowed, 1024);
	for (size_t i = 0; i < countof(fields); i++)
		buf_fmt(&allowed, ", %.*s", STR_FMT(fields[i].name));
	names = buf_str(&allowed);
	problem_set(problem, 400, "plans.%.*s.%.*s: is not known; allowed are extends%.*s",
		    STR_FMT(p->name), STR_FMT(str_sub(v->key, 0, 60)), STR_FMT(names));
	buf_done(&allowed);
	return false;
}

/* What the entry starts from. */
static bool base_of(const struct plans *set, const struct json *entry, struct plan *ret_plan,
		    struct problem *problem)
{
	const struct json *extends = json_get(entry, STR("extends"));
	const struct plan *base = find(set->v, set->n, entry->key);

	if (extends != NULL) {
		base = extends->kind == JSON_STRING ? plan_in(set, extends->text) : NULL;
		if (base == NULL)
			return problem_set(
				problem, 400,
				"plans.%.*s.extends: must be the name of a built-in plan or "
				"of one that stands before this",
				STR_FMT(entry->key));
	}
	if (base == NULL)
		base = plan_in(set, STR("payg"));
	*ret_plan = *base;
	return true;
}

/* The room in `v` is for all entries. */
static bool take_entry(struct arena *a, struct plan *v, struct plans *set, const struct json *entry,
		       struct problem *problem)
{
	const struct plan *old = find(set->v, set->n, entry->key);
	struct plan p;

	if (!is_name(entry->key))
		return problem_set(
			problem, 400,
			"plans: '%.*s' is no name for a plan; letters, digits, '.', '_' and "
			"'-' are allowed, at most %d",
			STR_FMT(str_sub(entry->key, 0, 60)), PLAN_NAME_BYTES_MAX);
	if (entry->kind != JSON_OBJECT)
		return problem_set(problem, 400, "plans.%.*s: must be an object of limits",
				   STR_FMT(entry->key));
	if (!base_of(set, entry, &p, problem))
		return false;
	p.name = arena_str(a, entry->key);
	for (const struct json *m = entry->child; m != NULL; m = m->next) {
		if (!set_member(&p, m, problem))
			return false;
	}
	if (p.messages_per_day_hard && p.messages_per_day == 0)
		return problem_set(
			problem, 400,
			"plans.%.*s.messagesPerDayHard: needs messagesPerDay, which is not "
			"limited",
			STR_FMT(p.name));
	v[old != NULL ? (size_t)(old - set->v) : set->n++] = p;
	return true;
}

static const struct json *plans_of(const struct json *root, struct problem *problem)
{
	const struct json *plans = json_get(root, STR("plans"));

	if (plans == NULL || plans->kind != JSON_OBJECT || root->count != 1) {
		problem_set(problem, 400,
			    "it must be an object with one member, \"plans\", which is an object");
		return NULL;
	}
	if (plans->count > PLAN_COUNT_MAX) {
		problem_set(problem, 400, "plans: at most %d are allowed", PLAN_COUNT_MAX);
		return NULL;
	}
	return plans;
}

bool plan_parse(struct arena *a, struct str text, struct plans *ret_plans,
		struct problem *ret_problem)
{
	char why[96];
	const struct json *root = json_parse_bounded(a, text, PLAN_VALUES_MAX, why), *plans;
	struct plans set = { .n = countof(plan_table) };
	struct plan *v;

	if (root == NULL)
		return problem_set(ret_problem, 400, "it is not JSON: %s", why);
	plans = plans_of(root, ret_problem);
	if (plans == NULL)
		return false;
	v = arena_array(a, struct plan, countof(plan_table) + plans->count);
	memcpy(v, plan_table, sizeof(plan_table));
	set.v = v;
	for (const struct json *entry = plans->child; entry != NULL; entry = entry->next) {
		if (!take_entry(a, v, &set, entry, ret_problem))
			return false;
	}
	*ret_plans = set;
	return true;
}

/* ---- showing ---------------------------------------------------------------------------------------- */

void plan_render(struct json_out *j, const struct plan *p)
{
	struct plan copy = *p;

	for (size_t i = 0; i < countof(fields); i++) {
		const struct field *f = &fields[i];

		json_key(j, f->name);
		if (f->kind == FIELD_BOOL)
			json_bool(j, *(const bool *)((const char *)p + f->offset));
		else if (*int_of(&copy, f) == 0 && f->least == 0)
			json_null(j);
		else
			json_int(j, *int_of(&copy, f));
	}
}
