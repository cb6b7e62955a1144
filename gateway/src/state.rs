//! The state that all request handlers share.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use schemas::shard_map::ShardMap;
use service::serve::Peer;
use service::{FirstAdmin, Shutdown};
use tokio::sync::watch;

use crate::books::BookTexts;
use crate::db::Database;
use crate::ending::ClosingTurns;
use crate::follow::Followers;
use crate::halted::HaltedShards;
use crate::live::Live;
use crate::openings::Openings;
use crate::progress::ReadModelProgress;
use crate::rates::Rates;
use crate::read_models::ReadModels;
use crate::replays::Replays;
use crate::shares::Shares;
use crate::standing::Degraded;
use crate::submit::Submitter;
use crate::ws::snapshot_rate::SnapshotRate;
use crate::ws::turns::SnapshotTurns;

/// Cheap to clone.
pub type Shared = Arc<GatewayState>;

/// Everything that a request handler may use.
pub struct GatewayState {
    /// The home shards of accounts and markets.
    pub map: ShardMap,
    /// The view and the subscriptions.
    pub live: Arc<Live>,
    /// Texts of books.
    pub books: BookTexts,
    /// Turns for making snapshots of orders.
    pub snapshots: Arc<SnapshotTurns>,
    /// Shards that are no longer read.
    pub halted: Arc<HaltedShards>,
    /// The shards' books, order by order.
    pub followers: Arc<Followers>,
    /// Writes commands to the log.
    pub submitter: Arc<Submitter>,
    /// Postgres.
    pub database: Database,
    /// The position of Postgres.
    pub database_progress: Arc<ReadModelProgress>,
    /// Redis.
    pub read_models: ReadModels,
    /// The position of Redis.
    pub read_models_progress: Arc<ReadModelProgress>,
    /// The admin while there is none on the log.
    pub first_admin: Option<FirstAdmin>,
    /// Recently accepted signed requests.
    pub replays: Replays,
    /// Origins whose pages may send requests and open a WebSocket.
    pub allowed_origins: HashSet<String>,
    /// Incoming bodies.
    pub bodies: Arc<Shares>,
    /// Requests in progress.
    pub requests: Arc<Shares>,
    /// Requests that wait for a position.
    pub waits: Arc<Shares>,
    /// Bytes of answers that are not yet written.
    pub answers: Arc<Shares>,
    /// Who may open an account; nobody if there are none.
    pub openings: Option<Openings>,
    /// Requests of each client in time.
    pub rates: Rates,
    /// Addresses that stand for many clients.
    pub shared_addresses: Vec<Peer>,
    /// How long a WebSocket may have no key, no subscription and no request.
    pub socket_idle_within: Duration,
    /// WebSocket connections.
    pub websockets: Arc<Shares>,
    /// Snapshots of each client in time.
    pub snapshot_rate: SnapshotRate,
    /// Bytes of snapshots on their way to WebSockets, and of what is kept to continue them.
    pub websocket_bytes: Arc<Shares>,
    /// The degraded dependencies of this process.
    pub degraded: watch::Receiver<Degraded>,
    /// In which order WebSockets are closed at the end.
    pub closing: ClosingTurns,
    /// The request to close WebSockets.
    pub shutdown: Shutdown,
}
