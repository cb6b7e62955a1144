//! What the gateway is told at its start, as flags or in the environment. Every bound of the
//! process is here.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use service::config::Hidden;
use service::{AdminArgs, FirstAdmin, LogArgs};

/// HTTP and WebSocket in front of the log.
#[derive(Debug, Parser)]
#[command(name = "gateway", version)]
pub struct GatewayCli {
    /// What to do.
    #[command(subcommand)]
    pub command: GatewayCommand,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum GatewayCommand {
    /// Serves until it is asked to stop.
    Run(Box<Config>),
}

/// Everything that `gateway run` needs to know.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// The admin port.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Where clients connect. Port 0 takes a free one (see the log).
    #[arg(long, env = "LFG_LISTEN", default_value = "127.0.0.1:8080", value_name = "IP:PORT")]
    pub listen: SocketAddr,
    /// Postgres, `postgres://user:password@host:port/database`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Redis, `redis://host:port/number`.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: String,
    /// The first admin: its id and the SHA-256 of its key, in hex. It counts as long as there is no
    /// admin on the log.
    #[arg(
        long,
        env = "LFG_FIRST_ADMIN",
        hide_env_values = true,
        value_name = "ID=SHA256",
        value_parser = Hidden(str::parse::<FirstAdmin>)
    )]
    pub first_admin: Option<FirstAdmin>,
    /// Web origins whose pages may open a WebSocket, e.g. `https://lfg.example`.
    #[arg(long, env = "LFG_ALLOWED_ORIGINS", value_delimiter = ',', value_name = "ORIGIN,…")]
    pub allowed_origins: Vec<String>,
    /// Connections of clients.
    #[command(flatten)]
    pub connections: ConnectionArgs,
    /// HTTP requests that are served at the same time, and again as many whose bodies come in, and
    /// that wait for a position; more are refused. An account or an address may have a quarter,
    /// those without a key a half.
    #[arg(long, env = "LFG_REQUESTS_MAX", default_value_t = 4_096)]
    pub requests_max: usize,
    /// Commands that wait for their outcome at the same time; more are refused.
    #[arg(long, env = "LFG_PENDING_MAX", default_value_t = 4_096)]
    pub pending_max: usize,
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
    /// or false. Takes the memory of an engine's states.
    #[arg(long, env = "LFG_FOLLOW", default_value_t = true, action = clap::ArgAction::Set)]
    pub follow: bool,
    /// Where engines keep snapshots, a folder or a URL: followers begin with the newest. Else with
    /// the beginning of the log.
    #[arg(long, env = "LFG_SNAPSHOTS", value_name = "LOCATION")]
    pub snapshots: Option<String>,
    /// A folder of this gateway alone, for its view as of a few seconds ago: it starts from there,
    /// without Postgres and Redis. Else from Postgres, with all keys, books and trades in memory.
    #[arg(long, env = "LFG_GATEWAY_STATE", value_name = "FOLDER")]
    pub state: Option<PathBuf>,
    /// Connections to Postgres.
    #[command(flatten)]
    pub pool: ReadPoolArgs,
}

/// What connections of clients may do.
#[derive(Clone, Debug, Args)]
pub struct ConnectionArgs {
    /// Connections at the same time, WebSockets among them; fewer if the system gives fewer
    /// descriptors (see the log).
    #[arg(long = "connections-max", env = "LFG_CONNECTIONS_MAX", default_value_t = 32_768)]
    pub all: usize,
    /// Connections of one address (of one /64 of IPv6); a quarter of all by default.
    #[arg(long = "connections-per-address", env = "LFG_CONNECTIONS_PER_ADDRESS")]
    pub each_address: Option<usize>,
    /// Addresses that stand for many clients, as a load balancer's does: only the limits of all
    /// hold for them.
    #[arg(long = "shared-addresses", env = "LFG_SHARED_ADDRESSES", value_delimiter = ',', value_name = "IP,…")]
    pub shared_addresses: Vec<IpAddr>,
    /// Seconds from the connection to the whole head of its first request.
    #[arg(long = "first-within", env = "LFG_FIRST_WITHIN", default_value = "10", value_parser = seconds, value_name = "SECONDS")]
    pub first_within: Duration,
    /// Seconds that a connection may be without a request in progress. Longer than a load balancer
    /// keeps it.
    #[arg(long = "idle-within", env = "LFG_IDLE_WITHIN", default_value = "75", value_parser = seconds, value_name = "SECONDS")]
    pub idle_within: Duration,
    /// Seconds in which an answer must go on that is being written.
    #[arg(long = "write-within", env = "LFG_WRITE_WITHIN", default_value = "10", value_parser = seconds, value_name = "SECONDS")]
    pub write_within: Duration,
}

/// How Postgres is connected to.
#[derive(Clone, Debug, Args)]
pub struct ReadPoolArgs {
    /// Connections at most.
    #[arg(long = "pool-max", env = "LFG_POOL_MAX", default_value_t = 16)]
    pub max: usize,
    /// Connections kept open at least.
    #[arg(long = "pool-min", env = "LFG_POOL_MIN", default_value_t = 2)]
    pub min: usize,
    /// A connection is closed after so many seconds, whatever it does between.
    #[arg(long = "pool-lifetime", env = "LFG_POOL_LIFETIME", default_value = "3600", value_parser = seconds, value_name = "SECONDS")]
    pub lifetime: Duration,
    /// An unused connection above the least number is closed after so many seconds.
    #[arg(long = "pool-idle", env = "LFG_POOL_IDLE", default_value = "600", value_parser = seconds, value_name = "SECONDS")]
    pub idle: Duration,
    /// Seconds between two looks after the pool.
    #[arg(long = "pool-check", env = "LFG_POOL_CHECK", default_value = "30", value_parser = seconds, value_name = "SECONDS")]
    pub check: Duration,
}

/// How long a command may take until its outcome before the client is told to look later.
pub const OUTCOME_WITHIN: Duration = Duration::from_secs(2);

/// How long a query waits for a position it was asked for.
pub const POSITION_WITHIN: Duration = Duration::from_secs(2);

/// How long Kafka has to take a command. Longer than a client waits, so that a broker's restart
/// loses none.
pub const PRODUCE_WITHIN: Duration = Duration::from_secs(10);

/// How long a body may take to come in.
pub const BODY_WITHIN: Duration = Duration::from_secs(10);

/// How long a request may take from the end of its body to its answer.
pub const REQUEST_WITHIN: Duration = Duration::from_secs(15);

/// How far beyond what this gateway has read a position may be that is waited for: another gateway
/// may be ahead, by what a shard writes in [`POSITION_WITHIN`] at most.
pub const POSITION_AHEAD_MAX: u64 = 200_000;

/// An account, an admin or an address has one part of so many of all bodies and of all requests in
/// progress.
pub const REQUEST_PARTS: usize = 4;

/// The same of those who wait for a position.
pub const WAIT_PARTS: usize = 16;

/// The same of WebSocket connections.
pub const WEBSOCKET_PARTS: usize = 4;

/// One client has one part of so many of the bytes of WebSockets.
pub const WEBSOCKET_BYTE_PARTS: usize = 8;

/// Bytes of answers that are not yet written, of all clients.
pub const ANSWERS_MAX: usize = 256 * 1024 * 1024;

/// One client has one part of so many of [`ANSWERS_MAX`].
pub const ANSWER_PARTS: usize = 8;

/// Requests in progress on one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 32;

/// How long requests in progress may take to end when the gateway stops.
pub const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of a request's body.
pub const BODY_MAX: usize = 64 * 1024;

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a number of seconds above 0".to_owned()),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
    }
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
}
