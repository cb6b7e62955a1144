//! What every request may use.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use schemas::shard_map::ShardMap;
use service::serve::Peer;
use service::{FirstAdmin, Shutdown};
use tokio::sync::{Semaphore, watch};

use crate::books::BookTexts;
use crate::db::Database;
use crate::follow::Followers;
use crate::halted::HaltedShards;
use crate::live::Live;
use crate::progress::ReadModelProgress;
use crate::read_models::ReadModels;
use crate::replays::Replays;
use crate::shares::Shares;
use crate::standing::Degraded;
use crate::submit::Submitter;
use crate::ws::turns::SnapshotTurns;

/// Shared by all handlers; cheap to clone.
pub type Shared = Arc<GatewayState>;

/// See the module.
pub struct GatewayState {
    /// Where accounts and markets live.
    pub map: ShardMap,
    /// What is known from the log.
    pub live: Arc<Live>,
    /// Texts of books.
    pub books: BookTexts,
    /// Snapshots of orders that are made at the same time.
    pub snapshots: Arc<SnapshotTurns>,
    /// Shards that are read no further.
    pub halted: Arc<HaltedShards>,
    /// The shards' books, order by order.
    pub followers: Arc<Followers>,
    /// The way to the log.
    pub submitter: Arc<Submitter>,
    /// Postgres.
    pub database: Database,
    /// How far Postgres is.
    pub database_progress: Arc<ReadModelProgress>,
    /// Redis.
    pub read_models: ReadModels,
    /// How far Redis is.
    pub read_models_progress: Arc<ReadModelProgress>,
    /// Who may administer as long as there is no admin on the log.
    pub first_admin: Option<FirstAdmin>,
    /// What was signed and accepted lately.
    pub replays: Replays,
    /// Origins whose pages may open a WebSocket.
    pub allowed_origins: HashSet<String>,
    /// Bodies of requests that come in.
    pub bodies: Arc<Shares>,
    /// Requests in progress.
    pub requests: Arc<Shares>,
    /// Requests that wait for a position.
    pub waits: Arc<Shares>,
    /// Bytes of answers that are not yet written.
    pub answers: Arc<Shares>,
    /// Addresses that stand for many clients.
    pub shared_addresses: Vec<Peer>,
    /// How long a WebSocket may have no key, no subscription and no request.
    pub socket_idle_within: Duration,
    /// WebSocket connections.
    pub websockets: Arc<Semaphore>,
    /// What of that which this process depends on is not well.
    pub degraded: watch::Receiver<Degraded>,
    /// Asked to stop?
    pub shutdown: Shutdown,
}
