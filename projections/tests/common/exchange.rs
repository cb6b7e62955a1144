//! A small exchange that writes plausible history: the events that an engine might record, without
//! the engine's code.
//!
//! It keeps its own purses (an account's balance on one shard), positions, orders and books, so
//! that tests can compare the projections with them. There is one global state, but each event goes
//! to the log of the shard that would write it, and messages between shards are delayed.
//!
//! | file       | contents                                                              |
//! |------------|-----------------------------------------------------------------------|
//! | `accounts` | openings, keys, deposits, freezes, limits, switches, transfers        |
//! | `orders`   | placing and cancelling, and their effects on books and positions      |
//! | `groups`   | groups of orders                                                      |
//! | `matching` | fills                                                                 |
//! | `amend`    | changes of resting orders                                             |
//! | `life`     | a market's life cycle                                                 |
//! | `outcome`  | one outcome under construction; messages between shards               |
//! | `waiting`  | parked requests, and the asks of their purses                         |
//! | `home`     | claims, recalls, instructions                                         |

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use schemas::event::{CancelReason, FirstOutcome};
use schemas::market::Resolution;
use schemas::shard_map::ShardMap;
use schemas::*;

use super::random::Random;
use home::{Claim, Running};
use outcome::{Letter, Telling};

mod accounts;
mod amend;
mod groups;
mod home;
mod life;
mod matching;
mod orders;
mod outcome;
mod waiting;

/// Events that one shard records in one outcome.
pub struct Told {
    pub shard: Shard,
    pub command: CommandId,
    pub events: Vec<Event>,
}

/// An account's balance on one shard.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Purse {
    pub available: i64,
    pub held: i64,
    pub live_orders: i64,
    pub sent: i64,
    pub received: i64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Position {
    pub yes: i64,
    pub no: i64,
    pub yes_reserved: i64,
    pub no_reserved: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    pub account: AccountId,
    pub market: MarketId,
    /// The command that placed it.
    pub command: CommandId,
    pub quantity: u32,
    pub filled: u32,
    pub status: Status,
    /// The price at which it rests, or would have rested, in the contract's own terms.
    pub price: Price,
    pub cancel_reason: Option<CancelReason>,
    pub group: Option<GroupId>,
}

/// A group of an account's orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Group {
    pub limits: GroupLimits,
    pub generation: u64,
    /// Why it was first triggered.
    pub triggered: Option<TriggerCause>,
}

#[derive(Clone, Copy)]
struct Resting {
    id: OrderId,
    order: NewOrder,
    /// The price in the book (YES).
    price: Price,
    remaining: u32,
}

impl Resting {
    /// Returns the credits of its account that it holds.
    fn hold(&self, contracts: u32) -> i64 {
        match self.order.entry.side() {
            Side::Buy => {
                self.order.fee_rate.hold(self.order.entry.book_price(self.price), quantity(contracts)).micros()
            }
            Side::Sell => 0,
        }
    }
}

pub struct Market {
    pub listing: Listing,
    pub state: MarketState,
    pub resolution: Option<Resolution>,
    /// By (rank, arrival): the first entry is the best.
    bids: BTreeMap<(u16, u64), Resting>,
    asks: BTreeMap<(u16, u64), Resting>,
}

pub struct Exchange {
    map: ShardMap,
    pub random: Random,
    accounts: Vec<AccountId>,
    pub purses: BTreeMap<Place, Purse>,
    pub positions: BTreeMap<(MarketId, AccountId), Position>,
    pub markets: BTreeMap<MarketId, Market>,
    /// Market events, and the market that holds the YES of each.
    pub events: BTreeMap<MarketEventId, (Box<MarketEvent>, Option<MarketId>)>,
    /// How often a market's rules were clarified.
    pub clarifications: usize,
    /// Markets that no later event mentions.
    pub archived: BTreeSet<MarketId>,
    pub orders: BTreeMap<OrderId, Order>,
    /// Groups of orders, as on their accounts' home shards.
    pub groups: BTreeMap<(AccountId, GroupId), Group>,
    /// Copies of groups on other shards, as those shards know them.
    copies: BTreeMap<(Shard, AccountId, GroupId), u64>,
    counter: u64,
    keys: Vec<(AccountId, ApiKeyId)>,
    /// Deposits that wait for a second admin.
    proposals: Vec<(ProposalId, AccountId, Credits, Option<ClientId>)>,
    pub frozen: BTreeSet<AccountId>,
    /// Number of messages sent, by sender and receiver.
    sent: BTreeMap<(Shard, Shard), u64>,
    /// Messages that were sent and not received yet.
    mail: VecDeque<Letter>,
    /// Waiting orders, oldest first.
    parked: BTreeMap<Place, VecDeque<Parked>>,
    /// Purses that have asked and have no answer yet.
    asking: BTreeSet<Place>,
    /// Requests that wait on home shards, oldest first.
    claims: BTreeMap<AccountId, VecDeque<Claim>>,
    /// Open instructions.
    instructions: BTreeMap<u64, Running>,
}

/// An account on a shard.
pub type Place = (AccountId, Shard);

impl Exchange {
    pub fn new(shards: u16, seed: u64) -> Self {
        Self {
            map: ShardMap::new(shards).unwrap(),
            random: Random::new(seed),
            accounts: Vec::new(),
            purses: BTreeMap::new(),
            positions: BTreeMap::new(),
            markets: BTreeMap::new(),
            events: BTreeMap::new(),
            clarifications: 0,
            archived: BTreeSet::new(),
            orders: BTreeMap::new(),
            groups: BTreeMap::new(),
            copies: BTreeMap::new(),
            counter: 0,
            keys: Vec::new(),
            proposals: Vec::new(),
            frozen: BTreeSet::new(),
            sent: BTreeMap::new(),
            mail: VecDeque::new(),
            parked: BTreeMap::new(),
            asking: BTreeSet::new(),
            claims: BTreeMap::new(),
            instructions: BTreeMap::new(),
        }
    }

    pub fn home(&self, account: AccountId) -> Shard {
        self.map.of_account(account)
    }

    pub fn market_home(&self, market: MarketId) -> Shard {
        self.map.of_market(market)
    }

    /// Creates some accounts with credits, and some open markets.
    pub fn seed(&mut self, accounts: usize, markets: usize) -> Vec<Told> {
        let mut told = Vec::new();
        for _ in 0..accounts {
            told.extend(self.open_account());
            let account = *self.accounts.last().unwrap();
            told.extend(self.deposit(account, 5_000_000_000));
        }
        for _ in 0..markets {
            told.extend(self.create_market());
        }
        told
    }

    /// Delivers some messages, then performs a random action.
    pub fn step(&mut self) -> Vec<Told> {
        let mut told = self.deliver_some();
        told.extend(self.act());
        told
    }

    fn act(&mut self) -> Vec<Told> {
        match self.random.below(1_000) {
            0..5 => self.open_account(),
            5..25 => {
                let account = self.any_account();
                let amount = 1 + self.random.below(1_000_000_000).cast_signed();
                self.deposit(account, amount)
            }
            25..35 => self.withdraw(),
            35..39 => self.create_market(),
            39..43 => self.go_on_to_an_answer(),
            43..46 => self.pause_or_resume(),
            46..50 => self.change_keys(),
            50..60 => self.meaningless(),
            60..70 => self.change_account(),
            70..85 => self.transfer(),
            85..90 => self.mass_cancel(),
            90..120 => self.reduce(),
            120..200 => self.amend(),
            200..330 => self.cancel(),
            330..335 => self.time_out(),
            335..340 => self.cancel_parked(),
            340..350 => self.rest_purses(),
            350..360 => self.deposit_by_two(),
            360..368 => self.describe(),
            368..385 => self.act_on_group(),
            _ => self.place_any(),
        }
    }

    /// Performs a step of a trade-heavy workload for measurements: mostly orders.
    pub fn busy_step(&mut self) -> Vec<Told> {
        let mut told = self.deliver_some();
        told.extend(if self.random.below(100) < 20 { self.cancel() } else { self.place_any() });
        told
    }

    /// Returns the contracts that rest in a market's book, by side and price.
    pub fn levels(&self, market: MarketId) -> BTreeMap<(BookSide, Price), u64> {
        let mut levels = BTreeMap::new();
        let market = &self.markets[&market];
        for resting in market.bids.values().chain(market.asks.values()) {
            *levels.entry((resting.order.entry.book_side(), resting.price)).or_default() +=
                u64::from(resting.remaining);
        }
        levels
    }

    fn command(&mut self) -> CommandId {
        // Ordered by time, like the gateway's UUIDs.
        self.counter += 1;
        CommandId(u128::from(self.counter) << 64 | u128::from(self.random.next()))
    }

    fn any_account(&mut self) -> AccountId {
        self.accounts[self.random.index(self.accounts.len())]
    }

    fn any_market(&mut self) -> MarketId {
        let nth = self.random.index(self.markets.len() - self.archived.len());
        *self.markets.keys().filter(|market| !self.archived.contains(market)).nth(nth).unwrap()
    }

    fn purse(&mut self, place: Place) -> &mut Purse {
        self.purses.get_mut(&place).expect("an account that trades has a purse")
    }

    /// Returns the shards where an account has a purse.
    fn shards_of(&self, account: AccountId) -> Vec<Shard> {
        Shard::all(self.map.shards()).filter(|shard| self.purses.contains_key(&(account, *shard))).collect()
    }

    /// Returns outcomes that change no row.
    fn meaningless(&mut self) -> Vec<Told> {
        let account = self.any_account();
        let command = self.command();
        let mut told = Telling::new(command, self.home(account));
        let repeated = |first| Event::ClientIdRepeated { account, client_id: ClientId(7), first };
        told.events.extend(match self.random.below(5) {
            0 => Some(repeated(FirstOutcome::Deposit { amount: Credits(1) })),
            1 => Some(repeated(FirstOutcome::Parked { command })),
            2 => Some(Event::StateHashed { hash: schemas::StateHash { way: 1, sum: 7 } }),
            3 => Some(Event::Rejected { code: Rejection::AccountExists }),
            _ => None,
        });
        self.tell(told)
    }
}

fn quantity(contracts: u32) -> Quantity {
    Quantity::new(contracts).unwrap()
}
