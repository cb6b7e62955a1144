-- Indexes of the hot queries. Not a migration: `projections migrate` builds whichever of these is missing, partition by
-- partition and CONCURRENTLY, so that adding one to this list never blocks the writers of a live system. One statement an
-- index, `CREATE INDEX name ON table …`. Changing an index means giving it a new name here, and dropping the old one in a migration.
--
-- A page of «newest first» is best asked for with both `(created_at, id) < ($1, $2)` and `created_at <= $1`: the first is the
-- cursor, the second lets Postgres leave out the months after it, which it does not see in the first.

-- Live and ended orders are asked for apart, with a limit each, and merged: of both together Postgres would begin with every month.

-- An account's orders, newest first: those that live, and those that ended.
CREATE INDEX orders_live_account ON orders_live (account_id, created_at DESC, id DESC);
CREATE INDEX orders_ended_account ON orders_ended (account_id, created_at DESC, id DESC);

-- An account's ended orders of one status, newest first: however many others it has, and however many of these others have.
CREATE INDEX orders_ended_status ON orders_ended (account_id, status, created_at DESC, id DESC);

-- An account's orders in one market, newest first. The market stands first: an index that begins with
-- the account would do as well for lists of all markets, and Postgres might take it for them.
-- Those that ended are asked for status by status, and merged.
CREATE INDEX orders_live_market ON orders_live (market_id, account_id, created_at DESC, id DESC);
CREATE INDEX orders_ended_market ON orders_ended (market_id, account_id, status, created_at DESC, id DESC);

-- Newest orders first.
CREATE INDEX orders_live_newest ON orders_live (created_at DESC, id DESC);
CREATE INDEX orders_ended_newest ON orders_ended (created_at DESC, id DESC);

-- A contract's live orders, by price. No status in it: an order that is filled in part changes in place.
CREATE INDEX orders_live_contract ON orders_live (market_id, contract, limit_price, created_at);

-- A contract's ended orders by status, limit price and time.
CREATE INDEX orders_ended_contract ON orders_ended (market_id, contract, status, limit_price, created_at);

-- The order that a command became: where to look after an answer that came too late.
CREATE INDEX orders_live_command ON orders_live (command_id);
CREATE INDEX orders_ended_command ON orders_ended (command_id);

-- The orders that a client's own name stands for: at most one a market.
CREATE INDEX orders_live_client ON orders_live (account_id, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX orders_ended_client ON orders_ended (account_id, client_id) WHERE client_id IS NOT NULL;

-- A market's trades, newest first.
CREATE INDEX trades_market ON trades (market_id, created_at DESC, id DESC);

-- An account's trades, newest first: the two are merged, since an account is maker here and taker there.
CREATE INDEX trades_maker ON trades (maker_account_id, created_at DESC, id DESC);
CREATE INDEX trades_taker ON trades (taker_account_id, created_at DESC, id DESC);

-- An account's trades in one market, newest first.
CREATE INDEX trades_maker_market ON trades (market_id, maker_account_id, created_at DESC, id DESC);
CREATE INDEX trades_taker_market ON trades (market_id, taker_account_id, created_at DESC, id DESC);

-- An order's trades, newest first.
CREATE INDEX trades_maker_order ON trades (maker_order_id, created_at DESC, id DESC);
CREATE INDEX trades_taker_order ON trades (taker_order_id, created_at DESC, id DESC);

-- Wallets with a positive balance: their purses that have something, account by account.
CREATE INDEX purses_with_credits ON purses (account_id) WHERE positive;

-- Open markets by expiry.
CREATE INDEX markets_open ON markets (expiry, id) WHERE state = 'OPEN';

-- Markets that have paid out, by ticker: those that are archived are listed from here.
CREATE INDEX markets_settled ON markets (ticker COLLATE "C") WHERE settled;
CREATE INDEX markets_settled_state ON markets (state, ticker COLLATE "C") WHERE settled;

-- Those of a category, a tag, a market event.
CREATE INDEX markets_category ON markets (category, ticker COLLATE "C");
CREATE INDEX markets_tags ON markets USING gin (tags);
CREATE INDEX markets_event ON markets (event_id, ticker COLLATE "C") WHERE event_id IS NOT NULL;

-- An account's positions.
CREATE INDEX positions_account ON positions (account_id, market_id);

-- An account's keys.
CREATE INDEX api_keys_account ON api_keys (account_id);

-- What an admin did, newest first.
CREATE INDEX admin_acts_admin ON admin_acts (admin, created_at DESC);

-- Deposits that wait for a second admin, the first to expire first.
CREATE INDEX deposit_proposals_open ON deposit_proposals (expires_at, id) WHERE status = 'OPEN';
