-- check.lua - everything counted twice, for tests: what gates count and what is known to be ready, from the
-- messages. Reads the whole database.

local check
do

local differences

-- The user of a key of a user with one letter behind.
local function user_of_key(key)
	return (string.gsub(string.sub(key, 3, -3), '%%(%x%x)', function(hex)
		return string.char(tonumber(hex, 16))
	end))
end

local function differ(g, what, expected, found)
	if expected ~= found then
		differences[#differences + 1] = (g and g.entry or '') .. ': ' .. what .. ' is ' .. tostring(found)
			.. ', the messages say ' .. tostring(expected)
	end
end

local function add(t, key, n)
	if key then
		t[key] = (t[key] or 0) + n
	end
end

-- What the messages of a user say: by gate, how many wait, run, are not ended.
local function count_messages(u)
	local c = { waiting = {}, running = {}, messages = {}, slots = {}, members = {}, n = 0 }
	local all = leased_of(u)
	for _, seq in ipairs(call('ZRANGE', u.prefix .. 'i', 0, -1)) do
		all[#all + 1] = seq
	end
	for _, seq in ipairs(all) do
		local m = message_get(u, seq)
		if not m then
			differ(u, 'a message of the index', 'there', 'absent')
			return c
		end
		c.n = c.n + 1
		local g = lane_gate(m, m.lane)
		if m.lane == 'l' then
			add(c.running, u, 1)
		elseif m.lane ~= 'u' and m.lane ~= 'p' then
			add(c.waiting, g, 1)
		end
		if m.lane ~= 'l' and not call('ZSCORE', lane_key(m), lane_member(m)) then
			differ(u, 'a message in lane ' .. m.lane, 'there', 'absent')
		end
		add(c.messages, m.flow or nil, 1)
		if m.run then
			add(c.members, m.run, 1)
			differ(u, 'a message of a run', true, call('ZSCORE', u.prefix .. 'b' .. m.run, seq) ~= false)
		end
		if m.flow_slot then
			add(c.running, m.flow, 1)
		end
		if m.queue and m.root == NO_ID then
			add(c.messages, m.queue, 1)
		end
		local root = m.root ~= NO_ID and m.root or seq
		if m.queue_slot and not c.slots[root] then
			c.slots[root] = true
			add(c.running, m.queue, 1)
		end
	end
	return c
end

local function check_gate(g, c)
	local u = g.user
	local is_open, at = gate_may_start(g)
	differ(g, 'running', c.running[g] or 0, g.running)
	if g.kind == 'u' then
		local first = tonumber(call('ZRANGE', u.prefix .. 'w', 0, 0, 'WITHSCORES')[2]) or HUGE
		if g.exact or g.head > first then
			differ(g, 'head', first, g.head)
		end
		differ(g, 'being ready', first <= now, g.ready)
		differ(g, 'being in the rotation', is_open and u.ready_lanes > 0, call('ZSCORE', 'q:rotation', g.name) ~= false)
		differ(g, 'number of ready lanes', call('ZCARD', u.prefix .. 'r'), u.ready_lanes)
	else
		local ready = is_open and g.waiting > 0
		differ(g, 'messages', c.messages[g] or 0, g.messages)
		differ(g, 'waiting', c.waiting[g] or 0, g.waiting)
		differ(g, 'being ready', ready, g.ready)
		if not ready and g.waiting > 0 and at ~= HUGE then
			differ(g, 'wake-up', at, g.wake)
		end
	end
	differ(g, 'place among the ready', g.ready, call('ZSCORE', u.prefix .. 'r', g.lane) ~= false)
	differ(g, 'time to wake', g.wake or false, tonumber(call('ZSCORE', 'q:wake', g.entry) or nil) or false)
end

local function check_runs(u, c)
	local open = 0
	for _, id in ipairs(call('ZRANGE', u.prefix .. 'a', 0, -1)) do
		local r = runs.get(u.name, id)
		add(c.members, id, 0)
		open = open + (r.open and 1 or 0)
		differ(u, 'an open run in its directory', r.open, call('ZSCORE', u.prefix .. 'o', id) ~= false)
		differ(u, 'a run among those to be removed', not r.open, call('ZSCORE', 'q:runs', entry_of('t', u.name, id)) ~= false)
		if r.open or r.kept then
			local entries, bytes = call('LRANGE', u.prefix .. 'h' .. id, 0, -1), 0
			for _, e in ipairs(entries) do
				bytes = bytes + #e - runs.ENTRY_HEAD_BYTES
			end
			differ(u, 'number of entries', #entries, r.entries)
			differ(u, 'bytes of entries', bytes, r.bytes)
		end
	end
	differ(u, 'number of open runs', open, call('ZCARD', u.prefix .. 'o'))
	for id, n in pairs(c.members) do
		differ(u, 'number of a run\'s messages', n, call('ZCARD', u.prefix .. 'b' .. id))
	end
end

local function check_user(u)
	local c = count_messages(u)
	check_gate(u, c)
	check_runs(u, c)
	for _, lane in ipairs(call('HKEYS', u.prefix .. 'g')) do
		check_gate(gate_find(u, string.sub(lane, 1, 1), string.sub(lane, 2)), c)
	end
	return c.n
end

function check()
	local n, cursor = 0, '0'
	differences = {}
	repeat
		local page = call('SCAN', cursor, 'MATCH', 'q{*}u', 'COUNT', 1000)
		cursor = page[1]
		for _, key in ipairs(page[2]) do
			local user = user_of_key(key)
			-- Ids may look like it.
			if key == prefix_of(user) .. 'u' then
				n = n + check_user(user_find(user))
			end
		end
	until cursor == '0'
	differ(nil, 'number of messages', n, meta.messages)
	return table.concat(differences, '; ')
end

end
