//! Random commands over several shards, with messages in every legal order, repeats, crashes and recoveries. After every step
//! all invariants of the design hold; at the end everything is paid out and not a micro-credit is missing.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod cluster;

use cluster::Cluster;
use proptest::prelude::*;
use schemas::market::YesValue;
use schemas::money::MICROS_PER_CREDIT;
use schemas::{
    AccountId, ApiKey, ApiKeyId, ClientId, Command, Credits, Entry, Event, FeeRate, Listing, MarketId, NewOrder,
    OrderId, Price, Quantity, Scopes, Shard, Side, Terms, TimeInForce, Timestamp, Transition,
};

const ACCOUNTS: u64 = 6;
const MARKETS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Place { account: u64, market: usize, entry: Entry, terms: Terms, client_id: Option<u8> },
    Repeat { pick: usize },
    Cancel { account: u64, pick: usize },
    Deposit { account: u64, micros: i64, client_id: Option<u8> },
    Withdraw { account: u64, micros: i64 },
    Change { market: usize, transition: Transition },
    Misrouted { shard: usize, account: u64 },
    Garbage { shard: usize, bytes: Vec<u8> },
    Forged { shard: usize, from: usize, number: u64 },
    Wait { milliseconds: u64 },
    Handle { shard: usize },
    ReadBack { shard: usize },
    Relay { from: usize, to: usize, repeat: bool },
    RelayAgain { shard: usize },
    Acknowledge { from: usize, to: usize },
    Tick { shard: usize },
    Follow { shard: usize },
    Snapshot { shard: usize },
    Crash { shard: usize, lost: usize },
    Drain,
}

fn terms() -> impl Strategy<Value = Terms> {
    let quantity = prop_oneof![8 => 1_u32..=20, 1 => Just(0)].prop_map(|n| Quantity::new(n).unwrap());
    // Few prices near the middle so that orders meet, a few at the ends of the domain.
    let price =
        prop_oneof![8 => 48_u16..=52, 1 => Just(1_u16), 1 => Just(99)].prop_map(|p| Price::new(p * 100).unwrap());
    let odd = (1_u16..=9_999).prop_map(|p| Price::new(p).unwrap());
    prop_oneof![
        8 => (price.clone(), quantity.clone(), any::<bool>()).prop_map(|(price, quantity, ioc)| Terms::Limit {
            price, quantity, time_in_force: if ioc { TimeInForce::Ioc } else { TimeInForce::Gtc },
        }),
        1 => (odd.clone(), quantity.clone()).prop_map(|(price, quantity)| Terms::Limit {
            price, quantity, time_in_force: TimeInForce::Gtc,
        }),
        1 => (odd, quantity).prop_map(|(worst_price, quantity)| Terms::Market { quantity, worst_price }),
        2 => (0_i64..=20_000_000).prop_map(|micros| Terms::Budget { budget: Credits(micros) }),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![3 => Just(Entry::BuyYes), 3 => Just(Entry::BuyNo), 2 => Just(Entry::SellYes), 2 => Just(Entry::SellNo)]
}

fn transition() -> impl Strategy<Value = Transition> {
    prop_oneof![
        2 => Just(Transition::Open),
        2 => Just(Transition::Pause),
        4 => Just(Transition::Resume),
        1 => Just(Transition::Close),
        1 => (0_u16..=10_000).prop_map(|v| Transition::Resolve { yes_value: YesValue::new(v).unwrap() }),
        1 => Just(Transition::Void),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (shard, account, market) = (0_usize..4, 1..=ACCOUNTS + 1, 0..MARKETS);
    let client_id = proptest::option::weighted(0.3, 0_u8..8);
    prop_oneof![
        40 => (account.clone(), market.clone(), entry(), terms(), client_id.clone())
            .prop_map(|(account, market, entry, terms, client_id)| Step::Place { account, market, entry, terms, client_id }),
        4 => any::<usize>().prop_map(|pick| Step::Repeat { pick }),
        10 => (account.clone(), any::<usize>()).prop_map(|(account, pick)| Step::Cancel { account, pick }),
        3 => (account.clone(), -5_i64..=50, client_id).prop_map(|(account, credits, client_id)| Step::Deposit {
            account, micros: credits * MICROS_PER_CREDIT, client_id,
        }),
        2 => (account.clone(), 0_i64..=30_000_000).prop_map(|(account, micros)| Step::Withdraw { account, micros }),
        2 => (market, transition()).prop_map(|(market, transition)| Step::Change { market, transition }),
        1 => (shard.clone(), account).prop_map(|(shard, account)| Step::Misrouted { shard, account }),
        1 => (shard.clone(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(shard, bytes)| Step::Garbage { shard, bytes }),
        1 => (shard.clone(), shard.clone(), 0_u64..9).prop_map(|(shard, from, number)| Step::Forged { shard, from, number }),
        1 => (0_u64..2_000).prop_map(|milliseconds| Step::Wait { milliseconds }),
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
    /// Orders under a client's own name, as they were sent.
    named: Vec<(Shard, NewOrder)>,
    markets: Vec<MarketId>,
}

impl World {
    fn new(shards: u16, fee: u32) -> Self {
        let mut cluster = Cluster::new(shards);
        for account in (1..=ACCOUNTS).map(AccountId) {
            let home = cluster.map.of_account(account);
            let key = ApiKey { id: ApiKeyId(account.0), hash: [1; 32], scopes: Scopes::READ_TRADE };
            cluster.submit(home, Command::OpenAccount { account, key });
            let amount = Credits::whole(if account.0 == 1 { 5 } else { 200 });
            cluster.submit(home, Command::Deposit { account, amount, client_id: None });
        }
        let markets = (0..MARKETS).map(|n| list(&mut cluster, n, fee)).collect();
        cluster.drain();
        let mut world = Self { cluster, named: Vec::new(), markets };
        world.mint_pairs();
        world
    }

    /// Everybody has something to sell from the start.
    fn mint_pairs(&mut self) {
        let terms = Terms::Limit {
            price: Price::new(5_000).unwrap(),
            quantity: Quantity::new(20).unwrap(),
            time_in_force: TimeInForce::Gtc,
        };
        for market in 0..MARKETS {
            for (yes, no) in [(2, 3), (4, 5), (5, 6)] {
                self.place(yes, market, Entry::BuyYes, terms, None);
                self.place(no, market, Entry::BuyNo, terms, None);
                self.cluster.drain();
            }
        }
    }

    fn shard(&self, number: usize) -> Shard {
        Shard::new(u16::try_from(number % self.cluster.nodes.len()).unwrap()).unwrap()
    }

    /// Any order that the logs know; which one is the test's luck.
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
            Step::Place { account, market, entry, terms, client_id } => {
                self.place(*account, *market, *entry, *terms, *client_id)
            }
            Step::Repeat { pick } => {
                if !self.named.is_empty() {
                    let (home, order) = self.named[pick % self.named.len()];
                    cluster.submit(home, Command::PlaceOrder(order));
                }
            }
            Step::Cancel { account, pick } => {
                let Some(order) = self.order(*pick) else { return };
                self.cluster.submit(order.market_shard(), Command::CancelOrder { account: AccountId(*account), order });
            }
            Step::Deposit { account, micros, client_id } => {
                let account = AccountId(*account);
                let client_id = client_id.map(|id| ClientId(u128::from(id)));
                cluster.submit(
                    cluster.map.of_account(account),
                    Command::Deposit { account, amount: Credits(*micros), client_id },
                );
            }
            Step::Withdraw { account, micros } => {
                let account = AccountId(*account);
                let command = Command::Withdraw { account, amount: Credits(*micros), client_id: None };
                cluster.submit(cluster.map.of_account(account), command);
            }
            Step::Change { market, transition } => {
                let market = self.markets[*market];
                cluster
                    .submit(cluster.map.of_market(market), Command::ChangeMarket { market, transition: *transition });
            }
            Step::Misrouted { shard, account } => {
                let account = AccountId(*account);
                let command = Command::Deposit { account, amount: Credits::whole(1), client_id: None };
                let shard = self.shard(*shard);
                self.cluster.submit(shard, command);
            }
            Step::Garbage { shard, bytes } => {
                let shard = self.shard(*shard);
                self.cluster.submit_bytes(shard, bytes.clone());
            }
            Step::Forged { shard, from, number } => {
                // Acknowledgements of what was never sent, and receipts that are not the next.
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

    fn place(&mut self, account: u64, market: usize, entry: Entry, terms: Terms, client_id: Option<u8>) {
        let (account, market) = (AccountId(account), self.markets[market]);
        let client_id = client_id.map(|id| ClientId(u128::from(id)));
        // One account does not want to pay fees.
        let fee_rate = FeeRate::new(if account.0 == 6 && market == self.markets[0] { 0 } else { 70_000 }).unwrap();
        let order = NewOrder { account, market, entry, terms, fee_rate, client_id };
        let home = match entry.side() {
            Side::Buy => self.cluster.map.of_account(account),
            Side::Sell => self.cluster.map.of_market(market),
        };
        self.cluster.submit(home, Command::PlaceOrder(order));
        if client_id.is_some() {
            self.named.push((home, order));
        }
    }

    /// Ends every market and looks where every credit is.
    fn wind_up(&mut self) {
        self.cluster.drain();
        for market in self.markets.clone() {
            let home = self.cluster.map.of_market(market);
            for transition in [Transition::Close, Transition::Resolve { yes_value: YesValue::YES }, Transition::Void] {
                self.cluster.submit(home, Command::ChangeMarket { market, transition });
            }
        }
        self.cluster.drain();
        self.cluster.check();
        self.cluster.check_exactly_once();
        let mut fees = Credits::ZERO;
        for market in self.cluster.nodes.iter().flat_map(|n| n.markets()) {
            assert_eq!((market.collateral, market.yes, market.no), (Credits::ZERO, 0, 0), "a market is not paid out");
            fees += market.fees;
        }
        let wallets: Credits = self
            .cluster
            .nodes
            .iter()
            .flat_map(|n| n.accounts())
            .map(|a| {
                assert_eq!(a.held, Credits::ZERO, "an ended market still holds credits");
                a.available
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
        assert_eq!(wallets + fees, moved, "credits came or went");
        let settled = self.cluster.events().filter(|e| matches!(e, Event::MarketSettled { .. })).count();
        assert!(settled <= MARKETS, "a market was paid out twice");
    }
}

fn list(cluster: &mut Cluster, number: usize, fee: u32) -> MarketId {
    let ticker: schemas::text::Ticker = format!("MARKET-{number}").parse().unwrap();
    let market = MarketId::of(&ticker);
    let home = cluster.map.of_market(market);
    let rate = |millionths| FeeRate::new(millionths).unwrap();
    cluster.submit(
        home,
        Command::CreateMarket(Listing {
            market,
            ticker,
            question: "Does it hold?".parse().unwrap(),
            // The first market closes by itself, if the test waits.
            expiry: Timestamp(if number == 0 { 10_000 } else { u64::MAX }),
            tick: if number == 1 { 100 } else { 1 },
            maker_fee: rate(fee / 2),
            taker_fee: rate(fee),
        }),
    );
    cluster.submit(home, Command::ChangeMarket { market, transition: Transition::Open });
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

/// `PROPTEST_CASES` runs more.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 400 };
    ProptestConfig { cases, max_shrink_iters: 20_000, failure_persistence: None, ..default }
}

/// A property test proves nothing about what it never reaches: over some random runs every kind of event must occur, and the
/// refusals that random commands can cause.
#[test]
fn random_runs_reach_every_kind_of_event() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::collections::BTreeSet;

    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for round in 0..120 {
        let steps = prop::collection::vec(step(), 200).new_tree(&mut runner).unwrap().current();
        let mut world = World::new(1 + round % 4, 70_000);
        steps.iter().for_each(|step| world.step(step));
        world.wind_up();
        seen.extend(world.cluster.events().map(kind));
    }
    let wanted = [
        "AccountOpened",
        "Acknowledged",
        "ApiKeyAdded",
        "ClientIdRepeated",
        "Deposited",
        "MarketChanged",
        "MarketCreated",
        "MarketSettled",
        "MessageSkipped",
        "OrderCancelled MARKET_ENDED",
        "OrderCancelled REQUESTED",
        "OrderFunded",
        "OrderPlaced ACTIVE",
        "OrderPlaced CANCELLED",
        "OrderPlaced FILLED",
        "OrderPlaced PARTIALLY_FILLED",
        "PaidOut",
        "PairsRedeemed",
        "Received",
        "Sent",
        "Settled",
        "Traded BURN",
        "Traded MINT",
        "Traded TRANSFER_NO",
        "Traded TRANSFER_YES",
        "Withdrawn",
        "account-unknown",
        "amount-out-of-range",
        "budget-on-sell",
        "client-id-reused",
        "fee-rate-too-low",
        "funds-insufficient",
        "market-not-open",
        "message-invalid",
        "order-unknown",
        "position-insufficient",
        "price-off-tick",
        "quantity-is-zero",
        "transition-invalid",
        "undecodable",
        "wrong-shard",
    ];
    let missing: Vec<_> = wanted.iter().filter(|kind| !seen.contains(**kind)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
}

fn kind(event: &Event) -> String {
    match event {
        Event::Rejected { code } | Event::OrderRejected { code, .. } => code.to_string(),
        Event::OrderPlaced(placed) => format!("OrderPlaced {}", placed.status),
        Event::Traded(trade) => format!("Traded {}", trade.kind()),
        Event::OrderCancelled { reason, .. } => format!("OrderCancelled {reason}"),
        other => {
            let text = format!("{other:?}");
            text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    }
}
