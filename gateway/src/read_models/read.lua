-- Reads keys of one moment.
--
-- KEYS[n]   a key
-- ARGV[n]   how: `text`, or `hash` (all fields)
--
-- Returns what is there, in order.

local read = {}
for n, key in ipairs(KEYS) do
    if ARGV[n] == 'text' then
        read[n] = redis.call('GET', key)
    else
        read[n] = redis.call('HGETALL', key)
    end
end
return read
