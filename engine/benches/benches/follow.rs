//! What it costs to follow a shard order by order outside the engine, and to ask a follower:
//! outcomes that are read and applied, queue positions, previews. (`things.rs` has the memory of
//! what a follower keeps.)

use std::time::Instant;

use engine_benches::flow::{Flow, Variant};
use engine_benches::law::{Leader, Run, Script, listing, shard};
use engine_benches::report::median;
use engine_core::{QueueCount, Replica, ShardState};
use schemas::{
    AccountId, EngineId, Entry, FeeRate, Instructions, NewOrder, OrderId, PostOnly, Price, Quantity, Term, Terms,
    TimeInForce, Timestamp,
};

const ROUNDS: usize = 5;
/// Orders of one level.
const DEEP: u32 = 200_000;

/// Microseconds for each outcome, from its bytes to the state after it.
fn follow(variant: Variant, books: usize) {
    let flow = Flow::make(variant, books);
    let script = Script::new(&flow);
    let mut leader = Leader::default();
    let all: Vec<_> = [&script.setup, &script.prefill, &script.commands].map(|part| Leader::encode(part)).into();
    let outcomes = all.iter().map(|commands| leader.outcomes(commands)).collect::<Vec<_>>();
    let mut micros = Vec::new();
    for _ in 0..ROUNDS {
        let (own, map) = shard();
        let mut replica = Replica::new(own, map);
        replica.read(0, &Term::new(own, map.shards(), EngineId(1), 1).encode()).expect("a term is read");
        let mut offset = 0;
        let mut read = |outcomes: &[Vec<u8>]| {
            for outcome in outcomes {
                offset += 1;
                replica.read(offset, outcome).expect("outcomes follow one another");
            }
        };
        read(&outcomes[0]);
        read(&outcomes[1]);
        let start = Instant::now();
        read(&outcomes[2]);
        micros.push(start.elapsed().as_secs_f64() * 1e6 / outcomes[2].len() as f64);
    }
    println!("follow {:<37}{:>12.3} us an outcome", flow.name(), median(&mut micros));
}

fn order(account: u64, entry: Entry, ticks: u16, quantity: u32) -> NewOrder {
    NewOrder {
        account: AccountId(account),
        market: listing(0).market,
        entry,
        terms: Terms::Limit {
            price: Price::new(ticks).expect("a price"),
            quantity: Quantity::new(quantity).expect("a quantity"),
            time_in_force: TimeInForce::Gtc,
            post_only: PostOnly::Off,
        },
        fee_rate: FeeRate::new(70_000).expect("a rate"),
        client_id: None,
        instructions: Instructions::default(),
    }
}

/// Median microseconds of something asked of a state.
fn ask<T>(what: &str, mut asked: impl FnMut() -> T) -> T {
    let mut last = None;
    let mut micros: Vec<f64> = (0..ROUNDS * 4)
        .map(|_| {
            let start = Instant::now();
            last = Some(asked());
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    println!("{what:<44}{:>12.1} us", median(&mut micros));
    last.expect("it was asked")
}

/// One book with 200,000 bids of many accounts at one price, and 20,000 asks at another.
fn deep() -> ShardState {
    let script = Script::new(&Flow::make(Variant::A, 1));
    let mut run = Run::default();
    run.all(&script.setup);
    let mut place = |order| {
        run.one(&schemas::Command::PlaceOrder(order));
    };
    for nth in 0..u64::from(DEEP) {
        // Orders of a level lie apart, as in a book that has lived.
        place(order(2 + nth * 7_919 % 9_000, Entry::BuyYes, 3_000 + u16::try_from(nth % 3).expect("small"), 1));
    }
    for nth in 0..20_000 {
        place(order(2 + nth * 7_919 % 9_000, Entry::BuyNo, 4_000, 1));
    }
    place(order(1, Entry::BuyYes, 3_000, 1));
    for nth in 0..100 {
        place(order(10_000, Entry::BuyYes, 3_000 + u16::try_from(nth % 3).expect("small"), 1));
    }
    run.state
}

fn main() {
    for (variant, books) in [(Variant::A, 1), (Variant::A, 1_000)] {
        follow(variant, books);
    }
    let state = deep();
    let count = || QueueCount::of_at_most(100_000);
    let own = |account| state.queued_orders(AccountId(account), None, (OrderId(0), 1), &mut count())[0].order;
    let (one, first) = (own(1), own(2));
    let last = ask("queue of the last of 66,700", || state.queued_order(AccountId(1), one, &mut count()));
    assert!(last.is_some_and(|queued| queued.ahead.orders > 66_000 && !queued.ahead.and_more));
    ask("queue of one near the front", || state.queued_order(AccountId(2), first, &mut count()));
    let page = ask("queues of 100 behind 66,700 in 3 levels", || {
        state.queued_orders(AccountId(10_000), None, (OrderId(0), 100), &mut count())
    });
    assert!(
        page.len() == 100 && page.iter().any(|queued| queued.ahead.and_more),
        "200,000 orders are more than are counted"
    );
    for (what, ticks, quantity) in
        [("rests", 2_000, 10), ("fills with 10 orders", 6_000, 10), ("fills with 10,000 orders", 6_000, 15_000)]
    {
        let order = order(1, Entry::BuyYes, ticks, quantity);
        let preview = ask(&format!("preview of one that {what}"), || state.preview(&order, Timestamp(0)));
        assert!(preview.does.is_some(), "{preview:?}");
    }
}
