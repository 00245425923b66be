-- user.lua - a user on its way to another database. C drives it, a piece at a time (engine/move.c); each piece may be
-- repeated.
--
-- At its old place the user is frozen: its gate says so, nothing of it starts, and what would change it is refused,
-- but for the ends of attempts that run. Then its entries in the directories of the database are put into keys of its
-- own, so that no housekeeping meets it, and all its keys can be copied as they are. At its new place the entries go
-- into the directories again, and the user thaws.
--
-- q:moves has, for each user that came here, the number of the move and how far it is; the number stays, so that a
-- process that slept through the end of a move cannot touch the user any more.

REFUSAL.MOVING = 9
local step_is_held, move_user, user_export
do

local DOC_USER = 2
local DIRECTORIES = { 'due', 'dedup', 'dead', 'forget', 'runs', 'wake', 'days' }
local COMING, ENTERED, HERE = 1, 2, 3
local SCAN_ROWS = 1000
local ATTACH_ROWS = 500
local SCAN_DUMP = 9 -- of the kinds of scans; the other is for the names of keys

local function escaped(s)
	return (string.gsub(s, '[%*%?%[%]\\%^]', '\\%0'))
end

local function stash_key(user, directory)
	return prefix_of(user) .. 'D' .. directory
end

local function state_get(user)
	local s = call('HGET', 'q:moves', user)
	if not s then
		return nil
	end
	local epoch, state = sunpack('<dB', s)
	return { epoch = epoch, state = state }
end

local function state_set(user, epoch, state)
	call('HSET', 'q:moves', user, spack('<dB', epoch, state))
end

local function is_at(p, state)
	local s = state_get(p.user)
	return s and s.epoch == p.version and s.state == state
end

-- ---- refusing --------------------------------------------------------------------------------

-- Would the step change a frozen user? The index of the move; nil = no. What ends an attempt goes on, with all that
-- comes of it.
function step_is_held(list, is)
	local held
	for i = 1, #list do
		local p = list[i]
		if p.is == is.S then
			return nil
		end
		local is_own = p.is == is.X or p.is == is.U or ((p.is == is.D or p.is == is.R) and p.doc == DOC_USER)
		if not held and not is_own then
			local u = user_find(p.user)
			held = u and u.frozen and i
		end
	end
	return held or nil
end

-- ---- the old place ---------------------------------------------------------------------------

local function freeze(p)
	if doc_get(DOC_USER, p.user, p.user) ~= p.version then
		return REFUSAL.VERSION
	end
	local u = user_make(p.user)
	gate_touch(u)
	u.frozen = true
	gate_refresh_user(u)
	p.count, p.next = #leased_of(u), int(meta.version)
	return REFUSAL.NONE
end

-- Where a walk over several keys is: which one, and the cursor in it.
local function place_parse(at)
	local index, cursor = string.match(at, '^(%d+):(%d+)$')
	return tonumber(index) or 1, cursor or '0'
end

local function place_next(index, cursor)
	if cursor == '0' then
		index = index + 1
	end
	return DIRECTORIES[index] and index .. ':' .. cursor or ''
end

local function detach(p)
	if doc_get(DOC_USER, p.user, p.user) ~= p.version then
		return REFUSAL.VERSION
	end
	local index, cursor = place_parse(p.at)
	local directory = DIRECTORIES[index]
	local key = 'q:' .. directory
	-- Gates write there when they are stored.
	gates_store()
	local found
	if directory == 'days' then
		local day = call('ZSCORE', key, p.user)
		cursor, found = '0', day and { p.user, day } or {}
	else
		local entry = '?' .. escaped(spack('>H', #p.user) .. p.user) .. '*'
		local page = call('ZSCAN', key, cursor, 'MATCH', entry, 'COUNT', SCAN_ROWS)
		cursor, found = page[1], page[2]
	end
	for i = 1, #found, 2 do
		call('ZADD', stash_key(p.user, directory), found[i + 1], found[i])
		call('ZREM', key, found[i])
	end
	p.next = place_next(index, cursor)
	return REFUSAL.NONE
end

-- When all else of it is purged.
local function leave(p)
	if user_find(p.user) then
		return REFUSAL.VERSION
	end
	for _, directory in ipairs(DIRECTORIES) do
		call('UNLINK', stash_key(p.user, directory))
	end
	return REFUSAL.NONE
end

-- ---- reading its keys ------------------------------------------------------------------------

local function keys(s)
	local prefix = prefix_of(s.user)
	local page = call('SCAN', s.name, 'MATCH', escaped(prefix) .. '*', 'COUNT', SCAN_ROWS)
	local rows = { { '', page[1], '' } }
	for _, key in ipairs(page[2]) do
		rows[#rows + 1] = { '', string.sub(key, #prefix + 1), '' }
	end
	return { page[1] ~= '0' and '\1' or '\0', rows }
end

-- Names come packed; not all of them may be answered.
local function dumps(s)
	local prefix = prefix_of(s.user)
	local rows, bytes, at = {}, 0, 1
	while at <= #s.name and (bytes == 0 or bytes < s.bytes_max) do
		local n = sunpack('>I4', s.name, at)
		local key = string.sub(s.name, at + 4, at + 3 + n)
		local dump = call('DUMP', prefix .. key) or ''
		rows[#rows + 1] = { '', key, dump }
		bytes = bytes + #dump + 1
		at = at + 4 + n
	end
	return { at <= #s.name and '\1' or '\0', rows }
end

function user_export(s)
	gates_store()
	return s.kind == SCAN_DUMP and dumps(s) or keys(s)
end

-- ---- the new place ---------------------------------------------------------------------------

-- Answers how far it is already.
local function begin(p)
	local s = state_get(p.user)
	if s and s.epoch > p.version then
		return REFUSAL.VERSION
	end
	if s and s.epoch == p.version and s.state ~= COMING then
		p.count = s.state
		return REFUSAL.NONE
	end
	-- Another process has brought it all here.
	if s and s.state == ENTERED then
		state_set(p.user, p.version, ENTERED)
		p.count = ENTERED
		return REFUSAL.NONE
	end
	if not (s and s.state == COMING) and (user_find(p.user) or doc_get(DOC_USER, p.user, p.user) ~= 0) then
		return REFUSAL.VERSION
	end
	-- No document may get a version that it has had there.
	meta.version = math.max(meta.version, tonumber(p.at) or 0)
	state_set(p.user, p.version, COMING)
	p.count = COMING
	return REFUSAL.NONE
end

-- What a former attempt may have left.
local function wipe(p)
	if not is_at(p, COMING) then
		return REFUSAL.VERSION
	end
	local page = call('SCAN', p.at ~= '' and p.at or '0', 'MATCH', escaped(prefix_of(p.user)) .. '*', 'COUNT', SCAN_ROWS)
	for _, key in ipairs(page[2]) do
		call('UNLINK', key)
	end
	p.next = page[1] ~= '0' and page[1] or ''
	return REFUSAL.NONE
end

local function import(p)
	if not is_at(p, COMING) then
		return REFUSAL.VERSION
	end
	local prefix = prefix_of(p.user)
	for i = 1, #p.rows, 2 do
		call('RESTORE', prefix .. p.rows[i], 0, p.rows[i + 1], 'REPLACE')
	end
	return REFUSAL.NONE
end

-- Its documents become known by name, a page at a time; then it is counted.
local function enter(p)
	if is_at(p, ENTERED) then
		return REFUSAL.NONE
	end
	if not is_at(p, COMING) then
		return REFUSAL.VERSION
	end
	local prefix = prefix_of(p.user)
	local page = call('HSCAN', prefix .. 'c', p.at ~= '' and p.at or '0', 'COUNT', SCAN_ROWS)
	for i = 1, #page[2], 2 do
		call('ZADD', docs_key(string.byte(page[2][i])), 0, p.user .. '\0' .. string.sub(page[2][i], 2))
	end
	p.next = page[1] ~= '0' and page[1] or ''
	if p.next ~= '' then
		return REFUSAL.NONE
	end
	meta.messages = meta.messages + call('ZCARD', prefix .. 'i')
	local last = call('ZREVRANGE', prefix .. 'i', 0, 0)[1]
	if last and is_after(last, meta.seq_max) then
		meta.seq_max = last
	end
	doc_changed(DOC_USER)
	state_set(p.user, p.version, ENTERED)
	return REFUSAL.NONE
end

-- From its keys into the directories.
local function attach(p)
	if is_at(p, HERE) then
		return REFUSAL.NONE
	end
	if not is_at(p, ENTERED) then
		return REFUSAL.VERSION
	end
	local index = place_parse(p.at)
	local directory = DIRECTORIES[index]
	local popped = call('ZPOPMIN', stash_key(p.user, directory), ATTACH_ROWS)
	for i = 1, #popped, 2 do
		call('ZADD', 'q:' .. directory, popped[i + 1], popped[i])
		if directory == 'due' then
			meta.doc_next = math.min(meta.doc_next, tonumber(popped[i + 1]))
		end
	end
	p.next = place_next(index, #popped < 2 * ATTACH_ROWS and '0' or '1')
	return REFUSAL.NONE
end

local function thaw(p)
	if is_at(p, HERE) then
		return REFUSAL.NONE
	end
	if not is_at(p, ENTERED) then
		return REFUSAL.VERSION
	end
	local u = user_find(p.user)
	if u then
		gate_touch(u)
		u.frozen = false
		gate_refresh_user(u)
	end
	state_set(p.user, p.version, HERE)
	return REFUSAL.NONE
end

local ops = { [0] = freeze, detach, leave, begin, wipe, import, enter, attach, thaw }

function move_user(p)
	p.count, p.next = 0, ''
	return ops[p.op](p)
end

end
