-- scan.lua - listings.

local scan
do

local SCANNED_AT_ONCE = 32
local ENTRIES_AT_ONCE = 256

-- A listing in the making: { max, bytes_max, out, rows, bytes, more }. Is there room for one more row?
local function has_row_room(l, bytes)
	if l.rows < l.max and (l.rows == 0 or l.bytes + bytes <= l.bytes_max) then
		return true
	end
	l.more = true
	return false
end

local function row_add(l, bytes, ...)
	l.rows = l.rows + 1
	l.bytes = l.bytes + bytes
	l.out[#l.out + 1] = { ... }
end

-- Goes through a directory sorted by bytes from after `from`, until `look` returns false or its end; backwards with
-- ZREVRANGEBYLEX as the command.
local function each_after(key, from, to, look, command)
	while true do
		local found = call(command or 'ZRANGEBYLEX', key, from, to, 'LIMIT', 0, SCANNED_AT_ONCE)
		for i = 1, #found do
			if not look(found[i]) then
				return
			end
		end
		if #found < SCANNED_AT_ONCE then
			return
		end
		from = '(' .. found[#found]
	end
end

-- ---- messages --------------------------------------------------------------------------------

local STATE = { SCHEDULED = 0, READY = 1, LEASED = 2 }

local function message_row(l, m)
	local state = m.lane == 'l' and STATE.LEASED or (m.due > now and STATE.SCHEDULED or STATE.READY)
	row_add(l, #record_of(m), m.seq .. m.nonce .. spack('<BBdd', state, m.cancelled and 1 or 0, m.retried, m.due), m.record)
end

local function scan_message(s, l)
	local u = user_find(s.user)
	local m = u and message_get(u, s.seq)
	if m and m.nonce == s.nonce and l.max > 0 then
		message_row(l, m)
	end
end

local function scan_messages(s, l)
	local u = user_find(s.user)
	if not u then
		return
	end
	-- Those that are leased stand in no index, but they are few.
	local leased = {}
	for _, seq in ipairs(leased_of(u)) do
		if is_after(seq, s.seq) then
			leased[#leased + 1] = seq
		end
	end
	table.sort(leased, is_after)
	local function look(seq)
		local m = message_look(u, seq)
		if not has_row_room(l, record_bytes(m)) then
			return false
		end
		message_row(l, m)
		return true
	end
	local function look_before(seq)
		while #leased > 0 and (not seq or is_after(seq, leased[#leased])) do
			if not look(table.remove(leased)) then
				return false
			end
		end
		return true
	end
	each_after(u.prefix .. 'i', '(' .. s.seq, '+', function(seq)
		return look_before(seq) and look(seq)
	end)
	if not l.more then
		look_before(nil)
	end
end

-- ---- dead letters ----------------------------------------------------------------------------

local function dead_row(l, prefix, id)
	local v = call('HGET', prefix .. 'e', id)
	if not v then
		return true
	end
	local nonce, retried, n = sunpack(DEAD_HEAD, v)
	if not has_row_room(l, #v - DEAD_HEAD_BYTES) then
		return false
	end
	row_add(l, #v - DEAD_HEAD_BYTES, id .. nonce .. spack('<d', retried),
		string.sub(v, DEAD_HEAD_BYTES + 1, DEAD_HEAD_BYTES + n), string.sub(v, DEAD_HEAD_BYTES + n + 1))
	return true
end

local function scan_dead(s, l)
	local prefix = prefix_of(s.user)
	if s.exact then
		dead_row(l, prefix, s.dlq)
		return
	end
	local function look(id)
		return dead_row(l, prefix, id)
	end
	if s.descending then
		each_after(prefix .. 'd', s.dlq == NO_ID .. NO_ID and '+' or '(' .. s.dlq, '-', look, 'ZREVRANGEBYLEX')
	else
		each_after(prefix .. 'd', '(' .. s.dlq, '+', look)
	end
end

-- ---- documents -------------------------------------------------------------------------------

local function doc_row(l, kind, user, name)
	local version, due, value = doc_get(kind, user, name)
	if version == 0 then
		return true
	end
	if not has_row_room(l, #value) then
		return false
	end
	row_add(l, #value, spack(DOC_HEAD, version, due), user, name, value)
	return true
end

local function scan_docs(s, l)
	if s.exact then
		doc_row(l, s.doc, s.user, s.name)
		return
	end
	local all = s.user == ''
	local user = all and s.after_user or s.user
	-- Names may be empty, so the first is not after the empty name but at it when nothing came before.
	local from = '(' .. user .. '\0' .. s.name
	each_after(docs_key(s.doc), from, all and '+' or '(' .. user .. '\1', function(entry)
		local at = string.find(entry, '\0', 1, true)
		return doc_row(l, s.doc, string.sub(entry, 1, at - 1), string.sub(entry, at + 1))
	end)
end

-- ---- gates -----------------------------------------------------------------------------------

local function gate_row(l, g)
	row_add(l, 0,
		spack('<dddddddddBBB', g.parallelism, g.running, g.rate, g.period, g.count, g.window,
			g.kind == 'q' and g.messages or g.waiting, g.created, g.updated, g.paused and 1 or 0,
			g.pinned_parallelism and 1 or 0, g.pinned_rate and 1 or 0),
		g.kind == 'u' and '' or g.name)
end

local function gate_look(l, g)
	if not gate_is_visible(g) then
		return true
	end
	if not has_row_room(l, 0) then
		return false
	end
	gate_row(l, g)
	return true
end

local function scan_gates(s, l)
	local u = user_find(s.user)
	if not u then
		return
	end
	if s.exact or s.gate == 'u' then
		gate_look(l, gate_find(u, s.gate, s.name))
		return
	end
	each_after(names_key(u, s.gate), '(' .. s.name, '+', function(name)
		return gate_look(l, gate_find(u, s.gate, name))
	end)
end

-- ---- usage -----------------------------------------------------------------------------------

local function scan_usage(s, l)
	local u = user_find(s.user)
	if not u then
		return
	end
	local days = usage_days(u)
	if u.day >= 0 and is_used(u.used) then
		days[#days + 1] = { day = u.day, used = u.used }
	end
	table.sort(days, function(a, b)
		return a.day < b.day
	end)
	for _, d in ipairs(days) do
		if d.day >= s.day then
			if not has_row_room(l, 0) then
				return
			end
			row_add(l, 0, spack('<dddddddd', d.day, unpack(d.used)))
		end
	end
end

-- ---- runs ------------------------------------------------------------------------------------

-- The place of the first entry after a seq.
local function entry_after(key, n, seq)
	local from, to = 0, seq == NO_ID and 0 or n
	while from < to do
		local middle = floor((from + to) / 2)
		if is_after(string.sub(call('LINDEX', key, middle), 1, 8), seq) then
			to = middle
		else
			from = middle + 1
		end
	end
	return from
end

-- How many entries to read at once: about as many as there is room for.
local function entries_at_once(l, r)
	local wanted = math.max(l.bytes_max - l.bytes, 0) / (r.bytes / r.entries + 1)
	return math.min(floor(wanted), l.max - l.rows, ENTRIES_AT_ONCE - 1) + 1
end

local function entries_look(s, l, r)
	local key = r.prefix .. 'h' .. r.id
	local at = entry_after(key, r.entries, s.seq)
	while at < r.entries do
		local found = call('LRANGE', key, at, at + entries_at_once(l, r) - 1)
		for i = 1, #found do
			local bytes = #found[i] - runs.ENTRY_HEAD_BYTES
			if is_after(string.sub(found[i], 1, 8), s.run_until) or not has_row_room(l, bytes) then
				return
			end
			row_add(l, bytes, found[i])
		end
		at = at + #found
	end
end

local function scan_run(s, l)
	local r = runs.find(s.user, s.run)
	if not r then
		return
	end
	local taken = s.run_key ~= '' and call('HGET', r.prefix .. 'x' .. r.id, s.run_key)
	l.found = { spack('<BBdc8', r.open and 1 or 0, taken and 1 or 0, r.version, string.sub(r.id, -8))
		.. (taken or NO_ID .. NO_ID), runs.record(r) }
	if (r.open or r.kept) and l.max > 0 then
		entries_look(s, l, r)
	end
end

local function scan_runs(s, l)
	each_after(prefix_of(s.user) .. 'o', '[' .. s.name .. '\1', '+', function(id)
		local r = runs.get(s.user, id)
		local record = runs.record(r)
		if not has_row_room(l, #record) then
			return false
		end
		row_add(l, #record, spack('<d', r.version) .. string.sub(id, -8), string.sub(id, 1, -10), record)
		return true
	end)
end

local scans = { scan_message, scan_messages, scan_dead, scan_docs, scan_gates, scan_usage, scan_run, scan_runs }

-- Answers { head, rows }, and of a run that is there { head, rows, { its head, its record } }.
function scan(s)
	local l = { max = math.min(s.max, 1000), bytes_max = s.bytes_max, out = {}, rows = 0, bytes = 0, more = false }
	if s.exact then
		l.max = 1
	end
	scans[s.kind + 1](s, l)
	return { l.more and '\1' or '\0', l.out, l.found }
end

end
