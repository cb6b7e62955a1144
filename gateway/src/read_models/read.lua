-- Reads keys of one moment.
--
-- KEYS[n]   a key
-- ARGV[n]   how: `text`, `hash` (all fields), or of a list so many of the first entries
--
-- Returns what is there, in order.

local read = {}
for n, key in ipairs(KEYS) do
    local how = ARGV[n]
    if how == 'text' then
        read[n] = redis.call('GET', key)
    elseif how == 'hash' then
        read[n] = redis.call('HGETALL', key)
    else
        read[n] = redis.call('LRANGE', key, 0, how - 1)
    end
end
return read
