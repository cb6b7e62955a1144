//! The book alone on the reference flow, beside the baseline and the guide's two heaps: medians of
//! five runs, in turn, in one run.

use engine_benches::baseline::Baseline;
use engine_benches::flow::{Flow, Variant};
use engine_benches::heaps::Heaps;
use engine_benches::ours::{Ahead, Ours};
use engine_benches::report::{FLOWS, median, number, timed};

/// `PART=book|ahead|baseline FLOW=A|B BOOKS=n COMMANDS=n` runs one part once, for a profiler.
fn profile(part: &str) {
    let books = number("BOOKS").unwrap_or(1);
    let variant = if std::env::var("FLOW").is_ok_and(|flow| flow == "B") { Variant::B } else { Variant::A };
    let flow = Flow::start(variant, books, number("COMMANDS").unwrap_or(1_000_000));
    let speed = match part {
        "book" => timed(&flow, Ours::new(books)),
        "ahead" => timed(&flow, Ahead(Ours::new(books))),
        _ => timed(&flow, Baseline::new(books)),
    };
    println!("{} {part} {speed:.2}", flow.name());
}

fn main() {
    if let Ok(part) = std::env::var("PART") {
        return profile(&part);
    }
    println!(
        "millions of commands a second, and the ratio to the baseline; *ahead* is the book that is told what comes"
    );
    println!(
        "{:<8}{:>10}{:>10}{:>8}{:>10}{:>8}{:>10}{:>8}",
        "flow", "baseline", "book", "ratio", "ahead", "ratio", "heaps", "ratio"
    );
    for (variant, books) in FLOWS {
        let flow = Flow::make(variant, books);
        let mut columns: [Vec<f64>; 7] = Default::default();
        for _ in 0..5 {
            let baseline = timed(&flow, Baseline::new(books));
            let ours = timed(&flow, Ours::new(books));
            let ahead = timed(&flow, Ahead(Ours::new(books)));
            let heaps = timed(&flow, Heaps::new(books));
            let ratios = [ours, ours / baseline, ahead, ahead / baseline, heaps, heaps / baseline];
            for (column, value) in columns.iter_mut().zip([baseline].into_iter().chain(ratios)) {
                column.push(value);
            }
        }
        print!("{:<8}", flow.name());
        for (column, width) in columns.iter_mut().zip([10, 10, 8, 10, 8, 10, 8]) {
            print!("{:>width$.2}", median(column));
        }
        println!();
    }
}
