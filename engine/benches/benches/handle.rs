//! The law on the reference flow: decide, apply, holds, fees and events, with 10,000 funded accounts; then the same with encoded,
//! chained outcomes. Beside the baseline, in turn, in one run.
//!
//! A buy at p is BUY YES at p, a sell at p is BUY NO at 10,000 − p, so nobody needs contracts beforehand.

use std::time::Instant;

use engine_benches::baseline::Baseline;
use engine_benches::flow::{Flow, Variant};
use engine_benches::{self as flow, Tape, run};
use engine_core::{Place, Replica, State};
use schemas::shard_map::ShardMap;
use schemas::{
    AccountId, ApiKey, ApiKeyId, Cause, Command, CommandId, CommandRecord, Credits, Entry, EngineId, Event, FeeRate,
    Listing, MarketId, NewOrder, OrderId, Price, Quantity, Scopes, Shard, Term, Terms, TimeInForce, Timestamp, Transition,
};

const ACCOUNTS: u64 = 10_000;
const MAKER_FEE: u32 = 10_000;
const TAKER_FEE: u32 = 70_000;

/// What a flow is as commands of the law.
struct Script {
    setup: Vec<Command>,
    prefill: Vec<Command>,
    commands: Vec<Command>,
}

fn shard() -> (Shard, ShardMap) {
    (Shard::new(0).unwrap(), ShardMap::new(1).unwrap())
}

fn order_id(id: u64) -> OrderId {
    OrderId::compose(shard().0, shard().0, id)
}

/// An account for each order, so that makers and takers mix.
fn account(id: u64) -> AccountId {
    AccountId(1 + id % ACCOUNTS)
}

impl Script {
    fn new(flow: &Flow) -> Self {
        let markets: Vec<_> = (0..flow.books).map(listing).collect();
        let mut setup = Vec::new();
        for account in (1..=ACCOUNTS).map(AccountId) {
            let key = ApiKey { id: ApiKeyId(account.0), hash: [0; 32], scopes: Scopes::READ_TRADE };
            setup.push(Command::OpenAccount { account, key });
            setup.push(Command::Deposit { account, amount: Credits::whole(1_000_000), client_id: None });
        }
        for listing in &markets {
            setup.push(Command::CreateMarket(listing.clone()));
            setup.push(Command::ChangeMarket { market: listing.market, transition: Transition::Open });
        }
        // The flow's cancels name only the order: its account follows from its id.
        let translate = |commands: &[flow::Command]| commands.iter().map(|c| command(c, &markets)).collect();
        Self { setup, prefill: translate(&flow.prefill), commands: translate(&flow.commands) }
    }
}

fn listing(number: usize) -> Listing {
    let ticker: schemas::text::Ticker = format!("M-{number}").parse().unwrap();
    Listing {
        market: MarketId::of(&ticker),
        ticker,
        question: "Bench?".parse().unwrap(),
        expiry: Timestamp(u64::MAX),
        tick: 1,
        maker_fee: FeeRate::new(MAKER_FEE).unwrap(),
        taker_fee: FeeRate::new(TAKER_FEE).unwrap(),
    }
}

fn command(command: &flow::Command, markets: &[Listing]) -> Command {
    match *command {
        flow::Command::Cancel { id, .. } => Command::CancelOrder { account: account(id), order: order_id(id) },
        flow::Command::Add { book, order } => {
            let yes = Price::new(order.price as u16).unwrap();
            let (entry, price) = if order.buy { (Entry::BuyYes, yes) } else { (Entry::BuyNo, yes.complement()) };
            let time_in_force = if order.ioc { TimeInForce::Ioc } else { TimeInForce::Gtc };
            Command::PlaceOrder(NewOrder {
                account: account(order.id),
                market: markets[book as usize].market,
                entry,
                terms: Terms::Limit { price, quantity: Quantity::new(order.quantity).unwrap(), time_in_force },
                fee_rate: FeeRate::new(TAKER_FEE).unwrap(),
                client_id: None,
            })
        }
    }
}

fn record(tape: &mut Tape, events: &[Event]) {
    let counter = |id: OrderId| id.0 & ((1 << 49) - 1);
    for event in events {
        if let Event::Traded(t) = event {
            let (maker, taker) = (counter(t.maker.order), counter(t.taker.order));
            tape.trade(maker, taker, u32::from(t.price.ticks()), t.quantity.contracts());
        }
    }
}

/// Millions of commands a second through `State::handle`.
fn handle(flow: &Flow, script: &Script) -> f64 {
    let mut state = State::new(shard().0, shard().1);
    let mut events = Vec::new();
    let mut offset = 0;
    let mut tape = Tape::default();
    let mut all = |commands: &[Command], tape: &mut Tape| {
        let start = Instant::now();
        for command in commands {
            offset += 1;
            let cause = Cause { offset, id: CommandId(u128::from(offset)) };
            events.clear();
            state.handle(Place { cause, time: Timestamp(offset / 1_000) }, command, &mut events);
            record(tape, &events);
        }
        commands.len() as f64 / start.elapsed().as_secs_f64() / 1e6
    };
    all(&script.setup, &mut tape);
    all(&script.prefill, &mut tape);
    let speed = all(&script.commands, &mut tape);
    assert_eq!(tape, flow.expected, "the law does not match as the flow demands");
    speed
}

/// Millions of commands a second from command bytes to outcome bytes, chained.
fn replica(script: &Script) -> f64 {
    let (shard, map) = shard();
    let mut replica = Replica::new(shard, map);
    let term = Term { shard, shards: 1, engine: EngineId(1), attempt: 1 };
    replica.read(0, &term.encode()).unwrap();
    replica.lead();
    let encode = |commands: &[Command]| -> Vec<Vec<u8>> {
        commands.iter().map(|c| CommandRecord { id: CommandId(1), command: c.clone() }.encode()).collect()
    };
    let before = encode(&[script.setup.as_slice(), &script.prefill].concat());
    let commands = encode(&script.commands[..script.commands.len() / 4]);
    let mut offset = 0;
    let mut bytes_out = 0;
    let mut all = |commands: &[Vec<u8>]| {
        let start = Instant::now();
        for bytes in commands {
            let outcome = replica.handle(offset, Timestamp(offset / 1_000), bytes).unwrap();
            bytes_out += outcome.len();
            offset += 1;
        }
        commands.len() as f64 / start.elapsed().as_secs_f64() / 1e6
    };
    all(&before);
    let speed = all(&commands);
    assert!(bytes_out > 0);
    speed
}

fn baseline(flow: &Flow) -> f64 {
    let mut matcher = Baseline::new(flow.books);
    run(&mut matcher, &flow.prefill);
    let start = Instant::now();
    assert_eq!(run(&mut matcher, &flow.commands), flow.expected);
    flow.commands.len() as f64 / start.elapsed().as_secs_f64() / 1e6
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    println!("{:<10}{:>10}{:>10}{:>8}{:>10}{:>8}", "flow", "baseline", "handle", "ratio", "encoded", "ratio");
    for (variant, books) in [(Variant::A, 1), (Variant::A, 1_000)] {
        let flow = Flow::make(variant, books);
        let script = Script::new(&flow);
        let mut rows: [Vec<f64>; 5] = Default::default();
        for _ in 0..rounds {
            let (base, plain, encoded) = (baseline(&flow), handle(&flow, &script), replica(&script));
            for (row, value) in rows.iter_mut().zip([base, plain, plain / base, encoded, encoded / base]) {
                row.push(value);
            }
        }
        let [base, plain, ratio, encoded, encoded_ratio] = rows.each_mut().map(|row| median(row));
        let name = format!("{variant:?}×{books}");
        println!("{name:<10}{base:>10.2}{plain:>10.2}{ratio:>8.2}{encoded:>10.2}{encoded_ratio:>8.2}");
    }
}
