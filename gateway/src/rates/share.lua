-- Takes from a bucket that all gateways share.
--
-- KEYS[1]   the bucket: when it will be full, in microseconds of this server's clock
-- ARGV[1]   the time in which what was taken comes back, in microseconds
-- ARGV[2]   the most that a bucket may owe, in microseconds
--
-- Returns in how many microseconds it will be full. A full bucket has no key.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + tonumber(ARGV[1])
full_at = math.min(full_at, now + tonumber(ARGV[2]))
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.max(1, math.ceil((full_at - now) / 1000)))
return full_at - now
