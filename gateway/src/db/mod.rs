//! Postgres: the pool, and what all queries share.
//!
//! The gateway only reads here; its connections are read-only by setting, so a bug cannot write. A
//! read has a short time from asking for a connection to its last row; then its client gets an
//! error, and Postgres cancels the query (`lease.rs`).

pub mod boot;
pub mod rows;

mod archived;
mod candles;
mod error;
mod fills;
mod lease;
mod orders;
mod proposals;
mod tables;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use metrics::{Histogram, gauge, histogram};
use schemas::Shard;
use schemas::ids::LogPosition;
use schemas::read_models::TABLES_PROJECTION as PROJECTION;
use service::{ReadinessPart, Shutdown};
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, NoTls, Row};

use crate::asker;
use crate::config::ReadPoolArgs;
use crate::fresh::Fresh;

pub use archived::{TradePlace, TradesWanted};
pub use candles::{CandleRow, CandlesWanted, DAY_STEP_S, DayFigures};
use error::STATEMENT_TIMEOUT;
pub use error::{DbError, READ_WITHIN};
pub use fills::{FillRow, FillsWanted};
use lease::{Canceller, Lease};
pub use orders::{ListedOrder, OrderFilter, OrdersWanted, StatusSet};
pub use proposals::OpenProposal;
use turns::ReadTurns;

/// The settings of every connection. Postgres ends queries of a process that died by itself.
const SETTINGS: &str = "-c statement_timeout=1500 -c default_transaction_read_only=on -c timezone=UTC";

const WAIT_WITHIN: Duration = Duration::from_secs(1);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The pool.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    args: ReadPoolArgs,
    times: Arc<Times>,
    /// Whether Postgres answers, by the last read or check.
    answers: ReadinessPart,
    fresh: Option<Fresh>,
    /// How many connections one client may hold.
    turns: Arc<ReadTurns>,
    /// Where an abandoned query is cancelled.
    canceller: Canceller,
}

/// Durations by kind of query.
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
        }
    }
}

impl Database {
    /// Creates a pool without a connection.
    pub fn new(url: &str, args: &ReadPoolArgs, answers: ReadinessPart) -> Result<Self, DbError> {
        let mut config: tokio_postgres::Config = url.parse().map_err(DbError::Url)?;
        let options = config.get_options().map_or_else(|| SETTINGS.to_owned(), |own| format!("{own} {SETTINGS}"));
        config.options(options).application_name("lfg-gateway").connect_timeout(CONNECT_WITHIN);
        let canceller = Canceller::of(&config);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
            .max_size(args.max)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT_WITHIN))
            .create_timeout(Some(CONNECT_WITHIN))
            .recycle_timeout(Some(WAIT_WITHIN))
            .build()?;
        let (times, turns) = (Arc::new(Times::new()), ReadTurns::of(args.max));
        Ok(Self { pool, args: args.clone(), times, answers, fresh: None, turns, canceller })
    }

    /// Refuses answers that are too far behind from now on.
    #[must_use]
    pub fn only(self, fresh: Fresh) -> Self {
        Self { fresh: Some(fresh), ..self }
    }

    /// Returns a connection with the required settings, to tables of this build's version.
    async fn connection(&self) -> Result<Object, DbError> {
        let connection = self.pool.get().await?;
        if Object::metrics(&connection).recycle_count > 0 {
            return Ok(connection);
        }
        // Kept out of the pool until it is verified: a client that hangs up meanwhile must not
        // leave it there unverified.
        let unverified = Unverified(Some(connection));
        unverified.connection().await
    }

    /// Maintains the pool while the process runs: closes old and idle connections, keeps the
    /// minimum open, and checks the kept ones.
    pub async fn look_after(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.args.check) => {}
                () = shutdown.wait() => return,
            }
            let spare = self.pool.status().size.saturating_sub(self.args.min);
            let mut closed = 0;
            self.pool.retain(|_, metrics| {
                let idle = metrics.last_used() > self.args.idle && closed < spare;
                closed += usize::from(idle);
                metrics.age() < self.args.lifetime && !idle
            });
            let checked = tokio::time::timeout(CONNECT_WITHIN, self.check()).await.unwrap_or(Err(DbError::TooLong));
            self.note(&checked);
            if let Err(error) = checked {
                tracing::warn!(%error, "Postgres does not answer");
            }
            self.observe();
        }
    }

    async fn check(&self) -> Result<(), DbError> {
        let connections = (0..self.args.min).map(|_| self.connection());
        for connection in futures_util::future::try_join_all(connections).await? {
            connection.simple_query("SELECT 1").await?;
        }
        Ok(())
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of connections")]
    fn observe(&self) {
        let status = self.pool.status();
        gauge!("gateway_pool_connections").set(status.size as f64);
        gauge!("gateway_pool_available").set(status.available as f64);
        gauge!("gateway_pool_waiting").set(status.waiting as f64);
    }

    /// Reads the position of the projection.
    pub async fn progress(&self) -> Result<Vec<LogPosition>, DbError> {
        let rows = self.query(PROGRESS, &[]).await?;
        let at = rows.first().map(coordinates).transpose()?.unwrap_or_default();
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
        let asked = self.fresh.as_ref().map(Fresh::ask);
        let mut found = self.query(sql, parameters).await?;
        let at = found.first().map(coordinates).transpose()?.unwrap_or_default();
        if let Some(asked) = asked {
            asked.answered_of(of, &at)?;
        }
        found.retain(|row| row.get("found"));
        Ok((found, at))
    }

    /// Runs a query within [`READ_WITHIN`]. Dropping the future cancels the query.
    async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, DbError> {
        let found = tokio::time::timeout(READ_WITHIN, self.query_to_its_end(sql, parameters)).await;
        let found = found.unwrap_or(Err(DbError::TooLong));
        self.note(&found);
        found
    }

    async fn query_to_its_end(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, DbError> {
        let turn = tokio::time::timeout(WAIT_WITHIN, self.turns.take(asker::client())).await;
        let turn = turn.map_err(|_| DbError::Share)?;
        let lease = Lease::of(self.connection().await?, turn, self.canceller.clone());
        let connection = lease.connection();
        let found = async {
            let statement = connection.prepare_cached(sql).await?;
            connection.query(&statement, parameters).await
        };
        let found = found.await;
        lease.end();
        Ok(found?)
    }

    /// Reports to readiness and metrics whether Postgres answers.
    fn note<T>(&self, outcome: &Result<T, DbError>) {
        let Some(answers) = outcome.as_ref().map_or_else(DbError::answers, |_| Some(true)) else { return };
        self.answers.set(answers);
        gauge!("gateway_postgres_answers").set(if answers { 1.0 } else { 0.0 });
    }
}

/// Checks each new connection once.
async fn verify(connection: &Object) -> Result<(), DbError> {
    let timeout: String = connection.query_one("SHOW statement_timeout", &[]).await?.get(0);
    if timeout != STATEMENT_TIMEOUT {
        return Err(DbError::Settings(timeout));
    }
    tables::check(connection).await
}

/// A new connection that is closed unless it is verified.
struct Unverified(Option<Object>);

impl Unverified {
    async fn connection(mut self) -> Result<Object, DbError> {
        verify(self.0.as_ref().expect("it is there until it is verified")).await?;
        Ok(self.0.take().expect("it is there until it is verified"))
    }
}

impl Drop for Unverified {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

/// The projection's position: one row with one short text, because it comes with each row of a
/// query.
const PROGRESS: &str =
    "SELECT string_agg(shard || ':' || sequence, ',') AS positions FROM progress WHERE projection = 'tables'";

/// Makes a query for the rows of `query`, which have an `id`, and for the projection's position.
/// One statement reads one snapshot, so the rows are as of exactly that position. Without rows, one
/// row has the position alone.
///
/// The join does not preserve the order of `query`: the order decides which rows a `LIMIT` takes,
/// and the caller sorts them again.
fn positioned(query: &str) -> String {
    format!("SELECT at.positions, r.id IS NOT NULL AS found, r.* FROM ({PROGRESS}) at LEFT JOIN ({query}) r ON TRUE")
}

fn coordinates(row: &Row) -> Result<Vec<LogPosition>, DbError> {
    // NULL before the projection has written anything.
    let Some(text) = row.get::<_, Option<&str>>("positions") else { return Ok(Vec::new()) };
    let coordinates: Result<Vec<LogPosition>, _> = text.split(',').map(str::parse).collect();
    let mut coordinates = coordinates.map_err(|_| DbError::Impossible("position"))?;
    coordinates.sort_unstable_by_key(|at| at.shard);
    Ok(coordinates)
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
