//! Order books from crates.io beside ours and the baseline on the same commands, with the same
//! trades: medians of three runs, in turn, in one run. A book too slow for a whole flow runs its
//! first commands, and so do ours and the baseline beside it.

mod lobster_book;

mod orderbook_rs_book;
mod rust_ob_book;

use engine_benches::Matcher;
use engine_benches::baseline::Baseline;
use engine_benches::flow::Flow;
use engine_benches::heaps::Heaps;
use engine_benches::ours::Ours;
use engine_benches::report::{FLOWS, median, timed};

const ROUNDS: usize = 3;

fn main() {
    println!("millions of commands a second");
    println!(
        "{:<8}{:<22}{:>10}{:>10}{:>10}{:>10}{:>16}{:>16}",
        "flow", "other", "commands", "other", "baseline", "ours", "other/baseline", "ours/other"
    );
    for (variant, books) in FLOWS {
        let flow = || Flow::make(variant, books);
        let million = flow().prefix(1_000_000);
        beside("two heaps", &million, || Heaps::new(books));
        beside("lobster 0.7.0", &million, || lobster_book::Lobster::new(books));
        let short = flow().prefix(20_000);
        beside("orderbook-rs 0.15.3", &short, || orderbook_rs_book::OrderbookRs::new(books));
        beside("rust_ob 2.5.3", &million, || rust_ob_book::RustOb::new(books));
    }
}

fn beside<M: Matcher>(name: &str, flow: &Flow, other: impl Fn() -> M) {
    let mut columns: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        let theirs = timed(flow, other());
        let (baseline, ours) = (timed(flow, Baseline::new(flow.books)), timed(flow, Ours::new(flow.books)));
        for (column, value) in columns.iter_mut().zip([theirs, baseline, ours, theirs / baseline, ours / theirs]) {
            column.push(value);
        }
    }
    let [theirs, baseline, ours, to_baseline, to_theirs] = columns.each_mut().map(|column| median(column));
    let commands = flow.commands.len();
    println!(
        "{:<8}{name:<22}{commands:>10}{theirs:>10.2}{baseline:>10.2}{ours:>10.2}{to_baseline:>16.2}{to_theirs:>16.1}",
        flow.name()
    );
}
