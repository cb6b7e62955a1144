-- Who moved a position last: the process's id, a UUID v7, so that ids sort by age. When two writers meet, the younger stops.
-- NULL: moved by a version that did not say.
ALTER TABLE progress ADD COLUMN writer UUID;
