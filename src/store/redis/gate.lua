-- gate.lua - gates: the rule of core/gate.h, and what is ready to start.
--
-- A gate is a table, read at most once in a turn and written at its end. `ready` (it stands in its user's list of
-- ready lanes), `rotation` (the user stands in the database's) and `wake` (its entry in the directory of times) say
-- what is stored; gate_refresh keeps them true at every change. All else may be taken back with the step (GATE_STATE).

local GATE_STATE = { 'parallelism', 'rate', 'period', 'count', 'window', 'running', 'paused', 'pinned_parallelism',
	'pinned_rate', 'waiting', 'messages', 'created', 'updated', 'removed', 'head', 'exact', 'day', 'used', 'month',
	'month_bytes' }

local users -- by name: their gates, or false when there is none
local gates -- by entry: queues and flow keys, or false
local dirty -- to be written
local touched -- in this step, with the state before it: while it may be taken back
local visited -- the claim is reading this lane: it counts as ready meanwhile

-- ---- the rule --------------------------------------------------------------------------------

local function window_is_over(g)
	return g.window == 0 or now >= g.window + g.period or now < g.window - g.period
end

-- May one more start, and if not, when to ask again.
local function gate_may_start(g)
	if g.paused or g.frozen or (g.parallelism > 0 and g.running >= g.parallelism) then
		return false, HUGE
	end
	if g.rate > 0 and g.count >= g.rate and not window_is_over(g) then
		return false, g.window + g.period
	end
	return true, HUGE
end

local function gate_start(g)
	g.running = g.running + 1
	if g.kind ~= 'f' then
		return
	end
	if window_is_over(g) then
		g.window = now
		g.count = 0
	end
	g.count = g.count + 1
end

local function gate_end(g)
	if g.running > 0 then
		g.running = g.running - 1
	end
end

local function gate_set_rate(g, rate, period)
	g.rate = rate > 0 and rate or 0
	g.period = period > 0 and period or 1000
end

local function gate_configure(g, parallelism, rate, period)
	if not g.pinned_parallelism then
		g.parallelism = parallelism > 0 and parallelism or 0
	end
	if not g.pinned_rate then
		gate_set_rate(g, rate, period)
	end
end

local function gate_reset_rate(g)
	g.count = 0
	g.window = now
end

-- ---- changes ---------------------------------------------------------------------------------

-- To be called before every change of a gate.
local function gate_touch(g)
	if not g.dirty then
		g.dirty = true
		dirty[#dirty + 1] = g
	end
	if touched and g.touched ~= touched then
		local state = { gate = g }
		for i = 1, #GATE_STATE do
			state[GATE_STATE[i]] = g[GATE_STATE[i]]
		end
		if g.used then
			state.used = { unpack(g.used) }
		end
		touched[#touched + 1] = state
		g.touched = touched
	end
end

local function gate_write_soon(g)
	if not g.dirty then
		g.dirty = true
		dirty[#dirty + 1] = g
	end
end

-- ---- what is ready ---------------------------------------------------------------------------

local function gate_refresh_user(u)
	local want = u.ready_lanes > 0 and gate_may_start(u)
	if want == u.rotation then
		return
	end
	u.rotation = want
	gate_write_soon(u)
	if want then
		call('ZADD', 'q:rotation', next_order(), u.name)
	else
		call('ZREM', 'q:rotation', u.name)
	end
end

local function head_find(u)
	local first = call('ZRANGE', u.prefix .. 'w', 0, 0, 'WITHSCORES')
	gate_touch(u)
	u.head = tonumber(first[2]) or HUGE
	u.exact = true
end

local function lane_is_ready(g)
	if g.kind ~= 'u' then
		if g.waiting == 0 then
			return false, HUGE
		end
		return gate_may_start(g)
	end
	if not g.exact and g.head <= now and g ~= visited then
		head_find(g)
	end
	return g.head <= now, g.head
end

local function set_ready(g, ready)
	local u = g.user
	if ready == g.ready then
		return
	end
	g.ready = ready
	gate_write_soon(g)
	gate_write_soon(u)
	if ready then
		u.ready_lanes = u.ready_lanes + 1
		call('ZADD', u.prefix .. 'r', next_order(), g.lane)
	else
		u.ready_lanes = u.ready_lanes - 1
		call('ZREM', u.prefix .. 'r', g.lane)
	end
end

local function gate_refresh(g)
	local ready, at = lane_is_ready(g)
	set_ready(g, ready)
	if ready or at == HUGE then
		at = nil
	end
	if at ~= g.wake then
		g.wake = at
		gate_write_soon(g)
		if at then
			call('ZADD', 'q:wake', int(at), g.entry)
		else
			call('ZREM', 'q:wake', g.entry)
		end
	end
	gate_refresh_user(g.user)
end

-- ---- memory ----------------------------------------------------------------------------------

local FLAG = { paused = 1, pinned_parallelism = 2, pinned_rate = 4, removed = 8, ready = 16, rotation = 32, exact = 64, frozen = 128 }

local function gate_new(user, kind, name)
	local g = { kind = kind, name = name, lane = kind .. name, parallelism = kind == 'q' and 1 or 0, rate = 0,
		period = 1000, count = 0, window = 0, running = 0, waiting = 0, messages = 0, created = now, updated = now,
		paused = false, pinned_parallelism = false, pinned_rate = false, removed = false, ready = false,
		rotation = false, exact = false, frozen = false }
	g.user = user or g
	g.entry = entry_of(kind, g.user.name, user and name or '')
	if not user then
		g.lane = kind
		g.prefix = prefix_of(name)
		g.head = HUGE
		g.exact = true
		g.ready_lanes = 0
		g.day = -1
		g.month = -1
		g.month_bytes = 0
		g.used = { 0, 0, 0, 0, 0, 0, 0 }
	end
	return g
end

local function gate_decode(g, packed)
	local v = munpack(packed)
	local flags = v[1]
	for name, bit_of in pairs(FLAG) do
		g[name] = band(flags, bit_of) ~= 0
	end
	g.parallelism, g.rate, g.period, g.count, g.window, g.running = v[2], v[3], v[4], v[5], v[6], v[7]
	g.waiting, g.messages, g.created, g.updated = v[8], v[9], v[10], v[11]
	g.wake = v[12] or nil
	g.forget = v[13] or nil
	if g.kind == 'u' then
		g.head = v[14] or HUGE
		g.ready_lanes, g.day, g.month, g.month_bytes, g.used = v[15], v[16], v[17], v[18], v[19]
	end
	return g
end

local function gate_encode(g)
	local flags = 0
	for name, bit_of in pairs(FLAG) do
		if g[name] then
			flags = flags + bit_of
		end
	end
	local v = { flags, g.parallelism, g.rate, g.period, g.count, g.window, g.running, g.waiting, g.messages,
		g.created, g.updated, g.wake or false, g.forget or false }
	if g.kind == 'u' then
		v[14] = g.head ~= HUGE and g.head
		v[15], v[16], v[17], v[18], v[19] = g.ready_lanes, g.day, g.month, g.month_bytes, g.used
	end
	return mpack(v)
end

local function user_find(name)
	local u = users[name]
	if u == nil then
		local packed = call('GET', prefix_of(name) .. 'u')
		u = packed and gate_decode(gate_new(nil, 'u', name), packed) or false
		users[name] = u
	end
	return u
end

local function gate_find(u, kind, name)
	if kind == 'u' then
		return u
	end
	local entry = entry_of(kind, u.name, name)
	local g = gates[entry]
	if g == nil then
		local packed = call('HGET', u.prefix .. 'g', kind .. name)
		g = packed and gate_decode(gate_new(u, kind, name), packed) or false
		gates[entry] = g
	end
	return g
end

local function gate_by_entry(entry)
	local kind, user, name = entry_parts(entry)
	local u = user_find(user)
	return u and gate_find(u, kind, name)
end

-- Gates that open by the passing of time are open when a turn begins.
local function gate_wake()
	while true do
		local due = call('ZRANGEBYSCORE', 'q:wake', '-inf', int(now), 'LIMIT', 0, 100)
		for i = 1, #due do
			local g = gate_by_entry(due[i])
			if g then
				gate_refresh(g)
			end
			if not g or not g.wake then
				call('ZREM', 'q:wake', due[i])
			end
		end
		if #due < 100 then
			return
		end
	end
end

-- ---- life ------------------------------------------------------------------------------------

local gate_is_visible, gate_forget_ms
do

local function flow_is_needed(g)
	return g.messages > 0 or g.running > 0 or g.paused or g.pinned_parallelism or g.pinned_rate
end

local function flow_kept_until(g)
	local window_end = g.window ~= 0 and g.window + g.period or 0
	return math.max(window_end, g.updated + FLOW_KEPT_MS)
end

function gate_is_visible(g)
	if not g or g.removed then
		return false
	end
	return g.kind ~= 'f' or flow_is_needed(g) or now < flow_kept_until(g)
end

-- From when on it is not needed any more; nil = not as things are.
function gate_forget_ms(g)
	if g.removed and g.messages == 0 and g.waiting == 0 and g.running == 0 then
		return g.updated
	end
	if g.kind == 'f' and not flow_is_needed(g) then
		return flow_kept_until(g)
	end
	return nil
end

end

local function names_key(u, kind)
	return u.prefix .. 'n' .. kind
end

local function gate_add(u, kind, name)
	local g = gate_new(u, kind, name)
	if u then
		gates[g.entry] = g
		zadd(names_key(u, kind), 0, name)
	else
		users[name] = g
	end
	if touched then
		touched[#touched + 1] = { gate = g, is_new = true }
		g.touched = touched
	end
	gate_write_soon(g)
	return g
end

local function user_make(name)
	return user_find(name) or gate_add(nil, 'u', name)
end

-- The gate, made if it is not there or not visible.
local function gate_make(u, kind, name)
	local g = gate_find(u, kind, name)
	if gate_is_visible(g) then
		return g
	end
	if not g then
		return gate_add(u, kind, name)
	end
	gate_touch(g)
	g.parallelism, g.rate, g.period, g.count, g.window = kind == 'q' and 1 or 0, 0, 1000, 0, 0
	g.paused, g.pinned_parallelism, g.pinned_rate, g.removed = false, false, false, false
	g.created, g.updated = now, now
	zadd(names_key(u, kind), 0, name)
	gate_refresh(g)
	return g
end

-- Has the user that many of the kind?
local function gate_is_full(u, kind, count_max)
	return count_max > 0 and call('ZCARD', names_key(u, kind)) >= count_max
end

local function gate_drop(g)
	local u = g.user
	g.gone = true
	set_ready(g, false)
	if g.wake then
		call('ZREM', 'q:wake', g.entry)
	end
	if g.forget then
		call('ZREM', 'q:forget', g.entry)
	end
	if g == u then
		if u.rotation then
			call('ZREM', 'q:rotation', u.name)
		end
		call('DEL', u.prefix .. 'u')
		users[u.name] = false
		return
	end
	call('HDEL', u.prefix .. 'g', g.lane)
	call('ZREM', names_key(u, g.kind), g.name)
	gates[g.entry] = false
	gate_refresh_user(u)
end

local gates_store
do

local function gate_store(g)
	local forget = gate_forget_ms(g)
	g.dirty = false
	if g.gone then
		return
	end
	if forget ~= g.forget then
		g.forget = forget
		if forget then
			call('ZADD', 'q:forget', int(forget), g.entry)
		else
			call('ZREM', 'q:forget', g.entry)
		end
	end
	if g.kind == 'u' then
		call('SET', g.prefix .. 'u', gate_encode(g))
	else
		call('HSET', g.user.prefix .. 'g', g.lane, gate_encode(g))
	end
end

function gates_store()
	for i = 1, #dirty do
		gate_store(dirty[i])
	end
	dirty = {}
end

end

-- Removes gates that nobody needs.
local function gate_forget()
	local due = call('ZRANGEBYSCORE', 'q:forget', '-inf', int(now), 'LIMIT', 0, HOUSEKEEPING_ROWS)
	for i = 1, #due do
		local g = gate_by_entry(due[i])
		local at = g and gate_forget_ms(g)
		if at and at <= now then
			gate_drop(g)
		elseif g then
			gate_write_soon(g)
		end
	end
	if #due < HOUSEKEEPING_ROWS then
		meta.forget_next = now + HOUSEKEEPING_MS
	end
end

-- ---- steps that are taken back ---------------------------------------------------------------

local function gates_undo(list)
	for i = #list, 1, -1 do
		local state = list[i]
		local g = state.gate
		if state.is_new then
			gate_drop(g)
			if g.kind == 'u' then
				users[g.name] = false
			end
		else
			for j = 1, #GATE_STATE do
				g[GATE_STATE[j]] = state[GATE_STATE[j]]
			end
			gate_refresh(g)
		end
	end
end
