//! What somebody asks of a shard. One record of `lfg.commands[s]` holds one command.

use bincode::{Decode, Encode};

use crate::about::{MarketAddition, MarketEdit, MarketEvent};
use crate::account::{AccountLimits, ApiKey};
use crate::admin::WantedAdmin;
use crate::group::{GroupAct, GroupId};
use crate::ids::{AccountId, AdminId, ApiKeyId, ClientId, CommandId, MarketId, PartId, ProposalId, Shard};
use crate::market::{Listing, MarketLimits, Transition};
use crate::message::Message;
use crate::money::{Credits, Price, Quantity};
use crate::order::{NewOrder, OrderRef};
use crate::origin::Origin;
use crate::part::PartInfo;
use crate::time::Timestamp;

/// A command and its id, as they are written to the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandRecord {
    /// Followed through every shard: a `Receive` carries the id of the command that began it all.
    pub id: CommandId,
    /// What is asked.
    pub command: Command,
    /// What the request came with, if anything. Nothing is decided by it.
    pub origin: Option<Box<Origin>>,
}

impl CommandRecord {
    /// A command that came with nothing.
    pub fn new(id: CommandId, command: Command) -> Self {
        Self { id, command, origin: None }
    }
}

impl Command {
    /// The latest moment that it names, if it names any.
    pub fn latest_time(&self) -> Option<Timestamp> {
        match self {
            Self::OpenAccount { key, .. } | Self::AddApiKey { key, .. } => key.expires,
            Self::RotateApiKey { key, .. } => key.expires,
            Self::SetAdmin { admin, .. } => admin.expires,
            Self::CreateMarket { listing, .. } => listing.opens.max(Some(listing.expiry)),
            Self::EditMarket { edit, .. } => edit.opens.flatten().max(edit.expiry),
            Self::PlaceOrder(order) => order.latest_time(),
            Self::Batch { requests, .. } => requests.iter().filter_map(BatchRequest::latest_time).max(),
            Self::RevokeApiKey { .. }
            | Self::Deposit { .. }
            | Self::Withdraw { .. }
            | Self::ChangeMarket { .. }
            | Self::CancelOrder { .. }
            | Self::Receive { .. }
            | Self::Acknowledge { .. }
            | Self::AdvanceTime
            | Self::AmendOrder { .. }
            | Self::MassCancel { .. }
            | Self::SetDeadManSwitch { .. }
            | Self::FreezeAccount { .. }
            | Self::UnfreezeAccount { .. }
            | Self::LimitAccount { .. }
            | Self::LimitMarket { .. }
            | Self::ConfirmDeposit { .. }
            | Self::DropDeposit { .. }
            | Self::Transfer { .. }
            | Self::Announce(_)
            | Self::Leave { .. }
            | Self::RaiseVocabulary { .. }
            | Self::CreateMarketEvent { .. }
            | Self::AddToMarket { .. }
            | Self::ActOnGroup { .. }
            | Self::RevokeAdmin { .. } => None,
        }
    }
}

impl BatchRequest {
    fn latest_time(&self) -> Option<Timestamp> {
        match self {
            Self::Place(order) => order.latest_time(),
            Self::Cancel(_) | Self::Amend { .. } => None,
        }
    }
}

/// What is asked. Goes to the shard of the market or account that stands behind it.
///
/// What is about orders goes to the market's shard, which decides it alone, from the purse that the account has there. If that lacks
/// credits or room, the request is parked (`Parked`) and the account's home is asked; the answer comes later, after `Resumed`. Requests
/// of one account on one shard are decided in the order in which they came; only cancels, and amendments that take contracts off in
/// place, pass parked ones. What is about the account itself goes to its home.
///
/// Append-only: variants keep their place and their fields.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Command {
    /// Opens an account with its first key. Home: account. Answer: `AccountOpened`.
    OpenAccount {
        /// Chosen by the sender; refused if taken.
        account: AccountId,
        /// The first key.
        key: ApiKey,
    },
    /// Adds a key. Home: account. Answer: `ApiKeyAdded`.
    AddApiKey {
        /// Whose key.
        account: AccountId,
        /// The key.
        key: ApiKey,
        /// The account's key that asks. It gives only rights that it has itself. `None`: the exchange asks.
        by: Option<ApiKeyId>,
    },
    /// Makes a key worthless from now on. Home: account. Answer: `ApiKeyRevoked`.
    RevokeApiKey {
        /// Whose key.
        account: AccountId,
        /// Which key.
        key: ApiKeyId,
        /// The account's key that asks: this one itself, or one that has all its rights. `None`: the exchange asks.
        by: Option<ApiKeyId>,
    },
    /// Brings credits into the exchange. Home: account. Answer: `Deposited`; or `DepositProposed`, if the amount, or
    /// what the admin has deposited alone on this shard today, is above a limit
    /// ([`DEPOSIT_ALONE_MAX`](crate::limits::DEPOSIT_ALONE_MAX),
    /// [`DEPOSITS_ALONE_A_DAY_MAX`](crate::limits::DEPOSITS_ALONE_A_DAY_MAX)): then it waits for a second admin.
    Deposit {
        /// Whose.
        account: AccountId,
        /// How much; must be positive.
        amount: Credits,
        /// A repeat moves nothing.
        client_id: Option<ClientId>,
        /// Who asks.
        by: AdminId,
    },
    /// Takes available credits out of the exchange, wherever they are. Home: account. Answer: `Withdrawn`; if other purses have to give
    /// them back first, after `Resumed`.
    Withdraw {
        /// Whose.
        account: AccountId,
        /// How much; must be positive.
        amount: Credits,
        /// A repeat moves nothing.
        client_id: Option<ClientId>,
        /// Who asks.
        by: AdminId,
    },
    /// Lists a market. Home: market. Answer: `MarketCreated`.
    CreateMarket {
        /// The market.
        listing: Listing,
        /// Who asks.
        by: AdminId,
    },
    /// Changes where a market stands. Home: market. Answer: `MarketChanged`.
    ChangeMarket {
        /// Which market.
        market: MarketId,
        /// Who asks.
        by: AdminId,
        /// What to do to it.
        transition: Transition,
    },
    /// Places an order. Home: market. Answer: `OrderPlaced` or `OrderRejected`.
    PlaceOrder(NewOrder),
    /// Ends a live order, or one that is parked, by its client id. Home: market. Answer: `OrderCancelled`, `ParkedCancelled` or
    /// `CancelRejected`.
    CancelOrder {
        /// Whose order; another account's order is as unknown as one that never was.
        account: AccountId,
        /// Which order.
        order: OrderRef,
    },
    /// A message from another shard, copied here by its relay. Answer: `Received` or `MessageSkipped`.
    Receive {
        /// The shard that sent it.
        from: Shard,
        /// Its dense number among those from there to here, from 1.
        number: u64,
        /// The effect.
        message: Message,
    },
    /// The other shard has this shard's messages up to a number. Answer: `Acknowledged`.
    Acknowledge {
        /// The shard that has them.
        to: Shard,
        /// The highest that it has.
        number: u64,
    },
    /// Does what is due by now: markets open and close, orders expire, dead-man switches fire, dispute windows end, and
    /// long work (payouts, mass cancels) goes on with its next slice. Appended by the shard's owner.
    AdvanceTime,
    /// Changes a live order; see [`Amendment`](crate::order::Amendment). Home: market. Answer: `OrderAmended` or
    /// `AmendRejected`.
    AmendOrder {
        /// Whose order.
        account: AccountId,
        /// Which order.
        order: OrderRef,
        /// The new limit in its contract's own terms; `None` leaves it.
        price: Option<Price>,
        /// The new quantity, with what is filled already; `None` leaves it.
        quantity: Option<Quantity>,
    },
    /// Ends all live and parked orders of an account: on each shard market by market, oldest first. Home: the market if there is
    /// one, else the account. Answer: `MassCancelRequested`; everywhere, `InstructionCompleted` when every shard has done so. Each
    /// cancel is an `OrderCancelled` on its market's shard.
    MassCancel {
        /// Whose orders.
        account: AccountId,
        /// Where; `None` means everywhere.
        market: Option<MarketId>,
    },
    /// Mass-cancels everywhere unless set again in time. Home: account. Answer: `DeadManSwitchSet`.
    SetDeadManSwitch {
        /// Whose orders.
        account: AccountId,
        /// Seconds from now, 1..=[`DEAD_MAN_MAX_S`](crate::limits::DEAD_MAN_MAX_S); `None` switches it off.
        timeout_s: Option<u32>,
    },
    /// Up to [`BATCH_MAX`](crate::limits::BATCH_MAX) requests of one account in markets of one shard, each with its own answer, in
    /// order. Home: the markets. Answer: for each request `BatchItem`, and after it what the request leads to.
    ///
    /// With `all_or_nothing` nothing is done unless all can be: each request is checked against what is there before the batch, cancels
    /// counted as done and nothing gained in between. Cancels then run first, amendments next (they must not take; those that free
    /// credits before those that need some), places last (a fill-or-kill must be the first, in a market that nothing else of the batch
    /// touches). What cancels and amendments free pays for the rest; what is still lacking is asked for, and the whole batch is parked.
    /// What could depend on the batch itself is refused as `batch-conflict`, so a batch that is taken in is carried out whole.
    Batch {
        /// Whose requests.
        account: AccountId,
        /// All of them or none.
        all_or_nothing: bool,
        /// The requests.
        requests: Vec<BatchRequest>,
    },
    /// From now on the account can only cancel, and receive credits. Its live orders stay. Home: account. Answer: `AccountFrozen`, and
    /// `InstructionCompleted` when every shard where it has a purse knows.
    FreezeAccount {
        /// Which account.
        account: AccountId,
        /// Who asks.
        by: AdminId,
    },
    /// Ends a freeze. Home: account. Answer: `AccountUnfrozen`, then as for a freeze.
    UnfreezeAccount {
        /// Which account.
        account: AccountId,
        /// Who asks.
        by: AdminId,
    },
    /// Sets what an account may have in all markets together. What it has already stays. Home: account.
    /// Answer: `AccountLimited`, then as for a freeze.
    LimitAccount {
        /// Which account.
        account: AccountId,
        /// From now on.
        limits: AccountLimits,
        /// Who asks.
        by: AdminId,
    },
    /// Sets what each account may have in one market. What they have already stays. Home: market. Answer: `MarketLimited`.
    LimitMarket {
        /// Which market.
        market: MarketId,
        /// From now on.
        limits: MarketLimits,
        /// Who asks.
        by: AdminId,
    },
    /// Moves available credits to another account. Home: the sender's, where it waits as a withdrawal does and is
    /// refused if they cannot be sent. Answer once they were sent: `TransferReceived` on the receiver's home, or
    /// `TransferReturned` back here.
    Transfer {
        /// Who gives.
        from: AccountId,
        /// Who gets.
        to: AccountId,
        /// How much; must be positive.
        amount: Credits,
        /// A repeat moves nothing. It is answered with what became of the first, also if the receiver's home refused
        /// that.
        client_id: Option<ClientId>,
    },
    /// Makes a proposed deposit true. Home: the proposal's shard. Answer: `Deposited`.
    ConfirmDeposit {
        /// Which.
        proposal: ProposalId,
        /// The account as this admin saw it; another one is not confirmed.
        account: AccountId,
        /// The amount as this admin saw it; another one is not confirmed.
        amount: Credits,
        /// Who asks; not the one who proposed.
        by: AdminId,
    },
    /// Ends a proposed deposit; nothing was moved. Home: the proposal's shard. Answer: `DepositDropped`.
    DropDeposit {
        /// Which.
        proposal: ProposalId,
        /// Who asks: any admin.
        by: AdminId,
    },
    /// A part says that it reads the shard's log, and which vocabulary it can read. Repeated every few minutes, as long
    /// as it runs. To every shard. Answer: `PartAnnounced`; `VocabularyRaised`, said again, if it reads less than the
    /// shard's vocabulary.
    Announce(PartInfo),
    /// A part ends. To every shard. Answer: `PartLeft`.
    Leave {
        /// Which.
        part: PartId,
    },
    /// Raises the shard's vocabulary: from then on its leaders write what needs it. Refused unless each part that has
    /// announced itself lately can read it. Answer: `VocabularyRaised`.
    RaiseVocabulary {
        /// To which; higher than it is.
        to: u16,
        /// Who asks.
        by: AdminId,
    },
    /// Creates a market event: a named group of markets. Home: the event. Answer: `MarketEventCreated`.
    CreateMarketEvent {
        /// The event.
        event: Box<MarketEvent>,
        /// Who asks.
        by: AdminId,
    },
    /// Replaces what a market is, before its first trade. Home: market. Answer: `MarketEdited`.
    EditMarket {
        /// Which market.
        market: MarketId,
        /// What is replaced.
        edit: Box<MarketEdit>,
        /// Who asks.
        by: AdminId,
    },
    /// Adds to what a market is, until it is resolved. Home: market. Answer: `MarketAddedTo`.
    AddToMarket {
        /// Which market.
        market: MarketId,
        /// What is added.
        addition: Box<MarketAddition>,
        /// Who asks.
        by: AdminId,
    },
    /// Adds a key and ends another, in one outcome, so that there is no moment without a valid key. Home: account.
    /// Answer: `ApiKeyAdded`, then `ApiKeyEnds`, or `ApiKeyRevoked` without a grace.
    RotateApiKey {
        /// Whose keys.
        account: AccountId,
        /// The key that ends.
        old: ApiKeyId,
        /// The key that replaces it.
        key: Box<ApiKey>,
        /// How long, in milliseconds, the old one stays valid, at most
        /// [`KEY_GRACE_MAX_MS`](crate::limits::KEY_GRACE_MAX_MS). What it has left is never prolonged.
        grace_ms: u64,
        /// The account's key that asks: as for adding the one and revoking the other.
        by: Option<ApiKeyId>,
    },
    /// Makes, changes, triggers, resets or deletes a group of an account's orders. Home: account. Answer: `GroupSet`,
    /// `GroupTriggered` or `GroupDeleted`, and `InstructionCompleted` when every shard where it has a purse knows.
    ActOnGroup {
        /// Whose group.
        account: AccountId,
        /// Which.
        group: GroupId,
        /// What is asked.
        act: GroupAct,
    },
    /// Sets an admin, or sets it anew: its key, roles, expiry and name. Home: the first shard. Answer: `AdminSet`.
    SetAdmin {
        /// The admin.
        admin: Box<WantedAdmin>,
        /// Who asks. As long as there is no admin on the log: whoever the configuration names.
        by: AdminId,
    },
    /// There is no such admin any more. Home: the first shard. Answer: `AdminRevoked`.
    RevokeAdmin {
        /// Which.
        admin: AdminId,
        /// Who asks.
        by: AdminId,
    },
}

impl Command {
    /// The last kind that this build knows.
    pub(crate) const LAST_KIND: u16 = 32;

    /// The vocabulary that its reader must know; 0 for what was there from the first.
    pub(crate) const fn needs(&self) -> u16 {
        0
    }

    /// `Receive` and `Acknowledge`: what shards tell each other.
    pub(crate) const BETWEEN_SHARDS: [u16; 2] = [9, 10];
}

/// One request of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum BatchRequest {
    /// As [`Command::PlaceOrder`].
    Place(NewOrder),
    /// As [`Command::CancelOrder`].
    Cancel(OrderRef),
    /// As [`Command::AmendOrder`].
    Amend {
        /// Which order.
        order: OrderRef,
        /// The new limit; `None` leaves it.
        price: Option<Price>,
        /// The new quantity, with what is filled already; `None` leaves it.
        quantity: Option<Quantity>,
    },
}
