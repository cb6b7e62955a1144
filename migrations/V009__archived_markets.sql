-- Markets that have left their shard's state.
--
-- One column without a default: nothing is written to the rows, so the step is instant.
SET LOCAL lock_timeout = '5s';

-- A week after everything was paid out. The row stays, and is all that is left of the market but its orders and trades: readers of
-- the present (Redis, the gateway's memory) have it no more.
ALTER TABLE markets
    ADD COLUMN archived_at TIMESTAMPTZ,
    ADD CONSTRAINT markets_archived_check CHECK (archived_at IS NULL OR settled) NOT VALID;
