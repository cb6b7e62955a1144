-- Deletes keys of a shard that is being rebuilt, if it still is being rebuilt by us.
--
-- KEYS[1]   the shard's progress
-- KEYS[2]   who moved it last; the other keys go
-- ARGV[1]   our mark
--
-- Returns 1; or the progress that was found instead and who moved it there (empty if there is none).

local found = redis.call('GET', KEYS[1])
if found ~= ARGV[1] then
    return { found or '', redis.call('GET', KEYS[2]) or '' }
end
for i = 3, #KEYS do
    redis.call('UNLINK', KEYS[i])
end
return 1
