-- outbox.lua - the stream of log events: how it is written, who has read how far, and what goes when nobody reads.
--
-- `q:log` has an entry for each turn that logged something, under the turn's position. A reader is a consumer group of
-- it, named "slot/slots". Its last delivered id is the position up to which it needs nothing any more; it reads by range,
-- so nothing is ever pending. The stream begins behind the reader that is furthest behind.
--
-- No more is kept than the last bytes that were written, `meta.log_max` of them. `q:marks` says how far they go back: a
-- list of positions, each with all bytes that were written up to there.

local outbox_write
do

local FIELDS_MAX = 3000
local BYTES_MAX = 1024 * 1024 * 1024 -- unless a reader has said something else
local MARKS = 64 -- in what is kept
local MARK = '<dd'

-- ---- what is too much ------------------------------------------------------------------------

-- How many events are packed in s: tagged values (base/codec.h), whose lengths are in groups of 7 bits.
local function packed_count(s)
	local at, n = 1, 0
	while at < #s do
		local length, factor, b = 0, 1, nil
		repeat
			at = at + 1
			b = string.byte(s, at) or 0
			length = length + b % 128 * factor
			factor = factor * 128
		until b < 128
		at = at + 1 + length
		n = n + 1
	end
	return n
end

-- The same for the pieces of an entry (log_packed, log_state).
local function pieces_count(s)
	local at, n = 1, 0
	while at + 4 <= #s do
		local kind, length = sunpack('<BI4', s, at)
		n = n + (kind == 1 and packed_count(string.sub(s, at + 5, at + 4 + length)) or 1)
		at = at + 5 + length
	end
	return n
end

local function drop_until(pos)
	for _, entry in ipairs(call('XRANGE', 'q:log', '-', int(pos))) do
		local values = {}
		for i = 2, #entry[2], 2 do
			values[#values + 1] = entry[2][i]
		end
		meta.log_dropped = meta.log_dropped + pieces_count(table.concat(values))
	end
	call('XTRIM', 'q:log', 'MINID', int(pos + 1))
end

local function mark()
	local max = meta.log_max > 0 and meta.log_max or BYTES_MAX
	if meta.log_bytes - meta.log_marked < max / MARKS then
		return
	end
	while true do
		local first = call('LINDEX', 'q:marks', 0)
		local pos, bytes = 0, HUGE
		if first then
			pos, bytes = sunpack(MARK, first)
		end
		if bytes >= meta.log_bytes - max then
			break
		end
		call('LPOP', 'q:marks')
		drop_until(pos)
	end
	call('RPUSH', 'q:marks', spack(MARK, meta.pos, meta.log_bytes))
	meta.log_marked = meta.log_bytes
end

-- ---- writing ---------------------------------------------------------------------------------

-- The turn's events. An entry's fields are its pieces, so that they need not be copied together.
function outbox_write()
	local pieces, bytes = events, 0
	if #events > FIELDS_MAX then
		pieces = { table.concat(events) }
	end
	local fields = {}
	for i = 1, #pieces do
		fields[2 * i - 1], fields[2 * i] = 'e', pieces[i]
		bytes = bytes + #pieces[i]
	end
	call('XADD', 'q:log', int(meta.pos) .. '-0', unpack(fields))
	meta.log_bytes = meta.log_bytes + bytes
	mark()
end

-- ---- readers ---------------------------------------------------------------------------------

local function slots_of(reader)
	return string.match(reader, '/(%d+)$')
end

-- The readers with their positions, and the least of those.
local function readers()
	local all, least = {}, nil
	for _, group in ipairs(call('XINFO', 'GROUPS', 'q:log')) do
		local g = {}
		for i = 1, #group, 2 do
			g[group[i]] = group[i + 1]
		end
		local pos = tonumber(string.match(g['last-delivered-id'], '^%d+'))
		all[g.name] = pos
		least = math.min(least or pos, pos)
	end
	return all, least
end

-- A new reader begins where the one is that is furthest behind. When all slots of a new number of slots are there, the
-- readers of the former number have nothing to read any more.
local function join(reader, all, least)
	all[reader] = least or 0
	call('XGROUP', 'CREATE', 'q:log', reader, int(all[reader]) .. '-0', 'MKSTREAM')
	local n, slots = 0, slots_of(reader)
	for name in pairs(all) do
		n = n + (slots_of(name) == slots and 1 or 0)
	end
	if n < tonumber(slots) then
		return
	end
	for name in pairs(all) do
		if slots_of(name) ~= slots then
			call('XGROUP', 'DESTROY', 'q:log', name)
		end
	end
end

-- The reader needs nothing up to this position. Returns where it goes on, or -1 when it has not joined, or is there no
-- more.
local function needs_nothing_until(reader, pos, joins)
	local all, least = {}, nil
	if call('EXISTS', 'q:log') == 1 then
		all, least = readers()
	end
	if joins and not all[reader] then
		join(reader, all, least)
	elseif not all[reader] then
		return -1
	elseif pos > all[reader] then
		call('XGROUP', 'SETID', 'q:log', reader, int(pos) .. '-0')
		all[reader] = pos
		all, least = readers()
		call('XTRIM', 'q:log', 'MINID', int(least + 1))
	end
	return all[reader]
end

-- ---- what is called --------------------------------------------------------------------------

-- ARGV: version, the position up to which the reader needs nothing, most bytes to keep (0 = as before), whether it
-- joins; its name. Answers where it goes on, and what `position` does.
local function took(_, argv)
	libraries_take()
	local version, pos, bytes_max, joins = sunpack('<I4ddB', argv[1])
	if version ~= VERSION then
		return redis.error_reply(REPLACED)
	end
	meta_read()
	if bytes_max > 0 then
		meta.log_max = bytes_max
	end
	local at = needs_nothing_until(argv[2], pos, joins ~= 0)
	meta_write()
	return spack('<ddd', at, meta.pos, meta.log_dropped)
end

-- How far the outbox goes, and how many events nobody was there to read.
local function position()
	libraries_take()
	meta_read()
	return spack('<ddd', 0, meta.pos, meta.log_dropped)
end

-- ARGV: a name that no other database has. Answers the one that this database has had since it was first asked.
local function hello(_, argv)
	libraries_take()
	local name = call('GET', 'q:name')
	if not name then
		name = argv[1]
		call('SET', 'q:name', name)
	end
	return name
end

redis.register_function { function_name = 'qstash_took', callback = took, flags = { 'allow-oom' } }
redis.register_function { function_name = 'qstash_position', callback = position, flags = { 'no-writes' } }
redis.register_function { function_name = 'qstash_hello', callback = hello, flags = { 'allow-oom' } }

end
