//! Folds the events log into Postgres tables and Redis read models, exactly once by position.
//!
//!   lfg.events\[s\] ─▶ run ─▶ fold ─▶ [`fold::RowChanges`] ─┬─▶ postgres ─▶ tables ─▶ gateway, analysts
//!                                                        └─▶ redis ─▶ read models ─▶ gateway
//!
//! | module     | contents                                                              |
//! |------------|-----------------------------------------------------------------------|
//! | `fold`     | outcomes → row changes; pure                                          |
//! | `sink`     | the interface of a store                                              |
//! | `postgres` | tables: one transaction per batch                                     |
//! | `redis`    | read models: one script call per batch; `schemas::read_models` names them |
//! | `run`      | tails, queues, batches, recovery, metrics                             |
//! | `migrate`  | tables, partitions and indexes of a database                          |
//!
//! Architecture invariant: the position is stored with the rows and changes only with them.
//! Recovery always restarts from the stored position.

pub mod fold;
pub mod migrate;
pub mod postgres;
pub mod redis;
pub mod run;
pub mod sink;
