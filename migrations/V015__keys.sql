-- What keys are: an expiry, a name, the markets and the largest order that they are bound to, Ed25519 keys, and who asked.
--
-- Columns with constant defaults: nothing is written to the rows that are there, so the step is instant. The defaults serve writers of
-- the version before, which end at their next connection.
SET LOCAL lock_timeout = '5s';

-- `hash` is the SHA-256 of a secret, or an Ed25519 public key. Scopes: bits 1 READ, 2 TRADE, 4 CANCEL, 8 TRANSFER.
-- `revoked_at` is when the key became worthless: it was revoked, or its time had come.
ALTER TABLE api_keys
    ADD COLUMN ed25519    BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN expires_at TIMESTAMPTZ,
    ADD COLUMN name       TEXT,
    ADD COLUMN markets    BIGINT[],
    ADD COLUMN notional   BIGINT,
    ADD COLUMN added_by   BIGINT,   -- the account's key that asked; NULL: the exchange
    ADD COLUMN revoked_by BIGINT;
