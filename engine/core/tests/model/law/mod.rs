//! The whole law once more, written only for clarity: one exchange, plain lists, sums counted afresh whenever they are needed.
//!
//! Says, for one command, every event that tells something (all but those of the traffic between shards and of wallets), what
//! it does to wallets, and what is there afterwards. Nothing is cached: a reservation is the sum of an account's resting
//! sells, an exposure that of its resting orders, a market's contracts that of its positions.
//!
//! It knows of shards only what shows: ids carry them, a command can come to the wrong one, client ids are remembered where they came
//! in, and what an account's home passes on to another shard waits there until the home is done ([`Errand`]). What comes
//! back is there at once.

mod accounts;
mod amend;
mod batch;
mod cancel;
mod limits;
mod markets;
mod matching;
mod orders;
mod things;
mod time;
mod trial;

use std::collections::{BTreeMap, VecDeque};

use schemas::event::{CancelReason, FirstOutcome};
use schemas::limits::ORDER_FILLS_MAX;
use schemas::message::{EnteredRequest, Raise};
use schemas::shard_map::ShardMap;
use schemas::{
    AccountId, Amendment, ClientId, Command, Credits, Event, MarketId, NewOrder, OrderId, Rejection, Shard, Timestamp,
};

pub use things::{Account, Market, Order};

/// The exchange.
pub struct Model {
    pub map: ShardMap,
    pub now: Timestamp,
    pub accounts: BTreeMap<AccountId, Account>,
    /// In the order of listing.
    pub markets: Vec<Market>,
    /// What clients called their requests, where they came in.
    names: BTreeMap<(Shard, AccountId, ClientId), Named>,
    orders_entered: BTreeMap<Shard, u64>,
    trades_made: BTreeMap<Shard, u64>,
    /// Deposits less withdrawals.
    deposited: BTreeMap<Shard, Credits>,
    /// Mass cancels that go on with time.
    mass_cancels: BTreeMap<(Shard, AccountId, Option<MarketId>), (CancelReason, OrderId)>,
    errands: VecDeque<(Shard, Errand)>,
    /// Resting orders that matching may still meet in this command.
    room: usize,
    told: Vec<Event>,
    wallets: Wallets,
}

/// What a command did to wallets, for each order; `None` for redemptions and payouts.
pub type Wallets = BTreeMap<(AccountId, MarketId, Option<OrderId>), Moved>;

/// Credits moved, and whether the order ended with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    pub spent: Credits,
    pub released: Credits,
    pub received: Credits,
    pub ended: bool,
}

/// What a client id stands for.
#[derive(Clone, Copy)]
struct Named {
    first: FirstOutcome,
    /// The order, if it is one.
    order: Option<NewOrder>,
}

/// What waits for another shard.
enum Errand {
    Place(OrderId, NewOrder),
    Cancel(AccountId, OrderId),
    Amend(Amendment, Option<Raise>),
    MassCancel(AccountId, Option<MarketId>, CancelReason),
    Batch(AccountId, Vec<EnteredRequest>),
    Transfer(AccountId, AccountId, Credits),
}

/// What a command led to.
pub struct Outcome {
    pub events: Vec<Event>,
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
            names: BTreeMap::new(),
            orders_entered: BTreeMap::new(),
            trades_made: BTreeMap::new(),
            deposited: BTreeMap::new(),
            mass_cancels: BTreeMap::new(),
            errands: VecDeque::new(),
            room: 0,
            told: Vec::new(),
            wallets: Wallets::new(),
        }
    }

    /// One command that came to a shard, and all that follows from it on every shard.
    pub fn handle(&mut self, at: Shard, time: Timestamp, command: &Command) -> Outcome {
        self.now = self.now.max(time);
        self.room = ORDER_FILLS_MAX;
        self.obey(at, command);
        while let Some((at, errand)) = self.errands.pop_front() {
            self.room = ORDER_FILLS_MAX;
            self.run(at, errand);
        }
        let wallets = std::mem::take(&mut self.wallets).into_iter().filter(|(_, moved)| *moved != Moved::default());
        Outcome { events: std::mem::take(&mut self.told), wallets: wallets.collect() }
    }

    fn obey(&mut self, at: Shard, command: &Command) {
        match command {
            Command::OpenAccount { account, key } => self.open_account(at, *account, key),
            Command::AddApiKey { account, key } => self.add_key(at, *account, key),
            Command::RevokeApiKey { account, key } => self.revoke_key(at, *account, *key),
            Command::Deposit { account, amount, client_id } => self.deposit(at, *account, *amount, *client_id),
            Command::Withdraw { account, amount, client_id } => self.withdraw(at, *account, *amount, *client_id),
            Command::Transfer { from, to, amount, client_id } => self.transfer(at, *from, *to, *amount, *client_id),
            Command::FreezeAccount { account, by } => {
                self.set(at, *account, Event::AccountFrozen { account: *account, by: *by });
            }
            Command::UnfreezeAccount { account, by } => {
                self.set(at, *account, Event::AccountUnfrozen { account: *account, by: *by });
            }
            Command::LimitAccount { account, limits } => {
                self.set(at, *account, Event::AccountLimited { account: *account, limits: *limits });
            }
            Command::SetDeadManSwitch { account, timeout_s } => self.set_dead_man(at, *account, *timeout_s),
            Command::CreateMarket(listing) => self.create_market(at, listing),
            Command::ChangeMarket { market, by, transition } => self.change_market(at, *market, *by, *transition),
            Command::LimitMarket { market, limits } => self.limit_market(at, *market, *limits),
            Command::PlaceOrder(order) => self.place(at, order),
            Command::CancelOrder { account, order } => self.cancel(at, *account, *order),
            Command::AmendOrder { account, order, price, quantity } => {
                self.amend(at, *account, *order, *price, *quantity);
            }
            Command::MassCancel { account, market } => self.mass_cancel(at, *account, *market),
            Command::Batch { account, all_or_nothing, requests } => {
                self.batch(at, *account, *all_or_nothing, requests);
            }
            Command::AdvanceTime => self.advance_time(at),
            Command::Receive { .. } | Command::Acknowledge { .. } => unreachable!("traffic between shards"),
        }
    }

    fn run(&mut self, at: Shard, errand: Errand) {
        match errand {
            Errand::Place(id, order) => self.enter_market(id, &order),
            Errand::Cancel(account, order) => self.cancel_at_market(account, order),
            Errand::Amend(amendment, raised) => self.amend_at_market(amendment, raised),
            Errand::MassCancel(account, market, reason) => self.mass_cancel_at(at, account, market, reason),
            Errand::Batch(account, requests) => self.carry_out(account, &requests),
            Errand::Transfer(from, to, amount) => self.receive_transfer(from, to, amount),
        }
    }

    fn tell(&mut self, event: Event) {
        self.told.push(event);
    }

    fn wait_for(&mut self, shard: Shard, errand: Errand) {
        self.errands.push_back((shard, errand));
    }

    /// A market changed a wallet.
    fn settle(&mut self, account: AccountId, market: MarketId, order: Option<OrderId>, moved: Moved) {
        let wallet = self.accounts.get_mut(&account).expect("only accounts trade");
        wallet.available += moved.released + moved.received;
        wallet.held -= moved.released + moved.spent;
        if let Some(order) = order.filter(|_| moved.ended) {
            assert!(wallet.live_orders.remove(&order), "order {order} ended twice");
        }
        let sum = self.wallets.entry((account, market, order)).or_default();
        sum.spent += moved.spent;
        sum.released += moved.released;
        sum.received += moved.received;
        sum.ended |= moved.ended;
    }
}
