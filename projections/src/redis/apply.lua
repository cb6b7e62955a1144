-- Applies one batch to one shard's keys: all of it, if the shard still is where the writer left it, or nothing.
--
-- KEYS[1]     the shard's progress
-- KEYS[2]     who moved it last; the other keys are those of the operations
-- ARGV[1]     the progress that the writer expects
-- ARGV[2]     the progress afterwards
-- ARGV[3]     the writer
-- ARGV[4…]    operations: a word, the number of a key, and what the word takes
--
-- Returns 1; or the progress that was found instead and who moved it there (empty if there is none).

local found = redis.call('GET', KEYS[1])
if found ~= ARGV[1] then
    return { found or '', redis.call('GET', KEYS[2]) or '' }
end

-- A script that fails halfway leaves what it did. Then the shard has no progress, and is rebuilt.
redis.call('DEL', KEYS[1])

local i, last = 4, #ARGV
while i <= last do
    local word, key = ARGV[i], KEYS[tonumber(ARGV[i + 1])]
    if word == 'set' then
        -- n, then n words: field, value, …
        local n = tonumber(ARGV[i + 2])
        redis.call('HSET', key, unpack(ARGV, i + 3, i + 2 + n))
        i = i + 3 + n
    elseif word == 'begin' then
        -- n, then n fields: all are 0, if there is no such key
        local n = tonumber(ARGV[i + 2])
        if redis.call('EXISTS', key) == 0 then
            for field = i + 3, i + 2 + n do
                redis.call('HSET', key, ARGV[field], 0)
            end
        end
        i = i + 3 + n
    elseif word == 'add' then
        -- field, difference
        redis.call('HINCRBY', key, ARGV[i + 2], ARGV[i + 3])
        i = i + 4
    elseif word == 'turn' then
        -- field, difference: as add, modulo 2^64, between -2^63 and 2^63 - 1
        local field, difference = ARGV[i + 2], ARGV[i + 3]
        local sum = redis.pcall('HINCRBY', key, field, difference)
        if type(sum) == 'table' then
            -- Beyond one end: half a turn back before the difference, and half behind it.
            local half = difference:sub(1, 1) == '-' and { '9223372036854775807', '1' } or { '-9223372036854775808' }
            for _, part in ipairs(half) do redis.call('HINCRBY', key, field, part) end
            redis.call('HINCRBY', key, field, difference)
            for _, part in ipairs(half) do redis.call('HINCRBY', key, field, part) end
        end
        i = i + 4
    elseif word == 'sum' then
        -- as add, but a field that becomes 0 goes
        if redis.call('HINCRBY', key, ARGV[i + 2], ARGV[i + 3]) == 0 then
            redis.call('HDEL', key, ARGV[i + 2])
        end
        i = i + 4
    elseif word == 'drop' then
        -- n, then n fields
        local n = tonumber(ARGV[i + 2])
        redis.call('HDEL', key, unpack(ARGV, i + 3, i + 2 + n))
        i = i + 3 + n
    elseif word == 'push' then
        -- index of the last item to keep, n, then n items, each before the one before it
        local n = tonumber(ARGV[i + 3])
        redis.call('LPUSH', key, unpack(ARGV, i + 4, i + 3 + n))
        redis.call('LTRIM', key, 0, ARGV[i + 2])
        i = i + 4 + n
    elseif word == 'forget' then
        -- a key that nothing is said of any more
        redis.call('DEL', key)
        i = i + 2
    elseif word == 'list' then
        -- number of a market's key, its id: into the set, scored by its expiry
        redis.call('ZADD', key, redis.call('HGET', KEYS[tonumber(ARGV[i + 2])], 'expiry'), ARGV[i + 3])
        i = i + 4
    elseif word == 'rescore' then
        -- as list, of a market that is in the set
        redis.call('ZADD', key, 'XX', redis.call('HGET', KEYS[tonumber(ARGV[i + 2])], 'expiry'), ARGV[i + 3])
        i = i + 4
    elseif word == 'unlist' then
        -- a market's id
        redis.call('ZREM', key, ARGV[i + 2])
        i = i + 3
    else
        error('unknown operation ' .. tostring(word))
    end
end

redis.call('MSET', KEYS[1], ARGV[2], KEYS[2], ARGV[3])
return 1
