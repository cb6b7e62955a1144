//! Folds the events log into Postgres tables and Redis read models, exactly once by position.

pub mod redis;
