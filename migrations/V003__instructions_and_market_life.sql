-- What orders ask for besides their terms, how a market comes to its answer, what accounts may have, transfers.
--
-- Every step is instant, whatever the tables' size: a column with a constant default is not written to the rows, and a
-- constraint that is NOT VALID is not checked against them. (The next migration checks, without locking anybody out.)
-- Should a reader hold a table for long, this gives up rather than let the writers queue behind it; run it again.
--
-- The defaults are what rows of before mean. They go at once: a column that the writer forgets must fail, not be guessed. So
-- writers of the version before stop here. They could not read this version's log either.
--
-- A month that was detached needs the same columns and constraints before it is attached again.
SET LOCAL lock_timeout = '5s';

-- `limit_price` is where an order rests, in the contract's own terms: as asked, or where a post-only order went instead, or as
-- amended. `quantity` is what it is for now: amended, or less what meeting its own account's orders took off. `cancel_reason` is
-- there for every CANCELLED and EXPIRED order.
ALTER TABLE orders
    ADD COLUMN expires_at      TIMESTAMPTZ,                             -- of GTD alone; at most 9999-12-31
    ADD COLUMN post_only       TEXT    NOT NULL DEFAULT 'OFF',
    ADD COLUMN self_trade      TEXT    NOT NULL DEFAULT 'ALLOW',
    ADD COLUMN cancel_on_pause BOOLEAN NOT NULL DEFAULT FALSE,
    DROP CONSTRAINT orders_time_in_force_check,
    DROP CONSTRAINT orders_cancel_reason_check;
ALTER TABLE orders
    ALTER COLUMN post_only       DROP DEFAULT,
    ALTER COLUMN self_trade      DROP DEFAULT,
    ALTER COLUMN cancel_on_pause DROP DEFAULT,
    ADD CONSTRAINT orders_time_in_force_check CHECK (time_in_force IN ('GTC', 'GTD', 'IOC', 'FOK')) NOT VALID,
    ADD CONSTRAINT orders_expires_at_check CHECK ((expires_at IS NOT NULL) = (time_in_force = 'GTD')) NOT VALID,
    ADD CONSTRAINT orders_post_only_check CHECK (post_only IN ('OFF', 'REJECT', 'REPRICE')) NOT VALID,
    ADD CONSTRAINT orders_self_trade_check
        CHECK (self_trade IN ('ALLOW', 'CANCEL_NEWEST', 'CANCEL_OLDEST', 'CANCEL_BOTH', 'DECREMENT')) NOT VALID,
    ADD CONSTRAINT orders_cancel_reason_check CHECK (cancel_reason IN ('REQUESTED', 'MARKET_ENDED', 'EXPIRED', 'SELF_TRADE',
        'MARKET_PAUSED', 'MASS_CANCEL', 'DEAD_MAN_SWITCH', 'TIME_IN_FORCE', 'MATCH_LIMIT')) NOT VALID;

-- The answer is there from its proposal on, and is final once the state is RESOLVED or VOIDED. NULL in a limit: none.
ALTER TABLE markets
    ADD COLUMN answer            TEXT,         -- `yes_value` says which; of VOID that is 5,000
    ADD COLUMN proposed_by       BIGINT,       -- an admin
    ADD COLUMN confirmed_by      BIGINT,       -- another one; NULL until then
    ADD COLUMN payout_at         TIMESTAMPTZ,  -- the end of the dispute window; NULL until it is confirmed
    ADD COLUMN dispute_window_ms BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN live_orders_max   BIGINT,       -- of one account
    ADD COLUMN notional_max      BIGINT,       -- what its live orders are worth
    ADD COLUMN position_max      BIGINT,       -- contracts of one kind, held and wanted
    DROP CONSTRAINT markets_state_check;
ALTER TABLE markets
    ALTER COLUMN dispute_window_ms DROP DEFAULT,
    ADD CONSTRAINT markets_state_check CHECK (state IN
        ('CREATED', 'OPEN', 'PAUSED', 'CLOSED', 'RESOLVED', 'VOIDED', 'CANCEL_ONLY', 'RESOLVING')) NOT VALID,
    ADD CONSTRAINT markets_answer_check CHECK (answer IN ('VALUE', 'VOID')) NOT VALID,
    ADD CONSTRAINT markets_proposed_check CHECK ((answer IS NOT NULL) = (proposed_by IS NOT NULL)) NOT VALID,
    ADD CONSTRAINT markets_confirmed_check CHECK ((confirmed_by IS NOT NULL) = (payout_at IS NOT NULL)) NOT VALID,
    ADD CONSTRAINT markets_second_admin_check CHECK (confirmed_by <> proposed_by) NOT VALID;

-- NULL in a limit: none.
ALTER TABLE accounts
    ADD COLUMN frozen          BOOLEAN NOT NULL DEFAULT FALSE,  -- it can only cancel and reduce
    ADD COLUMN live_orders_max BIGINT,
    ADD COLUMN held_max        BIGINT,
    ADD COLUMN dead_man_due    TIMESTAMPTZ;                     -- when its dead-man switch fires; NULL: it is off
ALTER TABLE accounts ALTER COLUMN frozen DROP DEFAULT;

ALTER TABLE ledger_entries
    ADD COLUMN other_account_id BIGINT,  -- of a transfer: who gets, or who gave
    DROP CONSTRAINT ledger_entries_kind_check;
ALTER TABLE ledger_entries
    ADD CONSTRAINT ledger_entries_kind_check CHECK (kind IN ('DEPOSIT', 'WITHDRAWAL', 'HOLD', 'TRADE', 'RELEASE', 'REDEMPTION',
        'PAYOUT', 'PURSE_SENT', 'PURSE_RECEIVED', 'TRANSFER_SENT', 'TRANSFER_RECEIVED', 'TRANSFER_RETURNED')) NOT VALID;
