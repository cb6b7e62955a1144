//! The configuration of the gateway: command-line flags and environment variables, and the fixed
//! limits of the process.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use schemas::AccountId;
use service::buckets::BucketRate;
use service::config::Hidden;
use service::{AdminArgs, FirstAdmin, LogArgs, TlsArgs};

use crate::http::cors::origin;
use crate::rates::RateSettings;

/// HTTP and WebSocket in front of the log.
#[derive(Debug, Parser)]
#[command(name = "gateway", version)]
pub struct GatewayCli {
    /// The command.
    #[command(subcommand)]
    pub command: GatewayCommand,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum GatewayCommand {
    /// Serve clients until a signal stops the process
    Run(Box<Config>),
}

/// The configuration of `gateway run`.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// The admin port.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// The address for clients. Port 0 takes a free port and logs it.
    #[arg(long, env = "LFG_LISTEN", default_value = "127.0.0.1:8080", value_name = "IP:PORT")]
    pub listen: SocketAddr,
    /// The address for clients over TLS.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Seconds from SIGTERM until no connection is accepted any more. Meanwhile the gateway is not
    /// ready and serves every request, so that load balancers can turn to others: at least as long
    /// as they need to see it.
    #[arg(long, env = "LFG_NOTICE_WITHIN", default_value = "5", value_parser = seconds_or_none, value_name = "SECONDS")]
    pub notice_within: Duration,
    /// Postgres, `postgres://user:password@host:port/database`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Redis, `redis://host:port/number`.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: String,
    /// The first admin: its id and the SHA-256 of its key, in hex. Valid as long as the log has no
    /// admin.
    #[arg(
        long,
        env = "LFG_FIRST_ADMIN",
        hide_env_values = true,
        value_name = "ID=SHA256",
        value_parser = Hidden(str::parse::<FirstAdmin>)
    )]
    pub first_admin: Option<FirstAdmin>,
    /// Web origins whose pages may send requests and open a WebSocket, for example
    /// `https://lfg.example`. None by default.
    #[arg(long, env = "LFG_ALLOWED_ORIGINS", value_delimiter = ',', value_parser = origin, value_name = "ORIGIN,…")]
    pub allowed_origins: Vec<String>,
    /// Connections of clients.
    #[command(flatten)]
    pub connections: ConnectionArgs,
    /// Requests of one client in time.
    #[command(flatten)]
    pub rates: RateArgs,
    /// HTTP requests that are served at the same time, and again as many whose bodies come in, and
    /// that wait for a position; more are refused. An account or an address may have a quarter,
    /// those without a key a half.
    #[arg(long, env = "LFG_REQUESTS_MAX", default_value_t = 4_096)]
    pub requests_max: usize,
    /// Whether accounts may be opened at this gateway: true or false.
    #[arg(long, env = "LFG_OPEN_ACCOUNTS", default_value_t = true, action = clap::ArgAction::Set)]
    pub open_accounts: bool,
    /// Accounts that one address may open at once, and again as many, one after another, in 100 s.
    /// Shared addresses and admins may open any number.
    #[arg(long, env = "LFG_ACCOUNTS_PER_ADDRESS", default_value = "10")]
    pub accounts_per_address: NonZeroU32,
    /// Commands that wait for their outcome at the same time; more are refused.
    #[arg(long, env = "LFG_PENDING_MAX", default_value_t = 4_096)]
    pub pending_max: usize,
    /// Seconds that a request waits for the outcome of its command, 1 to 10. After that the client
    /// is told where to look for it.
    #[arg(long, env = "LFG_OUTCOME_WITHIN", default_value = "2", value_parser = outcome_seconds, value_name = "SECONDS")]
    pub outcome_within: Duration,
    /// WebSocket connections; more are refused. An account or an address may have a quarter, those
    /// without a key a half.
    #[arg(long, env = "LFG_WEBSOCKETS_MAX", default_value_t = 20_000)]
    pub websockets_max: u32,
    /// Bytes of snapshots that are on their way to WebSockets, and of what is kept to continue them;
    /// more are refused. An account or an address may have an eighth, those without a key a half. And
    /// again as many of other messages that wait for clients: beyond that, the slowest are closed.
    #[arg(long, env = "LFG_WEBSOCKET_BYTES_MAX", default_value_t = 256 << 20)]
    pub websocket_bytes_max: usize,
    /// Whether to follow every shard order by order, for previews, queue positions and groups: true
    /// or false. Needs as much memory as an engine's state.
    #[arg(long, env = "LFG_FOLLOW", default_value_t = true, action = clap::ArgAction::Set)]
    pub follow: bool,
    /// The engines' snapshot store, a folder or a URL: followers start from the newest snapshot.
    /// Without it, they start from the beginning of the log.
    #[arg(long, env = "LFG_SNAPSHOTS", value_name = "LOCATION")]
    pub snapshots: Option<String>,
    /// A folder for this gateway's own store. The gateway writes its view there every few seconds,
    /// and starts from it without Postgres and Redis. Without the folder, the gateway starts from
    /// Postgres and keeps all keys, books and trades in memory.
    #[arg(long, env = "LFG_GATEWAY_STATE", value_name = "FOLDER")]
    pub state: Option<PathBuf>,
    /// Connections to Postgres.
    #[command(flatten)]
    pub pool: ReadPoolArgs,
    /// Replicas of Postgres.
    #[command(flatten)]
    pub replicas: ReplicaArgs,
}

/// Limits and time-outs of client connections.
#[derive(Clone, Debug, Args)]
pub struct ConnectionArgs {
    /// The maximum of connections, WebSockets included. Lower if the system gives fewer file
    /// descriptors; the gateway logs the number that it uses.
    #[arg(long = "connections-max", env = "LFG_CONNECTIONS_MAX", default_value_t = 32_768)]
    pub all: usize,
    /// The maximum of connections of one address (one /64 of IPv6); default: a quarter of all.
    #[arg(long = "connections-per-address", env = "LFG_CONNECTIONS_PER_ADDRESS")]
    pub each_address: Option<usize>,
    /// Connections that one address may begin in a second, on average; more are closed at once.
    #[arg(
        long = "connections-per-second",
        env = "LFG_CONNECTIONS_PER_SECOND",
        default_value = "100",
        value_parser = rate,
        value_name = "NUMBER"
    )]
    pub per_second: NonZeroU32,
    /// Connections that one address may begin at once.
    #[arg(
        long = "connections-burst",
        env = "LFG_CONNECTIONS_BURST",
        default_value = "300",
        value_parser = rate,
        value_name = "NUMBER"
    )]
    pub burst: NonZeroU32,
    /// Addresses that stand for many clients, as a load balancer's does: only the limits of all
    /// hold for them.
    #[arg(long = "shared-addresses", env = "LFG_SHARED_ADDRESSES", value_delimiter = ',', value_name = "IP,…")]
    pub shared_addresses: Vec<IpAddr>,
    /// Seconds from the start of a connection to the complete head of its first request.
    #[arg(long = "first-within", env = "LFG_FIRST_WITHIN", default_value = "10", value_parser = seconds, value_name = "SECONDS")]
    pub first_within: Duration,
    /// Seconds that a connection may have no request in progress. Must be longer than a load
    /// balancer keeps idle connections.
    #[arg(long = "idle-within", env = "LFG_IDLE_WITHIN", default_value = "75", value_parser = seconds, value_name = "SECONDS")]
    pub idle_within: Duration,
    /// Seconds without progress after which the write of an answer fails.
    #[arg(long = "write-within", env = "LFG_WRITE_WITHIN", default_value = "10", value_parser = seconds, value_name = "SECONDS")]
    pub write_within: Duration,
    /// Requests on one connection; the last answer ends it.
    #[arg(
        long = "connection-requests-max",
        env = "LFG_CONNECTION_REQUESTS_MAX",
        default_value_t = 100_000,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub requests: u64,
}

/// How fast one client may ask: an account, an admin or, without a key, an address.
#[derive(Clone, Debug, Args)]
pub struct RateArgs {
    /// Requests of one client that are refused (4xx) or abandoned in a second, on average; beyond
    /// that all of its requests are refused for a while, but cancels.
    #[arg(
        long = "refusals-per-second",
        env = "LFG_REFUSALS_PER_SECOND",
        default_value = "50",
        value_parser = rate,
        value_name = "NUMBER"
    )]
    pub refusals_per_second: NonZeroU32,
    /// Such requests at once.
    #[arg(
        long = "refusals-burst",
        env = "LFG_REFUSALS_BURST",
        default_value = "200",
        value_parser = rate,
        value_name = "NUMBER"
    )]
    pub refusals_burst: NonZeroU32,
    /// What the reads of one client may cost in a second, on average: 1 each, a list up to 10.
    #[arg(
        long = "reads-per-second",
        env = "LFG_READS_PER_SECOND",
        default_value = "500",
        value_parser = rate,
        value_name = "NUMBER"
    )]
    pub reads_per_second: NonZeroU32,
    /// What they may cost at once.
    #[arg(
        long = "reads-burst",
        env = "LFG_READS_BURST",
        default_value = "1000",
        value_parser = rate,
        value_name = "NUMBER"
    )]
    pub reads_burst: NonZeroU32,
    /// What the commands of one client may cost in a second, on average: an order costs 2. Cancels have
    /// a rate of their own.
    #[arg(
        long = "writes-per-second",
        env = "LFG_WRITES_PER_SECOND",
        default_value = "1000",
        value_parser = rate,
        value_name = "NUMBER"
    )]
    pub writes_per_second: NonZeroU32,
    /// What they may cost at once.
    #[arg(
        long = "writes-burst",
        env = "LFG_WRITES_BURST",
        default_value = "2000",
        value_parser = rate,
        value_name = "NUMBER"
    )]
    pub writes_burst: NonZeroU32,
    /// What its cancels may cost in a second, on average: 1 each.
    #[arg(
        long = "cancels-per-second",
        env = "LFG_CANCELS_PER_SECOND",
        default_value = "1000",
        value_parser = rate,
        value_name = "NUMBER"
    )]
    pub cancels_per_second: NonZeroU32,
    /// What they may cost at once.
    #[arg(
        long = "cancels-burst",
        env = "LFG_CANCELS_BURST",
        default_value = "2000",
        value_parser = rate,
        value_name = "NUMBER"
    )]
    pub cancels_burst: NonZeroU32,
    /// What the reads and commands of all accounts of one address may cost in a second, on average.
    #[arg(
        long = "address-per-second",
        env = "LFG_ADDRESS_PER_SECOND",
        default_value = "10000",
        value_parser = rate,
        value_name = "NUMBER"
    )]
    pub address_per_second: NonZeroU32,
    /// What they may cost at once.
    #[arg(
        long = "address-burst",
        env = "LFG_ADDRESS_BURST",
        default_value = "20000",
        value_parser = rate,
        value_name = "NUMBER"
    )]
    pub address_burst: NonZeroU32,
    /// Accounts that have so many times these rates (1 to 1000), as `ACCOUNT=TIMES`: market makers.
    /// Not more of their address's rate.
    #[arg(
        long = "larger-rates",
        env = "LFG_LARGER_RATES",
        value_delimiter = ',',
        value_parser = larger_rate,
        value_name = "ACCOUNT=TIMES,…"
    )]
    pub larger: Vec<(AccountId, NonZeroU32)>,
    /// Whether gateways share these rates through Redis, except those of refusals: true or false.
    #[arg(long = "share-rates", env = "LFG_SHARE_RATES", default_value_t = true, action = clap::ArgAction::Set)]
    pub shared: bool,
}

impl RateArgs {
    /// Returns the rates of all policies.
    pub fn settings(&self) -> RateSettings {
        let rate = |per_second, burst| BucketRate { per_second, burst };
        RateSettings {
            writes: rate(self.writes_per_second, self.writes_burst),
            cancels: rate(self.cancels_per_second, self.cancels_burst),
            reads: rate(self.reads_per_second, self.reads_burst),
            address: rate(self.address_per_second, self.address_burst),
            refusals: rate(self.refusals_per_second, self.refusals_burst),
            larger: self.larger.iter().copied().collect(),
            shared: self.shared,
        }
    }
}

/// How Postgres is connected to.
#[derive(Clone, Debug, Args)]
pub struct ReadPoolArgs {
    /// The maximum of connections.
    #[arg(long = "pool-max", env = "LFG_POOL_MAX", default_value_t = 16)]
    pub max: usize,
    /// The minimum of open connections.
    #[arg(long = "pool-min", env = "LFG_POOL_MIN", default_value_t = 2)]
    pub min: usize,
    /// Seconds after which a connection is replaced, even if it is in use often.
    #[arg(long = "pool-lifetime", env = "LFG_POOL_LIFETIME", default_value = "3600", value_parser = seconds, value_name = "SECONDS")]
    pub lifetime: Duration,
    /// Seconds after which an unused connection above the minimum is closed.
    #[arg(long = "pool-idle", env = "LFG_POOL_IDLE", default_value = "600", value_parser = seconds, value_name = "SECONDS")]
    pub idle: Duration,
    /// Seconds between two checks of the pool.
    #[arg(long = "pool-check", env = "LFG_POOL_CHECK", default_value = "30", value_parser = seconds, value_name = "SECONDS")]
    pub check: Duration,
    /// Seconds after which Postgres ends a statement, on every connection. Reads of clients end
    /// sooner.
    #[arg(long = "statement-timeout", env = "LFG_STATEMENT_TIMEOUT", default_value = "30", value_parser = seconds, value_name = "SECONDS")]
    pub statement_timeout: Duration,
    /// Plans of queries.
    #[command(flatten)]
    pub plans: PlanArgs,
}

/// Which plans of queries are logged.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// Queries whose plans (`EXPLAIN (ANALYZE, BUFFERS)`) are logged, without values. Each of them
    /// runs a second time.
    #[arg(long = "plans", env = "LFG_PLANS", default_value = "none")]
    pub logged: PlansLogged,
    /// Milliseconds from which a query is slow.
    #[arg(long = "plans-slower-than", env = "LFG_PLANS_SLOWER_THAN", default_value = "500", value_parser = millis, value_name = "MILLISECONDS")]
    pub slower_than: Duration,
}

/// Queries whose plans are logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum PlansLogged {
    /// None.
    None,
    /// Slow ones: for production.
    Slow,
    /// All: for development.
    All,
}

/// Servers that follow the Postgres of `DATABASE_URL`.
#[derive(Clone, Debug, Args)]
pub struct ReplicaArgs {
    /// Streaming replicas of Postgres, in the form of `DATABASE_URL`: reads use them in turn.
    #[arg(
        long = "database-replicas",
        env = "LFG_DATABASE_REPLICAS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "URL,…"
    )]
    pub urls: Vec<String>,
    /// Seconds that a replica may be behind the primary; one that is further behind is skipped.
    #[arg(long = "replica-lag", env = "LFG_REPLICA_LAG", default_value = "5", value_parser = seconds, value_name = "SECONDS")]
    pub lag_max: Duration,
}

/// How long a query waits for a position it was asked for.
pub const POSITION_WITHIN: Duration = Duration::from_secs(2);

/// How long the producer tries to write a command. Longer than a client waits, so that a restart of
/// a broker loses no command.
pub const PRODUCE_WITHIN: Duration = Duration::from_secs(10);

/// How long a body may take to arrive.
pub const BODY_WITHIN: Duration = Duration::from_secs(10);

/// How long a request may take from the end of its body to its answer.
pub const REQUEST_WITHIN: Duration = Duration::from_secs(15);

/// The time in which an address may open as many accounts again as it may at once.
pub const ACCOUNTS_WITHIN: Duration = Duration::from_secs(100);

/// How far beyond what this gateway has read a position may be that is waited for: another gateway
/// may be ahead, by what a shard writes in [`POSITION_WITHIN`] at most.
pub const POSITION_AHEAD_MAX: u64 = 200_000;

/// One account, admin or address may use this fraction (1/4) of all bodies and of all requests in
/// progress.
pub const REQUEST_PARTS: usize = 4;

/// The same fraction (1/16) of the requests that wait for a position.
pub const WAIT_PARTS: usize = 16;

/// A client's reads hold one part of so many of the connections to Postgres.
pub const POOL_PARTS: usize = 4;
/// The same of WebSocket connections.
pub const WEBSOCKET_PARTS: usize = 4;

/// One client has one part of so many of the bytes of WebSockets.
pub const WEBSOCKET_BYTE_PARTS: usize = 8;

/// Bytes of answers that are not yet written, of all clients.
pub const ANSWERS_MAX: usize = 256 * 1024 * 1024;

/// One client may use this fraction (1/8) of [`ANSWERS_MAX`].
pub const ANSWER_PARTS: usize = 8;

/// The highest rate that can be set: no limit, in effect.
const RATE_MAX: u32 = 1_000_000;

/// Requests in progress on one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 32;

/// How long requests in progress may take to end when the gateway stops.
pub const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// The maximum of bytes of a request's body.
pub const BODY_MAX: usize = 64 * 1024;

fn rate(text: &str) -> Result<NonZeroU32, String> {
    let number = text.parse().ok().filter(|number| *number <= RATE_MAX).and_then(NonZeroU32::new);
    number.ok_or_else(|| format!("must be a number from 1 to {RATE_MAX}"))
}

fn larger_rate(text: &str) -> Result<(AccountId, NonZeroU32), String> {
    let read = || {
        let (account, times) = text.split_once('=')?;
        let times: NonZeroU32 = times.parse().ok()?;
        Some((account.parse().ok()?, times)).filter(|_| times.get() <= 1_000)
    };
    read().ok_or_else(|| "must be an account's id, `=` and a number from 1 to 1000".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a number of seconds above 0".to_owned()),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

fn seconds_or_none(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "must be a number of seconds".to_owned())
}

fn millis(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).map_err(|_| "must be a number of milliseconds".to_owned())
}

/// An answer must fit into [`REQUEST_WITHIN`], and reading an order that was placed before takes
/// part of that.
fn outcome_seconds(text: &str) -> Result<Duration, String> {
    let in_range = |within: &Duration| within.as_secs() <= 10;
    seconds(text).ok().filter(in_range).ok_or_else(|| "must be a number of seconds from 1 to 10".to_owned())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The defaults, with more arguments.
    pub fn config(more: &[&str]) -> Config {
        let servers = ["--kafka-brokers", "k:1", "--database-url", "postgres://h/d", "--redis-url", "redis://h"];
        let arguments = ["gateway", "run"].into_iter().chain(servers).chain(more.iter().copied());
        let GatewayCli { command: GatewayCommand::Run(config) } = GatewayCli::try_parse_from(arguments).unwrap();
        *config
    }

    #[test]
    fn accounts_with_larger_rates_are_named() {
        let larger = config(&["--larger-rates", "7=10,8=1000"]).rates.settings().larger;
        let times = |id| larger.get(&AccountId(id)).map(|times| times.get());
        assert_eq!((times(7), times(8), times(9)), (Some(10), Some(1_000), None));
        for wrong in ["7", "7=0", "7=1001", "x=2", "=2"] {
            assert!(larger_rate(wrong).is_err(), "{wrong}");
        }
    }
}
