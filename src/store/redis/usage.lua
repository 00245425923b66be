-- usage.lua - what users have used on each day (UTC).
--
-- The day that is being counted stands in the user's gate with the bytes of its month; the days before it in a hash.
-- A directory knows each user's oldest day, so that old ones go.

local USED = { MESSAGES = 1, BYTES = 2, DELIVERED = 3, RETRIED = 4, ERRORS = 5, FAILED = 6, CANCELLED = 7 }
local is_used, usage_days, usage_today, usage_add, usage_forget
do

local function today()
	return floor(now / DAY_MS)
end

-- Of a day since 1970-01-01: months since March of the year 0.
local function month_of(day)
	local z = day + 719468
	local era = floor(z / 146097)
	local doe = z - era * 146097
	local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
	local doy = doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))
	return (yoe + era * 400) * 12 + floor((5 * doy + 2) / 153)
end

function is_used(used)
	for i = 1, #used do
		if used[i] ~= 0 then
			return true
		end
	end
	return false
end

-- All days but the one in the gate, as number and counts.
function usage_days(u)
	local all = call('HGETALL', u.prefix .. 'y')
	local days = {}
	for i = 1, #all, 2 do
		local day = tonumber(all[i])
		if day ~= u.day then
			days[#days + 1] = { day = day, used = munpack(all[i + 1]) }
		end
	end
	return days
end

local function month_sum(u)
	local sum = u.used[USED.BYTES]
	for _, d in ipairs(usage_days(u)) do
		if month_of(d.day) == u.month then
			sum = sum + d.used[USED.BYTES]
		end
	end
	return sum
end

-- Today's counts, to be changed after gate_touch.
function usage_today(u)
	local day = today()
	if u.day == day then
		return u.used
	end
	gate_touch(u)
	if u.day >= 0 and is_used(u.used) then
		hset(u.prefix .. 'y', int(u.day), mpack(u.used))
	end
	local stored = call('HGET', u.prefix .. 'y', int(day))
	u.used = stored and munpack(stored) or { 0, 0, 0, 0, 0, 0, 0 }
	u.day = day
	if u.month ~= month_of(day) then
		u.month = month_of(day)
		u.month_bytes = month_sum(u)
	end
	local oldest = call('ZSCORE', 'q:days', u.name)
	if not oldest or tonumber(oldest) > day then
		zadd('q:days', int(day), u.name)
	end
	return u.used
end

function usage_add(u, what, n)
	local used = usage_today(u)
	gate_touch(u)
	used[what] = used[what] + n
	if what == USED.BYTES then
		u.month_bytes = u.month_bytes + n
	end
end

-- Days that are too old, of a few users.
function usage_forget()
	local kept_from = today() - USAGE_DAYS_KEPT + 1
	local due = call('ZRANGEBYSCORE', 'q:days', '-inf', '(' .. int(kept_from), 'LIMIT', 0, HOUSEKEEPING_ROWS)
	for i = 1, #due do
		local u = user_find(due[i])
		local oldest = HUGE
		if u then
			if u.day < kept_from then
				gate_touch(u)
				u.day, u.month, u.month_bytes, u.used = -1, -1, 0, { 0, 0, 0, 0, 0, 0, 0 }
			else
				oldest = u.day
			end
			for _, d in ipairs(usage_days(u)) do
				if d.day < kept_from then
					call('HDEL', u.prefix .. 'y', int(d.day))
				else
					oldest = math.min(oldest, d.day)
				end
			end
		end
		if oldest == HUGE then
			call('ZREM', 'q:days', due[i])
		else
			call('ZADD', 'q:days', int(oldest), due[i])
		end
	end
	if #due < HOUSEKEEPING_ROWS then
		meta.days_next = now + HOUSEKEEPING_MS
	end
end

end
