-- turn.lua - the entry: reads a turn's requests, runs them in their order, and writes what they have changed.
--
-- Arguments and answers are packed as redis_wire.c and redis_reply.c have them. Ids of 8 bytes are big-endian, all
-- numbers doubles.

do

local ENDED_KEPT = 65536 -- at least so many ended messages' repeated put is recognised
local args, arg_at -- of the call; the next one
local version_before, messages_before -- the turn

local function next_arg()
	arg_at = arg_at + 1
	return args[arg_at - 1]
end

-- ---- moves -----------------------------------------------------------------------------------

local PUT_RUN, PUT_RUN_IF_OPEN = 2, 4 -- flags beside 1: want_lease
local KINDS = { [0] = 'u', 'q', 'f' }

-- By the first byte of a move's head: how it is read, done, and what it answers.
local moves = {
	P = {
		-- The hot ones are made at once, at their full size.
		read = function(head)
			local seq, nonce, root, flags, due, dedup_until, user_parallelism, queues_max, day_max, flow_parallelism,
				flow_rate, flow_period = sunpack('<c8c8c8Bdddddddd', head, 2)
			local p = { user = next_arg(), record = next_arg(), events = next_arg(), queue = next_arg(), flow = next_arg(),
				dedup = next_arg(), seq = seq, nonce = nonce, root = root, want_lease = flags % 2 == 1, due = due,
				dedup_until = dedup_until, user_parallelism = user_parallelism, queues_max = queues_max,
				day_max = day_max, flow_parallelism = flow_parallelism, flow_rate = flow_rate,
				flow_period = flow_period, is = false, leased = false, existing = false, used_messages = 0,
				used_bytes = 0, is_newest = false, run = false, skipped = 0 }
			if flags >= PUT_RUN then
				p.run, p.entry, p.run_key = next_arg(), next_arg(), next_arg()
				p.run_if_open = flags >= PUT_RUN_IF_OPEN
				p.entries_max, p.run_bytes_max = sunpack('<dd', head, 91)
			end
			return p
		end,
		run = move_put,
		answer = function(p)
			return spack('<ddBB', p.used_messages, p.used_bytes, p.skipped, p.leased and 1 or 0)
				.. (p.leased or NO_ID) .. (p.existing or NO_ID .. NO_ID)
		end,
		may_be_refused = function(p)
			return p.dedup ~= '' or p.queues_max > 0 or p.day_max > 0 or p.run or not is_after(p.seq, meta.seq_max)
		end,
	},
	S = {
		read = function(head)
			local seq, nonce, lease, to, due, dlq_ms, dlq_until, bytes = sunpack('<c8c8c8Bdc8dd', head, 2)
			return { user = next_arg(), events = next_arg(), response = next_arg(), seq = seq, nonce = nonce,
				lease = lease, to = to, due = due, dlq_ms = dlq_ms, dlq_until = dlq_until, bytes = bytes, is = false,
				was_cancelled = false }
		end,
		run = move_settle,
		answer = function(p)
			return p.was_cancelled and '\1' or '\0'
		end,
	},
	C = {
		read = function(head)
			local p = { user = next_arg() }
			p.seq, p.nonce = sunpack('<c8c8', head, 2)
			return p
		end,
		run = move_cancel,
		answer = function(p)
			return (p.leased and '\1' or '\0') .. (p.leased or NO_ID)
		end,
	},
	L = {
		read = function(head)
			local p = { user = next_arg(), events = next_arg() }
			p.id = string.sub(head, 2)
			return p
		end,
		run = move_dead_remove,
	},
	D = {
		read = function(head)
			local p = { user = next_arg(), name = next_arg(), value = next_arg(), events = next_arg(), run = next_arg() }
			p.doc, p.version, p.count_max, p.due = sunpack('<Bddd', head, 2)
			return p
		end,
		run = move_doc_put,
		answer = function(p)
			return spack('<d', p.new_version or 0)
		end,
	},
	R = {
		read = function(head)
			local p = { user = next_arg(), name = next_arg(), events = next_arg() }
			p.doc, p.version = sunpack('<Bd', head, 2)
			return p
		end,
		run = move_doc_remove,
	},
	G = {
		read = function(head)
			local p = { user = next_arg(), name = next_arg(), events = next_arg() }
			local kind, flags
			kind, p.op, flags, p.parallelism, p.rate, p.period, p.paused, p.count_max = sunpack('<BBBddddd', head, 2)
			p.gate = KINDS[kind]
			p.create, p.unpin_parallelism, p.unpin_rate = flags % 2 >= 1, flags % 4 >= 2, flags % 8 >= 4
			return p
		end,
		run = move_gate,
	},
	B = {
		read = function()
			return { user = next_arg(), run = next_arg(), record = next_arg(), copy = next_arg(), events = next_arg() }
		end,
		run = runs.start,
		answer = function(p)
			return p.existing or NO_ID .. NO_ID
		end,
	},
	V = {
		read = function(head)
			local p = { user = next_arg(), run = next_arg(), record = next_arg(), events = next_arg() }
			p.version = sunpack('<d', head, 2)
			return p
		end,
		run = runs.set,
	},
	E = {
		read = function(head)
			local p = { user = next_arg(), run = next_arg(), record = next_arg(), events = next_arg() }
			local keep
			keep, p.until_ms = sunpack('<Bd', head, 2)
			p.keep_entries = keep ~= 0
			return p
		end,
		run = runs.finish,
	},
	U = {
		read = function(head)
			local p = { user = next_arg(), at = next_arg(), rows = {} }
			local n
			p.op, p.version, n = sunpack('<BdI4', head, 2)
			for i = 1, 2 * n do
				p.rows[i] = next_arg()
			end
			return p
		end,
		run = move_user,
		answer = function(p)
			return spack('<dB', p.count or 0, #(p.next or '')) .. (p.next or '')
		end,
	},
	X = {
		read = function(head)
			local p = { user = next_arg() }
			p.max, p.version = sunpack('<dd', head, 2)
			return p
		end,
		run = move_purge,
		answer = function(p)
			return p.left and '\1' or '\0'
		end,
	},
}

-- ---- steps -----------------------------------------------------------------------------------

-- A move refuses before it changes anything. So a step can only stop halfway when a move after the first may be
-- refused.
local function may_stop_halfway(list)
	for i = 2, #list do
		local may = list[i].is.may_be_refused
		if not may or may(list[i]) then
			return true
		end
	end
	return false
end

-- Returns the refusal and the index of the move.
local function moves_run(list)
	for i = 2, #list do
		-- Nothing else of the step is done when its message is over.
		if list[i].is == moves.S and settle_is_over(list[i]) then
			return move_settle(list[i]), i
		end
	end
	for i = 1, #list do
		local refusal, is_over = list[i].is.run(list[i])
		if refusal ~= REFUSAL.NONE or is_over then
			return refusal, i
		end
	end
	return REFUSAL.NONE, 0
end

local function truncate(list, n)
	for i = #list, n + 1, -1 do
		if list == ended then
			list[list[i]] = nil
		end
		list[i] = nil
	end
end

local function moves_run_or_undo(list)
	local before, events_before, ended_before = meta_copy(), #events, #ended
	undo, touched = {}, {}
	local refusal, index = moves_run(list)
	local commands, states = undo, touched
	if refusal == REFUSAL.NONE then
		free_slots()
		undo, touched = nil, nil
		return refusal, index
	end
	undo, touched = nil, nil
	for i = #commands, 1, -1 do
		call(unpack(commands[i]))
	end
	truncate(events, events_before)
	truncate(ended, ended_before)
	endings = {}
	-- What is pushed while gates are put back stands behind.
	before.order = meta.order
	meta = before
	gates_undo(states)
	return refusal, index
end

-- Submitted again, and its message is there: so is all the rest of it.
local function is_done(list)
	for i = 1, #list do
		if again and list[i].is == moves.P and put_is_repeated(list[i]) then
			return true
		end
	end
	return false
end

local function step(n)
	local list = {}
	for i = 1, n do
		local head = next_arg()
		local is = moves[string.sub(head, 1, 1)]
		list[i] = is.read(head)
		list[i].is = is
	end
	local refusal, index = REFUSAL.NONE, 0
	local held = step_is_held(list, moves)
	if is_done(list) then
		-- Nothing is left to do.
	elseif held then
		refusal, index = REFUSAL.MOVING, held
	elseif may_stop_halfway(list) then
		refusal, index = moves_run_or_undo(list)
	else
		refusal, index = moves_run(list)
	end
	free_slots()
	local answer = { spack('<BI4', refusal, index) }
	for i = 1, #list do
		-- What the undone moves answered is not so; what the refused one answered stays.
		if list[i].is.answer and (refusal == REFUSAL.NONE or i == index) then
			answer[#answer + 1] = list[i].is.answer(list[i])
		end
	end
	return table.concat(answer)
end

-- ---- requests --------------------------------------------------------------------------------

local SCAN_RUN = 6
local SCAN_USER_KEYS = 8
local requests = {
	s = function(head)
		return step(sunpack('<I4', head, 11))
	end,
	c = function(head)
		local t = {}
		t.max, t.bytes_max, t.docs_max, t.lease_ms = sunpack('<dddd', head, 11)
		return claim(t)
	end,
	n = function(head)
		local s = { user = next_arg(), name = next_arg(), after_user = next_arg() }
		local exact, descending, gate, ms
		s.kind, exact, descending, s.doc, gate, s.max, s.bytes_max, s.day, s.seq, s.nonce, s.dlq =
			sunpack('<BBBBBdddc8c8c16', head, 11)
		s.exact, s.descending, s.gate = exact ~= 0, descending ~= 0, KINDS[gate]
		if s.kind == SCAN_RUN then
			s.run_until, s.run, s.run_key = next_arg(), next_arg(), next_arg()
		end
		if s.kind >= SCAN_USER_KEYS then
			return user_export(s)
		end
		return scan(s)
	end,
}

local function turn_begin(now_ms, by)
	now, holder, token, again = now_ms, by, NO_ID, false
	users, gates, dirty = {}, {}, {}
	events, ended, endings = {}, {}, {}
	undo, touched, visited = nil, nil, nil
	meta_read()
	version_before, messages_before = meta.version, meta.messages
	gate_wake()
end

local function ended_write()
	local key = 'q:ended' .. int(meta.ended_set)
	for i = 1, #ended, 1000 do
		call('SADD', key, unpack(ended, i, math.min(i + 999, #ended)))
	end
	meta.ended_n = meta.ended_n + #ended
	if meta.ended_n >= ENDED_KEPT then
		meta.ended_set, meta.ended_n = 1 - meta.ended_set, 0
		call('UNLINK', 'q:ended' .. int(meta.ended_set))
	end
end

local function turn_end()
	gates_store()
	if #ended > 0 then
		ended_write()
	end
	-- Whoever waits for a position sees it move with every change that counts, events or not.
	if #events > 0 or meta.version ~= version_before or meta.messages ~= messages_before then
		meta.pos = meta.pos + 1
	end
	if #events > 0 then
		outbox_write()
	end
	meta_write()
end

-- ARGV: version, now, holder; then the requests.
local function turn(_, argv)
	libraries_take()
	args, arg_at = argv, 2
	local version, now_ms, by = sunpack('<I4dc3', argv[1])
	if version ~= VERSION then
		return redis.error_reply(REPLACED)
	end
	turn_begin(now_ms, by)
	if holder ~= NOBODY then
		call('HSET', 'q:holders', holder, int(now))
	end
	local answers = { '' }
	while arg_at <= #args do
		local head = next_arg()
		local kind, is_again
		kind, token, is_again = sunpack('<c1c8B', head)
		again = is_again ~= 0
		answers[#answers + 1] = requests[kind](head)
	end
	turn_end()
	answers[1] = spack('<d', meta.pos)
	args = nil
	return answers
end

-- ARGV: now, whether to end all leases there are. Registers a holder; answers its id and the counters.
redis.register_function('qstash_open', function(_, argv)
	libraries_take()
	local now_ms, is_sole = sunpack('<dB', argv[1])
	turn_begin(now_ms, NOBODY)
	if meta.format ~= FORMAT then
		return redis.error_reply('QSTASHFORMAT the data has format ' .. meta.format .. ', the library knows ' .. FORMAT)
	end
	if is_sole ~= 0 then
		for _, h in ipairs(holders_sorted()) do
			end_leases(h.id)
			call('HDEL', 'q:holders', h.id)
		end
	end
	meta.holder = meta.holder + 1
	local id = string.sub(spack('>I4', meta.holder), 2)
	call('HSET', 'q:holders', id, int(now))
	turn_end()
	return id .. meta.seq_max .. spack('<d', meta.pos)
end)

-- ARGV: now, holder. Gives its leases back.
redis.register_function { function_name = 'qstash_close', flags = { 'allow-oom' }, callback = function(_, argv)
	libraries_take()
	local now_ms, id = sunpack('<dc3', argv[1])
	turn_begin(now_ms, id)
	end_leases(id)
	call('HDEL', 'q:holders', id)
	turn_end()
	return ''
end }

redis.register_function { function_name = 'qstash_version', flags = { 'no-writes' }, callback = function()
	return VERSION
end }

-- ARGV: now. Answers what is wrong, or nothing.
redis.register_function('qstash_check', function(_, argv)
	libraries_take()
	turn_begin(sunpack('<d', argv[1]), NOBODY)
	local answer = check()
	turn_end()
	return answer
end)

redis.register_function('qstash_turn', turn)
-- For what brings nothing new, so that a server whose memory is full gets empty again.
redis.register_function { function_name = 'qstash_drain', callback = turn, flags = { 'allow-oom' } }

end
