//! Commands: requests to a shard. One record of `lfg.commands[s]` holds one command.

use bincode::{Decode, Encode};

use crate::about::{MarketAddition, MarketEdit, MarketEvent};
use crate::account::{AccountLimits, ApiKey};
use crate::admin::WantedAdmin;
use crate::batch_request::BatchRequest;
use crate::group::{GroupAct, GroupId};
use crate::ids::{AccountId, AdminId, ApiKeyId, ClientId, MarketId, PartId, ProposalId, Shard};
use crate::market::{Listing, MarketLimits, Transition};
use crate::message::Message;
use crate::money::{Credits, Price, Quantity};
use crate::order::{NewOrder, OrderRef};
use crate::part::PartInfo;
use crate::time::Timestamp;

impl Command {
    /// Returns the latest time that the command names, if any.
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

/// A request, sent to the shard of the market or account concerned.
///
/// Requests about orders go to the market's shard, which decides them alone, from the purse (the
/// account's balance on that shard). If the purse lacks credits or room (remaining order
/// allowance), the shard parks the request (`Parked`) and asks the account's home shard; the answer
/// follows later, after `Resumed`. Requests of one account on one shard are decided in the order of
/// arrival. Only cancels, and amendments that reduce the quantity in place, overtake parked
/// requests. Requests about the account itself go to its home shard.
///
/// Append-only: variants keep their number and their fields.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Command {
    /// Opens an account with its first key. Shard: the account's home. Answer: `AccountOpened`.
    OpenAccount {
        /// Chosen by the sender; refused if it already exists.
        account: AccountId,
        /// The first key.
        key: ApiKey,
    },
    /// Adds a key. Shard: the account's home. Answer: `ApiKeyAdded`.
    AddApiKey {
        /// The account of the key.
        account: AccountId,
        /// The key.
        key: ApiKey,
        /// The account's key that makes the request. It grants only rights that it has itself.
        /// `None`: the exchange makes the request.
        by: Option<ApiKeyId>,
    },
    /// Revokes a key at once. Shard: the account's home. Answer: `ApiKeyRevoked`.
    RevokeApiKey {
        /// The account of the key.
        account: AccountId,
        /// The key to revoke.
        key: ApiKeyId,
        /// The account's key that makes the request: this key itself, or one that has all its
        /// rights. `None`: the exchange makes the request.
        by: Option<ApiKeyId>,
    },
    /// Deposits credits from outside the exchange. Shard: the account's home. Answer: `Deposited`;
    /// or `DepositProposed`, which waits for a second admin, if the amount, or the total that the
    /// admin has deposited alone on this shard today, is above a limit
    /// ([`DEPOSIT_ALONE_MAX`](crate::limits::DEPOSIT_ALONE_MAX),
    /// [`DEPOSITS_ALONE_A_DAY_MAX`](crate::limits::DEPOSITS_ALONE_A_DAY_MAX)).
    Deposit {
        /// The account.
        account: AccountId,
        /// The amount; must be positive.
        amount: Credits,
        /// The client id. A repeat moves nothing.
        client_id: Option<ClientId>,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Withdraws available credits from the exchange, from whichever purses have them. Shard: the
    /// account's home. Answer: `Withdrawn`; if other purses must return credits first, after
    /// `Resumed`.
    Withdraw {
        /// The account.
        account: AccountId,
        /// The amount; must be positive.
        amount: Credits,
        /// The client id. A repeat moves nothing.
        client_id: Option<ClientId>,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Lists a market. Shard: the market's. Answer: `MarketCreated`.
    CreateMarket {
        /// The market.
        listing: Listing,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Changes the phase of a market. Shard: the market's. Answer: `MarketChanged`.
    ChangeMarket {
        /// The market.
        market: MarketId,
        /// The admin who makes the request.
        by: AdminId,
        /// The transition to make.
        transition: Transition,
    },
    /// Places an order. Shard: the market's. Answer: `OrderPlaced` or `OrderRejected`.
    PlaceOrder(NewOrder),
    /// Cancels a live order, or a parked one by its client id. Shard: the market's. Answer:
    /// `OrderCancelled`, `ParkedCancelled` or `CancelRejected`.
    CancelOrder {
        /// The account that owns the order. An order of another account is reported as unknown.
        account: AccountId,
        /// The order to cancel.
        order: OrderRef,
    },
    /// A message from another shard, copied here by that shard's relay. Answer: `Received` or
    /// `MessageSkipped`.
    Receive {
        /// The shard that sent it.
        from: Shard,
        /// Its number among the messages from that shard to this one: without gaps, from 1.
        number: u64,
        /// The message.
        message: Message,
    },
    /// Acknowledges that another shard has received this shard's messages up to a number. Answer:
    /// `Acknowledged`.
    Acknowledge {
        /// The shard that has received them.
        to: Shard,
        /// The highest number received.
        number: u64,
    },
    /// Performs what is due at the log's time: opens and closes markets, expires orders, fires
    /// dead-man switches, ends dispute windows, and runs the next slice of long work (payouts, mass
    /// cancels). Appended by the shard's leader.
    AdvanceTime,
    /// Changes a live order; see [`Amendment`](crate::order::Amendment). Shard: the market's.
    /// Answer: `OrderAmended` or `AmendRejected`.
    AmendOrder {
        /// The account that owns the order.
        account: AccountId,
        /// The order to change.
        order: OrderRef,
        /// The new limit in terms of the order's own contract; `None` keeps the old one.
        price: Option<Price>,
        /// The new total quantity, including what is already filled; `None` keeps the old one.
        quantity: Option<Quantity>,
    },
    /// Cancels all live and parked orders of an account: on each shard market by market, oldest
    /// first. Shard: the market's if one is given, else the account's home. Answer:
    /// `MassCancelRequested`; without a market also `InstructionCompleted` once every shard has
    /// finished. Each cancel is an `OrderCancelled` on its market's shard.
    MassCancel {
        /// The account that owns the orders.
        account: AccountId,
        /// The market; `None` means every market.
        market: Option<MarketId>,
    },
    /// Mass-cancels in every market unless the switch is set again in time. Shard: the account's
    /// home. Answer: `DeadManSwitchSet`.
    SetDeadManSwitch {
        /// The account that owns the orders.
        account: AccountId,
        /// Seconds from now, 1..=[`DEAD_MAN_MAX_S`](crate::limits::DEAD_MAN_MAX_S); `None` turns
        /// the switch off.
        timeout_s: Option<u32>,
    },
    /// Up to [`BATCH_MAX`](crate::limits::BATCH_MAX) requests of one account in markets of one
    /// shard, each with its own answer, in order. Shard: the markets'. Answer: for each request a
    /// `BatchItem`, followed by the events of that request.
    ///
    /// With `all_or_nothing`, nothing is done unless every request can be done. Each request is
    /// checked against the state before the batch, with cancels counted as done and without any
    /// gains in between. Cancels then run first, then amendments (which must not take; those that
    /// free credits before those that need some), then placements (a fill-or-kill must be the
    /// first, in a market that no other request of the batch touches). What cancels and amendments
    /// free pays for the rest. If the purse still lacks credits or room, they are requested and the
    /// whole batch is parked. A request whose result could depend on the batch itself is refused as
    /// `batch-conflict`, so an accepted batch is always executed completely.
    Batch {
        /// The account of the requests.
        account: AccountId,
        /// Executes all requests or none.
        all_or_nothing: bool,
        /// The requests.
        requests: Vec<BatchRequest>,
    },
    /// Freezes an account: it can then only cancel and receive credits. Its live orders stay.
    /// Shard: the account's home. Answer: `AccountFrozen`, and `InstructionCompleted` when every
    /// shard where it has a purse has applied it.
    FreezeAccount {
        /// The account.
        account: AccountId,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Ends a freeze. Shard: the account's home. Answer: `AccountUnfrozen`, then as for a freeze.
    UnfreezeAccount {
        /// The account.
        account: AccountId,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Limits an account's live orders and held credits over all markets. What it already has
    /// stays. Shard: the account's home. Answer: `AccountLimited`, then as for a freeze.
    LimitAccount {
        /// The account.
        account: AccountId,
        /// The new limits.
        limits: AccountLimits,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Limits each account in one market. What accounts already have stays. Shard: the market's.
    /// Answer: `MarketLimited`.
    LimitMarket {
        /// The market.
        market: MarketId,
        /// The new limits.
        limits: MarketLimits,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Moves available credits to another account. Shard: the sender's home, where it waits as a
    /// withdrawal does and is refused if the credits cannot be sent. Answer once they were sent:
    /// `TransferReceived` on the receiver's home shard, or `TransferReturned` on this shard.
    Transfer {
        /// The sender.
        from: AccountId,
        /// The receiver.
        to: AccountId,
        /// The amount; must be positive.
        amount: Credits,
        /// The client id. A repeat moves nothing. It is answered with the result of the first
        /// transfer, also if the receiver's home shard refused it.
        client_id: Option<ClientId>,
    },
    /// Confirms a proposed deposit. Shard: the proposal's. Answer: `Deposited`.
    ConfirmDeposit {
        /// The proposal.
        proposal: ProposalId,
        /// The account as this admin saw it. If it differs, the deposit is not confirmed.
        account: AccountId,
        /// The amount as this admin saw it. If it differs, the deposit is not confirmed.
        amount: Credits,
        /// The admin who makes the request; not the one who proposed.
        by: AdminId,
    },
    /// Drops a proposed deposit; nothing was moved. Shard: the proposal's. Answer:
    /// `DepositDropped`.
    DropDeposit {
        /// The proposal.
        proposal: ProposalId,
        /// The admin who makes the request; any admin may.
        by: AdminId,
    },
    /// Announces that a component reads the shard's log, and which vocabulary it can read. Each
    /// component repeats this every few minutes while it runs. Sent to every shard. Answer:
    /// `PartAnnounced`; also a repeated `VocabularyRaised` if the component reads less than the
    /// shard's vocabulary.
    Announce(PartInfo),
    /// Announces that a component stops. Sent to every shard. Answer: `PartLeft`.
    Leave {
        /// The component.
        part: PartId,
    },
    /// Raises the shard's vocabulary: from then on its leaders write records that need it. Refused
    /// unless each recently announced component can read it. Answer: `VocabularyRaised`.
    RaiseVocabulary {
        /// The new vocabulary; higher than the current one.
        to: u16,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Creates a market event: a named group of markets. Shard: the event's home. Answer:
    /// `MarketEventCreated`.
    CreateMarketEvent {
        /// The event.
        event: Box<MarketEvent>,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Replaces a market's description, before its first trade. Shard: the market's. Answer:
    /// `MarketEdited`.
    EditMarket {
        /// The market.
        market: MarketId,
        /// The fields to replace.
        edit: Box<MarketEdit>,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Adds to a market's description, until it is resolved. Shard: the market's. Answer:
    /// `MarketAddedTo`.
    AddToMarket {
        /// The market.
        market: MarketId,
        /// The addition.
        addition: Box<MarketAddition>,
        /// The admin who makes the request.
        by: AdminId,
    },
    /// Adds a key and ends another in one outcome, so that the account always has a valid key.
    /// Shard: the account's home. Answer: `ApiKeyAdded`, then `ApiKeyEnds`, or `ApiKeyRevoked` if
    /// there is no grace period.
    RotateApiKey {
        /// The account of the keys.
        account: AccountId,
        /// The key that ends.
        old: ApiKeyId,
        /// The key that replaces it.
        key: Box<ApiKey>,
        /// How long, in milliseconds, the old key stays valid, at most
        /// [`KEY_GRACE_MAX_MS`](crate::limits::KEY_GRACE_MAX_MS). This never extends the old key's
        /// expiry.
        grace_ms: u64,
        /// The account's key that makes the request: the rules for adding and for revoking a key
        /// both apply.
        by: Option<ApiKeyId>,
    },
    /// Sets, triggers, resets or deletes a group of an account's orders. Shard: the account's home.
    /// Answer: `GroupSet`, `GroupTriggered` or `GroupDeleted`, and `InstructionCompleted` when
    /// every shard where it has a purse has applied it.
    ActOnGroup {
        /// The account of the group.
        account: AccountId,
        /// The group.
        group: GroupId,
        /// The action.
        act: GroupAct,
    },
    /// Creates or replaces an admin: its key, roles, expiry and name. Shard: the first one. Answer:
    /// `AdminSet`.
    SetAdmin {
        /// The admin.
        admin: Box<WantedAdmin>,
        /// The admin who makes the request. While the log has no admin: one named in the
        /// configuration.
        by: AdminId,
    },
    /// Revokes an admin. Shard: the first one. Answer: `AdminRevoked`.
    RevokeAdmin {
        /// The admin to revoke.
        admin: AdminId,
        /// The admin who makes the request.
        by: AdminId,
    },
}

impl Command {
    /// The last kind that this build knows.
    pub(crate) const LAST_KIND: u16 = 32;

    /// Returns the vocabulary that a reader must know; 0 for kinds that exist since the first
    /// vocabulary.
    pub(crate) const fn needs(&self) -> u16 {
        0
    }

    /// The kinds of `Receive` and `Acknowledge`, which shards send each other.
    pub(crate) const BETWEEN_SHARDS: [u16; 2] = [9, 10];
}
