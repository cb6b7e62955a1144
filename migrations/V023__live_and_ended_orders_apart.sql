-- Live and ended orders apart: `orders` is partitioned first by whether an order lives.
--
-- A live order that changes and goes on living is updated in place, since no index has a column that changes. One that ends moves into its
-- month, once. No change looks for its order among the months, and the indexes of live orders are small.
--
-- Not instant: every row is read, to see that it is where it belongs, and live orders are moved. Writers and readers of orders wait for so
-- long: stop the projections first. A month that was detached needs the column `live` before it is attached to `orders_ended` again.
SET LOCAL lock_timeout = '5s';

ALTER TABLE orders RENAME TO orders_ended;
ALTER TABLE orders_ended RENAME CONSTRAINT orders_pkey TO orders_ended_pkey;
ALTER TABLE orders_ended ADD COLUMN live BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE orders_ended ALTER COLUMN live DROP DEFAULT;

CREATE TABLE orders (LIKE orders_ended INCLUDING CONSTRAINTS) PARTITION BY LIST (live);
-- Room in each page for orders that change.
CREATE TABLE orders_live (LIKE orders_ended INCLUDING CONSTRAINTS, PRIMARY KEY (id)) WITH (fillfactor = 70);

WITH moved AS (DELETE FROM orders_ended WHERE status IN ('ACTIVE', 'PARTIALLY_FILLED') RETURNING *)
INSERT INTO orders_live SELECT * FROM moved;
UPDATE orders_live SET live = TRUE;

DO $$
DECLARE
    month TEXT;
BEGIN
    FOR month IN SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'orders_ended'::regclass LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO %I', month, replace(month, 'orders_', 'orders_ended_'));
    END LOOP;
END
$$;

ALTER TABLE orders_ended ADD CONSTRAINT orders_live_check CHECK (live = (status IN ('ACTIVE', 'PARTIALLY_FILLED')));
ALTER TABLE orders_live ADD CONSTRAINT orders_live_check CHECK (live = (status IN ('ACTIVE', 'PARTIALLY_FILLED')));
ALTER TABLE orders ADD CONSTRAINT orders_live_check CHECK (live = (status IN ('ACTIVE', 'PARTIALLY_FILLED')));
ALTER TABLE orders ATTACH PARTITION orders_live FOR VALUES IN (TRUE);
ALTER TABLE orders ATTACH PARTITION orders_ended FOR VALUES IN (FALSE);

-- The months keep their indexes; those of live orders are made anew on their own table (indexes.sql).
ALTER INDEX IF EXISTS orders_account RENAME TO orders_ended_account;
ALTER INDEX IF EXISTS orders_newest RENAME TO orders_ended_newest;
ALTER INDEX IF EXISTS orders_contract_status RENAME TO orders_ended_contract;
ALTER INDEX IF EXISTS orders_command RENAME TO orders_ended_command;
ALTER INDEX IF EXISTS orders_client RENAME TO orders_ended_client;
DROP INDEX IF EXISTS orders_account_live, orders_contract_live;
