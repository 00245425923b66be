-- message.lua - messages: where they stand, and the slots of their gates.
--
-- A message is one string: a head of fixed size, the length of its run's id if it is a member of one, the names of its
-- queue and its flow key, the run's id, its record. Its head says in which lane it stands:
--
--	u  the user's lane, by the time due: scheduled, or due and not held up by queue or key
--	f  its flow key's, by the time of becoming due: the key was closed or others waited
--	q  its queue's, by seq: no slot in the queue yet, due or not
--	p  its queue's parked ones, by seq: has a slot, is due, but the queue is paused
--	l  its holder's leases, in no order

local LARGE_BYTES = 4096 -- of records that are not copied together with their head

local endings -- by root: the queue whose slot may have become free in this step

-- ---- heads -----------------------------------------------------------------------------------

local message_key, lease_key, message_get, message_look, record_bytes, record_of, message_head
do

local HEAD = '<c8c8c8ddI4BBHH'
local HEAD_BYTES = 50
local GET_BYTES = 128 -- read at once: mostly the head and the names
local LOOK_BYTES = 4096 -- the same: mostly all of a message
local FLAG_QUEUE_SLOT, FLAG_FLOW_SLOT, FLAG_CANCELLED, FLAG_BY_PUT, FLAG_RUN = 1, 2, 4, 8, 16

function message_key(u, seq)
	return u.prefix .. 'm' .. seq
end

function lease_key(lease)
	return 'q:l' .. string.sub(lease, 1, 3)
end

local function message_parse(u, seq, s)
	local m = { user = u, seq = seq, key = message_key(u, seq) }
	local lane, q, f, flags
	m.nonce, m.lease, m.root, m.due, m.ord, m.retried, flags, lane, q, f = sunpack(HEAD, s)
	m.lane = string.char(lane)
	m.queue_slot = band(flags, FLAG_QUEUE_SLOT) ~= 0
	m.flow_slot = band(flags, FLAG_FLOW_SLOT) ~= 0
	m.cancelled = band(flags, FLAG_CANCELLED) ~= 0
	m.by_put = band(flags, FLAG_BY_PUT) ~= 0
	local names, n = HEAD_BYTES, 0
	if band(flags, FLAG_RUN) ~= 0 then
		n = sunpack('<H', s, HEAD_BYTES + 1)
		names = names + 2
	end
	m.before_record = names + q + f + n
	if #s < m.before_record then
		s = call('GETRANGE', m.key, 0, m.before_record - 1)
	end
	m.queue = q > 0 and gate_find(u, 'q', string.sub(s, names + 1, names + q))
	m.flow = f > 0 and gate_find(u, 'f', string.sub(s, names + q + 1, names + q + f))
	m.run = n > 0 and string.sub(s, names + q + f + 1, m.before_record)
	if m.lane == 'l' then
		m.lease_key = lease_key(m.lease)
	end
	return m
end

-- The message without its record; nil when there is none.
function message_get(u, seq)
	local s = u and call('GETRANGE', message_key(u, seq), 0, GET_BYTES - 1) or ''
	return #s > 0 and message_parse(u, seq, s) or nil
end

-- The same, with its record if that is short.
function message_look(u, seq)
	local s = call('GETRANGE', message_key(u, seq), 0, LOOK_BYTES - 1)
	local m = message_parse(u, seq, s)
	if #s < LOOK_BYTES then
		m.record = string.sub(s, m.before_record + 1)
	end
	return m
end

function record_bytes(m)
	return m.record and #m.record or call('STRLEN', m.key) - m.before_record
end

function record_of(m)
	m.record = m.record or call('GETRANGE', m.key, m.before_record, -1)
	return m.record
end

function message_head(m)
	local flags = (m.queue_slot and FLAG_QUEUE_SLOT or 0) + (m.flow_slot and FLAG_FLOW_SLOT or 0)
		+ (m.cancelled and FLAG_CANCELLED or 0) + (m.by_put and FLAG_BY_PUT or 0)
		+ (m.run and FLAG_RUN or 0)
	return spack(HEAD, m.nonce, m.lease, m.root, m.due, m.ord, m.retried, flags, string.byte(m.lane),
		m.queue and #m.queue.name or 0, m.flow and #m.flow.name or 0)
end

end

-- What a holder has leased, by seq: pairs of seq and user.
local function leases_of(id)
	local list = {}
	for _, member in ipairs(call('SMEMBERS', 'q:l' .. id)) do
		list[#list + 1] = { seq = string.sub(member, 1, 8), user = string.sub(member, 9) }
	end
	table.sort(list, function(a, b)
		return is_after(b.seq, a.seq)
	end)
	return list
end

-- What is leased of a user, by whomever, in no order.
local function leased_of(u)
	local list = {}
	for _, id in ipairs(call('HKEYS', 'q:holders')) do
		for _, member in ipairs(call('SMEMBERS', 'q:l' .. id)) do
			if string.sub(member, 9) == u.name then
				list[#list + 1] = string.sub(member, 1, 8)
			end
		end
	end
	return list
end

-- ---- lanes -----------------------------------------------------------------------------------

local function lane_gate(m, lane)
	if lane == 'u' then
		return m.user
	elseif lane == 'f' then
		return m.flow
	elseif lane ~= 'l' then
		return m.queue
	end
	return nil
end

local function lane_key(m)
	if m.lane == 'u' then
		return m.user.prefix .. 'w'
	elseif m.lane == 'f' then
		return m.user.prefix .. 'f' .. m.flow.name
	end
	return m.user.prefix .. m.lane .. m.queue.name
end

local function lane_member(m)
	return m.lane == 'l' and m.seq .. m.user.name or m.seq
end

local function lane_leave(m)
	local g = lane_gate(m, m.lane)
	if not g then
		srem(m.lease_key, lane_member(m))
		return
	end
	zrem(lane_key(m), lane_member(m))
	if m.lane == 'u' then
		if m.ord <= g.head then
			gate_touch(g)
			g.exact = false
		end
	elseif m.lane ~= 'p' then
		gate_touch(g)
		g.waiting = g.waiting - 1
	end
end

local function lane_enter(m)
	local g = lane_gate(m, m.lane)
	local by_time = m.lane == 'u' or m.lane == 'f'
	if not g then
		m.lease_key = lease_key(m.lease)
		sadd(m.lease_key, lane_member(m))
		return
	end
	zadd(lane_key(m), by_time and int(m.ord) or 0, lane_member(m))
	if m.lane == 'u' then
		if m.ord <= g.head then
			gate_touch(g)
			g.head = m.ord
			g.exact = true
		end
	elseif m.lane ~= 'p' then
		gate_touch(g)
		g.waiting = g.waiting + 1
	end
end

-- A new message, in the lane that it names.
local function message_add(m, record)
	lane_enter(m)
	local head = message_head(m) .. (m.run and spack('<H', #m.run) or '') .. (m.queue and m.queue.name or '')
		.. (m.flow and m.flow.name or '') .. (m.run or '')
	if #record > LARGE_BYTES then
		set(m.key, head)
		call('APPEND', m.key, record)
	else
		set(m.key, head .. record)
	end
	local g = lane_gate(m, m.lane)
	if g then
		zadd(m.user.prefix .. 'i', 0, m.seq)
		gate_refresh(g)
	end
end

local function message_place(m, lane, ord)
	local former = lane_gate(m, m.lane)
	lane_leave(m)
	m.lane, m.ord = lane, ord
	lane_enter(m)
	overwrite(m.key, message_head(m))
	local g = lane_gate(m, lane)
	if former and not g then
		zrem(m.user.prefix .. 'i', m.seq)
	elseif g and not former then
		zadd(m.user.prefix .. 'i', 0, m.seq)
	end
	if former then
		gate_refresh(former)
	end
	if g and g ~= former then
		gate_refresh(g)
	end
end

local function message_remove(m)
	local g = lane_gate(m, m.lane)
	lane_leave(m)
	del(m.key)
	if g then
		zrem(m.user.prefix .. 'i', m.seq)
		gate_refresh(g)
	end
end

-- ---- slots -----------------------------------------------------------------------------------

local function flow_count(m, start)
	local f = m.flow
	gate_touch(f)
	if start then
		gate_start(f)
	else
		gate_end(f)
	end
	m.flow_slot = start
	f.updated = now
	gate_refresh(f)
end

local function message_start(m)
	gate_touch(m.user)
	gate_start(m.user)
	gate_refresh_user(m.user)
	if m.flow then
		flow_count(m, true)
	end
end

local function message_stop(m)
	gate_touch(m.user)
	gate_end(m.user)
	gate_refresh_user(m.user)
	-- Not set after a reset of the key.
	if m.flow_slot then
		flow_count(m, false)
	end
end

-- ---- where to wait ---------------------------------------------------------------------------

-- It has a slot, but its queue is paused.
local function message_is_paused(m)
	return m.queue and m.root == NO_ID and m.queue_slot and m.queue.paused
end

local function stands_at_flow(m, first)
	if not m.flow or m.due > now then
		return false
	end
	-- Due ones with this key that no claim has come to yet go before a newer one.
	if not first and m.user.ready then
		return false
	end
	return m.flow.waiting > 0 or not gate_may_start(m.flow)
end

-- Lane and place of a message that is not leased. `first`: it was there before, nobody is older.
local function message_where(m, first)
	if m.queue and not m.queue_slot then
		return 'q', 0
	end
	local ord = m.due
	if not first and m.due < now then
		ord = now
	end
	return stands_at_flow(m, first) and 'f' or 'u', ord
end

-- ---- the end ---------------------------------------------------------------------------------

local function ending_push(queue, root)
	if not endings[root] then
		endings[#endings + 1] = { queue = queue, root = root }
		endings[root] = queue
	end
end

-- The message is gone, and with it its place in its gates.
local function message_end(m)
	if m.lane == 'l' then
		message_stop(m)
	end
	message_remove(m)
	if m.queue and m.root == NO_ID then
		gate_touch(m.queue)
		m.queue.messages = m.queue.messages - 1
	end
	if m.flow then
		gate_touch(m.flow)
		m.flow.messages = m.flow.messages - 1
		m.flow.updated = now
	end
	if m.root ~= NO_ID then
		zrem(m.user.prefix .. 's' .. m.root, m.seq)
	end
	if m.queue_slot then
		ending_push(m.queue, m.root ~= NO_ID and m.root or m.seq)
	end
	if m.run then
		zrem(m.user.prefix .. 'b' .. m.run, m.seq)
	end
	meta.messages = meta.messages - 1
	-- Whoever ends what its put has leased had the put's answer, which so will not come again.
	if not m.by_put then
		ended[#ended + 1] = m.seq .. m.nonce
		ended[m.seq .. m.nonce] = true
	end
end

-- Does the message, or a callback made from it, still have the queue slot?
local function slot_is_held(u, root)
	if call('ZCARD', u.prefix .. 's' .. root) > 0 then
		return true
	end
	local m = message_get(u, root)
	return m and m.queue_slot
end

-- Frees the queue slots of those that ended in this step and left no callback.
local function free_slots()
	for i = #endings, 1, -1 do
		local queue = endings[i].queue
		if not slot_is_held(queue.user, endings[i].root) then
			gate_touch(queue)
			gate_end(queue)
			gate_refresh(queue)
		end
	end
	endings = {}
end

local function cancelled_end(m)
	log_state(m.user.name, m, EVENT.CANCELED, '')
	usage_add(m.user, USED.CANCELLED, 1)
	message_end(m)
end

-- It is over, or will be when its attempt ends.
local function message_cancel(m)
	if m.cancelled then
		return
	end
	log_state(m.user.name, m, EVENT.CANCEL_REQUESTED, '')
	if m.lane ~= 'l' then
		cancelled_end(m)
		return
	end
	m.cancelled = true
	overwrite(m.key, message_head(m))
end

-- A leased message is READY again where it was, or over if it was cancelled.
local function message_return(m)
	if m.cancelled then
		cancelled_end(m)
		return
	end
	message_stop(m)
	local lane, ord = message_where(m, true)
	m.lease, m.by_put = NO_ID, false
	message_place(m, lane, ord)
end
