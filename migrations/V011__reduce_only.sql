-- Orders that only reduce their account's position.
--
-- `cancel_reason` is REDUCE_ONLY also of an order that lives or is filled, if a part of what was asked for was taken off since it only reduces.
--
-- Instant, as V003 is, and for the same reason the default goes at once. The constraint is not checked against the rows that were
-- there: they passed a narrower one.
SET LOCAL lock_timeout = '5s';

ALTER TABLE orders
    ADD COLUMN reduce_only BOOLEAN NOT NULL DEFAULT FALSE,
    DROP CONSTRAINT orders_cancel_reason_check;
ALTER TABLE orders
    ALTER COLUMN reduce_only DROP DEFAULT,
    ADD CONSTRAINT orders_cancel_reason_check CHECK (cancel_reason IN ('REQUESTED', 'MARKET_ENDED', 'EXPIRED', 'SELF_TRADE',
        'MARKET_PAUSED', 'MASS_CANCEL', 'DEAD_MAN_SWITCH', 'TIME_IN_FORCE', 'MATCH_LIMIT', 'REDUCE_ONLY')
        OR cancel_reason ~ '^UNKNOWN_[0-9]+$') NOT VALID;
