//! The Postgres tables: one transaction per batch, a few statements per transaction, never one per
//! row.
//!
//!   fold ─▶ [`RowChanges`](crate::fold::RowChanges) ─▶ *postgres* ─▶ tables (`migrations/`)
//!
//! | rows                                            | method                           |
//! |-------------------------------------------------|----------------------------------|
//! | `progress`                                      | UPDATE of exactly one row        |
//! | new orders, trades, ledger entries              | binary COPY                      |
//! | properties of markets: they rarely change       | one statement per market         |
//! | the rest: few are inserted or changed per batch | one statement over arrays each   |
//!
//! Each statement states how many rows it must match; any other number means that table and log
//! disagree, and the writer stops.

mod accounts;
mod admins;
mod arrays;
mod candles;
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
pub use schemas::read_models::TABLES_PROJECTION as PROJECTION;
pub use writer::PostgresSink;
