//! The Postgres tables: one transaction a batch, a few statements a transaction, never one a row.
//!
//!   fold ─▶ [`RowChanges`](crate::fold::Changes) ─▶ *postgres* ─▶ tables (`migrations/`)
//!
//! | rows                                            | how                              |
//! |-------------------------------------------------|----------------------------------|
//! | `progress`                                      | UPDATE of exactly one row        |
//! | orders born, trades, ledger entries             | binary COPY                      |
//! | what markets are: few in a life                 | one statement a market           |
//! | the rest: born or changed, few a batch          | one statement over arrays each   |
//!
//! Each statement says how many rows it must meet; anything else means that table and log disagree, and the writer stops.

mod accounts;
mod admins;
mod arrays;
mod copy;
mod error;
mod groups;
mod limit;
mod market_events;
mod markets;
mod moment;
mod months;
mod orders;
mod pool;
mod progress;
mod purses;
mod tables;
mod writer;

pub use error::{causes, classify};
pub use months::{Months, TABLES};
pub use pool::{STATEMENT_TIMEOUT, WritePool, WritePoolArgs, connections};
pub use progress::PROJECTION;
pub use writer::PostgresSink;
