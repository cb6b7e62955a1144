//! The law of the exchange: what each command leads to, and what each event makes true.
//!
//! ```text
//! lfg.commands[s] ─▶ *handle = decide + apply* ─▶ lfg.events[s]
//!                    *apply* ◀───────────────────  recovery, standbys, auditors
//! ```
//!
//! The words are those of the log, and explained there: what can be asked ([`schemas::Command`], with the answer to each), what can
//! become true ([`schemas::Event`]), why something is refused ([`schemas::Rejection`], codes in the order in which they are checked), and
//! what each event means in numbers ([`schemas::effects`]).
//!
//! - [`Replica`]: one shard with its place in the log; follows it, or leads it. What a process drives.
//! - [`ShardState`]: everything a shard knows. [`ShardState::handle`] decides and applies; [`ShardState::apply`] alone changes it.
//! - [`Book`]: one market's orders by price and time; usable alone. [`Books`]: those of a whole shard, in one memory.
//!
//! Architecture invariant: pure. No clock, randomness, I/O, float, thread or hash-map order; time, order and identity arrive
//! with the command. `clippy.toml` beside this crate and `tests/architecture.rs` enforce it.
//!
//! Architecture invariant: nothing here can fail for a reason outside the log.

mod apply;
mod book;
mod decide;
mod hash;
mod invariants;
mod pages;
mod prefetch;
mod queue;
mod replica;
mod snapshot;
mod state;

pub use book::{
    Ahead, Book, BookError, BookId, BookKey, Books, IdKey, LOOKAHEAD, PRICE_MAX, PlaceResult, Queue, QueueCount,
    RestPolicy, Resting, Upcoming,
};
pub use decide::{Lending, OrderEffect, Preview, PriceFill, PurseEffect, Recall};
pub use invariants::{Invariant, Sums};
pub use queue::QueuedOrder;
pub use replica::{Divergence, HASH_EVERY, Halt, OwnRecord, Replica};
pub use snapshot::SnapshotError;
pub use state::{
    Account, ArchivedMarkets, BooksMax, Deposits, Few, Group, Groups, KnownMarketEvent, Listed, Market, MarketView,
    Position, Proposed, Purse, PurseLoan, Sealed, ShardState, YesClaim,
};

use schemas::{Cause, Timestamp};

/// A command's place: everything that could differ between two runs is here, so the log alone decides the outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandContext {
    /// Which command: its offset and id.
    pub cause: Cause,
    /// The broker's append time.
    pub time: Timestamp,
}
