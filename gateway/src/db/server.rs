//! One server of Postgres: its pool, and what is verified of each connection.
//!
//! The connections are read-only by setting, so a bug cannot write. Their default
//! `statement_timeout` comes from the configuration; once that is verified, the session gets the
//! shorter one of reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::FutureExt;
use metrics::gauge;
use service::Shutdown;
use tokio_postgres::config::Host;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Config, NoTls, Row};

use crate::asker;
use crate::config::ReadPoolArgs;

use super::error::{DbError, READ_STATEMENT_MS};
use super::lease::{Canceller, Lease};
use super::plans::Plans;
use super::tables;
use super::turns::{ReadTurn, ReadTurns};

/// How long a read waits for its turn, and for a connection.
const WAIT_WITHIN: Duration = Duration::from_secs(1);

/// How long a new connection may take.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A server and its pool.
pub struct ReadServer {
    /// Its name in metrics, logs and probes, without a password.
    pub name: String,
    pool: Pool,
    args: ReadPoolArgs,
    /// How many connections one client may hold.
    turns: Arc<ReadTurns>,
    /// Where an abandoned query is cancelled.
    canceller: Canceller,
    plans: Arc<Plans>,
    /// Whether the settings were logged.
    told: AtomicBool,
}

/// The servers of Postgres that a URL names, as `host:port`.
pub fn hosts(config: &Config) -> Vec<String> {
    let port = |nth: usize| config.get_ports().get(nth).or(config.get_ports().first()).copied().unwrap_or(5432);
    let named = config.get_hosts().iter().enumerate().map(|(nth, host)| match host {
        Host::Tcp(host) => format!("{host}:{}", port(nth)),
        Host::Unix(folder) => format!("{}:{}", folder.display(), port(nth)),
    });
    named.collect()
}

impl ReadServer {
    /// Creates a pool without a connection.
    pub fn new(name: String, mut config: Config, args: &ReadPoolArgs) -> Result<Self, DbError> {
        if args.min > args.max || args.max == 0 {
            return Err(DbError::PoolSize { min: args.min, max: args.max });
        }
        let timeout = args.statement_timeout.as_millis();
        // Postgres ends queries of a process that died by itself.
        let settings = format!("-c statement_timeout={timeout} -c default_transaction_read_only=on -c timezone=UTC");
        let options = config.get_options().map_or_else(|| settings.clone(), |own| format!("{own} {settings}"));
        config.options(options).application_name("lfg-gateway").connect_timeout(CONNECT_WITHIN);
        let canceller = Canceller::of(&config);
        let plans = Plans::new(&args.plans, name.clone(), config.clone());
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
            .max_size(args.max)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT_WITHIN))
            .create_timeout(Some(CONNECT_WITHIN))
            .recycle_timeout(Some(WAIT_WITHIN))
            .build()?;
        let turns = ReadTurns::of(args.max);
        Ok(Self { name, pool, args: args.clone(), turns, canceller, plans, told: AtomicBool::new(false) })
    }

    /// Returns a connection with the required settings, to tables of this build's version.
    pub async fn connection(&self) -> Result<Object, DbError> {
        let connection = self.pool.get().await?;
        if Object::metrics(&connection).recycle_count > 0 {
            return Ok(connection);
        }
        // Kept out of the pool until it is verified: a client that hangs up meanwhile must not
        // leave it there unverified.
        let mut unverified = Unverified(Some(connection));
        self.verify(unverified.0.as_ref().expect("it is there until it is verified")).await?;
        Ok(unverified.0.take().expect("it is there until it is verified"))
    }

    /// Checks each new connection once. A proxy may drop the options of a connection.
    async fn verify(&self, connection: &Object) -> Result<(), DbError> {
        let row = connection.query_one(SETTINGS, &[]).await?;
        let (timeout, wanted): (i64, _) = (row.get("timeout"), self.args.statement_timeout.as_millis());
        if u128::try_from(timeout) != Ok(wanted) {
            return Err(DbError::Settings { found: timeout, wanted });
        }
        tables::check(connection).await?;
        connection.batch_execute(&format!("SET statement_timeout = {READ_STATEMENT_MS}")).await?;
        if !self.told.swap(true, Ordering::Relaxed) {
            self.tell(row.get("free"), timeout);
        }
        Ok(())
    }

    fn tell(&self, allowed: i64, statement_timeout_ms: i64) {
        let ReadPoolArgs { min, max, .. } = self.args;
        let (server, read_timeout_ms) = (&self.name, READ_STATEMENT_MS);
        tracing::info!(server, min, max, allowed, statement_timeout_ms, read_timeout_ms, "the pool is verified");
        // Others connect, too, so this is not all that can be wrong; but it can never work.
        if i64::try_from(max).unwrap_or(i64::MAX) > allowed {
            tracing::error!(
                server,
                max,
                allowed,
                "the pool may have more connections than Postgres allows: lower LFG_POOL_MAX, or raise max_connections"
            );
        }
    }

    /// Maintains the pool while the process runs: opens the minimum, keeps it open and checks it,
    /// and closes old and idle connections. Reports each check.
    pub async fn look_after(&self, shutdown: Shutdown, report: impl Fn(&Result<(), DbError>)) {
        loop {
            let spare = self.pool.status().size.saturating_sub(self.args.min);
            let mut closed = 0;
            self.pool.retain(|_, metrics| {
                let idle = metrics.last_used() > self.args.idle && closed < spare;
                closed += usize::from(idle);
                metrics.age() < self.args.lifetime && !idle
            });
            let checked = tokio::time::timeout(CONNECT_WITHIN, self.check()).await.unwrap_or(Err(DbError::TooLong));
            report(&checked);
            self.observe();
            tokio::select! {
                () = tokio::time::sleep(self.args.check) => {}
                () = shutdown.wait() => return,
            }
        }
    }

    /// Logs plans while the process runs.
    pub async fn log_plans(&self, shutdown: Shutdown) {
        self.plans.log(shutdown).await;
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
        gauge!("gateway_pool_connections", "server" => self.name.clone()).set(status.size as f64);
        gauge!("gateway_pool_available", "server" => self.name.clone()).set(status.available as f64);
        gauge!("gateway_pool_waiting", "server" => self.name.clone()).set(status.waiting as f64);
    }

    /// Waits for a turn of the client whose request this task serves.
    pub async fn turn(&self) -> Result<ReadTurn, DbError> {
        let turn = tokio::time::timeout(WAIT_WITHIN, self.turns.take(asker::client())).await;
        turn.map_err(|_| DbError::Share)
    }

    /// Returns a turn if the client need not wait for it.
    pub fn turn_now(&self) -> Option<ReadTurn> {
        self.turns.take(asker::client()).now_or_never()
    }

    /// Runs a query with a turn. Dropping the future cancels the query.
    pub async fn query(
        &self,
        turn: ReadTurn,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        within: Duration,
    ) -> Result<Vec<Row>, DbError> {
        let (begun, types) = (Instant::now(), OnceLock::new());
        let found = tokio::time::timeout(within, self.query_to_its_end(turn, sql, parameters, &types)).await;
        if let Some(types) = types.into_inner() {
            self.plans.ran(sql, types, parameters, begun.elapsed());
        }
        found.unwrap_or(Err(DbError::TooLong))
    }

    async fn query_to_its_end(
        &self,
        turn: ReadTurn,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        types: &OnceLock<Vec<Type>>,
    ) -> Result<Vec<Row>, DbError> {
        let lease = Lease::of(self.connection().await?, turn, self.canceller.clone());
        let connection = lease.connection();
        let found = async {
            let statement = connection.prepare_cached(sql).await?;
            let _first = types.set(statement.params().to_vec());
            connection.query(&statement, parameters).await
        };
        let found = found.await;
        lease.end();
        Ok(found?)
    }
}

/// What is verified: the connection's own time-out, and how many connections a role without
/// privileges may have.
const SETTINGS: &str = "SELECT \
    (SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout') AS timeout, \
    (SELECT sum(CASE name WHEN 'max_connections' THEN setting::bigint ELSE -setting::bigint END)::bigint \
        FROM pg_settings WHERE name IN ('max_connections', 'superuser_reserved_connections')) AS free";

/// A new connection that is closed unless it is verified.
struct Unverified(Option<Object>);

impl Drop for Unverified {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}
