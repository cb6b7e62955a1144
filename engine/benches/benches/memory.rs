//! What the book asks of the allocator: next to nothing in steady state, and at most 150 bytes a
//! resting order, at the peak as well; 200 with 1,000 books, where most orders have a level of
//! their own. Fails otherwise.
//!
//! Orders carry 32 bytes for their owner, as in the law.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use engine_benches::flow::{Flow, Variant};
use engine_benches::ours::Ours;
use engine_benches::report::FLOWS;
use engine_benches::run;

const BOUND_BYTES: f64 = 150.0;
const BOUND_BYTES_APART: f64 = 200.0;

/// Calls of the allocator for each million commands while about as many orders rest all the time. A
/// page comes and goes now and then.
const BOUND_CALLS: usize = 100;

struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
/// The most bytes at a time, also while a table grows.
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn count(more: usize) {
    CALLS.fetch_add(1, Relaxed);
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

/// Runs a flow whose second half is the steady state, then cancels all that rests and runs it again
/// on the same books: what they gave back they ask for again, and they match as new ones.
fn measure(variant: Variant, books: usize) {
    let flow = Flow::make(variant, books);
    let before = BYTES.load(Relaxed);
    PEAK.store(before, Relaxed);
    let mut ours = Ours::with_owner(books, [7_u64; 4]);
    run(&mut ours, &flow.prefill);
    let (first, second) = flow.commands.split_at(flow.commands.len() / 2);
    run(&mut ours, first);
    let calls = CALLS.load(Relaxed);
    run(&mut ours, second);
    let calls = (CALLS.load(Relaxed) - calls) * 1_000_000 / second.len();
    let (resting, bytes, peak) = (ours.resting(), BYTES.load(Relaxed) - before, PEAK.load(Relaxed) - before);
    ours.cancel_all();
    let left = BYTES.load(Relaxed) - before;
    run(&mut ours, &flow.prefill);
    let tape = run(&mut ours, &flow.commands);
    let each = |bytes| bytes as f64 / resting as f64;
    print!("{:<8}{resting:>10}{bytes:>12}", flow.name());
    println!("{:>12.1}{:>12.1}{calls:>14}{left:>12}", each(bytes), each(peak));
    assert_eq!(tape, flow.expected, "a book that emptied matches as a new one");
    let bound = if books == 1 { BOUND_BYTES } else { BOUND_BYTES_APART };
    assert!(each(peak) <= bound, "too much memory a resting order");
    assert!(calls <= BOUND_CALLS, "allocations in steady state");
    assert!(left < bytes, "an empty book gives memory back");
}

fn main() {
    println!(
        "{:<8}{:>10}{:>12}{:>12}{:>12}{:>14}{:>12}",
        "flow", "resting", "bytes", "an order", "at peak", "calls a mill.", "left empty"
    );
    for (variant, books) in FLOWS {
        measure(variant, books);
    }
}
