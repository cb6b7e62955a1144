-- What a purse has ever sent to its account's other purses, and received from them, outgrows a BIGINT when large sums move often (docs/sums.md).
-- Only the differences mean anything, so both are counted modulo 2^64, as signed numbers.

SET LOCAL lock_timeout = '5s';

ALTER TABLE purses DROP CONSTRAINT purses_sent_check, DROP CONSTRAINT purses_received_check;

-- The number modulo 2^64, between -2^63 and 2^63 - 1.
CREATE FUNCTION modulo64(number NUMERIC) RETURNS BIGINT LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$
    SELECT (mod(mod(number + 9223372036854775808, 18446744073709551616) + 18446744073709551616, 18446744073709551616)
        - 9223372036854775808)::BIGINT
$$;

CREATE OR REPLACE VIEW wallets AS
    SELECT account_id, available, held, in_transit, available + held + in_transit AS total
    FROM (
        SELECT account_id, sum(available)::BIGINT AS available, sum(held)::BIGINT AS held,
            modulo64(sum(sent) - sum(received)) AS in_transit
        FROM purses GROUP BY account_id
    ) AS sums;
