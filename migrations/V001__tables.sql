-- What the events log says, as tables. Written by `projections run` alone; everybody else reads.
--
-- Units: money in micro-credits (BIGINT), prices in ticks of 1/10,000 credit, quantities in whole contracts, fee rates in
-- millionths, times from the outcome (never from this machine's clock). Names as in the `schemas` crate.
--
-- Every row carries (shard, sequence) of the last outcome that changed it.
--
-- No foreign keys, on purpose: shards are folded independently, so an order may be here before its account or its market.
-- No defaults, on purpose: a column that the writer forgets must fail, not be guessed.

-- How far each projection has folded each shard. The row moves in the transaction of the rows it speaks of.
CREATE TABLE progress (
    projection    TEXT        NOT NULL,
    shard         SMALLINT    NOT NULL,
    events_offset BIGINT      NOT NULL,  -- the next offset of PREFIX.events to read
    term          BIGINT,                -- NULL before the first
    sequence      BIGINT      NOT NULL,  -- of the last outcome folded; 0 before the first
    chain         BYTEA       NOT NULL CHECK (length(chain) = 16),
    next_command  BIGINT      NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,  -- this machine's clock, for operators only
    PRIMARY KEY (projection, shard)
);

CREATE TABLE accounts (
    id        BIGINT      NOT NULL PRIMARY KEY,
    opened_at TIMESTAMPTZ NOT NULL,
    shard     SMALLINT    NOT NULL,
    sequence  BIGINT      NOT NULL
);

CREATE TABLE api_keys (
    id         BIGINT      NOT NULL,
    account_id BIGINT      NOT NULL,
    hash       BYTEA       NOT NULL CHECK (length(hash) = 32),  -- SHA-256 of the secret, never the secret
    scopes     SMALLINT    NOT NULL,                            -- bits: 1 READ, 2 TRADE
    added_at   TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ,
    shard      SMALLINT    NOT NULL,
    sequence   BIGINT      NOT NULL,
    -- Only an account's own shard sees that a key's id is free, so the id alone is not promised to be unique.
    PRIMARY KEY (id, account_id)
);

-- An account has a purse on each shard where it trades, and on its home from its opening on.
CREATE TABLE purses (
    account_id  BIGINT   NOT NULL,
    shard       SMALLINT NOT NULL,
    available   BIGINT   NOT NULL CHECK (available >= 0),
    held        BIGINT   NOT NULL CHECK (held >= 0),
    live_orders BIGINT   NOT NULL CHECK (live_orders >= 0),
    sent        BIGINT   NOT NULL CHECK (sent >= 0),      -- to the account's other purses, since its beginning
    received    BIGINT   NOT NULL CHECK (received >= 0),  -- from them
    sequence    BIGINT   NOT NULL,
    PRIMARY KEY (account_id, shard)
);

-- What an account has on all shards together. Shards are folded independently, so credits that move while they are read may be seen in
-- both purses or in neither: `in_transit` is negative if they are received before they are seen to be sent. `total` is exact all the same.
CREATE VIEW wallets AS
    SELECT account_id, available, held, in_transit, available + held + in_transit AS total
    FROM (
        SELECT account_id, sum(available)::BIGINT AS available, sum(held)::BIGINT AS held,
            (sum(sent) - sum(received))::BIGINT AS in_transit
        FROM purses GROUP BY account_id
    ) AS sums;

CREATE TABLE markets (
    id            BIGINT      NOT NULL PRIMARY KEY,
    ticker        TEXT        NOT NULL UNIQUE,
    question      TEXT        NOT NULL,
    state         TEXT        NOT NULL CHECK (state IN ('CREATED', 'OPEN', 'PAUSED', 'CLOSED', 'RESOLVED', 'VOIDED')),
    expiry        TIMESTAMPTZ NOT NULL,  -- at most 9999-12-31
    tick          INTEGER     NOT NULL,  -- limit prices are a multiple of it
    maker_fee     INTEGER     NOT NULL,
    taker_fee     INTEGER     NOT NULL,
    yes_value     INTEGER,               -- ticks that a YES pays, once known
    settled       BOOLEAN     NOT NULL,  -- every position is paid out
    collateral    BIGINT      NOT NULL CHECK (collateral >= 0),
    fees          BIGINT      NOT NULL CHECK (fees >= 0),
    volume        BIGINT      NOT NULL,  -- contracts traded
    last_price    INTEGER,               -- of the last trade, in YES; NULL before the first
    last_trade_at TIMESTAMPTZ,
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    shard         SMALLINT    NOT NULL,
    sequence      BIGINT      NOT NULL
);

-- The two outcomes of each market.
CREATE TABLE contracts (
    market_id   BIGINT   NOT NULL,
    contract    TEXT     NOT NULL CHECK (contract IN ('YES', 'NO')),
    outstanding BIGINT   NOT NULL CHECK (outstanding >= 0),  -- in the world
    payout      INTEGER,                                     -- ticks that one pays, once known
    shard       SMALLINT NOT NULL,
    sequence    BIGINT   NOT NULL,
    PRIMARY KEY (market_id, contract)
);

CREATE TABLE positions (
    market_id    BIGINT   NOT NULL,
    account_id   BIGINT   NOT NULL,
    yes          BIGINT   NOT NULL CHECK (yes >= 0),
    no           BIGINT   NOT NULL CHECK (no >= 0),
    yes_reserved BIGINT   NOT NULL CHECK (yes_reserved BETWEEN 0 AND yes),  -- by resting sells
    no_reserved  BIGINT   NOT NULL CHECK (no_reserved BETWEEN 0 AND no),
    shard        SMALLINT NOT NULL,
    sequence     BIGINT   NOT NULL,
    PRIMARY KEY (market_id, account_id)
);

-- Each order is born once, on one shard, placed or refused. By month of birth; the key holds the month's column because
-- a partitioned table's key must, and because a later change then finds its partition without asking the others.
CREATE TABLE orders (
    id            BIGINT      NOT NULL,
    command_id    UUID        NOT NULL,
    account_id    BIGINT      NOT NULL,
    market_id     BIGINT      NOT NULL,
    contract      TEXT        NOT NULL CHECK (contract IN ('YES', 'NO')),
    side          TEXT        NOT NULL CHECK (side IN ('BUY', 'SELL')),
    type          TEXT        NOT NULL CHECK (type IN ('LIMIT', 'MARKET')),
    time_in_force TEXT        NOT NULL CHECK (time_in_force IN ('GTC', 'IOC')),
    limit_price   INTEGER,                -- in the contract's own terms; NULL exactly when there is a budget
    budget        BIGINT,                 -- of a market order that spends credits instead of naming a quantity
    quantity      INTEGER     NOT NULL,   -- as asked, or what the budget bought
    filled        INTEGER     NOT NULL CHECK (filled BETWEEN 0 AND quantity),
    notional      BIGINT      NOT NULL,   -- what the filled contracts cost or brought, before fees, in the contract's own prices
    fees          BIGINT      NOT NULL,   -- paid for them
    status        TEXT        NOT NULL
        CHECK (status IN ('ACTIVE', 'PARTIALLY_FILLED', 'FILLED', 'CANCELLED', 'EXPIRED', 'REJECTED')),
    reject_code   INTEGER     CHECK ((reject_code IS NOT NULL) = (status = 'REJECTED')),
    cancel_reason TEXT        CHECK (cancel_reason IN ('REQUESTED', 'MARKET_ENDED')),  -- only if it had rested
    fee_rate      INTEGER     NOT NULL,   -- the highest that the order accepts
    client_id     UUID,
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    shard         SMALLINT    NOT NULL,
    sequence      BIGINT      NOT NULL,
    PRIMARY KEY (id, created_at),
    CHECK ((limit_price IS NULL) = (budget IS NOT NULL))
) PARTITION BY RANGE (created_at);

CREATE TABLE trades (
    id               BIGINT      NOT NULL,
    market_id        BIGINT      NOT NULL,
    price            INTEGER     NOT NULL,  -- the maker's, in YES
    quantity         INTEGER     NOT NULL,
    kind             TEXT        NOT NULL CHECK (kind IN ('TRANSFER_YES', 'TRANSFER_NO', 'MINT', 'BURN')),
    maker_order_id   BIGINT      NOT NULL,
    maker_account_id BIGINT      NOT NULL,
    maker_entry      TEXT        NOT NULL CHECK (maker_entry IN ('BUY_YES', 'SELL_NO', 'SELL_YES', 'BUY_NO')),
    maker_fee        BIGINT      NOT NULL,
    taker_order_id   BIGINT      NOT NULL,
    taker_account_id BIGINT      NOT NULL,
    taker_entry      TEXT        NOT NULL CHECK (taker_entry IN ('BUY_YES', 'SELL_NO', 'SELL_YES', 'BUY_NO')),
    taker_fee        BIGINT      NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL,
    shard            SMALLINT    NOT NULL,
    sequence         BIGINT      NOT NULL,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);

-- Every change of every purse's credits: the sum of an account's entries of one shard is its purse there. `index` is the event's place in
-- its outcome.
CREATE TABLE ledger_entries (
    account_id BIGINT      NOT NULL,
    shard      SMALLINT    NOT NULL,
    sequence   BIGINT      NOT NULL,
    index      INTEGER     NOT NULL,
    kind       TEXT        NOT NULL
        CHECK (kind IN ('DEPOSIT', 'WITHDRAWAL', 'HOLD', 'TRADE', 'RELEASE', 'REDEMPTION', 'PAYOUT', 'PURSE_SENT', 'PURSE_RECEIVED')),
    available  BIGINT      NOT NULL,  -- change
    held       BIGINT      NOT NULL,  -- change
    order_id   BIGINT,
    market_id  BIGINT,
    client_id  UUID,                  -- of a deposit or withdrawal
    created_at TIMESTAMPTZ NOT NULL,
    -- Serves "an account's entries, newest first", of all its purses.
    PRIMARY KEY (account_id, created_at, shard, sequence, index)
) PARTITION BY RANGE (created_at);

-- Makes the partition of `parent` for the month (UTC) of `moment`, unless it is there. True if it did anything.
-- Built beside the table and then attached, because that does not lock readers or writers out. A month that was detached
-- and is needed again is attached again.
CREATE FUNCTION ensure_month(parent TEXT, moment TIMESTAMPTZ) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE
    first TIMESTAMP := date_trunc('month', moment AT TIME ZONE 'UTC');
    child TEXT := parent || to_char(first, '_YYYY_MM');
BEGIN
    -- The shards' writers may all want the same month at the same moment.
    PERFORM pg_advisory_xact_lock(hashtextextended('ensure_month ' || child, 0));
    IF EXISTS (SELECT FROM pg_inherits WHERE inhparent = parent::regclass AND inhrelid = to_regclass(child)) THEN
        RETURN FALSE;
    END IF;
    EXECUTE format('CREATE TABLE IF NOT EXISTS %I (LIKE %I INCLUDING CONSTRAINTS INCLUDING STORAGE)', child, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child,
        first AT TIME ZONE 'UTC', (first + INTERVAL '1 month') AT TIME ZONE 'UTC');
    RETURN TRUE;
END
$$;
