//! Measures and compares runs.

use std::time::Instant;

use crate::flow::{Flow, Variant};
use crate::{Matcher, run};

/// The four flows of the specification.
pub const FLOWS: [(Variant, usize); 4] = [(Variant::A, 1), (Variant::A, 1_000), (Variant::B, 1), (Variant::B, 1_000)];

/// Returns millions of commands per second, without the prefill.
///
/// # Panics
/// If the trades are not the expected ones of the flow.
pub fn timed(flow: &Flow, mut matcher: impl Matcher) -> f64 {
    run(&mut matcher, &flow.prefill);
    let start = Instant::now();
    let tape = run(&mut matcher, &flow.commands);
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(tape, flow.expected, "the book does not match as the flow demands");
    flow.commands.len() as f64 / seconds / 1e6
}

/// Returns a number from the environment, if set.
pub fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
