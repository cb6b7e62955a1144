//! Messages between shards: the outbox pattern on the log.
//!
//! The sender's outcome contains `Sent { to, number, message }` next to the change that causes it,
//! so both are in one record. The relay copies it to the receiving shard's commands; the receiver
//! applies each number once, in order.

use bincode::{Decode, Encode};

use crate::group::{GroupId, GroupNow};
use crate::ids::{AccountId, ClientId, MarketEventId, MarketId};
use crate::money::Credits;
use crate::purse::{Need, PurseInstruction, Returned, Room};
use crate::rejection::Rejection;

/// An effect on another shard.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Message {
    /// From a market's shard to an account's home shard: a request waits for credits or room that
    /// its purse (the account's balance on one shard) lacks. Answer: `Fund`.
    Ask {
        /// The account of the purse.
        account: AccountId,
        /// What the request lacks.
        need: Need,
        /// Room that the purse returns because the account's limits have changed.
        given_back: Room,
    },
    /// From an account's home shard to a market's shard: what the purse asked for or more, or the
    /// reason for refusal.
    Fund {
        /// The account of the purse.
        account: AccountId,
        /// Credits that become available there.
        credits: Credits,
        /// Additional room for the purse.
        room: Room,
        /// The reason why the purse gets nothing.
        refused: Option<Rejection>,
    },
    /// From an account's home shard to each shard where it has a purse. Answer: `Return` with this
    /// ticket.
    Instruct {
        /// The account of the purse.
        account: AccountId,
        /// Identifies the instruction on the home shard.
        ticket: u64,
        /// The instruction to carry out.
        instruction: PurseInstruction,
    },
    /// From purses to the home shard of their accounts: what they do not need, and which
    /// instructions they have carried out.
    Return(Vec<Returned>),
    /// From the sender's home shard to the receiver's: credits that leave one account for another.
    Transfer {
        /// The sender.
        from: AccountId,
        /// The receiver.
        to: AccountId,
        /// The amount.
        amount: Credits,
        /// The sender's client id for the transfer.
        client_id: Option<ClientId>,
    },
    /// From the receiver's home shard to the sender's: the result of a transfer. A transfer without
    /// a client id that was received needs no such answer.
    TransferEnded {
        /// The sender.
        from: AccountId,
        /// The receiver or intended receiver.
        to: AccountId,
        /// The amount.
        amount: Credits,
        /// The sender's client id for the transfer.
        client_id: Option<ClientId>,
        /// Why the credits were not received; this message then returns them.
        refused: Option<Rejection>,
    },
    /// From a market's shard to its event's home shard: YES is proposed as the market's answer.
    /// Answer: `YesAnswered`.
    ClaimYes {
        /// The event.
        event: MarketEventId,
        /// The market.
        market: MarketId,
        /// The number of this claim within the market.
        claim: u32,
    },
    /// From a market's shard to its event's home shard: YES is no longer proposed.
    ReleaseYes {
        /// The event.
        event: MarketEventId,
        /// The market.
        market: MarketId,
    },
    /// From an event's home shard to a market's shard: whether the market can be answered YES.
    YesAnswered {
        /// The market.
        market: MarketId,
        /// The number of the claim that this answers.
        claim: u32,
        /// The other market that already has the event's YES.
        taken_by: Option<MarketId>,
    },
    /// From an account's home shard to a shard where it has a purse, or gets one by the next
    /// message: the current state of some of its groups.
    Groups {
        /// The account of the groups.
        account: AccountId,
        /// The groups, at most [`ACCOUNT_GROUPS_MAX`](crate::limits::ACCOUNT_GROUPS_MAX).
        groups: Vec<(GroupId, GroupNow)>,
    },
    /// From a market's shard to an account's home shard: contracts that a group's orders have
    /// filled there since the last such message.
    GroupFilled {
        /// The account of the group.
        account: AccountId,
        /// The group.
        group: GroupId,
        /// The generation of the group.
        generation: u64,
        /// The number of contracts filled.
        contracts: u64,
        /// True if this reached the group's limit.
        triggered: bool,
    },
}

impl Message {
    /// Returns the credits that are in flight with the message.
    pub fn in_flight(&self) -> Credits {
        match self {
            Self::Ask { .. }
            | Self::Instruct { .. }
            | Self::TransferEnded { refused: None, .. }
            | Self::ClaimYes { .. }
            | Self::ReleaseYes { .. }
            | Self::YesAnswered { .. }
            | Self::Groups { .. }
            | Self::GroupFilled { .. } => Credits::ZERO,
            Self::Fund { credits, .. } => *credits,
            Self::Return(returned) => returned.iter().map(|returned| returned.credits).sum(),
            Self::Transfer { amount, .. } | Self::TransferEnded { amount, .. } => *amount,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId(1);

    fn returned(credits: i64) -> Returned {
        Returned { account: ACCOUNT, credits: Credits(credits), room: Room::ALL, ticket: None, more: false }
    }

    #[test]
    fn credits_are_in_flight_with_what_moves_them() {
        let (account, room, refused) = (ACCOUNT, Room::ALL, None);
        let (from, to, amount, client_id) = (ACCOUNT, AccountId(2), Credits(3), Some(ClientId(9)));
        let check = |message: Message, credits| assert_eq!(message.in_flight(), Credits(credits), "{message:?}");
        check(Message::Fund { account, credits: Credits(4), room, refused }, 4);
        check(Message::Return(vec![returned(5), returned(0), returned(60)]), 65);
        check(Message::Return(Vec::new()), 0);
        check(Message::Transfer { from, to, amount, client_id }, 3);
        let refused = Some(Rejection::AccountUnknown);
        check(Message::TransferEnded { from, to, amount, client_id, refused }, 3);
        check(Message::TransferEnded { from, to, amount, client_id, refused: None }, 0);
    }

    #[test]
    fn what_is_asked_for_is_not_in_flight() {
        let (account, need, ticket) = (ACCOUNT, Need::credits(Credits(7)), 8);
        assert_eq!(Message::Ask { account, need, given_back: Room::ALL }.in_flight(), Credits::ZERO);
        let instruction = PurseInstruction::Recall(need);
        assert_eq!(Message::Instruct { account, ticket, instruction }.in_flight(), Credits::ZERO);
    }
}
