//! What the book asks of the allocator: nothing in steady state, and at most 150 bytes a resting order all told. Fails otherwise.
//!
//! Orders carry 32 bytes for their owner, as in the law.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use engine_benches::flow::{Flow, Variant};
use engine_benches::ours::Ours;
use engine_benches::report::FLOWS;
use engine_benches::run;

const BOUND_BYTES: f64 = 150.0;

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

/// Runs a flow, cancels all that rests, and runs it again on the same books: the second time nothing is larger than before, so
/// nothing may be asked for.
fn measure(variant: Variant, books: usize) {
    let flow = Flow::make(variant, books);
    let before = BYTES.load(Relaxed);
    PEAK.store(before, Relaxed);
    let mut ours = Ours::with_owner(books, [7_u64; 4]);
    run(&mut ours, &flow.prefill);
    run(&mut ours, &flow.commands);
    let (resting, bytes, peak) = (ours.resting(), BYTES.load(Relaxed) - before, PEAK.load(Relaxed) - before);
    ours.cancel_all();
    let calls = CALLS.load(Relaxed);
    run(&mut ours, &flow.prefill);
    let tape = run(&mut ours, &flow.commands);
    let calls = CALLS.load(Relaxed) - calls;
    let each = |bytes| bytes as f64 / resting as f64;
    print!("{:<8}{resting:>10}{bytes:>12}", flow.name());
    println!("{:>12.1}{:>12.1}{calls:>14}", each(bytes), each(peak));
    assert_eq!(tape, flow.expected, "a book that emptied matches as a new one");
    assert!(each(bytes) <= BOUND_BYTES, "too much memory a resting order");
    assert_eq!(calls, 0, "allocations in steady state");
}

fn main() {
    println!("{:<8}{:>10}{:>12}{:>12}{:>12}{:>14}", "flow", "resting", "bytes", "an order", "at peak", "allocations");
    for (variant, books) in FLOWS {
        measure(variant, books);
    }
}
