//! Logs how Postgres runs queries: all of them in development, only slow ones in production.
//!
//!   a read ─▶ *ran* ─▶ queue ─▶ `EXPLAIN (ANALYZE, BUFFERS)` on a connection of its own ─▶ log
//!
//! `auto_explain` would need a superuser, and writes values into the log of Postgres. So the gateway
//! runs the query once more, with the same values, after the client has its answer. What is logged
//! has only the parts of the plan that name no value: conditions are left out, because Postgres
//! writes the values into them.
//!
//! The queue is short and has one reader: queries beyond it are counted, not explained.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use serde_json::Value;
use service::Shutdown;
use tokio::sync::{Mutex, mpsc};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls};

use crate::config::{PlanArgs, PlansLogged};

use super::error::{DbError, detailed};

/// Queries that wait to be explained.
const WAITING_PLANS_MAX: usize = 256;

/// The pause after the plan of a slow query: they come in crowds, and each runs once more.
const PAUSE_AFTER_SLOW: Duration = Duration::from_secs(1);

/// How long one explanation may take, beyond the statement's own time-out: for a server that is
/// gone.
const EXPLAIN_WITHIN: Duration = Duration::from_secs(60);

type Queued = (mpsc::Sender<QueryRun>, Mutex<mpsc::Receiver<QueryRun>>);

/// The plans of one server.
pub struct Plans {
    logged: PlansLogged,
    slower_than: Duration,
    server: String,
    config: Config,
    queue: Queued,
}

/// A query that has run.
struct QueryRun {
    sql: String,
    types: Vec<Type>,
    parameters: Vec<Parameter>,
    took: Duration,
}

impl Plans {
    /// Creates the queue.
    pub fn new(args: &PlanArgs, server: String, config: Config) -> Arc<Self> {
        let (sender, receiver) = mpsc::channel(WAITING_PLANS_MAX);
        let queue = (sender, Mutex::new(receiver));
        Arc::new(Self { logged: args.logged, slower_than: args.slower_than, server, config, queue })
    }

    /// Queues a query that has run, if its plan is wanted.
    pub fn ran(&self, sql: &str, types: Vec<Type>, parameters: &[&(dyn ToSql + Sync)], took: Duration) {
        let wanted = match self.logged {
            PlansLogged::None => false,
            PlansLogged::Slow => took >= self.slower_than,
            PlansLogged::All => true,
        };
        if !wanted {
            return;
        }
        let Ok(place) = self.queue.0.try_reserve() else {
            counter!("gateway_plans_dropped_total").increment(1);
            return;
        };
        let encoded = parameters.iter().zip(&types).map(|(parameter, of)| Parameter::of(*parameter, of));
        match encoded.collect() {
            Ok(parameters) => place.send(QueryRun { sql: sql.to_owned(), types, parameters, took }),
            Err(error) => tracing::warn!(error, "cannot repeat a query's parameters for its plan"),
        }
    }

    /// Explains queries until the shutdown.
    pub async fn log(&self, shutdown: Shutdown) {
        if self.logged == PlansLogged::None {
            return;
        }
        let mut queue = self.queue.1.lock().await;
        let mut kept = None;
        loop {
            let run = tokio::select! {
                run = queue.recv() => run,
                () = shutdown.wait() => return,
            };
            let Some(run) = run else { return };
            let explained = tokio::time::timeout(EXPLAIN_WITHIN, self.explain(&mut kept, &run)).await;
            let took_ms = run.took.as_secs_f64() * 1_000.0;
            match explained.unwrap_or(Err(DbError::TooLong)) {
                Ok(plan) => {
                    tracing::info!(server = self.server, took_ms, query = run.sql, plan, "the plan of a query");
                }
                Err(error) => {
                    kept = None;
                    tracing::warn!(server = self.server, took_ms, query = run.sql, %error, "a query without a plan");
                }
            }
            if self.logged == PlansLogged::Slow {
                tokio::select! {
                    () = tokio::time::sleep(PAUSE_AFTER_SLOW) => {}
                    () = shutdown.wait() => return,
                }
            }
        }
    }

    async fn explain(&self, kept: &mut Option<Client>, run: &QueryRun) -> Result<String, DbError> {
        let client = match kept {
            Some(client) if !client.is_closed() => client,
            _ => {
                let (client, connection) = self.config.connect(NoTls).await?;
                let server = self.server.clone();
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::warn!(server, error = detailed(&error), "the connection for plans has ended");
                    }
                });
                kept.insert(client)
            }
        };
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}", run.sql);
        let statement = client.prepare_typed(&explain, &run.types).await?;
        let parameters: Vec<_> = run.parameters.iter().map(|parameter| parameter as &(dyn ToSql + Sync)).collect();
        let PlanText(plan) = client.query_one(&statement, &parameters).await?.try_get(0)?;
        let plan: Value = serde_json::from_str(&plan).map_err(|_| DbError::Impossible("plan"))?;
        Ok(outline(&plan))
    }
}

/// Returns the steps of a plan, one a line, without any value of the query.
fn outline(explained: &Value) -> String {
    let mut text = String::new();
    let plan = &explained[0];
    step(&plan["Plan"], 0, &mut text);
    let time = |key: &str| plan[key].as_f64().unwrap_or_default();
    let _always = write!(text, "planned in {} ms, run in {} ms", time("Planning Time"), time("Execution Time"));
    text
}

/// The parts of a step that name no value of the query, and their units.
const NUMBERS: [(&str, &str); 9] = [
    ("Actual Total Time", "ms"),
    ("Actual Rows", "rows"),
    ("Plan Rows", "rows expected"),
    ("Actual Loops", "times"),
    ("Rows Removed by Filter", "rows filtered out"),
    ("Rows Removed by Index Recheck", "rows rechecked out"),
    ("Shared Hit Blocks", "pages hit"),
    ("Shared Read Blocks", "pages read"),
    ("Temp Written Blocks", "pages of temporary files"),
];

fn step(plan: &Value, depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", depth));
    text.push_str(plan["Node Type"].as_str().unwrap_or("?"));
    for (before, key) in [(" on ", "Relation Name"), (" using ", "Index Name"), (" by ", "Sort Method")] {
        if let Some(name) = plan[key].as_str() {
            text.push_str(before);
            text.push_str(name);
        }
    }
    let numbers = NUMBERS.iter().filter_map(|(key, unit)| Some(format!("{} {unit}", plan[key].as_number()?)));
    let _always = writeln!(text, ": {}", numbers.collect::<Vec<_>>().join(", "));
    for below in plan["Plans"].as_array().into_iter().flatten() {
        step(below, depth + 1, text);
    }
}

/// A parameter in the form in which it was sent.
#[derive(Debug)]
struct Parameter(Option<Vec<u8>>);

impl Parameter {
    fn of(value: &(dyn ToSql + Sync), of: &Type) -> Result<Self, String> {
        let mut bytes = Default::default();
        match value.to_sql_checked(of, &mut bytes) {
            Ok(IsNull::Yes) => Ok(Self(None)),
            Ok(IsNull::No) => Ok(Self(Some(bytes.to_vec()))),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl ToSql for Parameter {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut tokio_postgres::types::private::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let Some(bytes) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The text of a column of type `json`.
struct PlanText(String);

impl<'a> FromSql<'a> for PlanText {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(std::str::from_utf8(raw)?.to_owned()))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::JSON
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_names_steps_and_no_values() {
        let explained = serde_json::json!([{
            "Plan": {
                "Node Type": "Limit", "Actual Rows": 2, "Plan Rows": 51,
                "Plans": [{
                    "Node Type": "Index Scan", "Relation Name": "orders_live", "Index Name": "orders_live_account",
                    "Index Cond": "(account_id = '4711'::bigint)", "Filter": "(client_id = 'secret')",
                    "Actual Rows": 2, "Actual Loops": 1, "Shared Hit Blocks": 3,
                }],
            },
            "Planning Time": 0.5, "Execution Time": 0.25,
        }]);
        let expected = "Limit: 2 rows, 51 rows expected\n  \
            Index Scan on orders_live using orders_live_account: 2 rows, 1 times, 3 pages hit\n\
            planned in 0.5 ms, run in 0.25 ms";
        assert_eq!(outline(&explained), expected);
    }
}
