-- Where a shard's log shows that it is the one that the progress is of: the offset of the last outcome folded; 0 before
-- the first. (ADR 19.)
--
-- A row that was there keeps NULL, which no build reads: of which log it is, nobody can say any more. Fold into a new
-- database.
ALTER TABLE progress ADD COLUMN anchor BIGINT;
