//! Events: facts. The meaning of an event never changes, since recovery and every follower apply
//! old events again.
//!
//! [`crate::effects`] is the single definition of what each event changes in purses, positions,
//! markets and books.

use bincode::{Decode, Encode};

pub use crate::cancel_reason::CancelReason;

use crate::about::{MarketAddition, MarketEdit, MarketEvent};
use crate::account::{AccountLimits, ApiKey};
use crate::admin::Admin;
use crate::build::Build;
use crate::group::{GroupId, GroupLimits, TriggerCause};
use crate::ids::{
    AccountId, AdminId, ApiKeyId, ClientId, CommandId, MarketEventId, MarketId, OrderId, PartId, ProposalId, Shard,
    TradeId,
};
use crate::market::{Listing, MarketLimits, MarketState, Resolution};
use crate::message::Message;
use crate::money::{Credits, Price, Quantity};
use crate::order::{BookSide, Contract, Entry, NewOrder, OrderRef, Side, Status};
use crate::origin::Origin;
use crate::part::PartInfo;
use crate::purse::{Need, Parked, PurseInstruction, Room};
use crate::rejection::Rejection;
use crate::settlement::Settlement;
use crate::time::Timestamp;

/// A fact. Append-only: variants keep their number and their fields.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Event {
    /// An event of a later build that this build does not know and may skip. Never written.
    Unknown {
        /// The kind of the event.
        kind: u16,
    },
    /// A command (not an order) was refused; nothing changed.
    Rejected {
        /// The reason for the refusal.
        code: Rejection,
    },
    /// An account was opened, with an empty purse (its balance on one shard) on its home shard.
    AccountOpened {
        /// The account.
        account: AccountId,
    },
    /// A key was added: it authenticates its account from now on.
    ApiKeyAdded {
        /// The account of the key.
        account: AccountId,
        /// The key.
        key: ApiKey,
        /// The account's key that made the request; `None`: the exchange made it.
        by: Option<ApiKeyId>,
    },
    /// A key was revoked: it is invalid from now on.
    ApiKeyRevoked {
        /// The account of the key.
        account: AccountId,
        /// The key.
        key: ApiKeyId,
        /// The account's key that made the request; `None`: the exchange made it.
        by: Option<ApiKeyId>,
    },
    /// Credits were deposited and are available in the account's purse on its home shard.
    Deposited {
        /// The account.
        account: AccountId,
        /// The amount.
        amount: Credits,
        /// The client's id for the request.
        client_id: Option<ClientId>,
        /// The admin who deposited or proposed it.
        by: AdminId,
        /// The second admin's confirmation, if one was needed. The proposal has ended.
        seconded: Option<Seconded>,
    },
    /// Available credits were withdrawn from the exchange.
    Withdrawn {
        /// The account.
        account: AccountId,
        /// The amount.
        amount: Credits,
        /// The client's id for the request.
        client_id: Option<ClientId>,
        /// The admin who did it.
        by: AdminId,
    },
    /// An order was accepted: the credits that a buy needs moved from available to held. Its trades
    /// follow in the same outcome.
    OrderPlaced(OrderPlaced),
    /// An order was refused; nothing else happened.
    OrderRejected {
        /// The id assigned to it.
        id: OrderId,
        /// The order.
        order: NewOrder,
        /// The reason for the refusal.
        code: Rejection,
    },
    /// Two orders matched.
    Traded(Trade),
    /// A resting order ended with a remainder. (For an order that never rested, `OrderPlaced`
    /// contains its end; for one that ended by its amendment, `OrderAmended`.)
    OrderCancelled {
        /// The order.
        order: OrderId,
        /// The account.
        account: AccountId,
        /// The market.
        market: MarketId,
        /// The order's contract and side.
        entry: Entry,
        /// Its price in the book, in terms of YES.
        price: Price,
        /// The remainder.
        quantity: Quantity,
        /// The reason.
        reason: CancelReason,
    },
    /// Unreserved pairs of YES and NO of one account were redeemed for credits.
    PairsRedeemed {
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
        /// The number of pairs.
        pairs: u64,
    },
    /// A market changed a purse on its shard.
    Settled(Settlement),
    /// A market was created, in state CREATED.
    MarketCreated {
        /// The market.
        listing: Listing,
        /// The admin who listed it.
        by: AdminId,
    },
    /// A market changed its state.
    MarketChanged {
        /// The market.
        market: MarketId,
        /// The new state.
        state: MarketState,
        /// Its answer, from RESOLVING on.
        resolution: Option<Resolution>,
        /// The admin who did it; `None` if it happened by time.
        by: Option<AdminId>,
    },
    /// A position was paid out and removed.
    PaidOut {
        /// The market.
        market: MarketId,
        /// The account.
        account: AccountId,
        /// YES contracts of the position.
        yes: u64,
        /// NO contracts of the position.
        no: u64,
        /// The credits paid.
        credits: Credits,
    },
    /// The last position of a resolved or voided market was paid out.
    MarketSettled {
        /// The market.
        market: MarketId,
    },
    /// A message to another shard was queued; it is kept until acknowledged.
    Sent {
        /// The receiver.
        to: Shard,
        /// Its number among the messages from this shard to that one: without gaps, from 1.
        number: u64,
        /// The message.
        message: Message,
    },
    /// A message from another shard was accepted; its effects follow in the same outcome.
    Received {
        /// The sender.
        from: Shard,
        /// Its number.
        number: u64,
    },
    /// A message from another shard was skipped because it is not the next one: it was received
    /// before, or an earlier one is missing.
    MessageSkipped {
        /// The sender.
        from: Shard,
        /// Its number.
        number: u64,
        /// The number of the next message.
        expected: u64,
    },
    /// Another shard has received messages up to a number; they need not be kept any longer.
    Acknowledged {
        /// The shard that has received them.
        to: Shard,
        /// The highest number received.
        number: u64,
    },
    /// The request was made before with the same client id; nothing changed.
    ClientIdRepeated {
        /// The account.
        account: AccountId,
        /// The repeated client id.
        client_id: ClientId,
        /// The result of the first request.
        first: FirstOutcome,
    },
    /// The hash of the shard's state after all other events of this outcome. Every follower
    /// compares it with its own.
    StateHashed {
        /// The hash and the way of hashing.
        hash: StateHash,
    },
    /// A cancel was refused; nothing changed.
    CancelRejected {
        /// The account that made the request.
        account: AccountId,
        /// The order.
        order: OrderRef,
        /// The reason for the refusal.
        code: Rejection,
    },
    /// Additional credits moved from available to held, for the amendment that follows.
    HoldRaised {
        /// The account.
        account: AccountId,
        /// The order.
        order: OrderId,
        /// The additional amount.
        amount: Credits,
    },
    /// A live order was changed. Its trades follow in the same outcome.
    OrderAmended(OrderAmended),
    /// An amendment was refused; the order did not change.
    AmendRejected {
        /// The account that made the request.
        account: AccountId,
        /// The order.
        order: OrderRef,
        /// The reason for the refusal.
        code: Rejection,
    },
    /// A resting order was reduced without a trade: it met an order of its own account, or it is
    /// reduce-only and the position has become smaller. It keeps its queue priority.
    OrderReduced {
        /// The order.
        order: OrderId,
        /// The account.
        account: AccountId,
        /// The market.
        market: MarketId,
        /// The order's contract and side.
        entry: Entry,
        /// Its price in the book, in terms of YES.
        price: Price,
        /// The reduction; less than the quantity that rested.
        quantity: Quantity,
        /// The reason.
        reason: CancelReason,
    },
    /// A mass cancel of an account's orders was accepted, parked orders included. For one market:
    /// on the market's shard, and all orders end here. For every market: on the account's home
    /// shard, which instructs each shard where the account has a purse.
    MassCancelRequested {
        /// The account.
        account: AccountId,
        /// The market; `None` means every market.
        market: Option<MarketId>,
    },
    /// A mass cancel has more orders to cancel than one command may. It continues at the next
    /// `AdvanceTime`.
    MassCancelOpened {
        /// The account.
        account: AccountId,
        /// The market; `None` means every market of this shard.
        market: Option<MarketId>,
        /// The reason.
        reason: CancelReason,
        /// The last order included; later orders are not cancelled.
        up_to: OrderId,
        /// The home shard's instruction that is answered at the end of the mass cancel.
        ticket: Option<u64>,
    },
    /// A mass cancel that took longer than one command has finished.
    MassCancelClosed {
        /// The account.
        account: AccountId,
        /// The market.
        market: Option<MarketId>,
    },
    /// A dead-man switch was set; it fires at this time unless it is set again. `None`: it is off.
    DeadManSwitchSet {
        /// The account.
        account: AccountId,
        /// The time at which it fires.
        due: Option<Timestamp>,
    },
    /// A dead-man switch was not set again in time and has fired. It is off, and the account's
    /// orders are cancelled everywhere, as by a mass cancel.
    DeadManSwitchFired {
        /// The account.
        account: AccountId,
    },
    /// The following events, up to the next `BatchItem` or `Resumed`, answer this request of a
    /// batch.
    BatchItem {
        /// The index in the batch, from 0.
        index: u16,
    },
    /// Home shard: the account was frozen. It can only cancel and receive credits. Its other purses
    /// are notified.
    AccountFrozen {
        /// The account.
        account: AccountId,
        /// The admin who did it.
        by: AdminId,
    },
    /// Home shard: the freeze has ended. The account's other purses are notified.
    AccountUnfrozen {
        /// The account.
        account: AccountId,
        /// The admin who did it.
        by: AdminId,
    },
    /// Home shard: the account's limits over all markets were changed. Its purse here keeps the
    /// room (remaining order allowance) that it uses; its other purses are notified.
    AccountLimited {
        /// The account.
        account: AccountId,
        /// The new limits.
        limits: AccountLimits,
        /// The admin who did it.
        by: AdminId,
    },
    /// The limits of each account in a market were changed.
    MarketLimited {
        /// The market.
        market: MarketId,
        /// The new limits.
        limits: MarketLimits,
        /// The admin who did it.
        by: AdminId,
    },
    /// Sender's home shard: credits left its purse for another account. A transfer with a client id
    /// is pending until it ends.
    TransferSent {
        /// The sender.
        from: AccountId,
        /// The receiver.
        to: AccountId,
        /// The amount.
        amount: Credits,
        /// The client's id for the request.
        client_id: Option<ClientId>,
    },
    /// Receiver's home shard: the credits were received and are available. If this is also the
    /// sender's home shard, the transfer has ended.
    TransferReceived {
        /// The sender.
        from: AccountId,
        /// The receiver.
        to: AccountId,
        /// The amount.
        amount: Credits,
        /// The sender's client id for the transfer.
        client_id: Option<ClientId>,
    },
    /// Sender's home shard: the credits could not be received. They are available to the sender
    /// again, and the transfer has ended.
    TransferReturned {
        /// The sender, who has the credits again.
        from: AccountId,
        /// The intended receiver.
        to: AccountId,
        /// The amount.
        amount: Credits,
        /// The sender's client id for the transfer.
        client_id: Option<ClientId>,
        /// The reason for the refusal.
        code: Rejection,
    },
    /// A request was parked: it waits for what its purse lacks, or for what other purses return. It
    /// is answered later, after `Resumed`.
    Parked(Box<Parked>),
    /// The following events, up to the next `Resumed`, answer a command that waited: a parked
    /// request, or an instruction that every shard has carried out.
    Resumed {
        /// The account.
        account: AccountId,
        /// The ticket of the parked request or instruction.
        ticket: u64,
        /// The command that is answered.
        command: CommandId,
    },
    /// Another request of the same account cancelled a parked one before it was decided.
    ParkedCancelled {
        /// The account.
        account: AccountId,
        /// The ticket of the request.
        ticket: u64,
        /// The command that contained the request; its refusal follows.
        command: CommandId,
    },
    /// Market's shard: the account's home shard is asked for what the oldest parked request lacks.
    Asked {
        /// The account of the purse.
        account: AccountId,
        /// What is missing.
        need: Need,
        /// Room that the purse returns.
        given_back: Room,
    },
    /// Market's shard: the home shard has answered. What it lends precedes this, in
    /// `PurseReceived`.
    AskAnswered {
        /// The account of the purse.
        account: AccountId,
        /// The reason why the purse gets nothing.
        refused: Option<Rejection>,
    },
    /// Available credits and room left the purse here for the account's purse on another shard.
    PurseSent {
        /// The account of the purse.
        account: AccountId,
        /// The other shard.
        to: Shard,
        /// The credits.
        credits: Credits,
        /// The room.
        room: Room,
    },
    /// Credits and room arrived in the purse here from the account's purse on another shard. The
    /// first arrival creates the purse.
    PurseReceived {
        /// The account of the purse.
        account: AccountId,
        /// The other shard.
        from: Shard,
        /// The credits.
        credits: Credits,
        /// The room.
        room: Room,
    },
    /// Not on the home shard: whether the purse is frozen. A frozen purse pays for no orders, and
    /// its live orders stay.
    PurseFrozen {
        /// The account of the purse.
        account: AccountId,
        /// True if the purse is frozen from now on, false if it pays for orders again.
        frozen: bool,
    },
    /// Not on the home shard: the account's limits have changed. The purse keeps the room that it
    /// uses, and asks before the next order.
    PurseLimited {
        /// The account of the purse.
        account: AccountId,
        /// Room that it returns.
        given_back: Room,
    },
    /// Home shard: an instruction was sent to shards. `InstructionCompleted` follows when all have
    /// carried it out.
    Instructed {
        /// The account of the purses.
        account: AccountId,
        /// Identifies the instruction on this shard.
        ticket: u64,
        /// The instruction.
        instruction: PurseInstruction,
        /// The shards that must answer.
        shards: Vec<Shard>,
    },
    /// Home shard: another shard has carried out an instruction.
    Obeyed {
        /// The account of the purse.
        account: AccountId,
        /// The ticket of the instruction.
        ticket: u64,
        /// The shard that has carried it out.
        shard: Shard,
        /// True if a recalled purse still has something free.
        more: bool,
    },
    /// Home shard: every shard where the account has a purse has carried out an instruction.
    InstructionCompleted {
        /// The account of the purses.
        account: AccountId,
        /// The instruction.
        instruction: PurseInstruction,
    },
    /// Sender's home shard: the credits were received on another shard, whose log has the
    /// `TransferReceived`. The transfer has ended.
    TransferCompleted {
        /// The sender.
        from: AccountId,
        /// The receiver.
        to: AccountId,
        /// The amount.
        amount: Credits,
        /// The sender's client id for the transfer.
        client_id: ClientId,
    },
    /// A deposit waits for a second admin. It credits nothing before `Deposited`.
    DepositProposed {
        /// Identifies the proposal.
        proposal: ProposalId,
        /// The account to be credited.
        account: AccountId,
        /// The amount.
        amount: Credits,
        /// The client's id for the request.
        client_id: Option<ClientId>,
        /// The admin who proposed it.
        by: AdminId,
        /// The time at which the proposal expires.
        expires: Timestamp,
    },
    /// A proposed deposit was dropped or has expired; nothing was moved.
    DepositDropped {
        /// The proposal.
        proposal: ProposalId,
        /// The account that would have been credited.
        account: AccountId,
        /// The admin who did it; `None` if it expired.
        by: Option<AdminId>,
    },
    /// A component reads this shard's log. The announcement counts for
    /// [`PART_COUNTS_MS`](crate::limits::PART_COUNTS_MS).
    PartAnnounced {
        /// The component's description of itself.
        part: PartInfo,
        /// The shard's vocabulary, for components that started to read after its last change.
        vocabulary: u16,
    },
    /// A component has stopped.
    PartLeft {
        /// The component.
        part: PartId,
    },
    /// From here on the shard's leaders write this vocabulary. A reader that knows less stops here.
    VocabularyRaised {
        /// The vocabulary. Its frame needs it, and its bytes never change: a reader that knows less
        /// reads from them which build to install.
        to: u16,
        /// The oldest build known to read it.
        install: Build,
        /// The admin who raised it; `None` if it is repeated, for a component that reads less.
        by: Option<AdminId>,
    },
    /// A market that was paid out long ago was removed from its shard's state: the last event about
    /// it. Its ticker is never listed again.
    MarketArchived {
        /// The market.
        market: MarketId,
        /// Its final state.
        state: MarketState,
        /// Its answer.
        resolution: Option<Resolution>,
        /// When its last position was paid out.
        settled: Timestamp,
        /// All fees ever collected in it. They stay with the shard (I-1).
        fees: Credits,
    },
    /// The origin of this outcome's command: the outcome's first event, if there is an origin. It
    /// changes nothing.
    CameWith(Box<Origin>),
    /// A market event was created. Markets on any shard can be listed in it.
    MarketEventCreated {
        /// The event.
        event: Box<MarketEvent>,
        /// The admin who created it.
        by: AdminId,
    },
    /// A market's description was changed, before its first trade.
    MarketEdited {
        /// The market.
        market: MarketId,
        /// The replaced fields.
        edit: Box<MarketEdit>,
        /// The admin who did it.
        by: AdminId,
    },
    /// Something was added to a market's description.
    MarketAddedTo {
        /// The market.
        market: MarketId,
        /// The addition.
        addition: Box<MarketAddition>,
        /// The admin who did it.
        by: AdminId,
    },
    /// Market's shard: YES is proposed as the answer of a market in a market event. The event's
    /// home shard is asked for the event's YES.
    YesClaimed {
        /// The market.
        market: MarketId,
        /// Its event.
        event: MarketEventId,
        /// Counts the claims of the market, from 1.
        claim: u32,
    },
    /// Market's shard: YES is no longer the proposed answer, so the market has no claim on its
    /// event's YES.
    YesReleased {
        /// The market.
        market: MarketId,
        /// Its event.
        event: MarketEventId,
    },
    /// Event's home shard: which market has the event's YES. Written for exclusive events only.
    YesHeld {
        /// The event.
        event: MarketEventId,
        /// The market that has it; `None`: no market has it.
        market: Option<MarketId>,
    },
    /// Market's shard: the event's home shard has answered a claim.
    YesAnswered {
        /// The market.
        market: MarketId,
        /// The number of the claim.
        claim: u32,
        /// The other market of the event that has its YES; `None`: this market can be answered YES.
        taken_by: Option<MarketId>,
    },
    /// A key was replaced and stays valid until this time.
    ApiKeyEnds {
        /// The account of the key.
        account: AccountId,
        /// The key.
        key: ApiKeyId,
        /// The time from which the key is invalid.
        expires: Timestamp,
    },
    /// A key has expired: it is invalid from now on.
    ApiKeyExpired {
        /// The account of the key.
        account: AccountId,
        /// The key.
        key: ApiKeyId,
    },
    /// A group of an account's orders was set to these limits. On other shards than the home: as
    /// received from the home shard.
    GroupSet {
        /// The account.
        account: AccountId,
        /// The group.
        group: GroupId,
        /// The group's limits.
        limits: GroupLimits,
        /// Counts the creations and resets of the account's groups, from 1.
        generation: u64,
        /// True if the group was just created or reset: nothing has filled, and it is not
        /// triggered.
        anew: bool,
    },
    /// A group's orders have filled.
    GroupFilled {
        /// The account.
        account: AccountId,
        /// The group.
        group: GroupId,
        /// The number of contracts; a trade between two of its orders counts once.
        contracts: u64,
        /// The contracts filled in its window, including these, as counted on this shard.
        filled: u64,
        /// Home shard: the other shard where they filled.
        reported_by: Option<Shard>,
    },
    /// A group was triggered and takes no orders until it is reset. Its live orders on this shard
    /// end in the same outcome.
    GroupTriggered {
        /// The account.
        account: AccountId,
        /// The group.
        group: GroupId,
        /// The reason.
        cause: TriggerCause,
    },
    /// Not on the home shard: all that a group has filled here, and whether it was triggered, is
    /// reported to the home shard.
    GroupReported {
        /// The account.
        account: AccountId,
        /// The group.
        group: GroupId,
    },
    /// A group was deleted. Its live orders on this shard end in the same outcome.
    GroupDeleted {
        /// The account.
        account: AccountId,
        /// The group.
        group: GroupId,
    },
    /// An admin was created or replaced.
    AdminSet {
        /// The admin.
        admin: Box<Admin>,
        /// The admin who made the request.
        by: AdminId,
    },
    /// An admin was revoked.
    AdminRevoked {
        /// The admin.
        admin: AdminId,
        /// The admin who made the request.
        by: AdminId,
    },
}

// Every command builds, applies and encodes a few events: at two cache lines, a copy is a few
// moves.
const _: () = assert!(size_of::<Event>() <= 128);

/// The result of the first request with a client id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum FirstOutcome {
    /// An accepted order (the read models have its current state).
    Order {
        /// The order.
        id: OrderId,
    },
    /// A refused order.
    OrderRejected {
        /// The order.
        id: OrderId,
        /// The reason for the refusal.
        code: Rejection,
    },
    /// A deposit.
    Deposit {
        /// The amount.
        amount: Credits,
    },
    /// A withdrawal.
    Withdrawal {
        /// The amount.
        amount: Credits,
    },
    /// A transfer to another account, which received it.
    Transfer {
        /// The receiver.
        to: AccountId,
        /// The amount.
        amount: Credits,
    },
    /// A parked request, or a pending transfer. This command is answered when that one is.
    Parked {
        /// The command that contained the request.
        command: CommandId,
    },
    /// A transfer that the receiver's home shard refused: its sender has the credits again.
    TransferRefused {
        /// The intended receiver.
        to: AccountId,
        /// The amount.
        amount: Credits,
        /// The reason for the refusal.
        code: Rejection,
    },
    /// A deposit that waits for a second admin.
    DepositProposed {
        /// The proposal.
        proposal: ProposalId,
        /// The amount.
        amount: Credits,
    },
}

/// A second admin's confirmation of a deposit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Seconded {
    /// The confirmed proposal.
    pub proposal: ProposalId,
    /// The second admin; not the one who proposed.
    pub by: AdminId,
}

/// The hash of a shard's state. It depends on the meaning of the state, not on a build's memory
/// layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct StateHash {
    /// The way of hashing. A reader that does not know it cannot check the hash.
    pub way: u16,
    /// The sum of the hashes of all entities, modulo 2^64.
    pub sum: u64,
}

impl std::fmt::Display for StateHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{:016x}", self.way, self.sum)
    }
}

/// An accepted order, after all its matching.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct OrderPlaced {
    /// The id assigned to it.
    pub id: OrderId,
    /// The order as submitted.
    pub order: NewOrder,
    /// Its limit in the book, in terms of YES: as submitted, or the price to which a post-only
    /// order was moved.
    pub price: Price,
    /// The order's quantity in contracts: as submitted, minus reductions for meeting orders of its
    /// own account and, for a reduce-only order, the excess over its account's position; for a
    /// budget, what it bought.
    pub quantity: Quantity,
    /// Contracts filled on arrival; its trades follow.
    pub filled: Quantity,
    /// Its status after them: ACTIVE and PARTIALLY_FILLED rest in the book, FILLED and CANCELLED do
    /// not.
    pub status: Status,
    /// The reason if the status is CANCELLED. With any other status: REDUCE_ONLY if that reduced
    /// the order.
    pub cancel_reason: Option<CancelReason>,
}

impl OrderPlaced {
    /// Returns the credits held when the order was accepted. What it spent and no longer needed
    /// follows in `Settled`.
    #[inline]
    pub fn hold(&self) -> Credits {
        if self.order.instructions.reduce_only { self.order.hold_for(self.quantity) } else { self.order.hold() }
    }

    /// Returns the contracts that rest in the book.
    #[inline]
    pub fn resting(&self) -> Quantity {
        if self.status.is_live() { self.quantity - self.filled } else { Quantity::ZERO }
    }
}

/// A live order after its change and all its matching.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct OrderAmended {
    /// The order.
    pub order: OrderId,
    /// The account.
    pub account: AccountId,
    /// The market.
    pub market: MarketId,
    /// The order's contract and side.
    pub entry: Entry,
    /// Its previous price in the book, in terms of YES.
    pub old_price: Price,
    /// Its previous remainder.
    pub old_remaining: Quantity,
    /// Its new price in the book, in terms of YES.
    pub price: Price,
    /// Its new total quantity in contracts, including what is filled.
    pub quantity: Quantity,
    /// Contracts filled in total, before and by this change; the trades of this change follow.
    pub filled: Quantity,
    /// Its status after them.
    pub status: Status,
    /// The reason if the status is CANCELLED. With any other status: REDUCE_ONLY if that reduced
    /// the requested quantity.
    pub cancel_reason: Option<CancelReason>,
    /// True if it kept its queue priority: only its quantity decreased.
    pub in_place: bool,
}

impl OrderAmended {
    /// Returns the contracts that now rest in the book.
    #[inline]
    pub fn resting(&self) -> Quantity {
        if self.status.is_live() { self.quantity - self.filled } else { Quantity::ZERO }
    }
}

/// Two orders matched at the maker's price.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Trade {
    /// The trade's id.
    pub id: TradeId,
    /// The market.
    pub market: MarketId,
    /// The maker's price, in terms of YES.
    pub price: Price,
    /// Contracts.
    pub quantity: Quantity,
    /// The resting order.
    pub maker: Party,
    /// The incoming order.
    pub taker: Party,
    /// The remainder of the maker's order; 0 when it is filled.
    pub maker_remaining: Quantity,
}

/// One side of a trade.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Party {
    /// The order.
    pub order: OrderId,
    /// Its account.
    pub account: AccountId,
    /// The order's contract and side.
    pub entry: Entry,
    /// The fee that this side pays.
    pub fee: Credits,
}

wire_enum! {
    /// What a match does to the contracts outstanding.
    TradeKind: u8 {
        /// YES moves from seller to buyer.
        TransferYes = 0, "TRANSFER_YES";
        /// NO moves from seller to buyer.
        TransferNo = 1, "TRANSFER_NO";
        /// Two buyers: pairs are created, and one credit for each goes into collateral.
        Mint = 2, "MINT";
        /// Two sellers: pairs are burned, and one credit for each comes out of collateral.
        Burn = 3, "BURN";
    }
}

impl Trade {
    /// Returns the kind of the trade. Total: a bid (BUY YES, SELL NO) meets an ask (SELL YES, BUY
    /// NO).
    #[inline]
    pub fn kind(&self) -> TradeKind {
        match (self.maker.entry.side(), self.taker.entry.side()) {
            (Side::Buy, Side::Buy) => TradeKind::Mint,
            (Side::Sell, Side::Sell) => TradeKind::Burn,
            _ if self.maker.entry.contract() == Contract::Yes => TradeKind::TransferYes,
            _ => TradeKind::TransferNo,
        }
    }

    /// Returns the side of the book of the taker's order.
    pub fn taker_side(&self) -> BookSide {
        self.taker.entry.book_side()
    }

    /// Returns what a party pays (buyer) or receives (seller) for its contracts, before the fee.
    #[inline]
    pub fn notional(&self, party: &Party) -> Credits {
        party.entry.book_price(self.price).cost(self.quantity)
    }
}
