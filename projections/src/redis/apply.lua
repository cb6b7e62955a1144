-- Applies one batch to one shard's keys: all of it if the shard's progress is the expected one,
-- else nothing.
--
-- KEYS[1]     the shard's progress
-- KEYS[2]     the id of the last writer; the other keys are those of the operations
-- ARGV[1]     the progress that the writer expects
-- ARGV[2]     the progress afterwards
-- ARGV[3]     the writer's id
-- ARGV[4…]    operations: a word, the number of a key, and the word's arguments
--
-- Returns 1; or the progress found instead and the id of its writer (empty if there is none).

local call, byte, sub, format, match = redis.call, string.byte, string.sub, string.format, string.match

-- A script that fails halfway keeps its effects. The shard then has no progress, and is rebuilt.
local found = call('GETDEL', KEYS[1])
if found ~= ARGV[1] then
    if found then call('SET', KEYS[1], found) end
    return { found or '', call('GET', KEYS[2]) or '' }
end

-- Adds like HINCRBY, but modulo 2^64, between -2^63 and 2^63 - 1.
local function turn(key, field, difference)
    if type(redis.pcall('HINCRBY', key, field, difference)) == 'table' then
        -- Near an end of the range: adds half a turn before the difference, and half after it.
        local half = byte(difference) == 45 and { '9223372036854775807', '1' } or { '-9223372036854775808' }
        for _, part in ipairs(half) do call('HINCRBY', key, field, part) end
        call('HINCRBY', key, field, difference)
        for _, part in ipairs(half) do call('HINCRBY', key, field, part) end
    end
end

-- Returns one number of a live order: unchanged, set (`=N`), or with a difference added. All are
-- far below 2^53, up to which Lua counts exactly; HINCRBY adds all other numbers.
local function part(now, change)
    if change == '' then return now end
    if byte(change) == 61 then return sub(change, 2) end
    return format('%.0f', now + change)
end

-- Returns a live order, `PRICE:QUANTITY:FILLED:NOTIONAL:FEES:` and its immutable part, with changes
-- of these five.
local function patched(now, changes)
    local price, quantity, filled, notional, fees, rest = match(now or '', '^(%d+):(%d+):(%d+):(%d+):(%d+)(:.*)$')
    if not price then error('no live order where one changes') end
    local p, q, f, n, e = match(changes, '^(.*):(.*):(.*):(.*):(.*)$')
    return table.concat({ part(price, p), part(quantity, q), part(filled, f), part(notional, n), part(fees, e) }, ':') .. rest
end

local i, last = 4, #ARGV
while i <= last do
    local word, key = ARGV[i], KEYS[tonumber(ARGV[i + 1])]
    if word == 'set' then
        -- n, then n words: field, value, …
        local n = tonumber(ARGV[i + 2])
        call('HSET', key, unpack(ARGV, i + 3, i + 2 + n))
        i = i + 3 + n
    elseif word == 'purse' then
        -- sequence: the first call creates all fields
        if call('HSET', key, 'sequence', ARGV[i + 2]) == 1 then
            call('HSET', key, 'available', '0', 'held', '0', 'live_orders', '0', 'sent', '0', 'received', '0')
        end
        i = i + 3
    elseif word == 'add' then
        -- field, difference
        call('HINCRBY', key, ARGV[i + 2], ARGV[i + 3])
        i = i + 4
    elseif word == 'turn' then
        -- field, difference: as add, modulo 2^64
        turn(key, ARGV[i + 2], ARGV[i + 3])
        i = i + 4
    elseif word == 'sum' then
        -- n, then n words: field, difference, …: as add, but deletes fields that become 0, and the
        -- key with its last field
        local n = tonumber(ARGV[i + 2])
        local empty
        for at = i + 3, i + 2 + n, 2 do
            if call('HINCRBY', key, ARGV[at], ARGV[at + 1]) == 0 then
                empty = empty or {}
                empty[#empty + 1] = ARGV[at]
            end
        end
        if empty then call('HDEL', key, unpack(empty)) end
        i = i + 3 + n
    elseif word == 'drop' then
        -- n, then n fields
        local n = tonumber(ARGV[i + 2])
        call('HDEL', key, unpack(ARGV, i + 3, i + 2 + n))
        i = i + 3 + n
    elseif word == 'patch' then
        -- a live order's field, its changes
        call('HSET', key, ARGV[i + 2], patched(call('HGET', key, ARGV[i + 2]), ARGV[i + 3]))
        i = i + 4
    elseif word == 'push' then
        -- items to keep, n, then n items, each before the one before it
        local keep, n = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
        if call('LPUSH', key, unpack(ARGV, i + 4, i + 3 + n)) > keep then call('LTRIM', key, 0, keep - 1) end
        i = i + 4 + n
    elseif word == 'forget' then
        -- deletes a key that no later operation mentions
        call('DEL', key)
        i = i + 2
    elseif word == 'list' then
        -- number of a market's key, its id: adds it to the set, scored by its expiry
        call('ZADD', key, call('HGET', KEYS[tonumber(ARGV[i + 2])], 'expiry'), ARGV[i + 3])
        i = i + 4
    elseif word == 'rescore' then
        -- as list, only for a market that is in the set
        call('ZADD', key, 'XX', call('HGET', KEYS[tonumber(ARGV[i + 2])], 'expiry'), ARGV[i + 3])
        i = i + 4
    elseif word == 'unlist' then
        -- a market's id
        call('ZREM', key, ARGV[i + 2])
        i = i + 3
    else
        error('unknown operation ' .. tostring(word))
    end
end

call('MSET', KEYS[1], ARGV[2], KEYS[2], ARGV[3])
return 1
