-- move.lua - the moves of messages and dead letters. Each applies itself, or refuses before it changes anything.

local DEAD_HEAD, DEAD_HEAD_BYTES = '<c8I4I4', 16 -- nonce, retried, bytes of the response
local COSTLY_BYTES = 65536 -- a purge counts a row more for each so many of a record
local dedup_expire, put_is_repeated, move_put, settle_is_over, move_settle, move_cancel, dead_remove, move_dead_remove, dead_bytes, dead_expire
do

-- ---- put -------------------------------------------------------------------------------------

-- What the user has used, without this message.
local function put_used(p, u)
	p.used_messages = u and usage_today(u)[USED.MESSAGES] or 0
	p.used_bytes = u and u.month_bytes or 0
end

-- Is there such a message? Then the put is a repetition and answers what the first one got, or the id has met
-- another message's.
local function put_is_known(p)
	p.is_newest = is_after(p.seq, meta.seq_max)
	if p.is_newest then
		return false
	end
	local u = user_find(p.user)
	local m = message_get(u, p.seq)
	put_used(p, u)
	if m then
		if m.nonce ~= p.nonce then
			return true, REFUSAL.ID
		end
		if m.lane == 'l' and m.lease == token then
			p.leased = m.lease
		end
		return true, REFUSAL.NONE
	end
	if not again then
		return false
	end
	local id = p.seq .. p.nonce
	local known = ended[id] or call('SISMEMBER', 'q:ended0', id) == 1 or call('SISMEMBER', 'q:ended1', id) == 1
	return known, REFUSAL.NONE
end

-- The id of the message that has the key; nil when it is free.
local function dedup_get(u, key)
	local v = call('HGET', u.prefix .. 'k', key)
	if not v then
		return nil
	end
	return sunpack('<d', v) > now and string.sub(v, 9) or nil
end

local function dedup_set(u, p)
	hset(u.prefix .. 'k', p.dedup, spack('<d', p.dedup_until) .. p.seq .. p.nonce)
	zadd('q:dedup', int(p.dedup_until), entry_of('k', u.name, p.dedup))
end

function dedup_expire()
	local due = call('ZRANGEBYSCORE', 'q:dedup', '-inf', int(now), 'LIMIT', 0, HOUSEKEEPING_ROWS)
	for i = 1, #due do
		local _, user, key = entry_parts(due[i])
		call('HDEL', prefix_of(user) .. 'k', key)
		call('ZREM', 'q:dedup', due[i])
	end
	if #due < HOUSEKEEPING_ROWS then
		meta.dedup_next = now + HOUSEKEEPING_MS
	end
end

-- The queue whose slot a callback shares: its message's, which may have ended in this very step.
local function slot_of(u, root)
	if endings[root] then
		return endings[root]
	end
	local m = message_get(u, root)
	if m and m.queue_slot then
		return m.queue
	end
	local kin = call('ZRANGE', u.prefix .. 's' .. root, 0, 0)
	return kin[1] and message_get(u, kin[1]).queue
end

-- Finds, makes and configures the gates of a new message.
local function put_gates(p, m)
	local u = m.user
	if u.parallelism ~= p.user_parallelism then
		gate_touch(u)
		u.parallelism = p.user_parallelism
		gate_refresh_user(u)
	end
	if p.root ~= NO_ID then
		m.queue = slot_of(u, p.root)
		if m.queue then
			m.root = p.root
			m.queue_slot = true
			zadd(u.prefix .. 's' .. m.root, 0, m.seq)
		end
	elseif p.queue ~= '' then
		m.queue = gate_make(u, 'q', p.queue)
	end
	if p.flow ~= '' then
		m.flow = gate_make(u, 'f', p.flow)
	end
end

-- Counts it in its gates, and gives it a slot in its queue if nobody stands before it.
local function put_count(p, m)
	local q, f = m.queue, m.flow
	if q and m.root == NO_ID then
		gate_touch(q)
		q.messages = q.messages + 1
		if q.waiting == 0 and gate_may_start(q) then
			gate_start(q)
			m.queue_slot = true
		end
	end
	if f then
		gate_touch(f)
		f.messages = f.messages + 1
		f.updated = now
		gate_configure(f, p.flow_parallelism, p.flow_rate, p.flow_period)
		gate_refresh(f)
	end
	usage_add(m.user, USED.MESSAGES, 1)
	meta.messages = meta.messages + 1
	if p.is_newest then
		meta.seq_max = m.seq
	end
end

-- May it start at once, with nobody waiting before it?
local function put_may_start(m)
	local u = m.user
	if m.due > now or u.ready_lanes > 0 or not gate_may_start(u) then
		return false
	end
	if m.queue and not m.queue_slot then
		return false
	end
	-- Had it a wait list that may move, its lane would be ready.
	return not m.flow or (gate_may_start(m.flow))
end

local function put_apply(p, m)
	put_gates(p, m)
	put_count(p, m)
	if p.dedup ~= '' then
		dedup_set(m.user, p)
	end
	if p.want_lease and put_may_start(m) then
		message_start(m)
		m.lease, m.by_put = token, true
		m.lane, m.ord = 'l', 0
		p.leased = token
	else
		m.lane, m.ord = message_where(m, false)
	end
	message_add(m, p.record)
	log_packed(p.events)
	if p.leased then
		log_state(m.user.name, m, EVENT.ACTIVE, '')
	end
end

local function queue_is_refused(u, p)
	return p.queue ~= '' and p.root == NO_ID and p.queues_max > 0
		and not gate_is_visible(gate_find(u, 'q', p.queue)) and gate_is_full(u, 'q', p.queues_max)
end

function put_is_repeated(p)
	local known, refusal = put_is_known(p)
	return known and refusal == REFUSAL.NONE
end

function move_put(p)
	local known, refusal = put_is_known(p)
	if known then
		return refusal
	end
	local u = user_make(p.user)
	put_used(p, u)
	-- Its own key: it was put before and has ended.
	p.existing = p.dedup ~= '' and dedup_get(u, p.dedup)
	if p.existing then
		return p.existing == p.seq .. p.nonce and REFUSAL.NONE or REFUSAL.DUPLICATE
	end
	if p.day_max > 0 and p.used_messages >= p.day_max then
		return REFUSAL.QUOTA
	end
	if queue_is_refused(u, p) then
		return REFUSAL.LIMIT
	end
	local run, refused
	if p.run then
		run, refused = runs.judge(p)
		if not run then
			return refused
		end
		runs.join(run, p)
	end
	p.used_messages = p.used_messages + 1
	put_apply(p, { user = u, seq = p.seq, key = message_key(u, p.seq), nonce = p.nonce, lease = NO_ID, root = NO_ID,
		due = p.due, retried = 0, run = run and run.id })
	return REFUSAL.NONE
end

-- ---- settle ----------------------------------------------------------------------------------

local function message_find(p)
	local m = message_get(user_find(p.user), p.seq)
	return m and m.nonce == p.nonce and m or nil
end

local function settle_find(p)
	local m = message_find(p)
	if not m then
		return nil, REFUSAL.NOT_FOUND
	end
	if m.lane ~= 'l' or m.lease ~= p.lease then
		return nil, REFUSAL.LEASE
	end
	return m, REFUSAL.NONE
end

local SETTLE = { DELIVERED = 0, RETRY = 1, DEAD = 2, HANDBACK = 3 }

-- Would this settle find its message cancelled and end it?
function settle_is_over(p)
	local m = p.to ~= SETTLE.DELIVERED and settle_find(p)
	return m and m.cancelled
end

local function dead_add(p, m)
	local id = p.dlq_ms .. m.seq
	local u = m.user
	hset(u.prefix .. 'e', id, spack(DEAD_HEAD, m.nonce, m.retried, #p.response) .. p.response .. record_of(m))
	zadd(u.prefix .. 'd', 0, id)
	if p.dlq_until > 0 then
		zadd('q:dead', int(p.dlq_until), entry_of('d', u.name, id))
	end
end

local function settle_retry(p, m)
	message_stop(m)
	m.retried = m.retried + 1
	m.due = p.due
	local lane, ord = message_where(m, false)
	m.lease, m.by_put = NO_ID, false
	message_place(m, lane, ord)
end

local function settle_count(p, u)
	if p.to == SETTLE.HANDBACK then
		return
	end
	if p.to == SETTLE.DELIVERED then
		usage_add(u, USED.DELIVERED, 1)
	else
		usage_add(u, USED.ERRORS, 1)
		usage_add(u, p.to == SETTLE.DEAD and USED.FAILED or USED.RETRIED, 1)
	end
	if p.to == SETTLE.RETRY then
		usage_add(u, USED.MESSAGES, 1)
	end
	usage_add(u, USED.BYTES, p.bytes)
end

function move_settle(p)
	local m, refusal = settle_find(p)
	if not m then
		return refusal
	end
	p.was_cancelled = m.cancelled
	if m.cancelled and p.to ~= SETTLE.DELIVERED then
		cancelled_end(m)
		usage_add(m.user, USED.BYTES, p.bytes)
		return REFUSAL.NONE, true
	end
	log_packed(p.events)
	settle_count(p, m.user)
	if p.to == SETTLE.DEAD then
		if p.dlq_ms ~= NO_ID then
			dead_add(p, m)
		end
		message_end(m)
	elseif p.to == SETTLE.DELIVERED then
		message_end(m)
	elseif p.to == SETTLE.RETRY then
		settle_retry(p, m)
	else
		message_return(m)
	end
	return REFUSAL.NONE
end

-- ---- cancel ----------------------------------------------------------------------------------

function move_cancel(p)
	local m = message_find(p)
	if not m or m.cancelled then
		return REFUSAL.NOT_FOUND
	end
	p.leased = m.lane == 'l' and m.lease
	message_cancel(m)
	return REFUSAL.NONE
end

-- ---- dead letters ----------------------------------------------------------------------------

function dead_remove(user, id)
	local prefix = prefix_of(user)
	if hdel(prefix .. 'e', id) == 0 then
		return false
	end
	zrem(prefix .. 'd', id)
	zrem('q:dead', entry_of('d', user, id))
	return true
end

function move_dead_remove(p)
	if not dead_remove(p.user, p.id) then
		return REFUSAL.NOT_FOUND
	end
	log_packed(p.events)
	return REFUSAL.NONE
end

local EXPIRED_BYTES_MAX = 8388608

function dead_bytes(prefix, id)
	return math.max(call('HSTRLEN', prefix .. 'e', id) - DEAD_HEAD_BYTES, 0)
end

function dead_expire()
	local due = call('ZRANGEBYSCORE', 'q:dead', '-inf', int(now), 'LIMIT', 0, HOUSEKEEPING_ROWS)
	local bytes = 0
	for i = 1, #due do
		local _, user, id = entry_parts(due[i])
		bytes = bytes + dead_bytes(prefix_of(user), id)
		dead_remove(user, id)
		if bytes >= EXPIRED_BYTES_MAX then
			return
		end
	end
	if #due < HOUSEKEEPING_ROWS then
		meta.dead_next = now + HOUSEKEEPING_MS
	end
end

end
