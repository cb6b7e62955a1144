//! Folds the events log into Postgres tables and Redis read models, exactly once by position.
//!
//!   lfg.events\[s\] ─▶ run ─▶ fold ─▶ [`fold::RowChanges`] ─┬─▶ postgres ─▶ tables ─▶ gateway, analysts
//!                                                        └─▶ redis ─▶ read models ─▶ gateway
//!
//! | module     | what                                                              |
//! |------------|-------------------------------------------------------------------|
//! | `fold`     | outcomes → changes; pure                                          |
//! | `sink`     | what is asked of a store                                          |
//! | `postgres` | tables: a transaction a batch                                     |
//! | `redis`    | read models: a script call a batch; `redis::keys` names them      |
//! | `run`      | tails, queues, batches, recovery, metrics                         |
//! | `migrate`  | tables, partitions and indexes of a database                      |
//!
//! Architecture invariant: the position is stored with the rows and moves only with them; recovery is always «begin again
//! from the stored position».

pub mod fold;
pub mod migrate;
pub mod postgres;
pub mod redis;
pub mod run;
pub mod sink;
