//! Order groups: a bound on what an account's orders fill in a rolling window, after which all of them end.
//!
//! An account makes a group at its home, which tells every shard where the account has a purse. Each of them counts the
//! contracts that the group's orders fill there, and reports them to the home.

use std::num::NonZeroU16;

use bincode::{Decode, Encode};

use crate::limits::{GROUP_CONTRACTS_MAX, GROUP_WINDOW_MAX_S};

/// A group of orders, within its account. Chosen by the client. Invariant: not 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct GroupId(NonZeroU16);

// As small as its number, also where an order has none.
const _: () = assert!(size_of::<Option<GroupId>>() == 2);

impl GroupId {
    /// `None` for 0.
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    #[inline]
    pub const fn number(self) -> u16 {
        self.0.get()
    }
}

impl std::fmt::Display for GroupId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::str::FromStr for GroupId {
    type Err = crate::text::UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = crate::text::decimal(text).and_then(|number| u16::try_from(number).ok());
        number.and_then(Self::new).ok_or(crate::text::UnknownName)
    }
}

/// How much a group may fill in how long. Invariant: 1..=[`GROUP_CONTRACTS_MAX`] contracts in
/// 1..=[`GROUP_WINDOW_MAX_S`] seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode)]
pub struct GroupLimits {
    contracts: u32,
    window_s: u8,
}

impl GroupLimits {
    /// `None` if either is out of its range.
    pub const fn new(contracts: u32, window_s: u8) -> Option<Self> {
        let within =
            contracts >= 1 && contracts <= GROUP_CONTRACTS_MAX && window_s >= 1 && window_s <= GROUP_WINDOW_MAX_S;
        if within { Some(Self { contracts, window_s }) } else { None }
    }

    /// Contracts that lead to a trigger.
    pub const fn contracts(self) -> u32 {
        self.contracts
    }

    /// The window, in seconds of the log's time.
    pub const fn window_s(self) -> u8 {
        self.window_s
    }
}

impl<C> Decode<C> for GroupLimits {
    fn decode<D: bincode::de::Decoder<Context = C>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
        let (contracts, window_s): (u32, u8) = Decode::decode(decoder)?;
        Self::new(contracts, window_s).ok_or(bincode::error::DecodeError::Other("out of range: GroupLimits"))
    }
}

impl<'de, C> bincode::BorrowDecode<'de, C> for GroupLimits {
    fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        Decode::decode(decoder)
    }
}

/// What an account asks about one of its groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum GroupAct {
    /// From now on there is such a group.
    Make(GroupLimits),
    /// It has other limits. What it has filled counts on; with another window, as if it had filled now. If that reaches
    /// the new limit, the group is triggered.
    Change(GroupLimits),
    /// Its live orders end, and none comes in until it is reset.
    Trigger,
    /// It is as if it had just been made, with the limits that it has.
    Reset,
    /// Its live orders end, and there is no such group any more.
    Delete,
}

/// A group as its account's home tells the account's other shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct GroupNow {
    /// Its limits.
    pub limits: GroupLimits,
    /// Which making or reset of a group of the account it comes from. What belongs to another one does not count.
    pub generation: u64,
    /// It takes no orders until it is reset.
    pub triggered: bool,
}

wire_enum! {
    /// Why a group was triggered.
    TriggerCause: u8 {
        /// What its orders filled, as counted on this shard, has reached its limit.
        Filled = 0, "FILLED";
        /// Its account asked.
        Requested = 1, "REQUESTED";
        /// Another shard of the account says so.
        Elsewhere = 2, "ELSEWHERE";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_within_their_ranges() {
        assert_eq!(GroupLimits::new(0, 1), None);
        assert_eq!(GroupLimits::new(1, 0), None);
        assert_eq!(GroupLimits::new(GROUP_CONTRACTS_MAX + 1, 1), None);
        assert_eq!(GroupLimits::new(1, GROUP_WINDOW_MAX_S + 1), None);
        let most = GroupLimits::new(GROUP_CONTRACTS_MAX, GROUP_WINDOW_MAX_S).expect("within");
        assert_eq!((most.contracts(), most.window_s()), (GROUP_CONTRACTS_MAX, GROUP_WINDOW_MAX_S));
    }

    #[test]
    fn limits_out_of_range_are_not_decoded() {
        for bytes in [[0, 0, 0, 0, 1], [1, 0, 0, 0, 0], [1, 0, 0, 0, 61], [0xff, 0xff, 0xff, 0xff, 1]] {
            assert!(crate::codec::decode_exact::<GroupLimits>(&bytes).is_err(), "{bytes:?}");
        }
        let limits = crate::codec::decode_exact::<GroupLimits>(&[2, 1, 0, 0, 60]).expect("within");
        assert_eq!((limits.contracts(), limits.window_s()), (258, 60));
    }

    #[test]
    fn the_group_0_is_none() {
        assert_eq!(GroupId::new(0), None);
        assert!("0".parse::<GroupId>().is_err() && "65536".parse::<GroupId>().is_err());
        assert_eq!("7".parse::<GroupId>().map(GroupId::number), Ok(7));
    }
}
