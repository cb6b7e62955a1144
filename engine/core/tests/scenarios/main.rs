//! The core's rules, case by case. Names follow `docs/invariants.md` and the list of common faults
//! in order books.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod about;
mod admins;
mod amendments;
mod batches;
mod books;
mod cancels;
mod client_ids;
mod groups;
mod instructions;
mod keys;
mod markets;
mod matching;
mod reducing;
mod refusals;
mod script;
mod wallets;
#[path = "../words/mod.rs"]
mod words;
