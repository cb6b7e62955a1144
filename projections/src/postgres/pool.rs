//! Connections to Postgres: limited in number, age and idle time; each verified before its first
//! use.

use std::time::Duration;

use clap::Args;
use deadpool_postgres::{Client, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Config, NoTls};

use super::error::{classify, classify_pool};
use super::tables;
use crate::migrate::tables_version;
use crate::sink::SinkError;

/// The time limit of any statement, on every connection.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// The time limit for obtaining a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of every connection.
///
/// - A batch whose commit is lost in a crash rolls back with its position, so a commit need not
///   wait for the disk.
/// - The writer accesses rows by key in every statement, and plans are cached. While a table is
///   small, the planner may prefer to scan all of it: see [`WritePool::get`]. The more a lookup by
///   key seems to cost, the sooner it does so; hence the page cost set here.
const OPTIONS: &str = "-c statement_timeout=30s -c idle_in_transaction_session_timeout=60s -c synchronous_commit=off \
    -c timezone=UTC -c random_page_cost=0.01 -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c plan_cache_mode=force_generic_plan";

/// Drops cached plans but keeps prepared statements; each is planned again at its next use.
const FORGET_PLANS: &str = "DISCARD PLANS";

/// How to reach Postgres, and with how many connections.
#[derive(Clone, Debug, Args)]
pub struct WritePoolArgs {
    /// Postgres, `postgres://user:password@host:port/database`.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: String,
    /// Maximum number of connections; each shard's writer uses one at a time. Default: shards + 1.
    #[arg(long, env = "LFG_POSTGRES_CONNECTIONS_MAX")]
    pub postgres_connections_max: Option<usize>,
    /// Minimum number of connections kept open, once they were needed.
    #[arg(long, env = "LFG_POSTGRES_CONNECTIONS_MIN", default_value_t = 1)]
    pub postgres_connections_min: usize,
    /// A connection older than this many seconds is replaced.
    #[arg(long, env = "LFG_POSTGRES_LIFETIME_S", default_value_t = 1800)]
    pub postgres_lifetime_s: u64,
    /// A connection unused for this many seconds is closed.
    #[arg(long, env = "LFG_POSTGRES_IDLE_S", default_value_t = 300)]
    pub postgres_idle_s: u64,
    /// Seconds between health checks of the connections.
    #[arg(long, env = "LFG_POSTGRES_HEALTH_CHECK_S", default_value_t = 30)]
    pub postgres_health_check_s: u64,
}

/// The pool and the limits that it enforces.
#[derive(Clone, Debug)]
pub struct WritePool {
    pool: Pool,
    min: usize,
    idle: Duration,
    health_check: Duration,
}

/// Opens a pool for `writers` writers. Connects at the first request.
pub fn connections(args: &WritePoolArgs, writers: usize) -> Result<WritePool, SinkError> {
    let mut config: Config = args.database_url.parse().map_err(classify)?;
    let options = format!("{} {OPTIONS}", config.get_options().unwrap_or_default());
    config
        .options(options.trim())
        .application_name("lfg-projections")
        .connect_timeout(CONNECT_TIMEOUT)
        .keepalives_idle(Duration::from_secs(10))
        .tcp_user_timeout(Duration::from_secs(20));
    let lifetime = Duration::from_secs(args.postgres_lifetime_s);
    let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let pool = Pool::builder(manager)
        .max_size(args.postgres_connections_max.unwrap_or(writers + 1).max(1))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(CONNECT_TIMEOUT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .recycle_timeout(Some(CONNECT_TIMEOUT))
        .post_create(Hook::async_fn(|client, _| Box::pin(verify(client))))
        .pre_recycle(Hook::sync_fn(move |_, metrics| match metrics.age() < lifetime {
            true => Ok(()),
            false => Err(HookError::message("older than its lifetime")),
        }))
        .build()
        .map_err(SinkError::refused)?;
    let (idle, health_check) =
        (Duration::from_secs(args.postgres_idle_s), Duration::from_secs(args.postgres_health_check_s.max(1)));
    Ok(WritePool { pool, min: args.postgres_connections_min, idle, health_check })
}

/// Rejects a connection without the time limits: some poolers drop a connection's options, and no
/// connection is better than one without limits.
async fn verify(client: &tokio_postgres::Client) -> Result<(), HookError> {
    let row = client.query_one("SHOW statement_timeout", &[]).await.map_err(HookError::Backend)?;
    match row.get::<_, &str>(0) {
        "30s" => Ok(()),
        other => Err(HookError::message(format!("statement_timeout is {other}, not 30s: are options passed on?"))),
    }
}

impl WritePool {
    /// Returns a connection with verified limits to a database whose tables have this build's
    /// version.
    ///
    /// Drops the connection's plans at its 1st, 2nd, 4th, 8th, … use: for a table that was empty
    /// when a statement was planned, the planner scans all rows for each row that changes, which is
    /// fast only while there are few.
    pub async fn get(&self) -> Result<Client, SinkError> {
        let client = self.pool.get().await.map_err(classify_pool)?;
        let uses = Client::metrics(&client).recycle_count;
        if uses.is_power_of_two() {
            client.batch_execute(FORGET_PLANS).await.map_err(classify)?;
        }
        if uses == 0
            && let Err(error) = tables::check(&client, tables_version()).await
        {
            // The next caller must get the same error.
            drop(Client::take(client));
            return Err(error);
        }
        Ok(client)
    }

    /// Drops all connections: one was lost, and the others probably are too.
    pub fn forget(&self) {
        self.pool.retain(|_, _| false);
    }

    /// Closes idle connections and keeps the minimum number open, until the runtime ends.
    pub async fn look_after(self) {
        let mut tick = tokio::time::interval(self.health_check);
        loop {
            tick.tick().await;
            let mut kept = 0;
            self.pool.retain(|client, metrics| {
                let keep = !client.is_closed() && (metrics.last_used() < self.idle || kept < self.min);
                kept += usize::from(keep);
                keep
            });
            if self.pool.status().size < self.min && self.get().await.is_err() {
                tracing::debug!("no connection to keep; the writers will report the cause when they need one");
            }
        }
    }
}
