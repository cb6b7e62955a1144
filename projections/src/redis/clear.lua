-- Deletes keys of a shard that is being rebuilt, if it still is being rebuilt by us.
--
-- KEYS[1]   the shard's progress; the other keys go
-- ARGV[1]   our mark
--
-- Returns 1, or the progress that was found instead (false if there is none).

local found = redis.call('GET', KEYS[1])
if found ~= ARGV[1] then
    return found
end
for i = 2, #KEYS do
    redis.call('UNLINK', KEYS[i])
end
return 1
