//! What became true. The meaning of an event is fixed for ever: recovery and every follower apply old ones again.
//!
//! What each event changes in purses, positions, markets and books is written once, in [`crate::effects`].

use bincode::{Decode, Encode};

use crate::about::{MarketAddition, MarketEdit, MarketEvent};
use crate::account::{AccountLimits, ApiKey};
use crate::admin::Admin;
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
use crate::record::Build;
use crate::rejection::Rejection;
use crate::settlement::Settlement;
use crate::time::Timestamp;

/// What became true. Append-only: variants keep their place and their fields.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Event {
    /// Something that this build does not know and may pass over: a later one wrote it. Never written.
    Unknown {
        /// Its kind.
        kind: u16,
    },
    /// A command (not an order) was refused; nothing changed.
    Rejected {
        /// Why.
        code: Rejection,
    },
    /// An account exists, with an empty purse on its home.
    AccountOpened {
        /// Which.
        account: AccountId,
    },
    /// A key authenticates its account from now on.
    ApiKeyAdded {
        /// Whose key.
        account: AccountId,
        /// The key.
        key: ApiKey,
        /// The account's key that asked; `None`: the exchange.
        by: Option<ApiKeyId>,
    },
    /// A key is worthless from now on.
    ApiKeyRevoked {
        /// Whose key.
        account: AccountId,
        /// Which key.
        key: ApiKeyId,
        /// The account's key that asked; `None`: the exchange.
        by: Option<ApiKeyId>,
    },
    /// Credits came into the exchange, available in the account's purse on its home.
    Deposited {
        /// Whose.
        account: AccountId,
        /// How much.
        amount: Credits,
        /// The client's own name for the request.
        client_id: Option<ClientId>,
        /// Who did it, or proposed it.
        by: AdminId,
        /// The second admin's word, if one was needed: the proposal waits no more.
        seconded: Option<Seconded>,
    },
    /// Available credits left the exchange.
    Withdrawn {
        /// Whose.
        account: AccountId,
        /// How much.
        amount: Credits,
        /// The client's own name for the request.
        client_id: Option<ClientId>,
        /// Who did it.
        by: AdminId,
    },
    /// An order was taken in: what a buy needs went from available to held. Its trades follow in the same outcome.
    OrderPlaced(OrderPlaced),
    /// An order was refused and nothing else happened.
    OrderRejected {
        /// The id given to it.
        id: OrderId,
        /// The order.
        order: NewOrder,
        /// Why.
        code: Rejection,
    },
    /// Two orders matched.
    Traded(Trade),
    /// A resting order ended with a remainder. (An order that never rested ends in its `OrderPlaced`, one whose
    /// amendment ended it in its `OrderAmended`.)
    OrderCancelled {
        /// Which order.
        order: OrderId,
        /// Whose.
        account: AccountId,
        /// Where.
        market: MarketId,
        /// How it had entered the book.
        entry: Entry,
        /// Its price in the book (YES).
        price: Price,
        /// The remainder.
        quantity: Quantity,
        /// Why.
        reason: CancelReason,
    },
    /// Unreserved YES and NO of one account became credits.
    PairsRedeemed {
        /// Where.
        market: MarketId,
        /// Whose.
        account: AccountId,
        /// How many of each.
        pairs: u64,
    },
    /// A market changed a purse on its shard.
    Settled(Settlement),
    /// A market exists, in CREATED.
    MarketCreated {
        /// The market.
        listing: Listing,
        /// Who listed it.
        by: AdminId,
    },
    /// A market moved on.
    MarketChanged {
        /// Which.
        market: MarketId,
        /// Where it stands now.
        state: MarketState,
        /// Its answer, from RESOLVING on.
        resolution: Option<Resolution>,
        /// Who did it; nobody if time did.
        by: Option<AdminId>,
    },
    /// A position was paid out and is gone.
    PaidOut {
        /// Where.
        market: MarketId,
        /// Whose.
        account: AccountId,
        /// YES contracts it had.
        yes: u64,
        /// NO contracts it had.
        no: u64,
        /// What they paid.
        credits: Credits,
    },
    /// The last position of a resolved or voided market was paid out.
    MarketSettled {
        /// Which.
        market: MarketId,
    },
    /// A message to another shard is promised; kept until acknowledged.
    Sent {
        /// The receiver.
        to: Shard,
        /// Dense among those from here to there, from 1.
        number: u64,
        /// The effect.
        message: Message,
    },
    /// A message from another shard was taken in; its effects follow in the same outcome.
    Received {
        /// The sender.
        from: Shard,
        /// Its number.
        number: u64,
    },
    /// A message from another shard was not the next one: had before, or one is missing in between.
    MessageSkipped {
        /// The sender.
        from: Shard,
        /// Its number.
        number: u64,
        /// The number that is next.
        expected: u64,
    },
    /// Messages up to a number need not be kept any longer.
    Acknowledged {
        /// The shard that has them.
        to: Shard,
        /// The highest.
        number: u64,
    },
    /// The request was made before under the same client id; nothing changed.
    ClientIdRepeated {
        /// Whose.
        account: AccountId,
        /// The repeated name.
        client_id: ClientId,
        /// What the first request led to.
        first: FirstOutcome,
    },
    /// The hash of the shard's state after all other events of this outcome: every follower proves that it agrees.
    StateHashed {
        /// Which way of hashing, and what it came to.
        hash: StateHash,
    },
    /// A cancel was refused; nothing changed.
    CancelRejected {
        /// Who asked.
        account: AccountId,
        /// For which order.
        order: OrderRef,
        /// Why.
        code: Rejection,
    },
    /// More credits went from available to held, for the amendment that follows.
    HoldRaised {
        /// Whose.
        account: AccountId,
        /// For which order.
        order: OrderId,
        /// How much more.
        amount: Credits,
    },
    /// A live order was changed. Its trades follow in the same outcome.
    OrderAmended(OrderAmended),
    /// An amendment was refused; the order is as it was.
    AmendRejected {
        /// Who asked.
        account: AccountId,
        /// For which order.
        order: OrderRef,
        /// Why.
        code: Rejection,
    },
    /// A resting order lost a part without a trade: an order of its own account met it, or it only reduces a position
    /// that has become smaller. It keeps its place.
    OrderReduced {
        /// Which order.
        order: OrderId,
        /// Whose.
        account: AccountId,
        /// Where.
        market: MarketId,
        /// How it had entered the book.
        entry: Entry,
        /// Its price in the book (YES).
        price: Price,
        /// By how much; less than what rested.
        quantity: Quantity,
        /// Why.
        reason: CancelReason,
    },
    /// Orders of an account are to be cancelled, parked ones included. In one market: on its shard, and all orders end here. Everywhere:
    /// on the account's home, which instructs each shard where the account has a purse.
    MassCancelRequested {
        /// Whose.
        account: AccountId,
        /// Where; `None` means everywhere.
        market: Option<MarketId>,
    },
    /// More orders wait for a mass cancel than one command may end. The rest goes on with time.
    MassCancelOpened {
        /// Whose.
        account: AccountId,
        /// Where; `None` means in every market of this shard.
        market: Option<MarketId>,
        /// Why.
        reason: CancelReason,
        /// Later orders are not meant.
        up_to: OrderId,
        /// The instruction of the account's home that is answered when it is done.
        ticket: Option<u64>,
    },
    /// A mass cancel that took longer than one command is done.
    MassCancelClosed {
        /// Whose.
        account: AccountId,
        /// Where.
        market: Option<MarketId>,
    },
    /// A dead-man switch fires at this time unless it is set again; `None`: it is off.
    DeadManSwitchSet {
        /// Whose.
        account: AccountId,
        /// When.
        due: Option<Timestamp>,
    },
    /// A dead-man switch was not set again in time; it is off, and the account's orders are cancelled everywhere, as by a mass cancel.
    DeadManSwitchFired {
        /// Whose.
        account: AccountId,
    },
    /// What follows, up to the next of these or the next `Resumed`, answers this request of a batch.
    BatchItem {
        /// Its place in the batch, from 0.
        index: u16,
    },
    /// Home: the account can only cancel, and receive credits. Its other purses are told.
    AccountFrozen {
        /// Which.
        account: AccountId,
        /// Who did it.
        by: AdminId,
    },
    /// Home: the account is as any other. Its other purses are told.
    AccountUnfrozen {
        /// Which.
        account: AccountId,
        /// Who did it.
        by: AdminId,
    },
    /// Home: what the account may have in all markets together. Its purse here keeps the room that it uses; the others are told.
    AccountLimited {
        /// Which.
        account: AccountId,
        /// From now on.
        limits: AccountLimits,
        /// Who did it.
        by: AdminId,
    },
    /// What each account may have in a market.
    MarketLimited {
        /// Which.
        market: MarketId,
        /// From now on.
        limits: MarketLimits,
        /// Who did it.
        by: AdminId,
    },
    /// Sender's home: credits left its purse for another account's. Until its end, a transfer with a name is under way.
    TransferSent {
        /// Who gives.
        from: AccountId,
        /// Who gets.
        to: AccountId,
        /// How much.
        amount: Credits,
        /// The client's own name for the request.
        client_id: Option<ClientId>,
    },
    /// Receiver's home: they came in, available. If it is the sender's home too, the transfer has ended.
    TransferReceived {
        /// Who gave.
        from: AccountId,
        /// Who gets.
        to: AccountId,
        /// How much.
        amount: Credits,
        /// What the sender calls it.
        client_id: Option<ClientId>,
    },
    /// Sender's home: they could not be received and are back, available. The transfer has ended.
    TransferReturned {
        /// Who gave, and has them again.
        from: AccountId,
        /// Who should have got them.
        to: AccountId,
        /// How much.
        amount: Credits,
        /// What the sender calls it.
        client_id: Option<ClientId>,
        /// Why not.
        code: Rejection,
    },
    /// A request waits for what its purse lacks, or for what other purses give back. It is answered later, after `Resumed`.
    Parked(Box<Parked>),
    /// What follows, up to the next of these, answers a command that waited: a parked request, or an instruction that every shard has
    /// carried out.
    Resumed {
        /// Whose.
        account: AccountId,
        /// Which parked request or instruction.
        ticket: u64,
        /// The command that is answered.
        command: CommandId,
    },
    /// Another request of the same account ended a parked one before it was decided.
    ParkedCancelled {
        /// Whose.
        account: AccountId,
        /// Which.
        ticket: u64,
        /// The command that it came with; its refusal follows.
        command: CommandId,
    },
    /// Market's shard: the account's home is asked for what the oldest parked request lacks.
    Asked {
        /// Whose purse.
        account: AccountId,
        /// What is lacking.
        need: Need,
        /// Room that the purse gives back.
        given_back: Room,
    },
    /// Market's shard: the home has answered; what it lends came before, in `PurseReceived`.
    AskAnswered {
        /// Whose purse.
        account: AccountId,
        /// Why it gets nothing.
        refused: Option<Rejection>,
    },
    /// Available credits, and room, left the purse here for the account's purse on another shard.
    PurseSent {
        /// Whose purse.
        account: AccountId,
        /// The other shard.
        to: Shard,
        /// How much.
        credits: Credits,
        /// Room.
        room: Room,
    },
    /// Credits, and room, came into the purse here from the account's purse on another shard. The first makes the purse.
    PurseReceived {
        /// Whose purse.
        account: AccountId,
        /// The other shard.
        from: Shard,
        /// How much.
        credits: Credits,
        /// Room.
        room: Room,
    },
    /// Away from home. True: the purse pays for no orders any more, and what is live stays. False: it pays for orders again.
    PurseFrozen {
        /// Whose purse.
        account: AccountId,
        /// Frozen or not.
        frozen: bool,
    },
    /// Away from home: the account's limits have changed. The purse keeps the room that it uses, and asks before the next order.
    PurseLimited {
        /// Whose purse.
        account: AccountId,
        /// Room that it gives back.
        given_back: Room,
    },
    /// Home: shards are told what to do. `InstructionCompleted` follows when all have done so.
    Instructed {
        /// Whose purses.
        account: AccountId,
        /// Names the instruction here.
        ticket: u64,
        /// What to do.
        instruction: PurseInstruction,
        /// Who has to answer.
        shards: Vec<Shard>,
    },
    /// Home: a shard has carried an instruction out.
    Obeyed {
        /// Whose purse.
        account: AccountId,
        /// Which instruction.
        ticket: u64,
        /// Which shard.
        shard: Shard,
        /// True if a recalled purse still has something free.
        more: bool,
    },
    /// Home: every shard where the account has a purse has carried an instruction out.
    InstructionCompleted {
        /// Whose purses.
        account: AccountId,
        /// Which.
        instruction: PurseInstruction,
    },
    /// Sender's home: credits were received on another shard, which said so in `TransferReceived`. The transfer has
    /// ended.
    TransferCompleted {
        /// Who gave.
        from: AccountId,
        /// Who got.
        to: AccountId,
        /// How much.
        amount: Credits,
        /// What the sender calls it.
        client_id: ClientId,
    },
    /// A deposit waits for a second admin. It is no credit before `Deposited`.
    DepositProposed {
        /// Names it.
        proposal: ProposalId,
        /// Whose credits they would be.
        account: AccountId,
        /// How much.
        amount: Credits,
        /// The client's own name for the request.
        client_id: Option<ClientId>,
        /// Who proposed it.
        by: AdminId,
        /// It waits until then.
        expires: Timestamp,
    },
    /// A proposed deposit waits no more; nothing was moved.
    DepositDropped {
        /// Which.
        proposal: ProposalId,
        /// Whose credits they would have been.
        account: AccountId,
        /// Who did it; nobody if its time came.
        by: Option<AdminId>,
    },
    /// A part reads this shard's log. It counts for [`PART_COUNTS_MS`](crate::limits::PART_COUNTS_MS).
    PartAnnounced {
        /// What it says of itself.
        part: PartInfo,
        /// The shard's vocabulary, for parts that began to read behind its last change.
        vocabulary: u16,
    },
    /// A part has ended.
    PartLeft {
        /// Which.
        part: PartId,
    },
    /// From here on the shard's leaders write this vocabulary. A reader that knows less stops here.
    VocabularyRaised {
        /// The vocabulary. Its frame needs it, and its bytes are fixed for ever: a reader that knows less reads from
        /// them which build to install.
        to: u16,
        /// The oldest build known to read it.
        install: Build,
        /// Who raised it; nobody if it is said again, to a part that reads less.
        by: Option<AdminId>,
    },
    /// A market that was paid out long ago has left its shard's state: the last that the log says of it. Its ticker is
    /// never listed again.
    MarketArchived {
        /// Which.
        market: MarketId,
        /// Where it stood at the end.
        state: MarketState,
        /// Its answer.
        resolution: Option<Resolution>,
        /// When its last position was paid out.
        settled: Timestamp,
        /// All fees that were ever collected in it. They stay with the shard (I-1).
        fees: Credits,
    },
    /// What the command of this outcome came with: the outcome's first event, if there is anything. Changes nothing.
    CameWith(Box<Origin>),
    /// A market event exists. Markets can be listed in it, on whatever shards.
    MarketEventCreated {
        /// The event.
        event: Box<MarketEvent>,
        /// Who created it.
        by: AdminId,
    },
    /// What a market is was changed, before its first trade.
    MarketEdited {
        /// Which.
        market: MarketId,
        /// What was replaced.
        edit: Box<MarketEdit>,
        /// Who did it.
        by: AdminId,
    },
    /// Something was added to what a market is.
    MarketAddedTo {
        /// Which.
        market: MarketId,
        /// What.
        addition: Box<MarketAddition>,
        /// Who did it.
        by: AdminId,
    },
    /// Market's shard: YES is proposed as the answer of a market in a market event, whose home is asked for the event's
    /// YES.
    YesClaimed {
        /// Which market.
        market: MarketId,
        /// Its event.
        event: MarketEventId,
        /// Counts the claims of the market, from 1.
        claim: u32,
    },
    /// Market's shard: YES is not the proposed answer any more, so the market claims and holds nothing of its event.
    YesReleased {
        /// Which market.
        market: MarketId,
        /// Its event.
        event: MarketEventId,
    },
    /// Event's home: who holds the event's YES. Told of exclusive events only.
    YesHeld {
        /// Which event.
        event: MarketEventId,
        /// The market that holds it; `None`: nobody does.
        market: Option<MarketId>,
    },
    /// Market's shard: the event's home has answered a claim.
    YesAnswered {
        /// Which market.
        market: MarketId,
        /// Which claim.
        claim: u32,
        /// Another market of the event, which holds its YES; `None`: this one can be answered YES.
        taken_by: Option<MarketId>,
    },
    /// A key was replaced and stays valid until this time.
    ApiKeyEnds {
        /// Whose key.
        account: AccountId,
        /// Which key.
        key: ApiKeyId,
        /// From then on it is worthless.
        expires: Timestamp,
    },
    /// A key's time came: it is worthless from now on.
    ApiKeyExpired {
        /// Whose key.
        account: AccountId,
        /// Which key.
        key: ApiKeyId,
    },
    /// A group of an account's orders has these limits. Elsewhere than at home: the home has said so.
    GroupSet {
        /// Whose.
        account: AccountId,
        /// Which.
        group: GroupId,
        /// Its limits.
        limits: GroupLimits,
        /// Counts the makings and resets of the account's groups, from 1.
        generation: u64,
        /// It was just made or reset: nothing has filled, and it is not triggered.
        anew: bool,
    },
    /// A group's orders have filled.
    GroupFilled {
        /// Whose.
        account: AccountId,
        /// Which.
        group: GroupId,
        /// How much: a trade between two of its orders counts once.
        contracts: u64,
        /// What has filled in its window with that, as counted on this shard.
        filled: u64,
        /// Home: the other shard where they filled.
        reported_by: Option<Shard>,
    },
    /// A group takes no orders until it is reset. Its live orders on this shard end in the same outcome.
    GroupTriggered {
        /// Whose.
        account: AccountId,
        /// Which.
        group: GroupId,
        /// Why.
        cause: TriggerCause,
    },
    /// Away from home: all that a group has filled here, and whether it was triggered, is told to the home.
    GroupReported {
        /// Whose.
        account: AccountId,
        /// Which.
        group: GroupId,
    },
    /// There is no such group any more. Its live orders on this shard end in the same outcome.
    GroupDeleted {
        /// Whose.
        account: AccountId,
        /// Which.
        group: GroupId,
    },
    /// An admin is this from now on.
    AdminSet {
        /// The admin.
        admin: Box<Admin>,
        /// Who asked.
        by: AdminId,
    },
    /// There is no such admin any more.
    AdminRevoked {
        /// Which.
        admin: AdminId,
        /// Who asked.
        by: AdminId,
    },
}

// Every command builds, applies and encodes a few of them: two cache lines, so that copying one is a few moves.
const _: () = assert!(size_of::<Event>() <= 128);

/// What a client id stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum FirstOutcome {
    /// An order that was taken in (its present state is in the read models).
    Order {
        /// Which.
        id: OrderId,
    },
    /// An order that was refused.
    OrderRejected {
        /// Which.
        id: OrderId,
        /// Why.
        code: Rejection,
    },
    /// A deposit.
    Deposit {
        /// How much.
        amount: Credits,
    },
    /// A withdrawal.
    Withdrawal {
        /// How much.
        amount: Credits,
    },
    /// A transfer to another account, which received it.
    Transfer {
        /// Who gets.
        to: AccountId,
        /// How much.
        amount: Credits,
    },
    /// A request that is parked, or a transfer that is under way. This command is answered when that one is.
    Parked {
        /// The command that it came with.
        command: CommandId,
    },
    /// A transfer that the receiver's home refused: its sender has the credits again.
    TransferRefused {
        /// Who should have got them.
        to: AccountId,
        /// How much.
        amount: Credits,
        /// Why not.
        code: Rejection,
    },
    /// A deposit that waits for a second admin.
    DepositProposed {
        /// Which.
        proposal: ProposalId,
        /// How much.
        amount: Credits,
    },
}

/// A second admin's word on a deposit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Seconded {
    /// Which proposal is confirmed.
    pub proposal: ProposalId,
    /// Not the one who proposed.
    pub by: AdminId,
}

open_enum! {
    /// Why an order ended with a remainder.
    CancelReason: u8, unknown "UNKNOWN_" {
        /// Its owner asked.
        Requested = 0, "REQUESTED";
        /// Its market closed, was resolved or was voided.
        MarketEnded = 1, "MARKET_ENDED";
        /// Its own time came; its status is EXPIRED.
        Expired = 2, "EXPIRED";
        /// It met an order of its own account; or it is a fill-or-kill that would have filled if those had been another's.
        SelfTrade = 3, "SELF_TRADE";
        /// Its market paused, and it had asked for this.
        MarketPaused = 4, "MARKET_PAUSED";
        /// Its owner asked for all of its orders.
        MassCancel = 5, "MASS_CANCEL";
        /// Its owner's dead-man switch fired.
        DeadManSwitch = 6, "DEAD_MAN_SWITCH";
        /// Its time in force lets nothing rest.
        TimeInForce = 7, "TIME_IN_FORCE";
        /// It matched as much as one command may.
        MatchLimit = 8, "MATCH_LIMIT";
        /// It only reduces its account's position, and there was no more to reduce.
        ReduceOnly = 9, "REDUCE_ONLY";
        /// Its group was triggered or deleted.
        Group = 10, "GROUP";
    }
}

impl CancelReason {
    /// Where an order stands that ended for this. A later reason for which an order has not simply been cancelled needs
    /// a new vocabulary.
    pub const fn status(self) -> Status {
        match self {
            Self::Expired => Status::Expired,
            _ => Status::Cancelled,
        }
    }
}

/// The hash of a shard's state: what the state means, however a build lays it out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct StateHash {
    /// By which way it was made. Who does not know the way cannot check the hash.
    pub way: u16,
    /// The sum of the hashes of all entities, modulo 2^64.
    pub sum: u64,
}

impl std::fmt::Display for StateHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{:016x}", self.way, self.sum)
    }
}

/// An order as its market took it in, after all its matching.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct OrderPlaced {
    /// Its id.
    pub id: OrderId,
    /// As asked.
    pub order: NewOrder,
    /// Its limit in the book (YES): as asked, or where a post-only order went instead.
    pub price: Price,
    /// Contracts it is for: as asked, less what meeting its own account's orders took off, and what an order that only
    /// reduces would have had beyond its account's position; or what the budget bought.
    pub quantity: Quantity,
    /// Contracts filled on the way in; its trades follow.
    pub filled: Quantity,
    /// Where it stands after them: ACTIVE and PARTIALLY_FILLED rest in the book, FILLED and CANCELLED do not.
    pub status: Status,
    /// Why it is CANCELLED, if it is. Of any other it is REDUCE_ONLY, if that took off a part of it.
    pub cancel_reason: Option<CancelReason>,
}

impl OrderPlaced {
    /// What it held of its account's credits when it was let in. What it spent and did not need any more follows in
    /// `Settled`.
    #[inline]
    pub fn hold(&self) -> Credits {
        if self.order.instructions.reduce_only { self.order.hold_for(self.quantity) } else { self.order.hold() }
    }

    /// Contracts that rest in the book.
    #[inline]
    pub fn resting(&self) -> Quantity {
        if self.status.is_live() { self.quantity - self.filled } else { Quantity::ZERO }
    }
}

/// A live order after its change and all its matching.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct OrderAmended {
    /// Which order.
    pub order: OrderId,
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub market: MarketId,
    /// How it entered the book.
    pub entry: Entry,
    /// Its price in the book (YES) before.
    pub old_price: Price,
    /// What rested of it before.
    pub old_remaining: Quantity,
    /// Its price in the book (YES) now.
    pub price: Price,
    /// Contracts it is for now, with what is filled.
    pub quantity: Quantity,
    /// Contracts filled in all, before and with this change; the trades of this change follow.
    pub filled: Quantity,
    /// Where it stands after them.
    pub status: Status,
    /// Why it is CANCELLED, if it is. Of any other it is REDUCE_ONLY, if that took off a part of what was asked for.
    pub cancel_reason: Option<CancelReason>,
    /// True if it kept its place in the queue: only its quantity went down.
    pub in_place: bool,
}

impl OrderAmended {
    /// Contracts that rest in the book now.
    #[inline]
    pub fn resting(&self) -> Quantity {
        if self.status.is_live() { self.quantity - self.filled } else { Quantity::ZERO }
    }
}

/// Two orders matched at the maker's price.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Trade {
    /// Its id.
    pub id: TradeId,
    /// Where.
    pub market: MarketId,
    /// The maker's price, in YES.
    pub price: Price,
    /// Contracts.
    pub quantity: Quantity,
    /// The order that was resting.
    pub maker: Party,
    /// The order that came in.
    pub taker: Party,
    /// What is left of the maker's order; 0 when it is filled.
    pub maker_remaining: Quantity,
}

/// One side of a trade.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Party {
    /// The order.
    pub order: OrderId,
    /// Its account.
    pub account: AccountId,
    /// How it entered the book.
    pub entry: Entry,
    /// The fee it pays.
    pub fee: Credits,
}

wire_enum! {
    /// What a match does to the contracts in the world.
    TradeKind: u8 {
        /// YES moves from seller to buyer.
        TransferYes = 0, "TRANSFER_YES";
        /// NO moves from seller to buyer.
        TransferNo = 1, "TRANSFER_NO";
        /// Two buyers: pairs come into being, a credit each goes into collateral.
        Mint = 2, "MINT";
        /// Two sellers: pairs end, a credit each comes out of collateral.
        Burn = 3, "BURN";
    }
}

impl Trade {
    /// What the match did. Total: a bid (BUY YES, SELL NO) meets an ask (SELL YES, BUY NO).
    #[inline]
    pub fn kind(&self) -> TradeKind {
        match (self.maker.entry.side(), self.taker.entry.side()) {
            (Side::Buy, Side::Buy) => TradeKind::Mint,
            (Side::Sell, Side::Sell) => TradeKind::Burn,
            _ if self.maker.entry.contract() == Contract::Yes => TradeKind::TransferYes,
            _ => TradeKind::TransferNo,
        }
    }

    /// The side of the book that the taker hit from.
    pub fn taker_side(&self) -> BookSide {
        self.taker.entry.book_side()
    }

    /// What a party pays (a buyer) or gets (a seller) for its contracts, before the fee.
    #[inline]
    pub fn notional(&self, party: &Party) -> Credits {
        party.entry.book_price(self.price).cost(self.quantity)
    }
}
