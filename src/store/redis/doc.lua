-- doc.lua - documents, and gates changed by hand.
--
-- A user's documents are one hash; `q:docs<kind>` has all names of a kind in order of user and name.

local DOC_HEAD = '<dd' -- version, due
local docs_key, doc_get, doc_changed, move_doc_put, move_doc_remove, move_gate
do

-- ---- documents -------------------------------------------------------------------------------


function docs_key(kind)
	return 'q:docs' .. string.char(kind + 48)
end

local function doc_field(kind, name)
	return string.char(kind) .. name
end

local function doc_entry(kind, user, name)
	return entry_of(string.char(kind), user, name)
end

-- Version, due time, value; version 0 = there is none.
function doc_get(kind, user, name)
	local s = call('HGET', prefix_of(user) .. 'c', doc_field(kind, name))
	if not s then
		return 0
	end
	local version, due = sunpack(DOC_HEAD, s)
	return version, due, string.sub(s, 17)
end

local function doc_is_full(p)
	if p.count_max <= 0 then
		return false
	end
	return call('ZLEXCOUNT', docs_key(p.doc), '[' .. p.user .. '\0', '(' .. p.user .. '\1') >= p.count_max
end

-- Users, and what the home database knows of the others: every process wants to know.
function doc_changed(kind)
	if kind == 2 or kind == 8 then
		meta.users_version = meta.users_version + 1
	end
end

function move_doc_put(p)
	local run = p.run ~= '' and runs.find_open(p.user, p.run)
	if p.run ~= '' and not run then
		return REFUSAL.RUN_OVER
	end
	local present = doc_get(p.doc, p.user, p.name)
	if p.version ~= -1 and p.version ~= present then
		return REFUSAL.VERSION
	end
	if present == 0 and doc_is_full(p) then
		return REFUSAL.LIMIT
	end
	meta.version = meta.version + 1
	p.new_version = meta.version
	hset(prefix_of(p.user) .. 'c', doc_field(p.doc, p.name), spack(DOC_HEAD, p.new_version, p.due) .. p.value)
	if run then
		runs.join_doc(run, p.doc, p.name)
	end
	if present == 0 then
		zadd(docs_key(p.doc), 0, p.user .. '\0' .. p.name)
	end
	if p.due ~= 0 then
		zadd('q:due', int(p.due), doc_entry(p.doc, p.user, p.name))
		meta.doc_next = math.min(meta.doc_next, p.due)
	else
		zrem('q:due', doc_entry(p.doc, p.user, p.name))
	end
	doc_changed(p.doc)
	log_packed(p.events)
	return REFUSAL.NONE
end

function doc_drop(kind, user, name)
	hdel(prefix_of(user) .. 'c', doc_field(kind, name))
	zrem(docs_key(kind), user .. '\0' .. name)
	zrem('q:due', doc_entry(kind, user, name))
	doc_changed(kind)
end

function move_doc_remove(p)
	local present = doc_get(p.doc, p.user, p.name)
	if present == 0 then
		return REFUSAL.NOT_FOUND
	end
	if p.version ~= -1 and p.version ~= present then
		return REFUSAL.VERSION
	end
	doc_drop(p.doc, p.user, p.name)
	log_packed(p.events)
	return REFUSAL.NONE
end

-- ---- gates by hand ---------------------------------------------------------------------------

local OP = { SET = 0, REMOVE = 1, PAUSE = 2, RESUME = 3, PIN = 4, UNPIN = 5, RESET_RATE = 6, RESET = 7 }

-- Messages that stood aside because their queue was paused go on where they were.
local function unpark(queue)
	local u = queue.user
	while true do
		local seq = call('ZRANGE', u.prefix .. 'p' .. queue.name, 0, 0)[1]
		if not seq then
			return
		end
		local m = message_get(u, seq)
		message_place(m, message_where(m, true))
	end
end

local function set_paused(g, paused)
	g.paused = paused
	if not paused and g.kind == 'q' then
		unpark(g)
	end
end

local function gate_remove(g)
	if g.kind == 'u' then
		g.parallelism = 0
	elseif g.kind == 'q' then
		g.parallelism = 1
		set_paused(g, false)
		g.removed = true
		zrem(names_key(g.user, 'q'), g.name)
	else
		g.paused, g.pinned_parallelism, g.pinned_rate = false, false, false
	end
end

-- The attempts that run now are no longer counted, and will not be when they end.
local function forgive_running(f)
	local u = f.user
	for _, seq in ipairs(leased_of(u)) do
		local m = message_get(u, seq)
		if m.flow_slot and m.flow == f then
			m.flow_slot = false
			overwrite(m.key, message_head(m))
		end
	end
	f.running = 0
end

local change = {
	[OP.SET] = function(g, p)
		if p.parallelism >= 0 then
			g.parallelism = p.parallelism
		end
		if p.paused >= 0 then
			set_paused(g, p.paused > 0)
		end
	end,
	[OP.REMOVE] = gate_remove,
	[OP.PAUSE] = function(g)
		set_paused(g, true)
	end,
	[OP.RESUME] = function(g)
		set_paused(g, false)
	end,
	[OP.PIN] = function(g, p)
		if p.parallelism >= 0 then
			g.pinned_parallelism = true
			g.parallelism = p.parallelism
		end
		if p.rate >= 0 then
			g.pinned_rate = true
			gate_set_rate(g, p.rate, p.period)
			gate_reset_rate(g)
		end
	end,
	[OP.UNPIN] = function(g, p)
		g.pinned_parallelism = g.pinned_parallelism and not p.unpin_parallelism
		g.pinned_rate = g.pinned_rate and not p.unpin_rate
	end,
	[OP.RESET_RATE] = gate_reset_rate,
	[OP.RESET] = function(g)
		if g.kind == 'f' then
			forgive_running(g)
		end
		gate_reset_rate(g)
	end,
}

function move_gate(p)
	local makes = p.create or p.op == OP.SET or p.op == OP.PIN
	local u = user_find(p.user)
	if not u and makes then
		u = user_make(p.user)
	end
	local g = u and gate_find(u, p.gate, p.name)
	if not gate_is_visible(g) then
		if not makes then
			if p.op ~= OP.REMOVE then
				return REFUSAL.NOT_FOUND
			end
			log_packed(p.events)
			return REFUSAL.NONE
		end
		if gate_is_full(u, p.gate, p.count_max) then
			return REFUSAL.LIMIT
		end
		g = gate_make(u, p.gate, p.name)
	end
	gate_touch(g)
	g.updated = now
	change[p.op](g, p)
	gate_refresh(g)
	log_packed(p.events)
	return REFUSAL.NONE
end

end
