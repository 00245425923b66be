/* judge_doc.c - URL groups and schedules: how they may change, and what schedules make of it.
 *
 * A trigger is one step: the schedule with its next time, and the messages. Its mark tells what was stored, and the
 * messages follow in the log. So whether it is early, doubled or of a paused schedule shows at once; that it comes
 * at all is looked at in each instant.
 */
#include <inttypes.h>

#include "base/check.h"
#include "judge_int.h"

enum {
	GROUP_SEEN_MS =
		60 * 1000, /* a trigger may have looked at the group that long before its step */
	SET_BACK_MS = 60 * 1000,      /* ... and at the clock */
	TICK_PATIENCE_MS = 32 * 1000, /* a process that is full claims when an attempt has ended */
	MINUTE_MS = 60 * 1000,
};

/* ---- groups ------------------------------------------------------------------------------------------- */

static uint32_t endpoint_of(struct str url)
{
	struct str host = str_from(url, sizeof("http://") - 1);
	int n = judge_number(str_cut(&host, '.'), 'e');

	check(n >= 0 && n < 32);
	return (uint32_t)1 << n;
}

static uint32_t endpoints_of(struct judge *j, struct str value)
{
	struct group g;
	uint32_t endpoints = 0;
	struct arena a;

	arena_init(&a);
	if (!group_decode(&a, value, &g))
		judge_fail(j, "the record of a group is broken");
	else
		for (size_t i = 0; i < g.n; i++)
			endpoints |= endpoint_of(g.endpoint[i].url);
	arena_done(&a);
	return endpoints;
}

static struct judge_group_state *group_now(struct judge_group *g)
{
	return &g->state[g->at];
}

void judge_group_asked(struct judge *j, struct judge_thing t, enum group_what what,
		       uint32_t endpoints)
{
	j->edit[j->edits++ % JUDGE_EDITS_MAX] = (struct judge_edit){ t.user, t.n, what, endpoints };
}

static uint32_t edited(const struct judge_edit *e, uint32_t endpoints)
{
	if (e->what == GROUP_UPSERT)
		return endpoints | e->endpoints;
	return e->what == GROUP_REMOVE ? endpoints & ~e->endpoints : 0;
}

static bool edit_is_asked(const struct judge *j, int user, int group, const uint32_t from_to[2])
{
	for (size_t i = 0; i < j->edits && i < JUDGE_EDITS_MAX; i++) {
		const struct judge_edit *e = &j->edit[i];

		if (e->user == user && e->group == group && edited(e, from_to[0]) == from_to[1])
			return true;
	}
	return false;
}

static void on_group(struct judge *j, int user, const struct mark *mark)
{
	int n = judge_number(mark->name, 'g');
	bool put = mark->kind == MOVE_DOC_PUT;
	struct judge_group *g = &j->user[user].group[n];
	uint32_t from_to[2] = { group_now(g)->endpoints, put ? endpoints_of(j, mark->value) : 0 };

	if (!edit_is_asked(j, user, n, from_to))
		judge_fail(j, "group g%d of user %d went from endpoints %x to %x unasked", n, user,
			   from_to[0], from_to[1]);
	group_now(g)->until_ms = j->turn.now_ms;
	g->at = (g->at + 1) % JUDGE_GROUP_STATES_MAX;
	*group_now(g) = (struct judge_group_state){ from_to[1], j->turn.now_ms, INT64_MAX };
	g->changes++;
}

static bool group_was(const struct judge_group *g, uint32_t endpoints, int64_t since_ms)
{
	for (size_t i = 0; i < JUDGE_GROUP_STATES_MAX; i++) {
		const struct judge_group_state *s = &g->state[i];

		if (s->until_ms >= since_ms && s->endpoints == endpoints &&
		    (s->until_ms > 0 || i == g->at))
			return true;
	}
	return false;
}

void judge_group_seen(struct judge *j, struct judge_thing t, uint32_t endpoints, int64_t since_ms)
{
	if (!group_was(&j->user[t.user].group[t.n], endpoints, since_ms))
		judge_fail(j, "group g%d of user %d was seen with endpoints %x", t.n, t.user,
			   endpoints);
}

/* ---- schedules ---------------------------------------------------------------------------------------- */

/* "* ..." or "*<slash>N ...", N a divisor of 60: the rule of cron, written a second time. */
static int64_t period_ms(struct str cron)
{
	struct str minutes = str_cut(&cron, ' ');
	uint64_t n;

	if (minutes.n == 1)
		return MINUTE_MS;
	check(str_u64(str_from(minutes, 2), &n) && 60 % n == 0);
	return (int64_t)n * MINUTE_MS;
}

static bool clock_was_set_back(const struct judge *j)
{
	return j->set_back_ms != 0 && j->turn.now_ms < j->set_back_ms + SET_BACK_MS;
}

/* A trigger: what it leaves behind, and the messages that must follow. */
static void on_tick(struct judge *j, const struct judge_schedule *was, const struct schedule *s,
		    size_t puts)
{
	int64_t every_ms = period_ms(s->cron);
	int n = judge_number(s->id, 's');

	if (!was->exists || was->paused)
		judge_fail(j, "schedule s%d fired although it is %s", n,
			   was->exists ? "paused" : "gone");
	else if (s->last_ms < was->s.next_ms && !clock_was_set_back(j))
		judge_fail(j, "schedule s%d fired %" PRId64 " ms early", n,
			   was->s.next_ms - s->last_ms);
	else if (s->next_ms != (s->last_ms / every_ms + 1) * every_ms)
		judge_fail(j, "schedule s%d fired at %" PRId64 " and is due again at %" PRId64, n,
			   s->last_ms, s->next_ms);
	else if (!str_eq(s->msg.body, was->s.msg.body) || !str_eq(s->cron, was->s.cron))
		judge_fail(j, "schedule s%d changed when it fired", n);
	else if (s->msg.topic.n == 0 && puts != 1)
		judge_fail(j, "schedule s%d made %zu messages", n, puts);
	j->counts.ticks++;
}

static void tick_end(struct judge *j)
{
	const struct schedule *s = j->ticking;
	struct judge_thing t = { JUDGE_GROUP, judge_number(str_from(s->msg.user, 3), 'r'),
				 judge_number(s->msg.topic, 'g') };

	j->ticking = NULL;
	if (s->msg.topic.n == 0)
		return;
	j->counts.fan_outs++;
	judge_group_seen(j, t, j->tick_endpoints, j->turn.now_ms - GROUP_SEEN_MS);
}

static void on_edit(struct judge *j, const struct judge_schedule *was, const struct schedule *s)
{
	bool paused = s->flags & SCHEDULE_IS_PAUSED;
	int n = judge_number(s->id, 's');

	if (s->next_ms <= 0 || s->next_ms % period_ms(s->cron) != 0)
		judge_fail(j, "schedule s%d is due at %" PRId64, n, s->next_ms);
	if (was->exists && !str_eq(s->msg.body, was->s.msg.body) && paused != was->paused)
		judge_fail(j, "schedule s%d was overwritten and is%s paused now", n,
			   paused ? "" : " not");
}

static void on_schedule(struct judge *j, int user, const struct mark *mark)
{
	int n = judge_number(mark->name, 's');
	struct judge_schedule *was = &j->user[user].schedule[n];
	struct judge_schedule now = {
		.changes = was->changes,
		.pauses = was->pauses,
		.resumes = was->resumes,
	};
	bool tick;

	if (mark->kind == MOVE_DOC_REMOVE) {
		now.changes++;
		*was = now;
		return;
	}
	if (!schedule_decode(&j->arena, arena_str(&j->arena, mark->value), &now.s)) {
		judge_fail(j, "the record of schedule s%d is broken", n);
		return;
	}
	now.exists = true;
	now.paused = now.s.flags & SCHEDULE_IS_PAUSED;
	tick = mark->puts > 0 || now.s.last_ms != was->s.last_ms;
	if (tick) {
		on_tick(j, was, &now.s, mark->puts);
	} else {
		on_edit(j, was, &now.s);
		now.changes++;
		now.pauses += now.paused;
		now.resumes += !now.paused;
	}
	*was = now;
	if (!tick)
		return;
	j->ticking = &was->s;
	j->ticks_left = mark->puts;
	j->tick_endpoints = 0;
	if (mark->puts == 0)
		tick_end(j);
}

void judge_as_ticked(struct judge *j, struct judge_msg *m)
{
	const struct schedule *s = j->ticking;
	uint32_t endpoint = endpoint_of(m->msg.url);

	if (!str_eq(m->msg.schedule_id, s->id) || !str_eq(m->msg.user, s->msg.user) ||
	    !str_eq(m->msg.body, s->msg.body) || !str_eq(m->msg.queue, s->msg.queue) ||
	    !str_eq(m->msg.topic, s->msg.topic) || m->msg.created_ms != s->last_ms ||
	    m->msg.not_before_ms != s->last_ms + s->delay_ms ||
	    (s->msg.topic.n == 0 && !str_eq(m->msg.url, s->msg.url)))
		judge_fail(j, "schedule %.*s made a message that is not its own", STR_FMT(s->id));
	if (j->tick_endpoints & endpoint)
		judge_fail(j, "schedule %.*s made two messages for one endpoint", STR_FMT(s->id));
	j->tick_endpoints |= endpoint;
	if (--j->ticks_left == 0)
		tick_end(j);
}

static void look_at(struct judge *j, struct judge_schedule *s, int64_t now_ms, int64_t able_wall_ms)
{
	if (!s->exists || s->paused || s->s.next_ms > able_wall_ms) {
		s->able_ms = 0;
		return;
	}
	if (s->able_ms == 0)
		s->able_ms = now_ms;
	if (now_ms > s->able_ms + TICK_PATIENCE_MS)
		judge_fail(j, "schedule %.*s of %.*s has not fired", STR_FMT(s->s.id),
			   STR_FMT(s->s.msg.user));
}

void judge_ticks_instant(struct judge *j, int64_t now_ms, int64_t able_wall_ms)
{
	for (int u = 0; u < JUDGE_USERS; u++) {
		for (int n = 0; n < JUDGE_NAMES; n++)
			look_at(j, &j->user[u].schedule[n], now_ms, able_wall_ms);
	}
}

void judge_on_doc(struct judge *j, const struct mark *mark)
{
	int user = judge_number(str_from(mark->user, 3), 'r');

	if (mark->doc == DOC_TOPIC)
		on_group(j, user, mark);
	else if (mark->doc == DOC_SCHEDULE)
		on_schedule(j, user, mark);
}

/* ---- questions ---------------------------------------------------------------------------------------- */

int64_t judge_changes(const struct judge *j, struct judge_thing t)
{
	const struct judge_user *u = &j->user[t.user];

	switch (t.what) {
	case JUDGE_QUEUE:
		return u->queue[t.n].changes;
	case JUDGE_FLOW:
		return u->flow[t.n].changes;
	case JUDGE_GROUP:
		return u->group[t.n].changes;
	case JUDGE_SCHEDULE:
		return u->schedule[t.n].changes;
	case JUDGE_PAUSES:
		return u->schedule[t.n].pauses;
	case JUDGE_RESUMES:
		return u->schedule[t.n].resumes;
	}
	unreachable();
}

void judge_change_answered(struct judge *j, struct judge_thing t, int64_t changes_before)
{
	static const char letter[] = { 'q', 'f', 'g', 's', 's', 's' };

	if (judge_changes(j, t) == changes_before)
		judge_fail(j, "%c%d of user %d was not changed although the answer says so",
			   letter[t.what], t.n, t.user);
}

bool judge_is_paused(const struct judge *j, struct judge_thing t)
{
	const struct judge_user *u = &j->user[t.user];

	check(t.what != JUDGE_GROUP);
	if (t.what == JUDGE_QUEUE)
		return u->queue[t.n].paused;
	return t.what == JUDGE_FLOW ? u->flow[t.n].gate.paused : u->schedule[t.n].paused;
}

bool judge_exists(const struct judge *j, struct judge_thing t)
{
	const struct judge_user *u = &j->user[t.user];

	check(t.what == JUDGE_GROUP || t.what == JUDGE_SCHEDULE);
	if (t.what == JUDGE_SCHEDULE)
		return u->schedule[t.n].exists;
	return u->group[t.n].state[u->group[t.n].at].endpoints != 0;
}

bool judge_is_used(const struct judge *j, struct judge_thing t)
{
	struct list *it, *tmp;

	list_each(it, tmp, &j->pending) {
		const struct judge_msg *m = list_entry(it, struct judge_msg, node);

		if (m->user == t.user && m->flow == t.n)
			return true;
	}
	return false;
}
