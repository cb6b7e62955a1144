-- What admins did, and deposits that need a second admin.
--
-- Two tables of their own: nothing that is there before changes, so the step is instant. Acts of admins are few, so neither is
-- partitioned, and nothing of them is ever deleted.
SET LOCAL lock_timeout = '5s';

-- Every act of an admin, once. `index` is the event's place in its outcome.
CREATE TABLE admin_acts (
    shard       SMALLINT    NOT NULL,
    sequence    BIGINT      NOT NULL,
    index       INTEGER     NOT NULL,
    command_id  UUID        NOT NULL,
    admin       BIGINT      NOT NULL,  -- who did it
    act         TEXT        NOT NULL CHECK (act IN ('DEPOSIT', 'DEPOSIT_PROPOSED', 'DEPOSIT_CONFIRMED', 'DEPOSIT_DROPPED',
        'WITHDRAWAL', 'ACCOUNT_FROZEN', 'ACCOUNT_UNFROZEN', 'ACCOUNT_LIMITED', 'MARKET_CREATED', 'MARKET_CHANGED',
        'MARKET_LIMITED')),
    account_id  BIGINT,                -- of what is about an account
    market_id   BIGINT,                -- of what is about a market
    proposal_id BIGINT,                -- of a proposed deposit, and of what became of it
    amount      BIGINT,                -- of what moves credits, or would
    created_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (shard, sequence, index),
    CHECK ((account_id IS NULL) <> (market_id IS NULL))
);

-- Deposits that needed a second admin. None is a credit before it is CONFIRMED; that moves it, in `ledger_entries`.
CREATE TABLE deposit_proposals (
    id          BIGINT      NOT NULL PRIMARY KEY,
    account_id  BIGINT      NOT NULL,
    amount      BIGINT      NOT NULL CHECK (amount > 0),
    client_id   UUID,
    proposed_by BIGINT      NOT NULL,  -- an admin
    status      TEXT        NOT NULL CHECK (status IN ('OPEN', 'CONFIRMED', 'DROPPED', 'EXPIRED')),
    ended_by    BIGINT,                -- the admin who confirmed or dropped it
    expires_at  TIMESTAMPTZ NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    shard       SMALLINT    NOT NULL,
    sequence    BIGINT      NOT NULL,
    CHECK ((ended_by IS NOT NULL) = (status IN ('CONFIRMED', 'DROPPED'))),
    CONSTRAINT deposit_proposals_second_admin_check CHECK (status <> 'CONFIRMED' OR ended_by <> proposed_by)
);
