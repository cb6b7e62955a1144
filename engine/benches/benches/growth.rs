//! A book that comes to hold 8,000,000 orders, empties, and is as it was: the longest insertion and
//! removal, memory an order at the peak (a counting allocator), and what is left of memory and
//! speed. Orders carry 32 bytes for their owner, as in the law.
//!
//! Each run does the same with the same memory, so whatever an insertion costs it costs in each: of
//! the runs the shortest time of each insertion counts, and of all insertions the longest. What
//! else the machine did meanwhile does not.
//!
//! `ORDERS=n` holds so many; `IDS=random` takes ids in no order, with a key, as from outside.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use engine_benches::random::Random;
use engine_benches::report::{median, number};
use engine_core::{Book, Resting};
use schemas::BookSide;

/// The longest that an insertion may take, whatever grows meanwhile.
const BOUND: Duration = Duration::from_millis(1);
/// The longest that a removal may take. Of the last ones of a large book, some have the allocator
/// give hundreds of megabytes back to the system in one call.
const BOUND_REMOVAL: Duration = Duration::from_millis(20);
/// Bytes an order at the peak.
const BOUND_BYTES: f64 = 150.0;
const HIGHEST: u32 = 9_999;
/// Orders of the drive that tells the speed, on a fresh book and on one that was large.
const SMALL: u64 = 50_000;
const ROUNDS: u64 = 20;
const RUNS: usize = 5;
/// How much slower than a fresh one a book may be that was large: its free slots are scattered, as
/// in any book that has lived.
const AGED: f64 = 1.5;

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn count(more: usize) {
    let bytes = BYTES.fetch_add(more, Relaxed) + more;
    PEAK.fetch_max(bytes, Relaxed);
}

// SAFETY: hands every call on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        BYTES.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Ours = Book<u64, [u64; 4]>;

fn order(id: u64, n: u64) -> Resting<u64, [u64; 4]> {
    let price = 1 + (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32 % HIGHEST;
    Resting { id, side: BookSide::Bid, price, remaining: 1 + n as u32 % 100, owner: [n; 4] }
}

/// Ids as an exchange gives them, or as they come from outside.
fn ids(first: u64, count: u64, random: bool) -> Vec<u64> {
    let mix = |n: u64| if random { Random::new(n).next() >> 1 } else { n };
    (first..first + count).map(mix).collect()
}

/// Nanoseconds an insertion and its removal later, while `SMALL` orders rest.
fn speed(book: &mut Ours, first: u64, random: bool) -> f64 {
    let ids = ids(first, SMALL * (ROUNDS + 1), random);
    let (small, rest) = ids.split_at(SMALL as usize);
    small.iter().for_each(|id| book.insert(order(*id, *id)));
    let start = Instant::now();
    for (old, new) in ids.iter().zip(rest) {
        book.insert(order(*new, *new));
        black_box(book.remove(*old));
    }
    let took = start.elapsed().as_nanos() as f64 / (SMALL * ROUNDS) as f64;
    for id in &ids[ids.len() - SMALL as usize..] {
        black_box(book.remove(*id));
    }
    assert!(book.is_empty());
    took
}

#[derive(Default)]
struct Run {
    /// Nanoseconds of each.
    inserted: Vec<u32>,
    removed: Vec<u32>,
    peak: usize,
    left: usize,
    fresh: f64,
    aged: f64,
}

fn run(orders: u64, random: bool) -> Run {
    let mut run = Run::default();
    let make = || {
        Ours::with_prices(1..=HIGHEST).keyed(if random {
            0x1234_5678_9ABC_DEF0_0FED_CBA9_8765_4321
        } else {
            0x9E37_79B9_7F4A_7C15
        })
    };
    run.fresh = speed(&mut make(), 1, random);
    let (ids, mut order_of_removal) = (ids(10_000_000, orders, random), Random::new(7));
    let mut leaving: Vec<usize> = (0..ids.len()).collect();
    (1..leaving.len()).for_each(|at| leaving.swap(at, order_of_removal.below(at as u64 + 1) as usize));
    (run.inserted, run.removed) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
    let before = BYTES.load(Relaxed);
    PEAK.store(before, Relaxed);
    let mut book = make();
    for (n, id) in (0..).zip(&ids) {
        let order = order(*id, n);
        let start = Instant::now();
        book.insert(order);
        run.inserted.push(nanoseconds(start));
    }
    run.peak = PEAK.load(Relaxed) - before;
    for at in leaving.iter() {
        let start = Instant::now();
        black_box(book.remove(ids[*at]));
        run.removed.push(nanoseconds(start));
    }
    assert!(book.is_empty());
    run.left = BYTES.load(Relaxed) - before;
    run.aged = speed(&mut book, 1 << 40, random);
    run
}

fn nanoseconds(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_nanos()).unwrap_or(u32::MAX)
}

/// The longest three of the shortest times of each with their numbers, and how many are longer than
/// a tenth of the bound.
fn longest(runs: &[Run], of: impl Fn(&Run) -> &[u32]) -> (Vec<(Duration, usize)>, usize) {
    let shortest = |at: usize| runs.iter().map(|run| of(run)[at]).min().expect("there are runs");
    let took = |at: usize| (Duration::from_nanos(u64::from(shortest(at))), at);
    let mut all: Vec<_> = (0..of(&runs[0]).len()).map(took).collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    let long = all.partition_point(|(took, _)| *took > BOUND / 10);
    (all[..3].to_vec(), long)
}

fn main() {
    let orders = number("ORDERS").unwrap_or(8_000_000) as u64;
    let random = std::env::var("IDS").is_ok_and(|ids| ids == "random");
    let runs: Vec<Run> = (0..RUNS).map(|_| run(orders, random)).collect();
    for Run { peak, left, fresh, aged, .. } in &runs {
        let each = *peak as f64 / orders as f64;
        println!(
            "{orders} orders: {each:.1} bytes an order at the peak, {left} left when empty; {fresh:.1} ns an insertion and a removal on a \
             fresh book of {SMALL}, {aged:.1} on this one once it has emptied"
        );
        assert!(each < BOUND_BYTES, "too much memory an order");
        assert!(*left < 8 << 20, "memory does not come back");
    }
    let inserted = ("insertions", BOUND, longest(&runs, |run| &run.inserted));
    let removed = ("removals", BOUND_REMOVAL, longest(&runs, |run| &run.removed));
    for (what, bound, (three, long)) in [inserted, removed] {
        println!("the longest {what}: {three:?}; {long} above {:?}", BOUND / 10);
        assert!(three[0].0 < bound, "one took {:?}", three[0].0);
    }
    let mut ratios: Vec<f64> = runs.iter().map(|run| run.aged / run.fresh).collect();
    let ratio = median(&mut ratios);
    println!("once it has emptied it takes {ratio:.2} times as long as a fresh one");
    assert!(ratio < AGED, "speed does not come back");
}
