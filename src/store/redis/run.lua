-- run.lua - workflow runs: their entries and members, what ends with them, and their own end.
--
-- A run's id is its name, NUL, and the 8 bytes of the time of its creation, so that ids sort by name. A reference to a
-- run, as redis_wire.c makes it, has the time first: 0 for whichever is open. A run's string is a head that is
-- overwritten as entries come, and the record behind it. An entry is its seq, its nonce, one byte for its kind, its
-- bytes: as the caller packs it and as a scan hands it out, so that its bytes are never copied here.

local runs = {} -- what other files use: the functions below, `runs.` before their names
local doc_drop -- doc.lua's
do

local RUN_HEAD, RUN_HEAD_BYTES = '<ddddBc8c8', 49 -- version, entries, bytes, until, flags, the last entry's id
local OPEN, KEPT = 1, 2 -- flags; kept: over, with its entries
local PURGE_ROWS = 32 -- a purge counts each piece of a run as so many
local SKIPPED = { DUPLICATE = 1, RUN_OVER = 2 }

runs.ENTRY_HEAD_BYTES = 17

-- ---- finding ---------------------------------------------------------------------------------

local function run_key(r)
	return r.prefix .. 't' .. r.id
end

local function run_head(r)
	local flags = (r.open and OPEN or 0) + (r.kept and KEPT or 0)
	return spack(RUN_HEAD, r.version, r.entries, r.bytes, r.until_ms, flags, r.last, r.last_nonce)
end

-- Without its record; nil when there is none.
function runs.get(user, id)
	local r = { user = user, prefix = prefix_of(user), id = id }
	local s = call('GETRANGE', run_key(r), 0, RUN_HEAD_BYTES - 1)
	if s == '' then
		return nil
	end
	local flags
	r.version, r.entries, r.bytes, r.until_ms, flags, r.last, r.last_nonce = sunpack(RUN_HEAD, s)
	r.open, r.kept = band(flags, OPEN) ~= 0, band(flags, KEPT) ~= 0
	return r
end

function runs.record(r)
	return call('GETRANGE', run_key(r), RUN_HEAD_BYTES, -1)
end

-- The first id with that name in one of a user's directories of runs.
local function id_by_name(user, letter, name)
	return call('ZRANGEBYLEX', prefix_of(user) .. letter, '[' .. name .. '\0', '(' .. name .. '\1', 'LIMIT', 0, 1)[1]
end

function runs.find(user, ref)
	local created, name = string.sub(ref, 1, 8), string.sub(ref, 9)
	local id = created ~= NO_ID and name .. '\0' .. created or id_by_name(user, 'o', name)
	return id and runs.get(user, id)
end

function runs.find_open(user, ref)
	local r = runs.find(user, ref)
	return r and r.open and r
end

-- ---- members ---------------------------------------------------------------------------------

-- May this put have its run? Answers the run, or the refusal, or neither when the put is to do nothing.
function runs.judge(p)
	local r = runs.find_open(p.user, p.run)
	if not r then
		if not p.run_if_open then
			return nil, REFUSAL.RUN_OVER
		end
		p.skipped = SKIPPED.RUN_OVER
		return nil, REFUSAL.NONE
	end
	local taken = p.run_key ~= '' and call('HGET', r.prefix .. 'x' .. r.id, p.run_key)
	if taken then
		p.existing = taken
		p.skipped = SKIPPED.DUPLICATE
		return nil, REFUSAL.NONE
	end
	if p.entry == '' then
		return r
	end
	if not is_after(p.seq, r.last) then
		p.existing = r.last .. r.last_nonce
		return nil, REFUSAL.ID
	end
	if (p.entries_max > 0 and r.entries >= p.entries_max) or (p.run_bytes_max > 0 and r.entries > 0
		and r.bytes + #p.entry - runs.ENTRY_HEAD_BYTES > p.run_bytes_max) then
		return nil, REFUSAL.LIMIT
	end
	return r
end

function runs.join(r, p)
	zadd(r.prefix .. 'b' .. r.id, 0, p.seq)
	if p.run_key ~= '' then
		hset(r.prefix .. 'x' .. r.id, p.run_key, p.seq .. p.nonce)
	end
	if p.entry == '' then
		return
	end
	rpush(r.prefix .. 'h' .. r.id, p.entry)
	r.entries = r.entries + 1
	r.bytes = r.bytes + #p.entry - runs.ENTRY_HEAD_BYTES
	r.last, r.last_nonce = p.seq, p.nonce
	overwrite(run_key(r), run_head(r))
end

-- A document may go before its run does; then its place here means nothing.
function runs.join_doc(r, kind, name)
	sadd(r.prefix .. 'z' .. r.id, string.char(kind) .. name)
end

-- ---- the beginning ---------------------------------------------------------------------------

local function entries_copy(from, to)
	local key = to.prefix .. 'h' .. to.id
	if undo then
		undo_push('UNLINK', key)
	end
	call('COPY', from.prefix .. 'h' .. from.id, key)
	to.entries, to.bytes, to.last, to.last_nonce = from.entries, from.bytes, from.last, from.last_nonce
end

function runs.start(p)
	local prefix = user_make(p.user).prefix
	local created, name = string.sub(p.run, 1, 8), string.sub(p.run, 9)
	local id = name .. '\0' .. created
	local own = runs.get(p.user, id)
	-- The record tells whether it was this very move, for the first message's id is in it.
	if own and again and runs.record(own) == p.record then
		return REFUSAL.NONE
	end
	local open = id_by_name(p.user, 'o', name)
	if open then
		p.existing = string.sub(call('LINDEX', prefix .. 'h' .. open, 0) or NO_ID .. NO_ID, 1, 16)
		return REFUSAL.DUPLICATE
	end
	if own then
		return REFUSAL.ID
	end
	local from = p.copy ~= '' and runs.find(p.user, p.copy)
	if p.copy ~= '' and not (from and (from.open or from.kept) and from.entries > 0) then
		return REFUSAL.NOT_FOUND
	end
	meta.version = meta.version + 1
	local r = { prefix = prefix, id = id, version = meta.version, entries = 0, bytes = 0, until_ms = 0, open = true,
		kept = false, last = NO_ID, last_nonce = NO_ID }
	if from then
		entries_copy(from, r)
	end
	set(run_key(r), run_head(r) .. p.record)
	zadd(prefix .. 'o', 0, id)
	zadd(prefix .. 'a', 0, id)
	log_packed(p.events)
	return REFUSAL.NONE
end

function runs.set(p)
	local r = runs.find(p.user, p.run)
	if not r then
		return REFUSAL.NOT_FOUND
	end
	if r.version ~= p.version then
		return REFUSAL.VERSION
	end
	meta.version = meta.version + 1
	r.version = meta.version
	set(run_key(r), run_head(r) .. p.record)
	log_packed(p.events)
	return REFUSAL.NONE
end

-- ---- the end ---------------------------------------------------------------------------------

local function members_cancel(r)
	local u = user_find(r.user)
	for _, seq in ipairs(call('ZRANGE', r.prefix .. 'b' .. r.id, 0, -1)) do
		message_cancel(message_get(u, seq))
	end
end

local function docs_remove(r)
	local key = r.prefix .. 'z' .. r.id
	for _, field in ipairs(call('SMEMBERS', key)) do
		doc_drop(string.byte(field), r.user, string.sub(field, 2))
		srem(key, field)
	end
end

function runs.finish(p)
	local r = runs.find(p.user, p.run)
	if not r then
		return id_by_name(p.user, 'a', string.sub(p.run, 9)) and REFUSAL.RUN_OVER or REFUSAL.NOT_FOUND
	end
	if not r.open then
		return again and REFUSAL.NONE or REFUSAL.RUN_OVER
	end
	members_cancel(r)
	docs_remove(r)
	meta.version = meta.version + 1
	r.version, r.open, r.kept, r.until_ms = meta.version, false, p.keep_entries, p.until_ms
	if p.record ~= '' then
		set(run_key(r), run_head(r) .. p.record)
	else
		overwrite(run_key(r), run_head(r))
	end
	zrem(r.prefix .. 'o', r.id)
	-- Its keys go soon in any case.
	zadd('q:runs', int(now), entry_of('t', r.user, r.id))
	log_packed(p.events)
	return REFUSAL.NONE
end

-- ---- housekeeping ----------------------------------------------------------------------------

local function run_drop(r)
	call('UNLINK', run_key(r), r.prefix .. 'x' .. r.id, r.prefix .. 'h' .. r.id, r.prefix .. 'z' .. r.id)
	call('ZREM', r.prefix .. 'o', r.id)
	call('ZREM', r.prefix .. 'a', r.id)
	call('ZREM', 'q:runs', entry_of('t', r.user, r.id))
end

-- The server frees what is large in a thread of its own, so size is no matter.
function runs.sweep()
	local due = call('ZRANGEBYSCORE', 'q:runs', '-inf', int(now), 'LIMIT', 0, HOUSEKEEPING_ROWS)
	for i = 1, #due do
		local _, user, id = entry_parts(due[i])
		local r = runs.get(user, id)
		if r.until_ms <= now then
			run_drop(r)
		else
			call('UNLINK', r.prefix .. 'x' .. id)
			if not r.kept then
				call('UNLINK', r.prefix .. 'h' .. id)
			end
			call('ZADD', 'q:runs', int(r.until_ms), due[i])
		end
	end
	if #due < HOUSEKEEPING_ROWS then
		meta.runs_next = now + HOUSEKEEPING_MS
	end
end

-- Removes the user's runs, a piece at a time: keys, entries, the rest. Returns how much room is left.
function runs.purge(u, room)
	while room > 0 do
		local id = call('ZRANGE', u.prefix .. 'a', 0, 0)[1]
		if not id then
			break
		end
		room = room - PURGE_ROWS
		if call('UNLINK', u.prefix .. 'x' .. id) == 0 and call('UNLINK', u.prefix .. 'h' .. id) == 0 then
			run_drop(runs.get(u.name, id))
		end
	end
	return room
end

end
