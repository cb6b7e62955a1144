-- Purses and positions are updated in place: an update that changes no column of any index, and finds room in its page, touches no
-- index. The columns of an index's predicate count as columns of the index, so the predicate is a column that seldom changes.
--
-- Instant: a column with a constant default, and settings for pages that are written from now on.
SET LOCAL lock_timeout = '5s';

ALTER TABLE purses
    ADD COLUMN positive BOOLEAN NOT NULL DEFAULT TRUE,  -- it has something; TRUE also of rows that nothing changed since they were empty
    ADD CONSTRAINT purses_positive_check CHECK (positive OR available + held = 0) NOT VALID;

ALTER TABLE purses SET (fillfactor = 70);
ALTER TABLE positions SET (fillfactor = 70);
ALTER TABLE markets SET (fillfactor = 70);

-- `purses_with_credits` takes its place (indexes.sql).
DROP INDEX IF EXISTS purses_positive;
