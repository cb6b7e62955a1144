//! The whole law once more, written only for clarity: one exchange, plain lists, sums counted
//! afresh whenever they are needed.
//!
//! Says, for one command, every event that tells something (all but those of purses and of the
//! traffic between shards), on which shard it is told, what the command does to wallets, and what
//! is there afterwards. Nothing is cached: a reservation is the sum of an account's resting sells,
//! what it holds that of its resting buys, a market's contracts that of its positions.
//!
//! An account has one pot of credits and one set of limits, whatever its purses have. Of shards the
//! model knows only what shows: ids carry them, a command can come to the wrong one, and
//!
//! - a frozen account is refused before the market is looked at, if it has a purse there
//!   ([`Account::purses`]);
//! - requests of a batch, one by one, are decided in the order that the core tells: some may wait
//!   for credits while others pass.

mod about;
mod accounts;
mod admins;
mod amend;
mod batch;
mod cancel;
mod deposits;
mod keys;
mod limits;
mod markets;
mod matching;
mod means;
mod order_groups;
mod orders;
mod reduce;
mod things;
mod time;
mod trial;

use std::collections::{BTreeMap, BTreeSet};

use engine_core::BooksMax;
use schemas::event::{CancelReason, FirstOutcome};
use schemas::limits::ORDER_FILLS_MAX;
use schemas::shard_map::ShardMap;
use schemas::{
    AccountId, Admin, AdminId, BatchRequest, ClientId, Command, Credits, Event, MarketEventId, MarketId, NewOrder,
    OrderId, PurseInstruction, Rejection, Shard, Status, Timestamp,
};

pub use about::{Group, Yes};
pub use order_groups::{GroupOf, OrderGroup};
pub use things::{Account, Market, Order};

/// The exchange.
pub struct Model {
    pub map: ShardMap,
    pub now: Timestamp,
    pub accounts: BTreeMap<AccountId, Account>,
    /// In the order of listing.
    pub markets: Vec<Market>,
    /// Markets that were paid out long ago, and the fees of each.
    pub archived: BTreeMap<MarketId, Credits>,
    /// Named groups of markets.
    pub groups: BTreeMap<MarketEventId, Group>,
    /// Groups of orders.
    pub order_groups: BTreeMap<GroupOf, OrderGroup>,
    /// How often each account made or reset one.
    pub generations: BTreeMap<AccountId, u64>,
    /// Admins of the exchange.
    pub admins: BTreeMap<AdminId, Admin>,
    /// Groups that the present request has triggered here.
    ending: Vec<GroupOf>,
    /// The shard where things happen.
    at: Shard,
    /// What clients called their orders, where they came in.
    orders_named: BTreeMap<(Shard, AccountId, MarketId, ClientId), Named>,
    /// What they called their deposits, withdrawals and transfers that are over.
    movements_named: BTreeMap<(AccountId, ClientId), NamedMovement>,
    /// What was sent to other shards and is not there, oldest first.
    journeys: Vec<Journey>,
    /// Nothing that is sent to another shard arrives.
    pub closed: bool,
    /// From how many on a shard's books are full.
    pub books_max: BooksMax,
    /// What the names stood for that movements came with, and whether they were the same movements.
    pub repeats: Vec<(Standing, bool)>,
    /// Whose each order was that is over, and how it ended.
    ended: BTreeMap<OrderId, (AccountId, Status)>,
    orders_numbered: BTreeMap<Shard, u64>,
    trades_made: BTreeMap<Shard, u64>,
    /// Deposits less withdrawals.
    deposited: BTreeMap<Shard, Credits>,
    /// Every deposit that was ever proposed.
    proposals: Vec<deposits::Proposal>,
    /// Every deposit that an admin ever made alone.
    alone: Vec<deposits::Alone>,
    /// Mass cancels that go on with time.
    mass_cancels: BTreeMap<(Shard, AccountId, Option<MarketId>), (CancelReason, OrderId)>,
    /// Resting orders that matching may still meet in this command.
    room: usize,
    /// Mass cancels everywhere, and the shards where they go on with time.
    unfinished: Vec<(AccountId, CancelReason, BTreeSet<Shard>)>,
    told: Vec<(Shard, Event)>,
    completed: Vec<Completed>,
    wallets: Wallets,
}

/// An instruction that every shard has carried out.
pub type Completed = (AccountId, PurseInstruction);

/// What a command did to wallets, for each order; `None` for redemptions and payouts.
pub type Wallets = BTreeMap<(AccountId, MarketId, Option<OrderId>), Moved>;

/// Credits moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    pub spent: Credits,
    pub released: Credits,
    pub received: Credits,
}

/// What the client id of a deposit, a withdrawal or a transfer stands for once it is over.
#[derive(Clone, Copy)]
struct NamedMovement {
    asked: FirstOutcome,
    came_to: FirstOutcome,
    hour: u64,
}

/// Credits between two accounts.
#[derive(Clone, Copy)]
struct Journey {
    from: AccountId,
    to: AccountId,
    amount: Credits,
    name: Option<ClientId>,
}

/// How a movement stands that has a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    UnderWay,
    Made,
    Refused,
}

/// What the client id of an order stands for.
#[derive(Clone, Copy)]
struct Named {
    order: NewOrder,
    first: FirstOutcome,
    /// The hour in which it was used, or in which its order ended that had rested for more than a
    /// day.
    hour: u64,
}

/// Hours after which a name is forgotten, unless its order rests.
const FORGOTTEN: u64 = 25;

/// What a shard does in turn while requests of a batch wait, one by one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decided {
    /// A request, by its place.
    Request(u16),
    /// It hears that a group was triggered.
    Group(GroupOf),
}

/// What a command led to.
pub struct Outcome {
    pub events: Vec<(Shard, Event)>,
    pub completed: Vec<Completed>,
    pub wallets: Wallets,
}

type Answer<T = Event> = Result<T, Rejection>;

impl Model {
    pub fn new(map: ShardMap) -> Self {
        Self {
            map,
            now: Timestamp(0),
            accounts: BTreeMap::new(),
            markets: Vec::new(),
            archived: BTreeMap::new(),
            groups: BTreeMap::new(),
            order_groups: BTreeMap::new(),
            generations: BTreeMap::new(),
            admins: BTreeMap::new(),
            ending: Vec::new(),
            at: Shard::all(1).next().expect("there is a first"),
            orders_named: BTreeMap::new(),
            movements_named: BTreeMap::new(),
            journeys: Vec::new(),
            closed: false,
            books_max: BooksMax::default(),
            repeats: Vec::new(),
            ended: BTreeMap::new(),
            orders_numbered: BTreeMap::new(),
            trades_made: BTreeMap::new(),
            deposited: BTreeMap::new(),
            proposals: Vec::new(),
            alone: Vec::new(),
            mass_cancels: BTreeMap::new(),
            room: 0,
            unfinished: Vec::new(),
            told: Vec::new(),
            completed: Vec::new(),
            wallets: Wallets::new(),
        }
    }

    /// One command that came to a shard, and all that follows from it on every shard. `decided` are
    /// the requests of a batch, one by one, in the order in which they are decided, and what the
    /// shard hears of groups meanwhile.
    pub fn handle(&mut self, at: Shard, time: Timestamp, command: &Command, decided: &[Decided]) -> Outcome {
        self.now = self.now.max(time);
        self.at = at;
        self.room = ORDER_FILLS_MAX;
        if self.names_a_time_beyond_9999(command) {
            self.answer(Err(Rejection::TimeOutOfRange));
        } else {
            self.obey(command, decided);
        }
        self.tell_homes();
        self.outcome()
    }

    fn names_a_time_beyond_9999(&self, command: &Command) -> bool {
        let late = |time: &Timestamp| time.0 >= 253_402_300_800_000;
        let order = |order: &NewOrder| {
            let times = [order.terms.time_in_force().expires(), order.instructions.deadline];
            times.iter().flatten().any(late)
        };
        match command {
            Command::OpenAccount { key, .. } | Command::AddApiKey { key, .. } => key.expires.iter().any(late),
            Command::RotateApiKey { key, .. } => key.expires.iter().any(late),
            Command::SetAdmin { admin, .. } => admin.expires.iter().any(late),
            Command::CreateMarket { listing, .. } => late(&listing.expiry) || listing.opens.iter().any(late),
            Command::EditMarket { edit, .. } => edit.expiry.iter().chain(edit.opens.iter().flatten()).any(late),
            Command::PlaceOrder(placed) => order(placed),
            Command::Batch { requests, .. } => {
                requests.iter().any(|request| matches!(request, BatchRequest::Place(placed) if order(placed)))
            }
            _ => false,
        }
    }

    /// What is on its way arrives from now on.
    pub fn open(&mut self, time: Timestamp) -> Outcome {
        self.now = self.now.max(time);
        self.closed = false;
        self.outcome()
    }

    fn outcome(&mut self) -> Outcome {
        if !self.closed {
            std::mem::take(&mut self.journeys).into_iter().for_each(|journey| self.arrive(journey));
        }
        let wallets = std::mem::take(&mut self.wallets).into_iter().filter(|(_, moved)| *moved != Moved::default());
        let (events, completed) = (std::mem::take(&mut self.told), std::mem::take(&mut self.completed));
        Outcome { events, completed, wallets: wallets.collect() }
    }

    fn obey(&mut self, command: &Command, decided: &[Decided]) {
        match command {
            Command::OpenAccount { account, key } => self.open_account(*account, key),
            Command::AddApiKey { account, key, by } => self.add_key(*account, key, *by),
            Command::RevokeApiKey { account, key, by } => self.revoke_key(*account, *key, *by),
            Command::RotateApiKey { account, old, key, grace_ms, by } => {
                self.rotate_key(*account, *old, key, *grace_ms, *by);
            }
            Command::Deposit { account, amount, client_id, by } => self.deposit(*account, *amount, *client_id, *by),
            Command::ConfirmDeposit { proposal, account, amount, by } => {
                self.confirm_deposit(*proposal, *account, *amount, *by);
            }
            Command::DropDeposit { proposal, by } => self.drop_deposit(*proposal, *by),
            Command::Withdraw { account, amount, client_id, by } => self.withdraw(*account, *amount, *client_id, *by),
            Command::Transfer { from, to, amount, client_id } => {
                self.transfer(Journey { from: *from, to: *to, amount: *amount, name: *client_id });
            }
            Command::FreezeAccount { account, by } => self.freeze(*account, *by),
            Command::UnfreezeAccount { account, by } => self.unfreeze(*account, *by),
            Command::LimitAccount { account, limits, by } => self.limit_account(*account, *limits, *by),
            Command::SetDeadManSwitch { account, timeout_s } => self.set_dead_man(*account, *timeout_s),
            Command::CreateMarket { listing, by } => self.create_market(listing, *by),
            Command::ChangeMarket { market, by, transition } => self.change_market(*market, *by, *transition),
            Command::LimitMarket { market, limits, by } => self.limit_market(*market, *limits, *by),
            Command::CreateMarketEvent { event, by } => self.create_market_event(event, *by),
            Command::EditMarket { market, edit, by } => self.edit_market(*market, edit, *by),
            Command::AddToMarket { market, addition, by } => self.add_to_market(*market, addition, *by),
            Command::PlaceOrder(order) => self.place(order, &[]),
            Command::CancelOrder { account, order } => self.cancel(*account, *order),
            Command::AmendOrder { account, order, price, quantity } => self.amend(*account, *order, *price, *quantity),
            Command::MassCancel { account, market } => self.mass_cancel(*account, *market),
            Command::Batch { account, all_or_nothing, requests } => {
                self.batch(*account, *all_or_nothing, requests, decided);
            }
            Command::ActOnGroup { account, group, act } => self.act_on_group(*account, *group, *act),
            Command::SetAdmin { admin, by } => self.set_admin(admin, *by),
            Command::RevokeAdmin { admin, by } => self.revoke_admin(*admin, *by),
            Command::AdvanceTime => self.advance_time(),
            Command::Receive { .. } | Command::Acknowledge { .. } => unreachable!("traffic between shards"),
            Command::Announce(_) | Command::Leave { .. } | Command::RaiseVocabulary { .. } => {
                unreachable!("see tests/vocabulary.rs")
            }
        }
    }

    /// The hour of now.
    fn hour(&self) -> u64 {
        self.now.0 / (60 * 60 * 1_000)
    }

    fn tell(&mut self, event: Event) {
        self.told.push((self.at, event));
    }

    /// Tells the answer of a command that is no order. True unless it was refused.
    fn answer(&mut self, answer: Answer) -> bool {
        let accepted = answer.is_ok();
        self.tell(answer.unwrap_or_else(|code| Event::Rejected { code }));
        accepted
    }

    /// What happens on another shard.
    fn on(&mut self, shard: Shard, happen: impl FnOnce(&mut Self)) {
        let here = std::mem::replace(&mut self.at, shard);
        happen(self);
        self.at = here;
    }

    /// A market changed a wallet.
    fn settle(&mut self, account: AccountId, market: MarketId, order: Option<OrderId>, moved: Moved) {
        self.account_mut(account).available += moved.released + moved.received;
        let sum = self.wallets.entry((account, market, order)).or_default();
        sum.spent += moved.spent;
        sum.released += moved.released;
        sum.received += moved.received;
    }
}
