-- Candles: prices and volume of each market by minute, five minutes, hour and day (UTC).
--
-- Not instant: every trade is read once, so that candles of the past are as a rebuild would write them. Writers of trades wait for so long:
-- stop the projections first.
SET LOCAL lock_timeout = '5s';

-- A row for each bucket with a trade, so at most four rows a trade; a bucket without trades has none. Not partitioned: a market's candles
-- stand together in the primary key, which is the only index, and a page of them is one range of it.
CREATE TABLE candles (
    market_id  BIGINT      NOT NULL,
    interval_s INTEGER     NOT NULL CHECK (interval_s IN (60, 300, 3600, 86400)),  -- seconds
    start_at   TIMESTAMPTZ NOT NULL,  -- a multiple of the interval since 1970
    open       INTEGER     NOT NULL CHECK (open BETWEEN low AND high),             -- of the first trade, in YES
    high       INTEGER     NOT NULL,
    low        INTEGER     NOT NULL,
    close      INTEGER     NOT NULL CHECK (close BETWEEN low AND high),            -- of the last
    volume     BIGINT      NOT NULL CHECK (volume > 0),                            -- contracts
    trades     BIGINT      NOT NULL CHECK (trades > 0),
    shard      SMALLINT    NOT NULL,
    sequence   BIGINT      NOT NULL,  -- of the last trade
    PRIMARY KEY (market_id, interval_s, start_at)
) WITH (fillfactor = 80);  -- room in each page for the newest candles, which change

LOCK TABLE trades IN SHARE MODE;
INSERT INTO candles
SELECT market_id, interval_s, start_at, (array_agg(price ORDER BY sequence, id))[1], max(price), min(price),
    (array_agg(price ORDER BY sequence DESC, id DESC))[1], sum(quantity), count(*), min(shard), max(sequence)
FROM (
    SELECT trades.*, interval_s, date_bin(make_interval(secs => interval_s), created_at, TIMESTAMPTZ '1970-01-01Z') AS start_at
    FROM trades, unnest(ARRAY[60, 300, 3600, 86400]) AS interval_s
) AS binned
GROUP BY market_id, interval_s, start_at;
