//! Why a follower does not answer.

use schemas::Shard;

/// Why a follower does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unavailable {
    /// This process does not follow the shard.
    #[error("this gateway follows no books")]
    Off,
    /// It still reads what was on the log at the start.
    #[error("the follower of shard {0} is still reading the log")]
    CatchingUp(Shard),
    /// It has halted.
    #[error("the follower of shard {0} has halted")]
    Halted(Shard),
    /// It has not reached the wanted position.
    #[error("the follower of shard {0} has not reached the position")]
    NotReached(Shard),
}
