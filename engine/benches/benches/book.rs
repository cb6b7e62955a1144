//! The book alone, beside the baseline, on the reference flow: median of five, in turn, in one run.

use std::time::Instant;

use engine_benches::baseline::Baseline;
use engine_benches::flow::{Flow, Variant};
use engine_benches::{Add, Matcher, Tape, run};
use engine_core::{BookKey, Books, Resting};
use schemas::BookSide;

struct Ours {
    books: Books<u64>,
    keys: Vec<BookKey>,
}

impl Ours {
    fn new(books: usize) -> Self {
        let mut all = Books::new();
        let keys = (0..books).map(|_| all.add(9_999)).collect();
        Self { books: all, keys }
    }
}

impl Matcher for Ours {
    #[inline]
    fn add(&mut self, book: usize, order: Add, tape: &mut Tape) {
        let key = self.keys[book];
        let Add { id, price, .. } = order;
        let side = if order.buy { BookSide::Bid } else { BookSide::Ask };
        let fill = |maker: &Resting<u64>, quantity| tape.trade(maker.id, id, maker.price, quantity);
        let remaining = self.books.take(key, side, price, order.quantity, fill);
        if remaining > 0 && !order.ioc {
            self.books.insert(key, Resting { id, side, price, remaining, owner: () });
        }
    }

    #[inline]
    fn cancel(&mut self, _book: usize, id: u64) {
        self.books.remove(id);
    }
}

fn timed<M: Matcher>(flow: &Flow, mut matcher: M) -> f64 {
    run(&mut matcher, &flow.prefill);
    let start = Instant::now();
    let tape = run(&mut matcher, &flow.commands);
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(tape, flow.expected, "the book does not match as the flow demands");
    flow.commands.len() as f64 / seconds / 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    println!("{:<12}{:>12}{:>12}{:>8}", "flow", "baseline", "book", "ratio");
    for (variant, books) in [(Variant::A, 1), (Variant::A, 1_000), (Variant::B, 1), (Variant::B, 1_000)] {
        let flow = Flow::make(variant, books);
        let (mut baseline, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..5 {
            baseline.push(timed(&flow, Baseline::new(books)));
            ours.push(timed(&flow, Ours::new(books)));
            ratios.push(ours[ours.len() - 1] / baseline[baseline.len() - 1]);
        }
        let name = format!("{variant:?}×{books}");
        println!("{name:<12}{:>12.2}{:>12.2}{:>8.2}", median(baseline), median(ours), median(ratios));
    }
}
