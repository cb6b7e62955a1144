//! The core of the exchange: decides which events a command causes, and applies events to the
//! state.
//!
//! ```text
//! lfg.commands[s] ─▶ *handle = decide + apply* ─▶ lfg.events[s]
//!                    *apply* ◀───────────────────  recovery, standbys, auditors
//! ```
//!
//! The vocabulary is that of the log and is documented in `schemas`: commands and their answers
//! ([`schemas::Command`]), events ([`schemas::Event`]), reasons for refusals
//! ([`schemas::Rejection`], codes in the order in which they are checked), and the numeric effect
//! of each event ([`schemas::effects`]).
//!
//! - [`Replica`]: one shard with its log position; follows the log or leads it. A process drives
//!   this type.
//! - [`ShardState`]: the complete state of a shard. [`ShardState::handle`] decides and applies;
//!   only [`ShardState::apply`] changes it.
//! - [`Book`]: one market's orders by price and time; usable alone. [`Books`]: all books of a
//!   shard, in one memory.
//!
//! Architecture invariant: pure. No clock, randomness, I/O, float, thread or hash-map order; time,
//! order and identity arrive with the command. `clippy.toml` beside this crate and
//! `tests/architecture.rs` enforce it.
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

/// A command's place: everything that could differ between two runs is here, so the log alone
/// decides the outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandContext {
    /// Which command: its offset and id.
    pub cause: Cause,
    /// The broker's append time.
    pub time: Timestamp,
}
