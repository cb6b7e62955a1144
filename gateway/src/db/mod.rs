//! Postgres: the servers, and what all queries share.
//!
//!   reads with a position ─▶ a replica ([`replicas`]) ─▶ or the primary ─▶ *rows and their position*
//!   all else ───────────────────────────────────────────▶ the primary
//!
//! The gateway only reads here. A read has a short time from asking for a connection to its last
//! row; then its client gets an error, and Postgres cancels the query (`lease.rs`).

pub mod boot;
pub mod rows;

mod archived;
mod candles;
mod error;
mod fills;
mod history;
mod lease;
mod orders;
mod plans;
mod positions;
mod proposals;
mod replicas;
mod server;
mod tables;
mod turns;

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use metrics::{Counter, Histogram, counter, gauge, histogram};
use schemas::Shard;
use schemas::ids::LogPosition;
use schemas::read_models::TABLES_PROJECTION as PROJECTION;
use service::{Readiness, ReadinessPart, Shutdown};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, IsolationLevel, Row};

use crate::config::{ReadPoolArgs, ReplicaArgs};
use crate::fresh::Fresh;

pub use archived::{TradePlace, TradesWanted};
pub use candles::{CandleRow, CandlesWanted, DAY_STEP_S, DayFigures};
pub use error::{DbError, READ_WITHIN};
pub use fills::{FillRow, FillsWanted};
pub use orders::{ListedOrder, OrderFilter, OrdersWanted, StatusSet};
use positions::{PROGRESS, coordinates, positioned};
pub use proposals::OpenProposal;
use replicas::ReadReplicas;
#[cfg(test)]
pub use replicas::{REACH_WITHIN, REPLICA_WITHIN};
use server::{ReadServer, hosts};

/// The servers.
#[derive(Clone)]
pub struct Database {
    primary: Arc<ReadServer>,
    replicas: Arc<ReadReplicas>,
    times: Arc<Times>,
    /// Whether the primary answers, by the last read or check.
    answers: ReadinessPart,
    fresh: Option<Fresh>,
}

/// Durations by kind of query, and the number of those that the primary ran.
struct Times {
    boot: Histogram,
    orders: Histogram,
    fills: Histogram,
    fills_of_order: Histogram,
    proposals: Histogram,
    market: Histogram,
    settled_markets: Histogram,
    last_trades: Histogram,
    candles: Histogram,
    days: Histogram,
    of_primary: Counter,
}

impl Times {
    fn new() -> Self {
        let of = |query: &'static str| histogram!("gateway_query_seconds", "query" => query);
        Self {
            boot: of("boot"),
            orders: of("orders"),
            fills: of("fills"),
            fills_of_order: of("fills_of_order"),
            proposals: of("proposals"),
            market: of("market"),
            settled_markets: of("settled_markets"),
            last_trades: of("last_trades"),
            candles: of("candles"),
            days: of("days"),
            of_primary: counter!("gateway_reads_total", "server" => "primary"),
        }
    }
}

impl Database {
    /// Creates pools without a connection.
    pub fn new(url: &str, replicas: &ReplicaArgs, pool: &ReadPoolArgs, readiness: &Readiness) -> Result<Self, DbError> {
        let config: Config = url.parse().map_err(|error| DbError::Url("DATABASE_URL", error))?;
        let primary = Arc::new(ReadServer::new("primary".to_owned(), config, pool)?);
        let replica = |url: &String| {
            let config: Config = url.parse().map_err(|error| DbError::Url("LFG_DATABASE_REPLICAS", error))?;
            match hosts(&config).as_slice() {
                [host] => ReadServer::new(host.clone(), config, pool),
                hosts => Err(DbError::ReplicaHosts(hosts.len())),
            }
        };
        let servers = replicas.urls.iter().map(replica).collect::<Result<_, _>>()?;
        let replicas = Arc::new(ReadReplicas::new(servers, replicas, readiness));
        let answers = readiness.side("postgres");
        Ok(Self { primary, replicas, times: Arc::new(Times::new()), answers, fresh: None })
    }

    /// Refuses answers that are too far behind from now on.
    #[must_use]
    pub fn only(self, fresh: Fresh) -> Self {
        Self { fresh: Some(fresh), ..self }
    }

    /// Returns a connection to the primary.
    async fn connection(&self) -> Result<Object, DbError> {
        self.primary.connection().await
    }

    /// Maintains the pools, and checks the servers, while the process runs.
    pub async fn look_after(self, shutdown: Shutdown) {
        self.replicas.look_after(&shutdown);
        let (primary, until) = (Arc::clone(&self.primary), shutdown.clone());
        tokio::spawn(async move { primary.log_plans(until).await });
        let report = |checked: &Result<(), DbError>| {
            self.note(checked);
            if let Err(error) = checked {
                tracing::warn!(%error, "Postgres does not answer");
            }
        };
        self.primary.look_after(shutdown, report).await;
    }

    /// Reads the position of the projection from the primary.
    pub async fn progress(&self) -> Result<Vec<LogPosition>, DbError> {
        let rows = self.query(PROGRESS, &[]).await?;
        let at = rows.first().map(coordinates).transpose()?.unwrap_or_default();
        self.replicas.primary_is_at(&at);
        self.fresh.iter().for_each(|fresh| fresh.saw(&at));
        Ok(at)
    }

    /// Runs a query made by [`positioned`], whose rows are of one shard, or of all (`None`). Returns
    /// the rows and the positions that they are as of.
    async fn read(
        &self,
        of: Option<Shard>,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<(Vec<Row>, Vec<LogPosition>), DbError> {
        let begun = Instant::now();
        let asked = self.fresh.as_ref().map(Fresh::ask);
        let by_replica = match &asked {
            Some(asked) => self.replicas.read(of, sql, parameters, asked).await,
            None => None,
        };
        let (mut found, at) = match by_replica {
            Some(answer) => answer,
            None => {
                let left = READ_WITHIN.saturating_sub(begun.elapsed());
                let found = self.query_within(sql, parameters, left).await?;
                let at = found.first().map(coordinates).transpose()?.unwrap_or_default();
                if let Some(asked) = asked {
                    asked.answered_of(of, &at)?;
                }
                (found, at)
            }
        };
        found.retain(|row| row.get("found"));
        Ok((found, at))
    }

    /// Asks the primary within [`READ_WITHIN`]. Dropping the future cancels the query.
    async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, DbError> {
        self.query_within(sql, parameters, READ_WITHIN).await
    }

    async fn query_within(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        within: Duration,
    ) -> Result<Vec<Row>, DbError> {
        self.times.of_primary.increment(1);
        let begun = Instant::now();
        let found = async {
            let turn = self.primary.turn().await?;
            self.primary.query(turn, sql, parameters, within.saturating_sub(begun.elapsed())).await
        };
        let found = tokio::time::timeout(within, found).await.unwrap_or(Err(DbError::TooLong));
        self.note(&found);
        found
    }

    /// Reports to readiness and metrics whether the primary answers.
    fn note<T>(&self, outcome: &Result<T, DbError>) {
        let Some(answers) = outcome.as_ref().map_or_else(DbError::answers, |_| Some(true)) else { return };
        self.answers.set(answers);
        gauge!("gateway_postgres_answers").set(if answers { 1.0 } else { 0.0 });
    }
}

/// Starts a transaction in which all reads use one snapshot.
async fn snapshot(connection: &mut Object) -> Result<deadpool_postgres::Transaction<'_>, DbError> {
    let transaction = connection.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    Ok(transaction.start().await?)
}

/// Times a query.
struct Timed<'a>(&'a Histogram, std::time::Instant);

impl<'a> Timed<'a> {
    fn start(histogram: &'a Histogram) -> Self {
        Self(histogram, std::time::Instant::now())
    }
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        self.0.record(self.1.elapsed());
    }
}

/// Returns a shard's index, for results with a row for each shard.
fn shard_index(shard: Shard, shards: u16) -> Result<usize, DbError> {
    if shard.number() < shards { Ok(shard.index()) } else { Err(DbError::Impossible("shard")) }
}
