-- Deletes keys of a shard that is being rebuilt, if the rebuild is still this process's.
--
-- KEYS[1]   the shard's progress
-- KEYS[2]   the id of the last writer; the other keys are deleted
-- ARGV[1]   the mark of this rebuild
--
-- Returns 1; or the progress found instead and the id of its writer (empty if there is none).

local found = redis.call('GET', KEYS[1])
if found ~= ARGV[1] then
    return { found or '', redis.call('GET', KEYS[2]) or '' }
end
for i = 3, #KEYS do
    redis.call('UNLINK', KEYS[i])
end
return 1
