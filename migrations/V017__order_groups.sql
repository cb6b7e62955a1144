-- Groups of orders: which group an order names, and what each account's groups are.
--
-- Instant, as V011 and V013 are, and for the same reasons: a column that may be NULL, a table of its own, constraints that are checked
-- against the rows that were there by the migration after this one.
SET LOCAL lock_timeout = '5s';

-- `cancel_reason` is GROUP of an order that ended because its group was triggered or deleted.
ALTER TABLE orders
    ADD COLUMN group_id INTEGER,  -- of its account's groups; NULL: it is in none. The group's row may be gone.
    ADD CONSTRAINT orders_group_id_check CHECK (group_id BETWEEN 1 AND 65535) NOT VALID,
    DROP CONSTRAINT orders_cancel_reason_check,
    ADD CONSTRAINT orders_cancel_reason_check CHECK (cancel_reason IN ('REQUESTED', 'MARKET_ENDED', 'EXPIRED', 'SELF_TRADE',
        'MARKET_PAUSED', 'MASS_CANCEL', 'DEAD_MAN_SWITCH', 'TIME_IN_FORCE', 'MATCH_LIMIT', 'REDUCE_ONLY', 'GROUP')
        OR cancel_reason ~ '^UNKNOWN_[0-9]+$') NOT VALID;

-- An account's groups of orders, as its home says; a group that was deleted has no row. What has filled in a group's window is in no
-- row, since it becomes less by itself: the gateway tells it.
CREATE TABLE order_groups (
    account_id    BIGINT      NOT NULL,
    group_id      INTEGER     NOT NULL CHECK (group_id BETWEEN 1 AND 65535),  -- chosen by the client
    contracts     INTEGER     NOT NULL CHECK (contracts > 0),                 -- that lead to a trigger when they fill in the window
    window_s      SMALLINT    NOT NULL CHECK (window_s BETWEEN 1 AND 60),     -- seconds
    generation    BIGINT      NOT NULL CHECK (generation > 0),                -- which making or reset of a group of the account it comes from
    triggered_at  TIMESTAMPTZ,           -- first of this generation; NULL: it takes orders
    trigger_cause TEXT CHECK (trigger_cause IN ('FILLED', 'REQUESTED', 'ELSEWHERE')),
    set_at        TIMESTAMPTZ NOT NULL,  -- when it was made or reset
    updated_at    TIMESTAMPTZ NOT NULL,
    shard         SMALLINT    NOT NULL,
    sequence      BIGINT      NOT NULL,
    PRIMARY KEY (account_id, group_id),
    CONSTRAINT order_groups_triggered_check CHECK ((triggered_at IS NULL) = (trigger_cause IS NULL))
);
