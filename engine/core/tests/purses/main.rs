//! An account has a purse (its balance on one shard) on each shard where it trades. These scenarios
//! run every path of ADR 15 over several shards. `script/mod.rs` describes their language.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod at_once;
mod batches;
mod cancels;
mod claims;
mod credits;
mod everywhere;
mod full_outboxes;
mod funding;
mod groups;
mod limits;
mod lower_limits;
mod many_orders;
mod movements;
mod names;
mod queue;
mod recalls;
mod recovery;
mod script;
mod ten_seconds;
mod too_late;
mod transfers;
#[path = "../words/mod.rs"]
mod words;
mod yes;
