-- Who is an admin, and what admins did about admins.
--
-- Instant, as V013 and V017 are: a table of its own, a column that may be NULL, constraints that the migration after this one checks
-- against the rows that were there.
SET LOCAL lock_timeout = '5s';

-- Admins of the exchange, as the first shard says. One that was revoked keeps its row, until it is set again.
CREATE TABLE admins (
    id         BIGINT      NOT NULL PRIMARY KEY,
    hash       BYTEA       NOT NULL CHECK (octet_length(hash) = 32),  -- the SHA-256 of its key, or an Ed25519 public key
    ed25519    BOOLEAN     NOT NULL,
    roles      SMALLINT    NOT NULL,  -- bits: 1 MARKETS, 2 MONEY, 4 AUDITOR, 8 ADMINS
    expires_at TIMESTAMPTZ,           -- NULL: never
    name       TEXT,
    set_by     BIGINT      NOT NULL,  -- the admin who asked
    set_at     TIMESTAMPTZ NOT NULL,
    revoked_by BIGINT,
    revoked_at TIMESTAMPTZ,
    shard      SMALLINT    NOT NULL,
    sequence   BIGINT      NOT NULL,
    CONSTRAINT admins_revoked_check CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);

ALTER TABLE admin_acts
    ADD COLUMN other_admin BIGINT,    -- of what is about an admin
    ADD COLUMN roles       SMALLINT,  -- that it gives: as in `admins`
    DROP CONSTRAINT admin_acts_act_check,
    DROP CONSTRAINT admin_acts_about_check,
    ADD CONSTRAINT admin_acts_act_check CHECK (act IN ('DEPOSIT', 'DEPOSIT_PROPOSED', 'DEPOSIT_CONFIRMED', 'DEPOSIT_DROPPED',
        'WITHDRAWAL', 'ACCOUNT_FROZEN', 'ACCOUNT_UNFROZEN', 'ACCOUNT_LIMITED', 'MARKET_CREATED', 'MARKET_CHANGED',
        'MARKET_LIMITED', 'MARKET_EVENT_CREATED', 'MARKET_EDITED', 'MARKET_ADDED_TO', 'ADMIN_SET', 'ADMIN_REVOKED')) NOT VALID,
    ADD CONSTRAINT admin_acts_about_check CHECK (num_nonnulls(account_id, market_id, market_event_id, other_admin) = 1) NOT VALID;
