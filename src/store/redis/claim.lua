-- claim.lua - who may start now, leases of dead holders, housekeeping.

local end_leases, holders_sorted, claim
do

local QUANTUM = 8 -- messages of one user looked at before the next user's turn

-- ---- holders ---------------------------------------------------------------------------------

-- q:holders has the last sign of life of each. A claim looks at the others.

function end_leases(id)
	for _, leased in ipairs(leases_of(id)) do
		message_return(message_get(user_find(leased.user), leased.seq))
	end
	free_slots()
end

function holders_sorted()
	local all = call('HGETALL', 'q:holders')
	local list = {}
	for i = 1, #all, 2 do
		local hi, lo = string.byte(all[i], 1), sunpack('>H', all[i], 2)
		list[#list + 1] = { id = all[i], number = hi * 65536 + lo, beat = tonumber(all[i + 1]) }
	end
	table.sort(list, function(a, b)
		return a.number < b.number
	end)
	return list
end

-- Ends the leases of the dead, and says when the next holder may turn out to be.
local function holders_look(lease_ms)
	local next_ms = HUGE
	for _, h in ipairs(holders_sorted()) do
		if h.id ~= holder then
			-- A sign of life from the future was given before the clock was set back.
			if h.beat > now then
				h.beat = now
				call('HSET', 'q:holders', h.id, int(now))
			end
			local dead_ms = h.beat + lease_ms
			local holds = call('EXISTS', 'q:l' .. h.id) == 1
			if holds and dead_ms <= now then
				end_leases(h.id)
			elseif holds then
				next_ms = math.min(next_ms, dead_ms)
			elseif dead_ms <= now then
				call('HDEL', 'q:holders', h.id)
			end
		end
	end
	return next_ms
end

-- ---- taking ----------------------------------------------------------------------------------

-- A claim in the making: what it may take, what it has taken.
local function hand_out(t, m)
	t.n = t.n + 1
	t.bytes = t.bytes + #m.record
	t.out[#t.out + 1] = m.seq .. m.nonce .. m.lease .. spack('<I4', m.retried)
	t.out[#t.out + 1] = m.record
end

local function lease(t, m)
	record_of(m)
	message_start(m)
	m.lease = token
	message_place(m, 'l', 0)
	log_state(m.user.name, m, EVENT.ACTIVE, m.record)
	hand_out(t, m)
end

local function has_room(t, m)
	return t.n == 0 or t.bytes + record_bytes(m) <= t.bytes_max
end

-- Where the first message of a ready lane goes now; nil = it starts.
local function way_of(m, g)
	if message_is_paused(m) then
		return 'p'
	elseif m.due > now then
		return 'u'
	elseif m.flow and m.flow ~= g and (m.flow.waiting > 0 or not gate_may_start(m.flow)) then
		return 'f'
	end
	return nil
end

-- The first who may be moved on: in a user's lane the due.
local function lane_first(g)
	local u = g.user
	if g.kind ~= 'u' then
		return call('ZRANGE', u.prefix .. g.lane, 0, 0)[1]
	end
	local first = call('ZRANGE', u.prefix .. 'w', 0, 0, 'WITHSCORES')
	return first[1] and tonumber(first[2]) <= now and first[1] or nil
end

-- Moves the first message of a lane on. Returns false when there is none, or no room for it.
local function take(t, g)
	local seq = lane_first(g)
	if not seq then
		return false
	end
	local m = message_look(g.user, seq)
	local way = way_of(m, g)
	-- Out of a queue it comes to its key now.
	local ord = m.lane == 'q' and now or m.ord
	if not way and not has_room(t, m) then
		t.full = true
		return false
	end
	t.looked = t.looked + 1
	if g.kind == 'q' then
		gate_touch(g)
		gate_start(g)
		m.queue_slot = true
	end
	if not way then
		lease(t, m)
	elseif way == 'u' then
		message_place(m, 'u', m.due)
	else
		message_place(m, way, way == 'f' and ord or 0)
	end
	return true
end

local function may_go_on(t)
	return not t.full and t.n < t.max and t.looked < t.looked_max
end

local function lane_visit(t, g, looked_max)
	-- A window that lies ahead, because the clock was set back, closes its gate when its time comes.
	gate_refresh(g)
	visited = g
	while may_go_on(t) and t.looked < looked_max and g.ready and g.user.rotation do
		if not take(t, g) then
			break
		end
	end
	visited = nil
	gate_refresh(g)
end

local function user_visit(t, u)
	local looked_max = t.looked + QUANTUM
	while may_go_on(t) and t.looked < looked_max and u.rotation do
		local lane = call('ZRANGE', u.prefix .. 'r', 0, 0)[1]
		local g = gate_find(u, string.sub(lane, 1, 1), string.sub(lane, 2))
		lane_visit(t, g, looked_max)
		if g.ready then
			call('ZADD', u.prefix .. 'r', next_order(), lane)
		end
	end
	if u.rotation then
		call('ZADD', 'q:rotation', next_order(), u.name)
	end
end

local function take_all(t)
	t.looked, t.looked_max = 0, 4 * t.max + 256
	while may_go_on(t) do
		local name = call('ZRANGE', 'q:rotation', 0, 0)[1]
		if not name then
			return
		end
		user_visit(t, user_find(name))
	end
end

-- What the lost answer to this claim had leased.
local function take_again(t)
	for _, leased in ipairs(leases_of(holder)) do
		local m = message_look(user_find(leased.user), leased.seq)
		if m.lease == token then
			record_of(m)
			hand_out(t, m)
		end
	end
end

-- ---- due documents ---------------------------------------------------------------------------

local function next_due_after(ms)
	local first = call('ZRANGEBYSCORE', 'q:due', '(' .. int(ms), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
	return tonumber(first[2]) or HUGE
end

-- Returns when the next one is due, whether any is now, and whether some had no room.
local function docs_due(t)
	if meta.doc_next > now then
		return meta.doc_next, false
	end
	local due = call('ZRANGEBYSCORE', 'q:due', '-inf', int(now), 'LIMIT', 0, t.docs_max + 1)
	for i = 1, math.min(#due, t.docs_max) do
		local kind, user, name = entry_parts(due[i])
		local version, due_ms, value = doc_get(string.byte(kind), user, name)
		t.docs[#t.docs + 1] = kind .. spack('<dd', version, due_ms)
		t.docs[#t.docs + 1] = user
		t.docs[#t.docs + 1] = name
		t.docs[#t.docs + 1] = value
	end
	local next_ms = next_due_after(now)
	if #due == 0 then
		meta.doc_next = next_ms
	end
	return next_ms, #due > t.docs_max and t.docs_max > 0
end

-- ---- the claim -------------------------------------------------------------------------------

local function housekeeping()
	if meta.dedup_next <= now then
		dedup_expire()
	end
	if meta.forget_next <= now then
		gate_forget()
	end
	if meta.dead_next <= now then
		dead_expire()
	end
	if meta.days_next <= now then
		usage_forget()
	end
	if meta.runs_next <= now then
		runs.sweep()
	end
end

-- `t` has max, bytes_max, docs_max, lease_ms. Answers { head, messages, documents }.
function claim(t)
	t.out, t.docs, t.n, t.bytes = {}, {}, 0, 0
	-- Who holds nothing does not know, either, when others are dead.
	local holders_ms = holder ~= NOBODY and holders_look(t.lease_ms) or HUGE
	housekeeping()
	if again then
		take_again(t)
	end
	if t.n == 0 then
		take_all(t)
	end
	local more = call('EXISTS', 'q:rotation') == 1
	local wake = call('ZRANGE', 'q:wake', 0, 0, 'WITHSCORES')
	local next_ms = math.min(tonumber(wake[2]) or HUGE, holders_ms)
	local docs_ms, docs_more = docs_due(t)
	return { spack('<Bdd', (more or docs_more) and 1 or 0, math.min(next_ms, docs_ms), meta.users_version), t.out, t.docs }
end

end
