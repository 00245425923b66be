-- purge.lua - the end of a user, a piece at a time. A purge is the only move of its step.

local move_purge
do

local DOC_USER, DOC_KINDS = 2, 7

local function spend(p, bytes)
	p.room = p.room - 1 - floor(bytes / COSTLY_BYTES)
end

local function purge_docs(p)
	for kind = 1, DOC_KINDS do
		if kind ~= DOC_USER and p.room > 0 then
			local found = call('ZRANGEBYLEX', docs_key(kind), '[' .. p.user .. '\0', '(' .. p.user .. '\1',
				'LIMIT', 0, p.room)
			for i = 1, #found do
				doc_drop(kind, p.user, string.sub(found[i], #p.user + 2))
				p.room = p.room - 1
			end
		end
	end
end

local function purge_messages(p, u)
	local leased = leased_of(u)
	while p.room > 0 do
		local seq = table.remove(leased) or call('ZRANGE', u.prefix .. 'i', 0, 0)[1]
		if not seq then
			break
		end
		local m = message_look(u, seq)
		local bytes = record_bytes(m)
		-- A short one is part of its row.
		spend(p, bytes > 2048 and bytes or 0)
		message_end(m)
	end
	-- While their queues are there.
	free_slots()
end

local function purge_dead(p, u)
	while p.room > 0 do
		local id = call('ZRANGE', u.prefix .. 'd', 0, 0)[1]
		if not id then
			return
		end
		spend(p, dead_bytes(u.prefix, id))
		dead_remove(u.name, id)
	end
end

local function purge_dedup(p, u)
	while p.room > 0 do
		local found = call('HSCAN', u.prefix .. 'k', 0, 'COUNT', 100)[2]
		if #found == 0 then
			return
		end
		for i = 1, #found, 2 do
			if p.room > 0 then
				call('HDEL', u.prefix .. 'k', found[i])
				call('ZREM', 'q:dedup', entry_of('k', u.name, found[i]))
				p.room = p.room - 1
			end
		end
	end
end

local function purge_usage(p, u)
	if p.room <= 0 then
		return
	end
	local had_today = u.day >= 0 and is_used(u.used) and 1 or 0
	for _, d in ipairs(usage_days(u)) do
		if p.room > 0 then
			call('HDEL', u.prefix .. 'y', int(d.day))
			p.room = p.room - 1
		end
	end
	if p.room > 0 then
		gate_touch(u)
		call('HDEL', u.prefix .. 'y', int(u.day))
		call('ZREM', 'q:days', u.name)
		u.day, u.month, u.month_bytes, u.used = -1, -1, 0, { 0, 0, 0, 0, 0, 0, 0 }
		p.room = p.room - had_today
	end
end

local function purge_gates(p, u)
	-- Those of this turn may not be stored yet.
	gates_store()
	while p.room > 0 do
		local lanes = call('HSCAN', u.prefix .. 'g', 0, 'COUNT', 100)[2]
		if #lanes == 0 then
			return
		end
		for i = 1, #lanes, 2 do
			if p.room > 0 then
				gate_drop(gate_find(u, string.sub(lanes[i], 1, 1), string.sub(lanes[i], 2)))
				p.room = p.room - 1
			end
		end
	end
end

function move_purge(p)
	if p.version ~= 0 and p.version ~= doc_get(DOC_USER, p.user, p.user) then
		return REFUSAL.VERSION
	end
	p.room = p.max
	purge_docs(p)
	local u = user_find(p.user)
	if u then
		purge_messages(p, u)
		purge_dead(p, u)
		purge_dedup(p, u)
		purge_usage(p, u)
		p.room = runs.purge(u, p.room)
		purge_gates(p, u)
		if p.room > 0 then
			gate_drop(u)
		end
	end
	p.left = p.room <= 0
	return REFUSAL.NONE
end

end
