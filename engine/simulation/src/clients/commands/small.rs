//! Small numbers.

use crate::random::Random;

/// Returns a number that is small enough for any type.
pub fn small(random: &mut Random, below: u32) -> u32 {
    u32::try_from(random.below(u64::from(below))).expect("below a u32")
}
