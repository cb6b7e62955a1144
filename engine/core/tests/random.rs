//! Random commands over several shards, with messages in every legal order, repeats, crashes and
//! recoveries. After every step all invariants hold; at the end everything is paid out and no
//! micro-credit is missing.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod cluster;

use std::sync::Arc;

use cluster::Cluster;
use proptest::prelude::*;
use schemas::limits::{PURSE_REST_MS, PURSE_STEP_MS};
use schemas::market::YesValue;
use schemas::money::MICROS_PER_CREDIT;
use schemas::{
    About, AccountId, AccountLimits, AdminId, ApiKey, ApiKeyId, BatchRequest, ClientId, Command, Credits, Entry, Event,
    FeeRate, GroupAct, GroupId, GroupLimits, Instructions, Listing, MarketAddition, MarketEdit, MarketEvent,
    MarketEventId, MarketId, MarketLimits, MarketState, NewOrder, OrderId, OrderRef, PostOnly, Price, Quantity,
    ResolutionAnswer, Scopes, SelfTrade, Shard, Tags, Terms, TimeInForce, Timestamp, Transition,
};

const ACCOUNTS: u64 = 6;
/// Number of markets in which orders are placed; one more is never traded.
const MARKETS: usize = 3;
const DISPUTE_WINDOW_MS: u64 = 500;

#[derive(Clone, Debug)]
enum Step {
    Place {
        account: u64,
        wish: Wish,
        client_id: Option<u8>,
    },
    Repeat {
        pick: usize,
    },
    Cancel {
        account: u64,
        pick: usize,
    },
    CancelNamed {
        account: u64,
        market: usize,
        client_id: u8,
    },
    Amend {
        account: u64,
        pick: usize,
        price: Option<Price>,
        quantity: Option<Quantity>,
    },
    MassCancel {
        account: u64,
        market: Option<usize>,
    },
    Switch {
        account: u64,
        timeout_s: Option<u32>,
    },
    Batch {
        account: u64,
        all_or_nothing: bool,
        wishes: Vec<BatchWish>,
    },
    Freeze {
        account: u64,
        frozen: bool,
    },
    LimitAccount {
        account: u64,
        limits: AccountLimits,
    },
    Group {
        account: u64,
        group: GroupId,
        act: GroupAct,
    },
    LimitMarket {
        market: usize,
        limits: MarketLimits,
    },
    Transfer {
        from: u64,
        to: u64,
        micros: i64,
        client_id: Option<u8>,
    },
    TransferAgain {
        pick: usize,
        more: i64,
    },
    Deposit {
        account: u64,
        micros: i64,
        client_id: Option<u8>,
    },
    Withdraw {
        account: u64,
        micros: i64,
    },
    Change {
        market: usize,
        by: u64,
        transition: Transition,
    },
    /// Proposes, and perhaps confirms, an answer of the market that is never traded.
    Answer {
        answer: ResolutionAnswer,
        confirmed: bool,
    },
    Edit {
        market: usize,
        tag: u8,
    },
    Add {
        market: usize,
        tag: u8,
    },
    Misrouted {
        shard: usize,
        account: u64,
    },
    Garbage {
        shard: usize,
        bytes: Vec<u8>,
    },
    Forged {
        shard: usize,
        from: usize,
        number: u64,
    },
    Wait {
        milliseconds: u64,
    },
    Handle {
        shard: usize,
    },
    ReadBack {
        shard: usize,
    },
    Relay {
        from: usize,
        to: usize,
        repeat: bool,
    },
    RelayAgain {
        shard: usize,
    },
    Acknowledge {
        from: usize,
        to: usize,
    },
    Tick {
        shard: usize,
    },
    Follow {
        shard: usize,
    },
    Snapshot {
        shard: usize,
    },
    Crash {
        shard: usize,
        lost: usize,
    },
    Drain,
}

/// The parameters of a generated order.
#[derive(Clone, Debug)]
struct Wish {
    market: usize,
    entry: Entry,
    terms: Terms,
    instructions: Instructions,
}

#[derive(Clone, Debug)]
enum BatchWish {
    Place(Wish),
    Cancel { pick: usize },
    Amend { pick: usize, price: Option<Price>, quantity: Option<Quantity> },
}

fn wish() -> impl Strategy<Value = Wish> {
    (0..MARKETS, entry(), terms(), instructions()).prop_map(|(market, entry, terms, instructions)| Wish {
        market,
        entry,
        terms,
        instructions,
    })
}

fn instructions() -> impl Strategy<Value = Instructions> {
    let deadline = proptest::option::weighted(0.1, (1_000_u64..12_000).prop_map(Timestamp));
    let self_trade = proptest::sample::select(SelfTrade::ALL);
    let flags = (proptest::bool::weighted(0.2), proptest::bool::weighted(0.15));
    let group = proptest::option::weighted(0.3, group());
    (self_trade, deadline, flags, group).prop_map(|(self_trade, deadline, (cancel_on_pause, reduce_only), group)| {
        Instructions { self_trade, deadline, cancel_on_pause, reduce_only, group }
    })
}

fn group() -> impl Strategy<Value = GroupId> {
    (1_u16..=2).prop_map(|number| GroupId::new(number).unwrap())
}

fn act() -> impl Strategy<Value = GroupAct> {
    let limits = || (1_u32..=40, 1_u8..=4).prop_map(|(contracts, s)| GroupLimits::new(contracts, s).unwrap());
    prop_oneof![
        6 => limits().prop_map(GroupAct::Make),
        2 => limits().prop_map(GroupAct::Change),
        1 => Just(GroupAct::Trigger),
        4 => Just(GroupAct::Reset),
        1 => Just(GroupAct::Delete),
    ]
}

fn batch_wish() -> impl Strategy<Value = BatchWish> {
    prop_oneof![
        4 => wish().prop_map(BatchWish::Place),
        1 => any::<usize>().prop_map(|pick| BatchWish::Cancel { pick }),
        1 => (any::<usize>(), change()).prop_map(|(pick, (price, quantity))| BatchWish::Amend { pick, price, quantity }),
    ]
}

fn change() -> impl Strategy<Value = (Option<Price>, Option<Quantity>)> {
    let price = (47_u16..=53).prop_map(|p| Price::new(p * 100).unwrap());
    let quantity = (0_u32..=20).prop_map(|n| Quantity::new(n).unwrap());
    (proptest::option::of(price), proptest::option::of(quantity))
}

fn time_in_force() -> impl Strategy<Value = TimeInForce> {
    prop_oneof![
        5 => Just(TimeInForce::Gtc),
        2 => (1_000_u64..12_000).prop_map(|t| TimeInForce::Gtd { expires: Timestamp(t) }),
        2 => Just(TimeInForce::Ioc),
        1 => Just(TimeInForce::Fok),
    ]
}

fn post_only() -> impl Strategy<Value = PostOnly> {
    prop_oneof![8 => Just(PostOnly::Off), 1 => Just(PostOnly::Reject), 1 => Just(PostOnly::Reprice)]
}

fn terms() -> impl Strategy<Value = Terms> {
    let quantity = prop_oneof![8 => 1_u32..=20, 1 => Just(0)].prop_map(|n| Quantity::new(n).unwrap());
    // A few prices near the middle, so that orders cross, and a few at the ends of the domain.
    let price =
        prop_oneof![8 => 48_u16..=52, 1 => Just(1_u16), 1 => Just(99)].prop_map(|p| Price::new(p * 100).unwrap());
    let odd = (1_u16..=9_999).prop_map(|p| Price::new(p).unwrap());
    prop_oneof![
        8 => (price.clone(), quantity.clone(), time_in_force(), post_only())
            .prop_map(|(price, quantity, time_in_force, post_only)| {
                Terms::Limit { price, quantity, time_in_force, post_only }
            }),
        1 => (odd.clone(), quantity.clone()).prop_map(|(price, quantity)| limit(price, quantity)),
        1 => (odd, quantity).prop_map(|(worst_price, quantity)| Terms::Market { quantity, worst_price }),
        2 => (0_i64..=20_000_000).prop_map(|micros| Terms::Budget { budget: Credits(micros) }),
    ]
}

fn limit(price: Price, quantity: Quantity) -> Terms {
    Terms::Limit { price, quantity, time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off }
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![3 => Just(Entry::BuyYes), 3 => Just(Entry::BuyNo), 2 => Just(Entry::SellYes), 2 => Just(Entry::SellNo)]
}

fn transition() -> impl Strategy<Value = Transition> {
    prop_oneof![
        2 => Just(Transition::Open),
        2 => any::<bool>().prop_map(|cancel_only| Transition::Pause { cancel_only }),
        4 => Just(Transition::Resume),
        1 => Just(Transition::Close),
        2 => answer().prop_map(|answer| Transition::Resolve { answer }),
        3 => answer().prop_map(|answer| Transition::Confirm { answer }),
    ]
}

fn answer() -> impl Strategy<Value = ResolutionAnswer> {
    prop_oneof![
        2 => Just(ResolutionAnswer::Value(YesValue::YES)),
        1 => Just(ResolutionAnswer::Value(YesValue::new(2_500).unwrap())),
        1 => Just(ResolutionAnswer::Void),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (shard, account, market) = (0_usize..4, 1..=ACCOUNTS + 1, 0..MARKETS);
    let client_id = proptest::option::weighted(0.3, 0_u8..8);
    prop_oneof![
        40 => (account.clone(), wish(), client_id.clone())
            .prop_map(|(account, wish, client_id)| Step::Place { account, wish, client_id }),
        4 => any::<usize>().prop_map(|pick| Step::Repeat { pick }),
        10 => (account.clone(), any::<usize>()).prop_map(|(account, pick)| Step::Cancel { account, pick }),
        2 => (account.clone(), market.clone(), 0_u8..8)
            .prop_map(|(account, market, client_id)| Step::CancelNamed { account, market, client_id }),
        14 => (account.clone(), any::<usize>(), change())
            .prop_map(|(account, pick, (price, quantity))| Step::Amend { account, pick, price, quantity }),
        2 => (account.clone(), proptest::option::of(market.clone()))
            .prop_map(|(account, market)| Step::MassCancel { account, market }),
        1 => (account.clone(), proptest::option::weighted(0.8, 0_u32..4))
            .prop_map(|(account, timeout_s)| Step::Switch { account, timeout_s }),
        6 => (account.clone(), any::<bool>(), prop::collection::vec(batch_wish(), 0..5))
            .prop_map(|(account, all_or_nothing, wishes)| Step::Batch { account, all_or_nothing, wishes }),
        2 => (account.clone(), proptest::bool::weighted(0.3)).prop_map(|(account, frozen)| Step::Freeze { account, frozen }),
        8 => (account.clone(), group(), act()).prop_map(|(account, group, act)| Step::Group { account, group, act }),
        1 => (account.clone(), 0_u32..20, 0_i64..100).prop_map(|(account, live_orders, held)| Step::LimitAccount {
            account, limits: AccountLimits { live_orders, held: Credits::whole(held) },
        }),
        1 => (market.clone(), proptest::option::of((0_u32..6, 0_i64..40, 0_u64..80))).prop_map(|(market, limits)| {
            let limits = limits.map(|(live_orders, notional, position)| {
                MarketLimits { live_orders, notional: Credits::whole(notional), position }
            });
            Step::LimitMarket { market, limits: limits.unwrap_or(MarketLimits::NONE) }
        }),
        2 => (account.clone(), account.clone(), 0_i64..=30_000_000, client_id.clone())
            .prop_map(|(from, to, micros, client_id)| Step::Transfer { from, to, micros, client_id }),
        2 => (any::<usize>(), prop_oneof![3 => Just(0_i64), 1 => Just(1)])
            .prop_map(|(pick, more)| Step::TransferAgain { pick, more }),
        3 => (account.clone(), -5_i64..=50, client_id).prop_map(|(account, credits, client_id)| Step::Deposit {
            account, micros: credits * MICROS_PER_CREDIT, client_id,
        }),
        2 => (account.clone(), 0_i64..=30_000_000).prop_map(|(account, micros)| Step::Withdraw { account, micros }),
        3 => (market, 1_u64..=3, transition()).prop_map(|(market, by, transition)| Step::Change { market, by, transition }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(yes, confirmed)| {
            let answer = if yes { ResolutionAnswer::Value(YesValue::YES) } else { ResolutionAnswer::Void };
            Step::Answer { answer, confirmed }
        }),
        1 => (0..=MARKETS, 0_u8..9).prop_map(|(market, tag)| Step::Edit { market, tag }),
        1 => (0..=MARKETS, 0_u8..9).prop_map(|(market, tag)| Step::Add { market, tag }),
        1 => (shard.clone(), account).prop_map(|(shard, account)| Step::Misrouted { shard, account }),
        1 => (shard.clone(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(shard, bytes)| Step::Garbage { shard, bytes }),
        1 => (shard.clone(), shard.clone(), 0_u64..9).prop_map(|(shard, from, number)| Step::Forged { shard, from, number }),
        1 => prop_oneof![9 => 0_u64..2_000, 1 => Just(PURSE_REST_MS + PURSE_STEP_MS)]
            .prop_map(|milliseconds| Step::Wait { milliseconds }),
        40 => shard.clone().prop_map(|shard| Step::Handle { shard }),
        12 => shard.clone().prop_map(|shard| Step::ReadBack { shard }),
        25 => (shard.clone(), shard.clone(), proptest::bool::weighted(0.2))
            .prop_map(|(from, to, repeat)| Step::Relay { from, to, repeat }),
        1 => shard.clone().prop_map(|shard| Step::RelayAgain { shard }),
        4 => (shard.clone(), shard.clone()).prop_map(|(from, to)| Step::Acknowledge { from, to }),
        3 => shard.clone().prop_map(|shard| Step::Tick { shard }),
        3 => shard.clone().prop_map(|shard| Step::Follow { shard }),
        2 => shard.clone().prop_map(|shard| Step::Snapshot { shard }),
        2 => (shard, 0_usize..5).prop_map(|(shard, lost)| Step::Crash { shard, lost }),
        2 => Just(Step::Drain),
    ]
}

struct World {
    cluster: Cluster,
    /// Orders with a client id, as they were sent.
    named: Vec<(Shard, NewOrder)>,
    /// Transfers with a client id: sender, receiver, amount, client id.
    transfers: Vec<(AccountId, AccountId, Credits, Option<ClientId>)>,
    markets: Vec<MarketId>,
}

impl World {
    fn new(shards: u16, fee: u32) -> Self {
        let mut cluster = Cluster::new(shards);
        for account in (1..=ACCOUNTS).map(AccountId) {
            let home = cluster.map.of_account(account);
            let key = ApiKey::with_secret(ApiKeyId(account.0), [1; 32], Scopes::READ_TRADE);
            cluster.submit(home, Command::OpenAccount { account, key });
            let amount = Credits::whole(if account.0 == 1 { 5 } else { 200 });
            cluster.submit(home, Command::Deposit { account, amount, client_id: None, by: AdminId(1) });
        }
        create_event(&mut cluster);
        let markets = (0..=MARKETS).map(|n| list(&mut cluster, n, fee)).collect();
        cluster.drain();
        let mut world = Self { cluster, named: Vec::new(), transfers: Vec::new(), markets };
        world.mint_pairs();
        world
    }

    /// Gives every account something to sell from the start.
    fn mint_pairs(&mut self) {
        let terms = limit(Price::new(5_000).unwrap(), Quantity::new(20).unwrap());
        let instructions = Instructions::default();
        for market in 0..MARKETS {
            for (yes, no) in [(2, 3), (4, 5), (5, 6)] {
                self.place(yes, &Wish { market, entry: Entry::BuyYes, terms, instructions }, None);
                self.place(no, &Wish { market, entry: Entry::BuyNo, terms, instructions }, None);
                self.cluster.drain();
            }
        }
    }

    fn home_of(&self, account: u64) -> Shard {
        self.cluster.map.of_account(AccountId(account))
    }

    fn shard(&self, number: usize) -> Shard {
        Shard::new(u16::try_from(number % self.cluster.nodes.len()).unwrap()).unwrap()
    }

    /// Returns a random order of the logs.
    fn order(&self, pick: usize) -> Option<OrderId> {
        let orders: Vec<_> = self
            .cluster
            .events()
            .filter_map(|event| match event {
                Event::OrderPlaced(placed) if placed.status.is_live() => Some(placed.id),
                _ => None,
            })
            .collect();
        (!orders.is_empty()).then(|| orders[pick % orders.len()])
    }

    fn step(&mut self, step: &Step) {
        let cluster = &mut self.cluster;
        match step {
            Step::Place { account, wish, client_id } => self.place(*account, wish, *client_id),
            Step::CancelNamed { account, market, client_id } => {
                let (market, client_id) = (self.markets[*market], ClientId(u128::from(*client_id)));
                let (account, order) = (AccountId(*account), OrderRef::ClientId { market, client_id });
                cluster.submit(cluster.map.of_market(market), Command::CancelOrder { account, order });
            }
            Step::Amend { account, pick, price, quantity } => {
                let Some(id) = self.order(*pick) else { return };
                let (account, order, price, quantity) = (AccountId(*account), OrderRef::Id(id), *price, *quantity);
                self.cluster.submit(id.shard(), Command::AmendOrder { account, order, price, quantity });
            }
            Step::MassCancel { account, market: None } => {
                self.ask(*account, |account| Command::MassCancel { account, market: None });
            }
            Step::MassCancel { account, market: Some(market) } => {
                let (account, market) = (AccountId(*account), self.markets[*market]);
                cluster.submit(cluster.map.of_market(market), Command::MassCancel { account, market: Some(market) });
            }
            Step::Switch { account, timeout_s } => {
                self.ask(*account, |account| Command::SetDeadManSwitch { account, timeout_s: *timeout_s });
            }
            Step::Batch { account, all_or_nothing, wishes } => {
                let requests: Vec<_> = wishes.iter().filter_map(|wish| self.request(*account, wish)).collect();
                let shard = requests.first().map_or(self.home_of(*account), |request| self.shard_of(request));
                let (account, all_or_nothing) = (AccountId(*account), *all_or_nothing);
                self.cluster.submit(shard, Command::Batch { account, all_or_nothing, requests });
            }
            Step::Freeze { account, frozen: true } => {
                self.ask(*account, |account| Command::FreezeAccount { account, by: AdminId(1) });
            }
            Step::Freeze { account, frozen: false } => {
                self.ask(*account, |account| Command::UnfreezeAccount { account, by: AdminId(1) });
            }
            Step::LimitAccount { account, limits } => {
                self.ask(*account, |account| Command::LimitAccount { account, limits: *limits, by: AdminId(1) });
            }
            Step::Group { account, group, act } => {
                self.ask(*account, |account| Command::ActOnGroup { account, group: *group, act: *act });
            }
            Step::LimitMarket { market, limits } => {
                let market = self.markets[*market];
                cluster.submit(
                    cluster.map.of_market(market),
                    Command::LimitMarket { market, limits: *limits, by: AdminId(1) },
                );
            }
            Step::Transfer { from, to, micros, client_id } => {
                let (from, to, amount) = (AccountId(*from), AccountId(*to), Credits(*micros));
                let client_id = client_id.map(|id| ClientId(u128::from(id)));
                if client_id.is_some() {
                    self.transfers.push((from, to, amount, client_id));
                }
                self.ask(from.0, |from| Command::Transfer { from, to, amount, client_id });
            }
            Step::TransferAgain { pick, more } => {
                if !self.transfers.is_empty() {
                    let (from, to, amount, client_id) = self.transfers[pick % self.transfers.len()];
                    let amount = amount + Credits(*more);
                    self.ask(from.0, |from| Command::Transfer { from, to, amount, client_id });
                }
            }
            Step::Repeat { pick } => {
                if !self.named.is_empty() {
                    let (home, order) = self.named[pick % self.named.len()];
                    cluster.submit(home, Command::PlaceOrder(order));
                }
            }
            Step::Cancel { account, pick } => {
                let Some(order) = self.order(*pick) else { return };
                self.cluster.submit(
                    order.shard(),
                    Command::CancelOrder { account: AccountId(*account), order: OrderRef::Id(order) },
                );
            }
            Step::Deposit { account, micros, client_id } => {
                let account = AccountId(*account);
                let client_id = client_id.map(|id| ClientId(u128::from(id)));
                cluster.submit(
                    cluster.map.of_account(account),
                    Command::Deposit { account, amount: Credits(*micros), client_id, by: AdminId(1) },
                );
            }
            Step::Withdraw { account, micros } => {
                let account = AccountId(*account);
                let command = Command::Withdraw { account, amount: Credits(*micros), client_id: None, by: AdminId(1) };
                cluster.submit(cluster.map.of_account(account), command);
            }
            Step::Change { market, by, transition } => {
                let (market, by, transition) = (self.markets[*market], AdminId(*by), *transition);
                cluster.submit(cluster.map.of_market(market), Command::ChangeMarket { market, by, transition });
            }
            Step::Answer { answer, confirmed } => {
                let (market, answer) = (self.markets[MARKETS], *answer);
                let last = confirmed.then_some((2, Transition::Confirm { answer }));
                let life = [(1, Transition::Close), (1, Transition::Resolve { answer })];
                for (by, transition) in life.into_iter().chain(last) {
                    let change = Command::ChangeMarket { market, by: AdminId(by), transition };
                    cluster.submit(cluster.map.of_market(market), change);
                }
            }
            Step::Edit { market, tag } => {
                let (market, by) = (self.markets[*market], AdminId(1));
                let edit = Box::new(MarketEdit { tags: Some(one_tag(*tag)), ..MarketEdit::default() });
                cluster.submit(cluster.map.of_market(market), Command::EditMarket { market, edit, by });
            }
            Step::Add { market, tag } => {
                let (market, by) = (self.markets[*market], AdminId(1));
                let addition = Box::new(MarketAddition { tags: one_tag(*tag), ..MarketAddition::default() });
                cluster.submit(cluster.map.of_market(market), Command::AddToMarket { market, addition, by });
            }
            Step::Misrouted { shard, account } => {
                let account = AccountId(*account);
                let command = Command::Deposit { account, amount: Credits::whole(1), client_id: None, by: AdminId(1) };
                let shard = self.shard(*shard);
                self.cluster.submit(shard, command);
            }
            Step::Garbage { shard, bytes } => {
                let shard = self.shard(*shard);
                self.cluster.submit_bytes(shard, bytes.clone());
            }
            Step::Forged { shard, from, number } => {
                // Acknowledgements of messages that were never sent, and messages that are out of
                // order.
                let (shard, to) = (self.shard(*shard), self.shard(*from));
                self.cluster.submit(shard, Command::Acknowledge { to, number: 1_000_000 + number });
            }
            Step::Wait { milliseconds } => cluster.wait(*milliseconds),
            Step::Handle { shard } => drop(self.cluster.handle(self.shard(*shard))),
            Step::ReadBack { shard } => self.cluster.read_back(self.shard(*shard)),
            Step::Relay { from, to, repeat } => {
                let (from, to) = (self.shard(*from), self.shard(*to));
                self.cluster.relay(from, to, *repeat);
            }
            Step::RelayAgain { shard } => {
                let shard = self.shard(*shard);
                self.cluster.read_back(shard);
                self.cluster.relay_again(shard);
            }
            Step::Acknowledge { from, to } => {
                let (from, to) = (self.shard(*from), self.shard(*to));
                self.cluster.acknowledge(from, to);
            }
            Step::Tick { shard } => drop(self.cluster.tick(self.shard(*shard))),
            Step::Follow { shard } => self.cluster.follow(self.shard(*shard)),
            Step::Snapshot { shard } => self.cluster.take_snapshot(self.shard(*shard)),
            Step::Crash { shard, lost } => self.cluster.crash(self.shard(*shard), *lost),
            Step::Drain => cluster.drain(),
        }
    }

    /// Sends a command to its account's home shard.
    fn ask(&mut self, account: u64, command: impl FnOnce(AccountId) -> Command) {
        let account = AccountId(account);
        self.cluster.submit(self.cluster.map.of_account(account), command(account));
    }

    fn shard_of(&self, request: &BatchRequest) -> Shard {
        match request {
            BatchRequest::Place(order) => self.cluster.map.of_market(order.market),
            BatchRequest::Cancel(order) | BatchRequest::Amend { order, .. } => order.shard(self.cluster.map),
        }
    }

    fn request(&self, account: u64, wish: &BatchWish) -> Option<BatchRequest> {
        Some(match wish {
            BatchWish::Place(wish) => BatchRequest::Place(self.new_order(account, wish, None)),
            BatchWish::Cancel { pick } => BatchRequest::Cancel(OrderRef::Id(self.order(*pick)?)),
            BatchWish::Amend { pick, price, quantity } => {
                BatchRequest::Amend { order: OrderRef::Id(self.order(*pick)?), price: *price, quantity: *quantity }
            }
        })
    }

    fn new_order(&self, account: u64, wish: &Wish, client_id: Option<u8>) -> NewOrder {
        let (account, market) = (AccountId(account), self.markets[wish.market]);
        let client_id = client_id.map(|id| ClientId(u128::from(id)));
        // One account accepts no fees.
        let fee_rate = FeeRate::new(if account.0 == 6 && wish.market == 0 { 0 } else { 70_000 }).unwrap();
        let Wish { entry, terms, instructions, .. } = *wish;
        NewOrder { account, market, entry, terms, fee_rate, client_id, instructions }
    }

    fn place(&mut self, account: u64, wish: &Wish, client_id: Option<u8>) {
        let order = self.new_order(account, wish, client_id);
        let home = self.cluster.map.of_market(order.market);
        self.cluster.submit(home, Command::PlaceOrder(order));
        if client_id.is_some() {
            self.named.push((home, order));
        }
    }

    fn change(&mut self, home: Shard, market: MarketId, by: u64, transition: Transition) {
        self.cluster.submit(home, Command::ChangeMarket { market, by: AdminId(by), transition });
        self.cluster.drain();
    }

    fn is_answered(&self, home: Shard, market: MarketId) -> bool {
        let resolution = self.cluster.leader(home).state().market(market).and_then(|market| market.resolution);
        resolution.is_some_and(|resolution| resolution.confirmed.is_some())
    }

    /// Asserts I-12, from all recorded events.
    fn check_yes(&self) {
        let in_event = [0, 1, MARKETS].map(|number| self.markets[number]);
        let paid = self.cluster.events().filter_map(|event| match event {
            Event::MarketChanged { market, state: MarketState::Resolved, resolution: Some(resolution), .. } => {
                Some((*market, resolution.answer))
            }
            _ => None,
        });
        let yes = paid.filter(|(market, answer)| in_event.contains(market) && answer.is_yes()).count();
        assert!(yes <= 1, "{yes} markets of an exclusive event are YES");
    }

    /// Ends every market and checks that every credit is accounted for.
    fn wind_up(&mut self) {
        self.cluster.drain();
        for market in self.markets.clone() {
            let home = self.cluster.map.of_market(market);
            self.change(home, market, 1, Transition::Close);
            // One of the event's markets can be YES; the others are NO.
            for answer in [YesValue::YES, YesValue::NO].map(ResolutionAnswer::Value) {
                if !self.is_answered(home, market) {
                    self.change(home, market, 1, Transition::Resolve { answer });
                    self.change(home, market, 2, Transition::Confirm { answer });
                }
            }
        }
        self.cluster.drain();
        self.cluster.wait(DISPUTE_WINDOW_MS);
        self.cluster.drain();
        self.cluster.check();
        self.cluster.check_groups();
        self.cluster.check_exactly_once();
        self.cluster.check_all_or_nothing();
        self.check_yes();
        let mut fees = Credits::ZERO;
        for market in self.cluster.nodes.iter().flat_map(|n| n.markets()) {
            assert_eq!((market.collateral, market.yes, market.no), (Credits::ZERO, 0, 0), "a market is not paid out");
            fees += market.fees;
        }
        self.cluster.check_nothing_waits();
        let purses = self.cluster.nodes.iter().flat_map(|node| node.purses());
        let wallets: Credits = purses
            .map(|purse| {
                assert_eq!(purse.held, Credits::ZERO, "an ended market still holds credits");
                purse.available
            })
            .sum();
        let moved: Credits = self
            .cluster
            .events()
            .map(|event| match event {
                Event::Deposited { amount, .. } => *amount,
                Event::Withdrawn { amount, .. } => -*amount,
                _ => Credits::ZERO,
            })
            .sum();
        assert_eq!(wallets + fees, moved, "credits appeared or disappeared");
        let settled = self.cluster.events().filter(|e| matches!(e, Event::MarketSettled { .. })).count();
        assert!(settled <= MARKETS + 1, "a market was paid out twice");
    }
}

const EVENT: &str = "which";

fn event_id() -> MarketEventId {
    MarketEventId::of(&EVENT.parse().unwrap())
}

/// Creates the exclusive event of all markets but the third.
fn create_event(cluster: &mut Cluster) {
    let (name, title) = (EVENT.parse().unwrap(), "Which one?".parse().unwrap());
    let event = Box::new(MarketEvent { id: event_id(), name, title, exclusive: true });
    cluster.submit(cluster.map.of_market_event(event_id()), Command::CreateMarketEvent { event, by: AdminId(1) });
}

fn one_tag(tag: u8) -> Tags {
    Tags::new(vec![format!("tag-{tag}").parse().unwrap()]).unwrap()
}

fn list(cluster: &mut Cluster, number: usize, fee: u32) -> MarketId {
    let ticker: schemas::text::Ticker = format!("MARKET-{number}").parse().unwrap();
    let market = MarketId::of(&ticker);
    let home = cluster.map.of_market(market);
    let rate = |millionths| FeeRate::new(millionths).unwrap();
    cluster.submit(
        home,
        Command::CreateMarket {
            listing: Listing {
                market,
                ticker,
                about: Arc::new(About {
                    event: (number != 2).then(event_id),
                    ..About::plain("Does it hold?", "YES if it does.", "tests").unwrap()
                }),
                opens: None,
                // The first market closes by time, if the test waits.
                expiry: if number == 0 { Timestamp(10_000) } else { schemas::limits::TIME_MAX },
                tick: if number == 1 { 100 } else { 1 },
                maker_fee: rate(fee / 2),
                taker_fee: rate(fee),
                dispute_window_ms: if number == 2 { DISPUTE_WINDOW_MS } else { 0 },
                limits: MarketLimits::NONE,
            },
            by: AdminId(1),
        },
    );
    let by = AdminId(1);
    cluster.submit(home, Command::ChangeMarket { market, by, transition: Transition::Open });
    market
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_invariant_holds_after_every_step(
        shards in 1_u16..=4, fee in prop_oneof![Just(0_u32), Just(70_000), Just(80_000)],
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let mut world = World::new(shards, fee);
        for step in &steps {
            world.step(step);
            world.cluster.check();
        }
        world.wind_up();
    }
}

/// `PROPTEST_CASES` runs more cases.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 400 };
    ProptestConfig { cases, max_shrink_iters: 20_000, failure_persistence: None, ..default }
}

/// A property test shows nothing about events that it never reaches. Over some thousand random runs
/// every kind of event must occur, and so must the refusals that random commands can cause.
#[test]
fn random_runs_reach_every_kind_of_event() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::collections::BTreeSet;

    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let wanted = [
        "AccountFrozen",
        "AccountLimited",
        "AccountOpened",
        "AccountUnfrozen",
        "Acknowledged",
        "ApiKeyAdded",
        "AskAnswered",
        "Asked",
        "BatchItem",
        "ClientIdRepeated Order",
        "ClientIdRepeated OrderRejected",
        "ClientIdRepeated Parked",
        "ClientIdRepeated Transfer",
        "ClientIdRepeated TransferRefused",
        "DeadManSwitchFired",
        "DeadManSwitchSet",
        "Deposited",
        "GroupDeleted",
        "GroupFilled",
        "GroupReported",
        "GroupSet",
        "GroupTriggered",
        "HoldRaised",
        "Instructed",
        "InstructionCompleted",
        "MarketAddedTo",
        "MarketChanged",
        "MarketCreated",
        "MarketEdited",
        "MarketEventCreated",
        "MarketLimited",
        "MarketSettled",
        "MassCancelRequested",
        "MessageSkipped",
        "Obeyed",
        "OrderAmended ACTIVE",
        "OrderAmended CANCELLED",
        "OrderAmended FILLED",
        "OrderAmended PARTIALLY_FILLED",
        "OrderCancelled DEAD_MAN_SWITCH",
        "OrderCancelled EXPIRED",
        "OrderCancelled GROUP",
        "OrderCancelled MARKET_ENDED",
        "OrderCancelled MARKET_PAUSED",
        "OrderCancelled MASS_CANCEL",
        "OrderCancelled REDUCE_ONLY",
        "OrderCancelled REQUESTED",
        "OrderCancelled SELF_TRADE",
        "OrderPlaced ACTIVE",
        "OrderPlaced CANCELLED",
        "OrderPlaced FILLED",
        "OrderPlaced PARTIALLY_FILLED",
        "OrderReduced REDUCE_ONLY",
        "OrderReduced SELF_TRADE",
        "PaidOut",
        "PairsRedeemed",
        "Parked",
        "ParkedCancelled",
        "PurseFrozen",
        "PurseLimited",
        "PurseReceived",
        "PurseSent",
        "Received",
        "Resumed",
        "Sent",
        "Settled",
        "Traded BURN",
        "Traded MINT",
        "Traded TRANSFER_NO",
        "Traded TRANSFER_YES",
        "TransferCompleted",
        "TransferReceived",
        "TransferReturned",
        "TransferSent",
        "Withdrawn",
        "YesAnswered",
        "YesClaimed",
        "YesHeld",
        "YesReleased",
        "account-frozen",
        "account-unknown",
        "addition-repeated",
        "amendment-empty",
        "amount-out-of-range",
        "batch-conflict",
        "batch-refused",
        "batch-size-invalid",
        "budget-on-sell",
        "cancelled-while-parked",
        "client-id-reused",
        "deadline-passed",
        "expiry-in-past",
        "fee-rate-too-low",
        "funding-timeout",
        "funds-insufficient",
        "group-exists",
        "group-triggered",
        "group-unknown",
        "live-order-limit",
        "market-ended",
        "market-not-open",
        "market-traded",
        "message-invalid",
        "nothing-to-reduce",
        "notional-limit",
        "order-cancelled",
        "order-expired",
        "order-filled",
        "order-unknown",
        "position-insufficient",
        "position-limit",
        "post-only-immediate",
        "post-only-would-take",
        "price-off-tick",
        "quantity-filled",
        "quantity-is-zero",
        "timeout-out-of-range",
        "transfer-to-self",
        "transition-invalid",
        "undecodable",
        "wrong-shard",
        "yes-pending",
        "yes-taken",
    ];
    // Usually a few hundred are enough.
    for round in 0..4_000 {
        if wanted.iter().all(|kind| seen.contains(*kind)) {
            break;
        }
        let steps = prop::collection::vec(step(), 250).new_tree(&mut runner).unwrap().current();
        let mut world = World::new(1 + round % 4, 70_000);
        steps.iter().for_each(|step| world.step(step));
        world.wind_up();
        seen.extend(world.cluster.events().map(kind));
    }
    let missing: Vec<_> = wanted.iter().filter(|kind| !seen.contains(**kind)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
}

fn kind(event: &Event) -> String {
    match event {
        Event::Rejected { code }
        | Event::OrderRejected { code, .. }
        | Event::CancelRejected { code, .. }
        | Event::AmendRejected { code, .. } => code.to_string(),
        Event::OrderAmended(amended) => format!("OrderAmended {}", amended.status),
        Event::OrderPlaced(placed) => format!("OrderPlaced {}", placed.status),
        Event::Traded(trade) => format!("Traded {}", trade.kind()),
        Event::OrderCancelled { reason, .. } => format!("OrderCancelled {reason}"),
        Event::OrderReduced { reason, .. } => format!("OrderReduced {reason}"),
        Event::ClientIdRepeated { first, .. } => {
            let text = format!("{first:?}");
            format!("ClientIdRepeated {}", text.split(' ').next().unwrap_or_default())
        }
        other => {
            let text = format!("{other:?}");
            text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    }
}
