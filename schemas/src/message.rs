//! What one shard sends another: the outbox pattern on the log.
//!
//! The sender's outcome holds `Sent { to, number, message }` beside the change that causes it, so that both are one
//! record. The relay copies it to the other shard's commands; the receiver applies each number once, in order.

use bincode::{Decode, Encode};

use crate::group::{GroupId, GroupNow};
use crate::ids::{AccountId, ClientId, MarketEventId, MarketId};
use crate::money::Credits;
use crate::purse::{Need, PurseInstruction, Returned, Room};
use crate::rejection::Rejection;

/// An effect on another shard.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Message {
    /// Market's shard to account's home: a request waits for what its purse lacks. Answer: `Fund`.
    Ask {
        /// Whose purse.
        account: AccountId,
        /// What the request lacks.
        need: Need,
        /// Room that the purse gives back, since the account's limits have changed.
        given_back: Room,
    },
    /// Account's home to market's shard: what the purse asked for and more, or why not.
    Fund {
        /// Whose purse.
        account: AccountId,
        /// Credits that are available there from now on.
        credits: Credits,
        /// Room that the purse has besides.
        room: Room,
        /// Why it gets nothing.
        refused: Option<Rejection>,
    },
    /// Account's home to each shard where it has a purse. Answer: `Return`, with this ticket.
    Instruct {
        /// Whose purse.
        account: AccountId,
        /// Names the instruction on the home's shard.
        ticket: u64,
        /// What to do.
        instruction: PurseInstruction,
    },
    /// Purses to their accounts' home: what they do not need, and which instructions they have carried out.
    Return(Vec<Returned>),
    /// Sender's home to receiver's home: credits that left a purse for another account's.
    Transfer {
        /// Who gives.
        from: AccountId,
        /// Who gets.
        to: AccountId,
        /// How much.
        amount: Credits,
        /// What the sender calls it.
        client_id: Option<ClientId>,
    },
    /// Receiver's home to sender's home: what became of a transfer. A transfer without a name that was received needs
    /// no such answer.
    TransferEnded {
        /// Who gave.
        from: AccountId,
        /// Who got, or should have got.
        to: AccountId,
        /// How much.
        amount: Credits,
        /// What the sender calls it.
        client_id: Option<ClientId>,
        /// Why the credits were not received: then they come back with this.
        refused: Option<Rejection>,
    },
    /// Market's shard to event's home: YES is proposed as a market's answer. Answer: `YesAnswered`.
    ClaimYes {
        /// The event.
        event: MarketEventId,
        /// The market.
        market: MarketId,
        /// Counts the claims of the market.
        claim: u32,
    },
    /// Market's shard to event's home: YES is not proposed any more.
    ReleaseYes {
        /// The event.
        event: MarketEventId,
        /// The market.
        market: MarketId,
    },
    /// Event's home to market's shard: whether a market can be answered YES.
    YesAnswered {
        /// The market.
        market: MarketId,
        /// Which claim.
        claim: u32,
        /// Another market, which holds the event's YES.
        taken_by: Option<MarketId>,
    },
    /// Account's home to a shard where it has a purse, or gets one by the next message: what some of its groups are now.
    Groups {
        /// Whose.
        account: AccountId,
        /// At most [`ACCOUNT_GROUPS_MAX`](crate::limits::ACCOUNT_GROUPS_MAX).
        groups: Vec<(GroupId, GroupNow)>,
    },
    /// Market's shard to account's home: what a group's orders have filled there since the last of these.
    GroupFilled {
        /// Whose.
        account: AccountId,
        /// Which.
        group: GroupId,
        /// In which generation.
        generation: u64,
        /// How much.
        contracts: u64,
        /// That has reached the group's limit.
        triggered: bool,
    },
}

impl Message {
    /// Credits that are in flight with the message.
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
