//! The Redis writer of one shard: a batch is one script call.
//!
//! | `progress` is           | means                                          | do                     |
//! |-------------------------|------------------------------------------------|------------------------|
//! | as expected             | nobody else has written the keys               | apply the batch        |
//! | missing                 | never filled, flushed, or torn by a failure    | clear, fold from 0     |
//! | clearing, at the load   | a rebuilder that died                          | clear, fold from 0     |
//! | refolding               | an unfinished rebuild                          | continue it            |
//! | another position        | see [`SinkError::Moved`]                       | load                   |
//!
//! A rebuild is done when the fold reaches the end that the log had when the rebuild began. Until
//! then, and through restarts of any process, `progress` marks the rebuild as unfinished, and
//! readers serve nothing from these keys.
//!
//! A store that lost its last second in a crash lost the position with it; the writer continues
//! from the older position.

use std::time::Duration;

use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientInterface as _, LuaInterface as _};
use fred::prelude::{Builder, Client, ClientLike as _, Config, KeysInterface as _};
use fred::types::{InfoKind, Value};
use schemas::Shard;
use schemas::read_models::{RedisKeys, RedisProgress};
use schemas::reading::Checkpoint;
use service::eviction;

use super::models::operate;
use super::operations::{APPLY, Operations};
use crate::fold::RowChanges;
use crate::sink::{Sink, SinkError, WriterId};

const CLEAR: &str = include_str!("clear.lua");

/// The time limit of one command. The slowest command is a batch with one very large outcome.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of keys that one page of a scan examines.
const PAGE: u32 = 1_000;

/// One shard's read models in Redis.
pub struct RedisSink {
    config: Config,
    name: String,
    keys: RedisKeys,
    writer: WriterId,
    shard: Shard,
    /// The offset at which the running rebuild is done.
    until: Option<u64>,
    connection: Option<ScriptConnection>,
}

/// A connection and the scripts that it may call.
pub(super) struct ScriptConnection {
    pub(super) client: Client,
    apply: String,
    clear: String,
}

impl RedisSink {
    /// Creates the writer of `shard`'s keys under `prefix`. Call [`Sink::load`] first.
    pub fn new(url: &str, prefix: &str, writer: WriterId, shard: Shard) -> Result<Self, SinkError> {
        let config = Config::from_url(url).map_err(classify)?;
        let name = format!("lfg-projections:{prefix}:{shard}");
        Ok(Self { config, name, keys: RedisKeys::new(prefix, shard), writer, shard, until: None, connection: None })
    }

    async fn load_once(&mut self, end: u64) -> Result<Checkpoint, SinkError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = connect(&self.config, &self.name).await?;
                verify_eviction(&connection.client).await?;
                connection
            }
        };
        let connection = self.connection.insert(connection);
        let found: Option<String> = connection.client.get(self.keys.progress()).await.map_err(classify)?;
        let found: Option<RedisProgress> = found.map(|text| text.parse()).transpose().map_err(SinkError::refused)?;
        let (mark, at, until) = match found {
            Some(RedisProgress::At(position)) => {
                self.until = None;
                return Ok(position);
            }
            // The log may have lost its end since: the rebuild is then done at the present end.
            Some(found @ RedisProgress::Refolding { at, until }) => (found.to_string(), at, until.min(end)),
            None | Some(RedisProgress::Clearing(_)) => {
                tracing::info!(shard = %self.shard, ?found, "the read models are rebuilt from the log");
                (connection.clear(&self.keys, self.writer).await?, Checkpoint::default(), end)
            }
        };
        let next = RedisProgress::new(at, Some(until));
        self.until = matches!(next, RedisProgress::Refolding { .. }).then_some(until);
        let marked = Operations::new(&self.keys, self.writer, mark.clone(), next.to_string());
        connection.apply(marked, &mark).await?;
        Ok(at)
    }

    fn connection(&self) -> Result<&ScriptConnection, SinkError> {
        self.connection.as_ref().ok_or_else(|| SinkError::unavailable("not connected"))
    }

    async fn apply(&self, changes: &RowChanges, from: &Checkpoint, to: &Checkpoint) -> Result<(), SinkError> {
        let (expected, next) = (self.progress(from), self.progress(to));
        let mut operations = Operations::new(&self.keys, self.writer, expected.clone(), next);
        operate(&mut operations, &self.keys, changes);
        self.connection()?.apply(operations, &expected).await
    }

    /// Returns the text of `progress` for keys that reflect `position`.
    fn progress(&self, position: &Checkpoint) -> String {
        RedisProgress::new(*position, self.until).to_string()
    }

    /// Discards the connection, and anything in flight on it, after a fault.
    async fn doubt<T>(&mut self, result: Result<T, SinkError>) -> Result<T, SinkError> {
        if result.is_err() {
            self.disconnect().await;
        }
        result
    }

    /// Closes the connection.
    pub async fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            // An error means that the connection is closed already, as intended.
            let _ = connection.client.quit().await;
        }
    }
}

impl ScriptConnection {
    async fn apply(&self, operations: Operations, expected: &str) -> Result<(), SinkError> {
        let (keys, words) = operations.into_parts();
        let answer = self.client.evalsha(self.apply.as_str(), keys, words).await.map_err(classify)?;
        verdict(&answer, expected)
    }

    /// Deletes all keys of the shard. Returns the mark that `progress` holds afterwards.
    async fn clear(&self, keys: &RedisKeys, writer: WriterId) -> Result<String, SinkError> {
        let mark = RedisProgress::Clearing(uuid::Uuid::new_v4().as_u128()).to_string();
        let own = [keys.progress(), keys.writer()];
        let values = [(own[0].clone(), mark.clone()), (own[1].clone(), writer.0.to_string())];
        let _: () = self.client.mset(values.to_vec()).await.map_err(classify)?;
        let mut cursor = "0".to_owned();
        loop {
            let page = self.client.scan_page(cursor, keys.all(), Some(PAGE), None);
            let (next, mut found): (String, Vec<String>) = page.await.map_err(classify)?;
            found.retain(|key| !own.contains(key));
            found.splice(0..0, own.clone());
            let answer = self.client.evalsha(self.clear.as_str(), found, mark.as_str()).await.map_err(classify)?;
            verdict(&answer, &mark)?;
            cursor = next;
            if cursor == "0" {
                return Ok(mark);
            }
        }
    }
}

impl Sink for RedisSink {
    const NAME: &'static str = "redis";

    fn shard(&self) -> Shard {
        self.shard
    }

    async fn load(&mut self, end: u64) -> Result<Checkpoint, SinkError> {
        let loaded = self.load_once(end).await;
        self.doubt(loaded).await
    }

    async fn write(&mut self, changes: &RowChanges, from: &Checkpoint, to: &Checkpoint) -> Result<(), SinkError> {
        let written = self.apply(changes, from, to).await;
        self.doubt(written).await?;
        if self.until.is_some_and(|until| to.offset >= until) {
            tracing::info!(shard = %self.shard, offset = to.offset, "the read models are rebuilt");
            self.until = None;
        }
        Ok(())
    }

    async fn check(&mut self, at: &Checkpoint) -> Result<(), SinkError> {
        let client = &self.connection()?.client;
        let both = vec![self.keys.progress(), self.keys.writer()];
        let found: Result<(Option<String>, Option<String>), SinkError> = client.mget(both).await.map_err(classify);
        let (found, by) = self.doubt(found).await?;
        let expected = self.progress(at);
        match found {
            Some(found) if found == expected => Ok(()),
            found => Err(moved(&expected, &found.unwrap_or_default(), &by.unwrap_or_default())),
        }
    }
}

/// Connects to Redis, without retries in the client library: a command whose reply was lost may
/// have run, and a script must not run on its own results.
///
/// `name` is shown by `CLIENT LIST`.
pub(super) async fn connect(config: &Config, name: &str) -> Result<ScriptConnection, SinkError> {
    let mut builder = Builder::from_config(config.clone());
    builder
        .with_connection_config(|connection| {
            connection.connection_timeout = CONNECT_TIMEOUT;
            connection.internal_command_timeout = CONNECT_TIMEOUT;
            connection.max_command_attempts = 1;
            connection.tcp.nodelay = Some(true);
        })
        .with_performance_config(|performance| performance.default_command_timeout = COMMAND_TIMEOUT);
    let client = builder.build().map_err(classify)?;
    client.init().await.map_err(classify)?;
    client.client_setname(name).await.map_err(classify)?;
    let apply = client.script_load(APPLY).await.map_err(classify)?;
    let clear = client.script_load(CLEAR).await.map_err(classify)?;
    Ok(ScriptConnection { client, apply, clear })
}

/// Fails if Redis evicts keys. The shard waits until that is corrected.
async fn verify_eviction(client: &Client) -> Result<(), SinkError> {
    let info: Result<String, Error> = client.info(Some(InfoKind::Memory)).await;
    let info = match info {
        // A hosted Redis may hide this setting.
        Err(error) if error.details().starts_with("NOPERM") || error.details().starts_with("ERR unknown") => {
            String::new()
        }
        info => info.map_err(classify)?,
    };
    eviction::judge(eviction::policy_of(&info)).map_err(SinkError::denied)
}

/// Interprets a script's reply.
fn verdict(answer: &Value, expected: &str) -> Result<(), SinkError> {
    match answer {
        Value::Integer(1) => Ok(()),
        Value::Array(found) => {
            let text = |nth: usize| found.get(nth).and_then(Value::as_string).unwrap_or_default();
            Err(moved(expected, &text(0), &text(1)))
        }
        other => Err(SinkError::refused(format!("the script answered {other:?}"))),
    }
}

/// Returns the error for a progress that is not the expected one.
fn moved(expected: &str, found: &str, by: &str) -> SinkError {
    if found.is_empty() {
        return SinkError::Gone;
    }
    let by = by.parse().ok().map(WriterId);
    SinkError::Moved { expected: expected.to_owned(), found: found.to_owned(), by }
}

/// First words of replies that describe the state of the server rather than an error in the
/// command.
const PASSING: [&str; 13] = [
    "OOM",
    "LOADING",
    "READONLY",
    "MISCONF",
    "BUSY",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "NOREPLICAS",
    "MOVED",
    "ASK",
    "NOSCRIPT",
    "UNBLOCKED",
];

/// Classifies an error.
///
/// | error                                             | means                                          | do                             |
/// |---------------------------------------------------|------------------------------------------------|--------------------------------|
/// | settings, authentication, `NOAUTH`, `WRONGPASS`   | an operator must correct it                    | at the start stop, later retry |
/// | a reply that begins with a word of [`PASSING`]    | full, busy, loading, a replica, moved          | retry                          |
/// | any other from within a script, or `WRONGTYPE`    | the keys contradict the log; now torn          | the shard halts                |
/// | anything else                                     | unreachable, timed out, closed                 | retry                          |
///
/// Torn keys have no progress: the next start rebuilds them.
pub(super) fn classify(error: Error) -> SinkError {
    let word = error.details().split_whitespace().next().unwrap_or_default();
    match error.kind() {
        ErrorKind::Config | ErrorKind::Auth | ErrorKind::Url => SinkError::denied(error),
        _ if ["NOAUTH", "WRONGPASS"].contains(&word) => SinkError::denied(error),
        _ if PASSING.contains(&word) => SinkError::unavailable(error),
        _ if word == "WRONGTYPE" || error.details().contains("@user_script") => SinkError::refused(error),
        _ => SinkError::unavailable(error),
    }
}
