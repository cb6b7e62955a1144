//! Limits as columns: the log's «no limit» is the largest number, and NULL here.

use schemas::Credits;

/// Converts a limit on a count.
pub fn count(max: u32) -> Option<i64> {
    (max != u32::MAX).then_some(i64::from(max))
}

/// Converts a limit on contracts; more than the column can hold also means no limit.
pub fn contracts(max: u64) -> Option<i64> {
    i64::try_from(max).ok()
}

/// Converts a limit on credits.
pub fn credits(max: Credits) -> Option<i64> {
    (max.micros() != i64::MAX).then_some(max.micros())
}

#[cfg(test)]
mod tests {
    use schemas::{AccountLimits, MarketLimits};

    use super::*;

    #[test]
    fn no_limit_is_null() {
        let (account, market) = (AccountLimits::NONE, MarketLimits::NONE);
        assert_eq!((count(account.live_orders), credits(account.held)), (None, None));
        let all = (count(market.live_orders), credits(market.notional), contracts(market.position));
        assert_eq!(all, (None, None, None));
        assert_eq!((count(0), credits(Credits(7)), contracts(9)), (Some(0), Some(7), Some(9)));
    }
}
