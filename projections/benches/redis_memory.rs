//! Measures the memory in bytes that Redis uses per account, order, position and market; on a
//! separate real server.
//!
//!   REDIS_URL=redis://127.0.0.1:PORT/0 cargo bench -p projections --bench redis_memory
//!
//! 10,000 of each are written through the sink; the figure is the growth of `used_memory` (without
//! connections and scripts), divided by 10,000. It includes everything that one more item costs:
//! keys, fields, values, and the tables that index them.

#![allow(clippy::unwrap_used, reason = "a measurement fails by panicking, on small numbers")]

use fred::prelude::*;
use fred::types::InfoKind;
use projections::fold::{LastChange, PositionDelta, PurseDelta, RowChanges, TradeRow};
use projections::redis::RedisSink;
use projections::sink::{Sink as _, WriterId};
use schemas::event::{OrderPlaced, Party, Trade};
use schemas::reading::Checkpoint;
use schemas::text::Ticker;
use schemas::*;

const COUNT: u64 = 10_000;
/// Changes per batch.
const BATCH: u64 = 100;
const LEVELS: u16 = 100;
const TRADES: u64 = 100;
const TIME: Timestamp = Timestamp(1_795_000_000_000);

/// A sink and its server.
struct Bench {
    client: Client,
    sink: RedisSink,
    at: Checkpoint,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL names a server of this measurement's own");
    let client = Builder::from_config(Config::from_url(&url).unwrap()).build().unwrap();
    client.init().await.unwrap();
    client.flushall::<()>(false).await.unwrap();
    let mut sink = RedisSink::new(&url, "lfg", WriterId::begin(), Shard::new(0).unwrap()).unwrap();
    let at = sink.load(0).await.unwrap();
    let mut bench = Bench { client, sink, at };
    let a = |nth: u64| account(nth);
    bench
        .each("an account with its purse at its home (account:, purse:)", |c, n| {
            told(c, Event::AccountOpened { account: a(n) })
        })
        .await;
    bench.each("a purse elsewhere (purse:)", |c, n| _ = c.purses.insert(a(COUNT + n), purse())).await;
    bench.each("an account's first live order on a shard (orders:)", |c, n| told(c, placed(a(n), n))).await;
    bench.each("each further live order", |c, n| told(c, placed(a(n), COUNT + n))).await;
    bench.each("the next eight, together", |c, n| (2..10).for_each(|nth| told(c, placed(a(n), nth * COUNT + n)))).await;
    let position = |c: &mut RowChanges, n, market| _ = c.positions.insert((market, a(n)), held());
    bench
        .each("an account's first position on a shard (positions:)", |c, n| position(c, n, MarketId::of(&ticker(0))))
        .await;
    bench.each("the second", |c, n| position(c, n, MarketId::of(&ticker(1)))).await;
    bench.each("a market (market:)", |c, n| told(c, created(n))).await;
    bench.each("its book with 100 levels (book:)", |c, n| levels(c, MarketId::of(&ticker(n)))).await;
    bench.each("its last 100 trades (trades:)", |c, n| trades(c, MarketId::of(&ticker(n)))).await;
    bench.sink.disconnect().await;
}

impl Bench {
    /// Adds 10,000 items and prints the memory that each uses.
    async fn each(&mut self, what: &str, add: impl Fn(&mut RowChanges, u64)) {
        let before = self.used().await;
        for first in (0..COUNT).step_by(usize::try_from(BATCH).unwrap()) {
            let mut changes = RowChanges::new();
            (first..first + BATCH).for_each(|nth| add(&mut changes, nth));
            let to = Checkpoint { offset: self.at.offset + 1, sequence: self.at.sequence + 1, ..self.at };
            self.sink.write(&changes, &self.at, &to).await.unwrap();
            self.at = to;
        }
        let bytes = (self.used().await - before) / i64::try_from(COUNT).unwrap();
        println!("{bytes:>7}  {what}");
    }

    /// Returns the bytes in use, without those of connections and scripts.
    async fn used(&self) -> i64 {
        let text: String = self.client.info(Some(InfoKind::Memory)).await.unwrap();
        let number = |name: &str| -> i64 {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok());
            value.unwrap()
        };
        number("used_memory") - number("mem_clients_normal") - number("used_memory_vm_total")
    }
}

fn told(changes: &mut RowChanges, event: Event) {
    let cause = Cause { offset: 1, id: CommandId(1) };
    changes.fold(&Outcome { term: 0, sequence: 1_000_000, time: TIME, cause, events: vec![event] }).unwrap();
}

fn last() -> LastChange {
    LastChange { sequence: 1_000_000, time: TIME }
}

/// Ids have 64 bits, like those made by the gateway.
fn account(nth: u64) -> AccountId {
    AccountId(1_000_000_000_000_000_000 + 7_919 * nth)
}

fn ticker(nth: u64) -> Ticker {
    format!("MARKET-OF-TEN-THOUSAND-{nth}").parse().unwrap()
}

fn purse() -> PurseDelta {
    let credits = Credits::whole(12_345);
    let (available, held, sent, received) = (credits, credits, credits, credits);
    PurseDelta { available, held, live_orders: 1, sent, received, last: last() }
}

fn held() -> PositionDelta {
    PositionDelta { yes: 1_000, no: 0, yes_reserved: 100, no_reserved: 0, last: last() }
}

fn placed(account: AccountId, nth: u64) -> Event {
    let (price, quantity) = (Price::new(5_500).unwrap(), Quantity::new(100).unwrap());
    let order = NewOrder {
        account,
        market: MarketId::of(&ticker(nth % 1_000)),
        entry: Entry::BuyYes,
        terms: Terms::Limit { price, quantity, time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off },
        fee_rate: FeeRate::ZERO,
        client_id: Some(ClientId(u128::from(nth) << 64)),
        instructions: Instructions::default(),
    };
    let (id, filled, status, cancel_reason) =
        (OrderId::compose(Shard::new(1).unwrap(), nth + 1), Quantity::ZERO, Status::Active, None);
    Event::OrderPlaced(OrderPlaced { id, order, price, quantity, filled, status, cancel_reason })
}

fn created(nth: u64) -> Event {
    let ticker = ticker(nth);
    let listing = Listing {
        market: MarketId::of(&ticker),
        ticker,
        about: About::plain("Will a question of sixty letters or so be answered with a yes?", "YES if it is.", "tests")
            .unwrap()
            .into(),
        opens: None,
        expiry: TIME,
        tick: 1,
        maker_fee: FeeRate::ZERO,
        taker_fee: FeeRate::ZERO,
        dispute_window_ms: 0,
        limits: MarketLimits::NONE,
    };
    Event::MarketCreated { listing, by: AdminId(1) }
}

fn levels(changes: &mut RowChanges, market: MarketId) {
    for nth in 0..LEVELS {
        let side = if nth < LEVELS / 2 { BookSide::Bid } else { BookSide::Ask };
        changes.levels.insert((market, side, Price::new(5_000 + nth).unwrap()), 1_000);
    }
}

fn trades(changes: &mut RowChanges, market: MarketId) {
    for nth in 0..TRADES {
        let party = |account, entry| Party {
            order: OrderId::compose(Shard::new(1).unwrap(), nth + 1),
            account,
            entry,
            fee: Credits(0),
        };
        let trade = Trade {
            id: TradeId::compose(Shard::new(1).unwrap(), nth + 1),
            market,
            price: Price::new(5_500).unwrap(),
            quantity: Quantity::new(100).unwrap(),
            maker: party(account(1), Entry::BuyYes),
            taker: party(account(2), Entry::BuyNo),
            maker_remaining: Quantity::ZERO,
        };
        changes.trades.push(TradeRow { trade, at: last() });
    }
}
