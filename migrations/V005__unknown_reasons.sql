-- A reason that a later build wrote to the log, and this one does not know, is kept with its number: `UNKNOWN_77`. Who knows the
-- number reads the row as if it had the name.
--
-- Instant, as V003 is; the next migration checks.
SET LOCAL lock_timeout = '5s';

ALTER TABLE orders DROP CONSTRAINT orders_cancel_reason_check;
ALTER TABLE orders
    ADD CONSTRAINT orders_cancel_reason_check CHECK (cancel_reason IN ('REQUESTED', 'MARKET_ENDED', 'EXPIRED', 'SELF_TRADE',
        'MARKET_PAUSED', 'MASS_CANCEL', 'DEAD_MAN_SWITCH', 'TIME_IN_FORCE', 'MATCH_LIMIT')
        OR cancel_reason ~ '^UNKNOWN_[0-9]+$') NOT VALID;

ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_kind_check;
ALTER TABLE ledger_entries
    ADD CONSTRAINT ledger_entries_kind_check CHECK (kind IN ('DEPOSIT', 'WITHDRAWAL', 'HOLD', 'TRADE', 'RELEASE', 'REDEMPTION',
        'PAYOUT', 'PURSE_SENT', 'PURSE_RECEIVED', 'TRANSFER_SENT', 'TRANSFER_RECEIVED', 'TRANSFER_RETURNED')
        OR kind ~ '^UNKNOWN_[0-9]+$') NOT VALID;
