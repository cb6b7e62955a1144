//! The book alone on the reference flow, beside the baseline and the guide's two heaps: medians of five runs, in turn, in one run.

use engine_benches::baseline::Baseline;
use engine_benches::flow::Flow;
use engine_benches::heaps::Heaps;
use engine_benches::ours::Ours;
use engine_benches::report::{FLOWS, median, timed};

fn main() {
    println!("millions of commands a second, and the ratio to the baseline");
    println!("{:<8}{:>10}{:>10}{:>10}{:>10}{:>10}", "flow", "baseline", "book", "ratio", "heaps", "ratio");
    for (variant, books) in FLOWS {
        let flow = Flow::make(variant, books);
        let mut columns: [Vec<f64>; 5] = Default::default();
        for _ in 0..5 {
            let baseline = timed(&flow, Baseline::new(books));
            let (ours, heaps) = (timed(&flow, Ours::new(books)), timed(&flow, Heaps::new(books)));
            for (column, value) in columns.iter_mut().zip([baseline, ours, ours / baseline, heaps, heaps / baseline]) {
                column.push(value);
            }
        }
        print!("{:<8}", flow.name());
        for column in &mut columns {
            print!("{:>10.2}", median(column));
        }
        println!();
    }
}
