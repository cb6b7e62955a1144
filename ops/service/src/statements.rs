//! Counts the statements that a process sends to Postgres: Postgres itself counts only transactions
//! and rows.
//!
//! | metric                          | meaning                     |
//! |---------------------------------|-----------------------------|
//! | `lfg_postgres_statements_total` | statements sent to Postgres |

use std::sync::OnceLock;

use metrics::{Counter, counter, describe_counter};

/// The metric's name.
pub const STATEMENTS: &str = "lfg_postgres_statements_total";

/// The process's counter.
pub fn statements() -> &'static Counter {
    static COUNTER: OnceLock<Counter> = OnceLock::new();
    COUNTER.get_or_init(|| {
        describe_counter!(STATEMENTS, "statements sent to Postgres");
        counter!(STATEMENTS)
    })
}
