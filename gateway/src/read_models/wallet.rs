//! An account in Redis: its purses, one on each shard where it trades, and its restrictions. Pure.

use schemas::read_models::redis_keys::{account, purse};
use schemas::{AccountLimits, Credits, Timestamp};

use super::error::ReadError;
use super::fields::{RedisHash, integer, time};

/// An account's wallet: the sum of its purses, one on each shard where it trades.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wallet {
    /// Credits that can be spent.
    pub available: Credits,
    /// Credits that live buy orders hold.
    pub held: Credits,
    /// Credits that purses sent, minus those that purses received: negative if the receiving shard
    /// is read further than the sending one.
    pub in_transit: Credits,
    /// Live orders.
    pub live_orders: u64,
}

impl Wallet {
    /// The total: exact, however far each shard is read.
    pub fn total(&self) -> Credits {
        self.available + self.held + self.in_transit
    }

    /// Adds the purse of one shard; a missing hash is an empty purse.
    pub(super) fn add(&mut self, purse: &RedisHash) -> Result<(), ReadError> {
        let number = |field| integer(purse, field).map(|value| value.unwrap_or(0));
        self.available += Credits(number(purse::AVAILABLE)?);
        self.held += Credits(number(purse::HELD)?);
        // Counted modulo 2^64: the total that ever moved may be larger, the amount in transit is
        // not.
        let moved = number(purse::SENT)?.wrapping_sub(number(purse::RECEIVED)?);
        self.in_transit = Credits(self.in_transit.0.wrapping_add(moved));
        self.live_orders +=
            u64::try_from(number(purse::LIVE_ORDERS)?).map_err(|_| ReadError::Impossible(purse::LIVE_ORDERS))?;
        Ok(())
    }
}

/// An account's restrictions, from its home.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountStatus {
    /// True if it can only cancel and receive credits.
    pub frozen: bool,
    /// Its limits over all markets.
    pub limits: AccountLimits,
    /// When its dead-man switch fires.
    pub dead_man_due: Option<Timestamp>,
}

impl AccountStatus {
    pub(super) fn read(account: &RedisHash) -> Result<Self, ReadError> {
        let live_orders = integer(account, account::LIVE_ORDERS_MAX)?.map(u32::try_from).transpose();
        let live_orders = live_orders.map_err(|_| ReadError::Impossible(account::LIVE_ORDERS_MAX))?;
        let held = integer(account, account::HELD_MAX)?.map(Credits);
        Ok(Self {
            frozen: integer(account, account::FROZEN)? == Some(1),
            limits: AccountLimits {
                live_orders: live_orders.unwrap_or(AccountLimits::NONE.live_orders),
                held: held.unwrap_or(AccountLimits::NONE.held),
            },
            dead_man_due: integer(account, account::DEAD_MAN_DUE)?.map(time).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_models::tests::hash;

    #[test]
    fn a_wallet_is_the_sum_of_its_purses_however_far_each_is_read() {
        let home = [
            ("sequence", "9"),
            ("available", "70"),
            ("held", "0"),
            ("live_orders", "0"),
            ("sent", "30"),
            ("received", "0"),
        ];
        let away = [("available", "10"), ("held", "20"), ("live_orders", "2"), ("sent", "0"), ("received", "30")];
        let sum = |purses: &[&[(&str, &str)]]| {
            let mut wallet = Wallet::default();
            purses.iter().for_each(|purse| wallet.add(&hash(purse)).unwrap());
            (wallet.available.0, wallet.held.0, wallet.in_transit.0, wallet.live_orders, wallet.total().0)
        };
        assert_eq!(sum(&[&home, &away]), (80, 20, 0, 2, 100));
        // The other purse is not read up to the receipt, so nothing has arrived yet.
        assert_eq!(sum(&[&home, &[]]), (70, 0, 30, 0, 100));
        // The home is not read up to the sending.
        assert_eq!(sum(&[&[("available", "100")], &away]), (110, 20, -30, 2, 100));
        // More than a number holds has moved in total.
        let (most, least) = (i64::MAX.to_string(), i64::MIN.to_string());
        let turned = [("available", "70"), ("sent", least.as_str()), ("received", "5")];
        let there = [("available", "10"), ("sent", "4"), ("received", most.as_str())];
        assert_eq!(sum(&[&turned, &there]), (80, 0, 0, 0, 80));
        let mut wallet = Wallet::default();
        for field in ["available", "sent"] {
            assert!(wallet.add(&hash(&[(field, "many")])).is_err());
        }
        assert!(wallet.add(&hash(&[("live_orders", "-1")])).is_err());
    }

    #[test]
    fn what_is_missing_of_an_account_is_no_limit() {
        let free = AccountStatus { frozen: false, limits: AccountLimits::NONE, dead_man_due: None };
        assert_eq!(AccountStatus::read(&hash(&[("frozen", "0")])).unwrap(), free);
        let limited = [("frozen", "1"), ("live_orders_max", "3"), ("held_max", "5"), ("dead_man_due", "7")];
        let limits = AccountLimits { live_orders: 3, held: Credits(5) };
        let standing = AccountStatus { frozen: true, limits, dead_man_due: Some(Timestamp(7)) };
        assert_eq!(AccountStatus::read(&hash(&limited)).unwrap(), standing);
    }
}
