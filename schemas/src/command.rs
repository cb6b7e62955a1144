//! What somebody asks of a shard. One record of `lfg.commands[s]` holds one command.

use bincode::{Decode, Encode};

use crate::account::ApiKey;
use crate::ids::{AccountId, ApiKeyId, ClientId, CommandId, MarketId, OrderId, Shard};
use crate::market::{Listing, Transition};
use crate::message::Message;
use crate::money::Credits;
use crate::order::NewOrder;

/// A command and its id, as they are written to the log.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct CommandRecord {
    /// Followed through every shard: a `Receive` carries the id of the command that began it all.
    pub id: CommandId,
    /// What is asked.
    pub command: Command,
}

/// What is asked. Goes to the home shard of the account or market that stands behind it.
///
/// Append-only: variants keep their place and their fields.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Command {
    /// Opens an account with its first key. Home: account.
    OpenAccount {
        /// Chosen by the sender; refused if taken.
        account: AccountId,
        /// The first key.
        key: ApiKey,
    },
    /// Adds a key. Home: account.
    AddApiKey {
        /// Whose key.
        account: AccountId,
        /// The key.
        key: ApiKey,
    },
    /// Makes a key worthless from now on. Home: account.
    RevokeApiKey {
        /// Whose key.
        account: AccountId,
        /// Which key.
        key: ApiKeyId,
    },
    /// Brings credits into the exchange. Home: account.
    Deposit {
        /// Whose wallet.
        account: AccountId,
        /// How much; must be positive.
        amount: Credits,
        /// A repeat moves nothing.
        client_id: Option<ClientId>,
    },
    /// Takes available credits out of the exchange. Home: account.
    Withdraw {
        /// Whose wallet.
        account: AccountId,
        /// How much; must be positive.
        amount: Credits,
        /// A repeat moves nothing.
        client_id: Option<ClientId>,
    },
    /// Lists a market. Home: market.
    CreateMarket(Listing),
    /// Changes where a market stands. Home: market.
    ChangeMarket {
        /// Which market.
        market: MarketId,
        /// What to do to it.
        transition: Transition,
    },
    /// Places an order. Home: account for a buy (its credits are there), market for a sell (its contracts are there).
    PlaceOrder(NewOrder),
    /// Ends a live order. Home: the market's shard, which is in the order's id.
    CancelOrder {
        /// Whose order; another account's order is as unknown as one that never was.
        account: AccountId,
        /// Which order.
        order: OrderId,
    },
    /// A message from another shard, copied here by its relay.
    Receive {
        /// The shard that sent it.
        from: Shard,
        /// Its dense number among those from there to here, from 1.
        number: u64,
        /// The effect.
        message: Message,
    },
    /// The other shard has this shard's messages up to a number.
    Acknowledge {
        /// The shard that has them.
        to: Shard,
        /// The highest that it has.
        number: u64,
    },
    /// Does what is due by now: expiries, and the next slice of long work. Appended by the shard's owner.
    AdvanceTime,
}
