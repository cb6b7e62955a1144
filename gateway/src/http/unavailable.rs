//! The answer of a shard that no follower can answer for.

use crate::follow::Unavailable;
use crate::http::problem::{Problem, kinds};

/// The answer for a shard that has no follower, or whose follower is not ready.
pub fn unavailable(why: Unavailable) -> Problem {
    match why {
        Unavailable::Halted(shard) => Problem::shard_halted(shard).detail(why.to_string()),
        Unavailable::NotReached(_) => Problem::new(kinds::POSITION_NOT_REACHED).detail(why.to_string()),
        Unavailable::Off | Unavailable::CatchingUp(_) => {
            Problem::new(kinds::FOLLOWER_UNAVAILABLE).detail(why.to_string())
        }
    }
}
