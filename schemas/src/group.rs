//! Order groups: a limit on what an account's orders fill in a rolling window. When it is reached,
//! all orders of the group are cancelled.
//!
//! An account creates a group on its home shard, which sends it to every shard where the account
//! has a purse. Each of these shards counts the contracts that the group's orders fill there, and
//! reports them to the home shard.

use std::num::NonZeroU16;

use bincode::{Decode, Encode};

use crate::limits::{GROUP_CONTRACTS_MAX, GROUP_WINDOW_MAX_S};

/// The id of a group of orders within its account, chosen by the client. Invariant: not 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct GroupId(NonZeroU16);

// As small as its number, also for an order without a group.
const _: () = assert!(size_of::<Option<GroupId>>() == 2);

impl GroupId {
    /// Returns `None` for 0.
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Returns the number.
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

/// How many contracts a group may fill in how long. Invariant: 1..=[`GROUP_CONTRACTS_MAX`]
/// contracts in 1..=[`GROUP_WINDOW_MAX_S`] seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode)]
pub struct GroupLimits {
    contracts: u32,
    window_s: u8,
}

impl GroupLimits {
    /// Returns `None` if either is out of its range.
    pub const fn new(contracts: u32, window_s: u8) -> Option<Self> {
        let within =
            contracts >= 1 && contracts <= GROUP_CONTRACTS_MAX && window_s >= 1 && window_s <= GROUP_WINDOW_MAX_S;
        if within { Some(Self { contracts, window_s }) } else { None }
    }

    /// Returns the number of contracts that triggers the group.
    pub const fn contracts(self) -> u32 {
        self.contracts
    }

    /// Returns the window, in seconds of the log's time.
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

/// An action on one of an account's groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum GroupAct {
    /// Creates the group.
    Make(GroupLimits),
    /// Changes the limits. Fills so far still count; if the window changes, they count as if filled
    /// now. If they reach the new limit, the group is triggered.
    Change(GroupLimits),
    /// Cancels the group's live orders and refuses new ones until the group is reset.
    Trigger,
    /// Resets the group to its initial state, with its current limits.
    Reset,
    /// Cancels the group's live orders and deletes the group.
    Delete,
}

/// The state of a group as its account's home shard sends it to the account's other shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct GroupNow {
    /// The group's limits.
    pub limits: GroupLimits,
    /// Counts the creations and resets of the account's groups. Fills of another generation do not
    /// count.
    pub generation: u64,
    /// True if the group takes no orders until it is reset.
    pub triggered: bool,
}

wire_enum! {
    /// Why a group was triggered.
    TriggerCause: u8 {
        /// Its orders' fills, as counted on this shard, have reached its limit.
        Filled = 0, "FILLED";
        /// Its account requested it.
        Requested = 1, "REQUESTED";
        /// Another shard of the account triggered it.
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
