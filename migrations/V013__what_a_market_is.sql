-- What a market is: rules, sources, category, tags, opening time, the market event that it belongs to; and what was added to it.
--
-- Columns with constant defaults and tables of their own: nothing is written to the rows that are there, so the step is instant. The
-- defaults serve writers of the version before, which end at their next connection.
SET LOCAL lock_timeout = '5s';

ALTER TABLE markets
    ADD COLUMN rules     TEXT   NOT NULL DEFAULT 'None were given.',
    ADD COLUMN sources   TEXT[] NOT NULL DEFAULT '{}',
    ADD COLUMN category  TEXT   NOT NULL DEFAULT 'other',
    ADD COLUMN tags      TEXT[] NOT NULL DEFAULT '{}',
    ADD COLUMN opens_at  TIMESTAMPTZ,  -- by itself, unless an admin has opened it before
    ADD COLUMN event_id  BIGINT;       -- of market_events; its row may come later, from another shard

-- What admins added to a market's rules. The rules themselves stay as they are once the market has traded.
CREATE TABLE market_clarifications (
    market_id  BIGINT      NOT NULL,
    sequence   BIGINT      NOT NULL,
    text       TEXT        NOT NULL,
    admin      BIGINT      NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    shard      SMALLINT    NOT NULL,
    PRIMARY KEY (market_id, sequence)
);

-- Named groups of markets, told by the event's own home.
CREATE TABLE market_events (
    id            BIGINT      NOT NULL PRIMARY KEY,
    name          TEXT        NOT NULL UNIQUE,
    title         TEXT        NOT NULL,
    exclusive     BOOLEAN     NOT NULL,  -- at most one of its markets is answered YES
    yes_market_id BIGINT,                -- the one that holds it: its answer is YES, or is proposed to be
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    shard         SMALLINT    NOT NULL,
    sequence      BIGINT      NOT NULL,
    CONSTRAINT market_events_yes_check CHECK (exclusive OR yes_market_id IS NULL)
);

ALTER TABLE admin_acts
    ADD COLUMN market_event_id BIGINT,  -- of what is about a market event
    DROP CONSTRAINT admin_acts_act_check,
    DROP CONSTRAINT admin_acts_check,
    ADD CONSTRAINT admin_acts_act_check CHECK (act IN ('DEPOSIT', 'DEPOSIT_PROPOSED', 'DEPOSIT_CONFIRMED', 'DEPOSIT_DROPPED',
        'WITHDRAWAL', 'ACCOUNT_FROZEN', 'ACCOUNT_UNFROZEN', 'ACCOUNT_LIMITED', 'MARKET_CREATED', 'MARKET_CHANGED',
        'MARKET_LIMITED', 'MARKET_EVENT_CREATED', 'MARKET_EDITED', 'MARKET_ADDED_TO')) NOT VALID,
    ADD CONSTRAINT admin_acts_about_check CHECK (num_nonnulls(account_id, market_id, market_event_id) = 1) NOT VALID;
