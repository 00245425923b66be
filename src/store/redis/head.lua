#!lua name=qstash
-- head.lua - what the other files share: the state of a turn, keys, and writing with a way back.
--
-- The library is all files of this folder in the order of meson.build, one chunk. A call of `qstash_turn` is a
-- turn: requests that act one after the other, atomically. Whatever may change in it is read once, kept in
-- tables, and written at the end (turn.lua). redis_int.h tells what the keys mean.
--
-- Ids, tokens and seqs are strings of 8 bytes, big-endian, for numbers here are doubles. Strings are compared
-- by Redis or as numbers, never by `<`, which follows the server's locale.

local VERSION = 2 -- of this library; an older one is replaced
local FORMAT = 1 -- of the data

local HOUSEKEEPING_ROWS = 64 -- removed by one claim, of each kind
local HOUSEKEEPING_MS = 1000 -- between looks when there was less than that
local FLOW_KEPT_MS = 60000 -- an unused flow key is kept that long
local USAGE_DAYS_KEPT = 400
local DAY_MS = 86400000
local HUGE = 1 / 0
local REPLACED = 'QSTASHVERSION the function library was replaced by version ' .. VERSION
local NOBODY = '\0\0\0' -- as a holder
local NO_ID = '\0\0\0\0\0\0\0\0'

local REFUSAL = { NONE = 0, NOT_FOUND = 1, DUPLICATE = 2, LEASE = 3, VERSION = 4, LIMIT = 5, ID = 6, QUOTA = 7,
	RUN_OVER = 8 }
local EVENT = { ACTIVE = 2, CANCEL_REQUESTED = 7, CANCELED = 8 }

-- Libraries exist only while a function runs.
local call, spack, sunpack, mpack, munpack, band, floor

local function libraries_take()
	call = redis.call
	spack, sunpack = struct.pack, struct.unpack
	mpack, munpack = cmsgpack.pack, cmsgpack.unpack
	band, floor = bit.band, math.floor
end

local now -- Unix ms, the caller's
local holder -- 3 bytes: who is calling
local token, again -- of this request: what its leases are known by; it is a repetition
local meta -- the database's counters
local meta_before -- as they are stored
local events -- pieces of this turn's outbox entry
local ended -- ids of messages that ended in this turn: list and set
local undo -- the step's way back: commands, last first; nil = it cannot be refused halfway

-- ---- keys ------------------------------------------------------------------------------------

local function escaped(c)
	return string.format('%%%02X', string.byte(c))
end

-- All keys of a user begin so, and hash to one slot.
local function prefix_of(user)
	if string.find(user, '[{}%%]') then
		user = string.gsub(user, '[{}%%]', escaped)
	end
	return 'q{' .. user .. '}'
end

-- Names something of a user in the directories of the database.
local function entry_of(kind, user, name)
	return kind .. spack('>H', #user) .. user .. name
end

local function entry_parts(entry)
	local n = sunpack('>H', entry, 2)
	return string.sub(entry, 1, 1), string.sub(entry, 4, 3 + n), string.sub(entry, 4 + n)
end

-- Is the id a after b?
local function is_after(a, b)
	local ah, al = sunpack('>I4I4', a)
	local bh, bl = sunpack('>I4I4', b)
	return ah > bh or (ah == bh and al > bl)
end

-- ---- counters --------------------------------------------------------------------------------

local META = { 'format', 'order', 'version', 'messages', 'pos', 'seq_max', 'doc_next', 'dedup_next',
	'forget_next', 'dead_next', 'days_next', 'holder', 'ended_set', 'ended_n', 'runs_next', 'users_version', 'log_bytes',
	'log_marked', 'log_max', 'log_dropped' }

local function meta_read()
	local s = call('GET', 'q:meta')
	local values = s and munpack(s) or { FORMAT, 0, 0, 0, 0, NO_ID, HUGE }
	meta, meta_before = {}, s
	for i = 1, #META do
		meta[META[i]] = values[i] or 0
	end
end

local function meta_write()
	local values = {}
	for i = 1, #META do
		values[i] = meta[META[i]]
	end
	local s = mpack(values)
	if s ~= meta_before then
		call('SET', 'q:meta', s)
	end
end

local function meta_copy()
	local copy = {}
	for i = 1, #META do
		copy[META[i]] = meta[META[i]]
	end
	return copy
end

-- What is pushed later stands behind.
local function next_order()
	meta.order = meta.order + 1
	return meta.order
end

-- ---- writing with a way back -----------------------------------------------------------------

local function undo_push(...)
	undo[#undo + 1] = { ... }
end

local function set(key, value)
	if undo then
		local old = call('GET', key)
		if old then
			undo_push('SET', key, old)
		else
			undo_push('DEL', key)
		end
	end
	call('SET', key, value)
end

local function del(key)
	if undo then
		local old = call('GET', key)
		if old then
			undo_push('SET', key, old)
		end
	end
	call('UNLINK', key)
end

local function overwrite(key, value)
	if undo then
		undo_push('SETRANGE', key, 0, call('GETRANGE', key, 0, #value - 1))
	end
	call('SETRANGE', key, 0, value)
end

local function zadd(key, score, member)
	if undo then
		local old = call('ZSCORE', key, member)
		if old then
			undo_push('ZADD', key, old, member)
		else
			undo_push('ZREM', key, member)
		end
	end
	call('ZADD', key, score, member)
end

local function zrem(key, member)
	if undo then
		local old = call('ZSCORE', key, member)
		if old then
			undo_push('ZADD', key, old, member)
		end
	end
	return call('ZREM', key, member)
end

local function sadd(key, member)
	if call('SADD', key, member) == 1 and undo then
		undo_push('SREM', key, member)
	end
end

local function srem(key, member)
	if call('SREM', key, member) == 1 and undo then
		undo_push('SADD', key, member)
	end
end

local function rpush(key, element)
	if undo then
		undo_push('RPOP', key)
	end
	call('RPUSH', key, element)
end

local hset, hdel
do

local function hash_undo(key, field)
	local old = call('HGET', key, field)
	if old then
		undo_push('HSET', key, field, old)
	else
		undo_push('HDEL', key, field)
	end
end

function hset(key, field, value)
	if undo then
		hash_undo(key, field)
	end
	call('HSET', key, field, value)
end

function hdel(key, field)
	if undo then
		hash_undo(key, field)
	end
	return call('HDEL', key, field)
end

end

-- Numbers in commands: Redis would print a large double with an exponent.
local function int(v)
	return string.format('%.0f', v)
end

-- ---- events ----------------------------------------------------------------------------------

-- Packed by the caller.
local function log_packed(packed)
	if #packed > 0 then
		events[#events + 1] = '\1' .. spack('<I4', #packed)
		events[#events + 1] = packed
	end
end

-- Only the store knows of it; the reader of the outbox packs it (redis_outbox.c).
local function log_state(user, m, state, record)
	events[#events + 1] = '\2'
		.. spack('<I4dBc8c8dH', 35 + #user + #record, now, state, m.seq, m.nonce, m.retried, #user) .. user
	events[#events + 1] = record
end
