//! A second implementation of all of the core's rules, written only for clarity: one exchange,
//! plain lists, and sums that are counted anew at each use.
//!
//! For one command it returns every event (except those of purses and of the messages between
//! shards), the shard of each event, the changes of wallets, and the state afterwards. Nothing is
//! cached: a reservation is the sum of an account's resting sells, its held credits are the sum of
//! its resting buys, a market's contracts are the sum of its positions.
//!
//! An account has one balance of credits and one set of limits, whatever its purses have. The model
//! knows only the visible effects of shards: ids contain them, a command can arrive at the wrong
//! one, and
//!
//! - a frozen account is refused before the market is looked at, if it has a purse there
//!   ([`Account::purses`]);
//! - the requests of a batch that is not all-or-nothing are decided in the order that the core
//!   reports: some may wait for credits while others pass.

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
    /// Archived markets, and the fees of each.
    pub archived: BTreeMap<MarketId, Credits>,
    /// Market events.
    pub groups: BTreeMap<MarketEventId, Group>,
    /// Groups of orders.
    pub order_groups: BTreeMap<GroupOf, OrderGroup>,
    /// Number of times that each account set or reset one.
    pub generations: BTreeMap<AccountId, u64>,
    /// Admins of the exchange.
    pub admins: BTreeMap<AdminId, Admin>,
    /// Groups that the current request has triggered here.
    ending: Vec<GroupOf>,
    /// The shard of the current command.
    at: Shard,
    /// Client ids of orders, by the shard that accepted them.
    orders_named: BTreeMap<(Shard, AccountId, MarketId, ClientId), Named>,
    /// Client ids of deposits, withdrawals and transfers that are complete.
    movements_named: BTreeMap<(AccountId, ClientId), NamedMovement>,
    /// Messages to other shards that have not arrived, oldest first.
    journeys: Vec<Journey>,
    /// No message to another shard arrives.
    pub closed: bool,
    /// Number of orders from which on a shard's books are full.
    pub books_max: BooksMax,
    /// The state of the movements with each repeated client id, and whether the repeats were the
    /// same requests.
    pub repeats: Vec<(Standing, bool)>,
    /// The account and the end of each order that has ended.
    ended: BTreeMap<OrderId, (AccountId, Status)>,
    orders_numbered: BTreeMap<Shard, u64>,
    trades_made: BTreeMap<Shard, u64>,
    /// Deposits less withdrawals.
    deposited: BTreeMap<Shard, Credits>,
    /// Every deposit that was ever proposed.
    proposals: Vec<deposits::Proposal>,
    /// Every deposit that an admin ever made alone.
    alone: Vec<deposits::Alone>,
    /// Mass cancels that continue with time.
    mass_cancels: BTreeMap<(Shard, AccountId, Option<MarketId>), (CancelReason, OrderId)>,
    /// Resting orders that matching may still meet in this command.
    room: usize,
    /// Mass cancels on all shards, and the shards where they continue with time.
    unfinished: Vec<(AccountId, CancelReason, BTreeSet<Shard>)>,
    told: Vec<(Shard, Event)>,
    completed: Vec<Completed>,
    wallets: Wallets,
}

/// An instruction that every shard has carried out.
pub type Completed = (AccountId, PurseInstruction);

/// Changes of wallets by a command, for each order; `None` for redemptions and payouts.
pub type Wallets = BTreeMap<(AccountId, MarketId, Option<OrderId>), Moved>;

/// Credits moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    pub spent: Credits,
    pub released: Credits,
    pub received: Credits,
}

/// The result that the client id of a complete deposit, withdrawal or transfer refers to.
#[derive(Clone, Copy)]
struct NamedMovement {
    asked: FirstOutcome,
    came_to: FirstOutcome,
    hour: u64,
}

/// Credits on their way between two accounts.
#[derive(Clone, Copy)]
struct Journey {
    from: AccountId,
    to: AccountId,
    amount: Credits,
    name: Option<ClientId>,
}

/// The state of a movement with a client id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    UnderWay,
    Made,
    Refused,
}

/// The order that a client id refers to.
#[derive(Clone, Copy)]
struct Named {
    order: NewOrder,
    first: FirstOutcome,
    /// The hour in which the id was used, or in which its order ended, if it had rested for more
    /// than a day.
    hour: u64,
}

/// Hours after which a client id is forgotten, unless its order rests.
const FORGOTTEN: u64 = 25;

/// One step of a shard while requests of a batch wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decided {
    /// A request, by its index.
    Request(u16),
    /// The shard receives the trigger of a group.
    Group(GroupOf),
}

/// The result of a command.
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
            at: Shard::all(1).next().expect("the market has an index"),
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

    /// Handles one command and everything that follows from it on every shard. `decided` lists the
    /// requests of a batch in the order of their decisions, and the group messages that the shard
    /// receives meanwhile.
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

    /// Messages arrive from now on.
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
            Command::Receive { .. } | Command::Acknowledge { .. } => unreachable!("messages between shards"),
            Command::Announce(_) | Command::Leave { .. } | Command::RaiseVocabulary { .. } => {
                unreachable!("see tests/vocabulary.rs")
            }
        }
    }

    /// The current hour.
    fn hour(&self) -> u64 {
        self.now.0 / (60 * 60 * 1_000)
    }

    fn tell(&mut self, event: Event) {
        self.told.push((self.at, event));
    }

    /// Records the answer of a command that is no order. Returns true unless it was refused.
    fn answer(&mut self, answer: Answer) -> bool {
        let accepted = answer.is_ok();
        self.tell(answer.unwrap_or_else(|code| Event::Rejected { code }));
        accepted
    }

    /// Runs on another shard.
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
