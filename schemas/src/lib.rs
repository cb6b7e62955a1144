//! The public language of the log: every type that crosses a process boundary, its byte format, and
//! the one rule for reading an events log.
//!
//! ```text
//! gateway ─▶ [commands] ─▶ engine ─▶ [events] ─▶ projections, gateway, analysts
//!            └────────── *schemas* ──────────┘
//! ```
//!
//! Start with [`command`] (requests), [`event`] (facts) and [`reading`] (which records count).
//!
//! Architecture invariant: pure. No client library, no clock, no randomness, no I/O. Every program
//! depends on this crate; this crate depends on none of them.

#[macro_use]
mod wire;

pub mod about;
pub mod account;
pub mod admin;
pub mod answers;
pub mod batch_request;
pub mod build;
pub mod cancel_reason;
pub mod codec;
pub mod command;
pub mod command_record;
pub mod effects;
pub mod event;
pub mod frame;
pub mod group;
pub mod halting;
pub mod ids;
pub mod limits;
pub mod market;
pub mod message;
pub mod money;
pub mod order;
pub mod origin;
pub mod part;
pub mod purse;
pub mod read_models;
pub mod reading;
pub mod record;
pub mod rejection;
pub mod settlement;
pub mod shard_map;
pub mod text;
pub mod time;
pub mod topics;

pub use about::{About, MarketAddition, MarketEdit, MarketEvent, Sources, Tags};
pub use account::{AccountLimits, ApiKey, KeyMarkets, KeyProof, KeyTerms, Scopes};
pub use admin::{ADMINS_HOME, Admin, AdminRoles, WantedAdmin};
pub use batch_request::BatchRequest;
pub use build::Build;
pub use command::Command;
pub use command_record::CommandRecord;
pub use event::{Event, Seconded, StateHash};
pub use frame::VOCABULARY;
pub use group::{GroupAct, GroupId, GroupLimits, GroupNow, TriggerCause};
pub use halting::{LeaderHalted, Quarantine, Quarantined};
pub use ids::{
    AccountId, AdminId, ApiKeyId, ClientId, CommandId, EngineId, MarketEventId, MarketId, OrderId, PartId, ProposalId,
    Shard, TradeId,
};
pub use market::{Listing, MarketLimits, MarketState, ResolutionAnswer, Transition};
pub use message::Message;
pub use money::{Credits, FeeRate, Price, Quantity};
pub use order::{
    Amendment, BookSide, Contract, Entry, Instructions, NewOrder, OrderRef, PostOnly, SelfTrade, Side, Status, Terms,
    TimeInForce,
};
pub use origin::{IdempotencyKey, Origin, TraceContext};
pub use part::{PartInfo, PartKind, Program};
pub use purse::{Need, Parked, ParkedRequest, PurseInstruction, Returned, Room};
pub use record::{Cause, Outcome, Record, Term};
pub use rejection::Rejection;
pub use settlement::{Settlement, SettlementReason};
pub use time::Timestamp;
