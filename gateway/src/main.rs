//! HTTP and WebSocket in front of the log.
//!
//!   client ─▶ *gateway* ─▶ [commands] ─▶ engine ─▶ [events] ─▶ *gateway* ─▶ client
//!                 └─▶ Redis, Postgres (queries)
//!
//! Thin: validate, authenticate, compute the shard, produce, wait for the outcome, answer. It
//! decides nothing about money. Start reading at [`http::router`]; [`tail`] reads the outcomes.
//!
//! Architecture invariant: any number of gateways may run side by side. None has state that the log
//! does not have, except the signed requests that it accepted in the last seconds ([`replays`]).
//! Its [`store`] is a cache of the log, and may be lost at any time.

mod answers;
mod asker;
mod batch;
mod begin;
mod books;
mod command_result;
mod config;
mod db;
mod ending;
mod follow;
mod fresh;
mod halted;
mod http;
mod limits;
#[cfg(test)]
mod limits_doc;
mod lines;
mod live;
#[cfg(test)]
mod memory_doc;
mod openapi;
#[cfg(test)]
mod openapi_doc;
mod openings;
mod patience;
mod pending;
mod producer;
mod progress;
mod quiet;
mod rates;
mod read_models;
mod replays;
mod room;
mod seldom;
mod shapes;
mod shares;
mod signing;
mod standing;
mod state;
mod store;
mod submit;
mod tail;
mod view;
mod waiting;
mod ws;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use schemas::{PartId, PartKind, Program};
use service::buckets::BucketRate;
use service::kafka::{KafkaFault, announce, topics};
use service::serve::{self, Entrance, Peer, serve};
use service::tls::TlsError;
use service::{AdminPort, Liveness, Readiness, Shutdown, Tls, descriptors, telemetry};
use snapshots::Snapshots;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use begin::{BeginError, Begun, begin};
use books::BookTexts;
use config::{
    ANSWER_PARTS, Config, GatewayCli, GatewayCommand, REQUEST_PARTS, WAIT_PARTS, WEBSOCKET_BYTE_PARTS, WEBSOCKET_PARTS,
};
use db::Database;
use ending::{ClosingTurns, GatewayEnding};
use follow::Followers;
use fresh::{Fresh, Reads};
use halted::HaltedShards;
use limits::{Sockets, TooFew};
use live::Live;
use openings::Openings;
use pending::PendingCommands;
use producer::Producer;
use progress::ReadModelProgress;
use rates::Rates;
use rates::sharing::keep_sharing;
use read_models::ReadModels;
use replays::Replays;
use shares::Shares;
use standing::{Degraded, DependencyWatch};
use state::{GatewayState, Shared};
use store::checkpoints::Checkpoints;
use submit::Submitter;
use tail::Tail;
use ws::hub::Hub;

/// The tail reports progress many times a second; without a report for this long, it hangs.
const TAIL_SILENCE: Duration = Duration::from_secs(30);

/// How long the start waits for the first connection to Redis, so that the first reads are not
/// refused.
const REDIS_WITHIN: Duration = Duration::from_secs(1);

/// Why the process ends with an error.
#[derive(Debug, thiserror::Error)]
enum Fatal {
    #[error(transparent)]
    Telemetry(#[from] telemetry::TelemetryError),
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    #[error(transparent)]
    Begin(#[from] BeginError),
    #[error(transparent)]
    Descriptors(#[from] TooFew),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
    #[error("the tail of the log panicked")]
    TailPanicked,
}

fn main() -> ExitCode {
    let GatewayCli { command: GatewayCommand::Run(config) } = GatewayCli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("gateway: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(*config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            // Printed, too, because logs may be turned off.
            tracing::error!(error = %fatal, "the gateway cannot run");
            eprintln!("gateway: {fatal}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), Fatal> {
    let telemetry = telemetry::init("gateway")?;
    let sockets = sockets(&config)?;
    let replays = Replays::new(service::clock::now().as_millis());
    let tls = config.tls.load()?;
    let asked = Shutdown::on_signals().map_err(|error| Fatal::Io("signals", error))?;
    let ending = GatewayEnding::default();
    let shutdown = ending.stop.clone();
    let early = ending.stops_at_once(&asked);
    let (liveness, readiness) = (Liveness::new(), Readiness::new());
    let [ready, topics_right, can_write] = ["view", "topics", "producer"].map(|part| readiness.part(part));
    let halted = HaltedShards::new(config.log.shards, &readiness);
    let followers = Arc::new(match config.follow {
        true => Followers::new(config.log.shards, &readiness),
        false => Followers::off(),
    });
    AdminPort::start(config.admin.listen, telemetry, liveness.clone(), readiness.clone())
        .await
        .map_err(|error| Fatal::Io("admin port", error))?;

    let Some(Begun { database, read_models, view, store }) = begin(&config, &readiness, &shutdown).await? else {
        return Ok(());
    };
    let positions = view.read_from().to_vec();
    tokio::spawn(topics::watch(config.log.clone(), topics_right, shutdown.clone()));

    let live = Live::start(view, store.clone(), Hub::new(config.log.shard_map(), config.websocket_bytes_max));
    let live = Arc::new(live.map_err(|error| Fatal::Io("the thread that notifies watchers", error))?);
    let pending = Arc::new(PendingCommands::default());
    let (caught_up_sender, caught_up) = oneshot::channel();
    let reads = Reads::from(&positions);
    let (tables, models) = (Fresh::new(&reads), Fresh::new(&reads));
    let (database, read_models) = (database.only(tables.clone()), read_models.only(models.clone()));
    let standing = DependencyWatch {
        readiness,
        database: (database.clone(), tables),
        read_models: (read_models.clone(), models),
        pending: Arc::clone(&pending),
        shards: config.log.shards,
    };
    let checkpoints = store.map(|store| {
        let (live, readiness, shutdown) = (Arc::clone(&live), standing.readiness.clone(), shutdown.clone());
        Checkpoints { live, store, readiness, shutdown }.start()
    });
    let checkpoints = checkpoints.transpose().map_err(|error| Fatal::Io("checkpoints", error))?;
    let degraded = standing.watch(shutdown.clone());
    let tail = Tail {
        log: config.log.clone(),
        reads,
        positions,
        live: Arc::clone(&live),
        pending: Arc::clone(&pending),
        halted: Arc::clone(&halted),
        followers: Arc::clone(&followers),
        shutdown: shutdown.clone(),
        pulse: liveness.watch("tail", TAIL_SILENCE),
    };
    let tail = tail.start(caught_up_sender).map_err(|error| Fatal::Io("tail", error))?;
    let following = followers.start(&config.log, snapshots(&config).as_ref(), &shutdown);
    let following = following.map_err(|error| Fatal::Io("followers", error))?;
    let producer = Arc::new(Producer::new(&config.log.kafka, config.log.topics().commands, can_write)?);
    tokio::spawn(Arc::clone(&producer).look_after(shutdown.clone()));
    let part = Program::THIS.part(PartId(uuid::Uuid::now_v7().as_u128()), PartKind::Gateway);
    let announced = tokio::spawn(announce(config.log.clone(), part, shutdown.clone()));
    let outcomes = (pending, Arc::clone(&halted));
    let submitter =
        Arc::new(Submitter::new(Arc::clone(&producer), (config.pending_max, config.outcome_within), outcomes));
    let seen = ProcessParts { live, halted, followers, replays, degraded };
    let state = share(&config, sockets, seen, submitter, database, read_models, ending.port.shutdown.clone());
    start_background(&state, &config, &shutdown);

    // If the tail ends first, it has triggered the shutdown, and its error is returned below.
    if caught_up.await.is_ok() {
        warm_up(&producer).await?;
        state.read_models.settle(REDIS_WITHIN).await;
        let entrances = entrances(&config, tls, &shutdown).await.map_err(|error| Fatal::Io("listener", error))?;
        early.abort();
        ready.set(true);
        let port = ending.port.clone();
        tokio::spawn(ending.leave(asked, ready, config.notice_within));
        serve(entrances, http::router(Arc::clone(&state)), limits_of(&config, sockets), port).await;
        farewell(&state).await;
    }
    shutdown.trigger();
    let _ended = announced.await;
    let ended = tokio::task::spawn_blocking(move || {
        producer.drain(config::DRAIN_WITHIN);
        for follower in following {
            // A panic of a follower was logged already, and has halted the follower.
            let _ended = follower.join();
        }
        // Waits for the last checkpoint. After a panic, the next start folds the rest again.
        let _ended = checkpoints.map(std::thread::JoinHandle::join);
        tail.join()
    });
    match ended.await {
        Ok(Ok(result)) => Ok(result?),
        Ok(Err(_)) | Err(_) => Err(Fatal::TailPanicked),
    }
}

/// Listens without TLS and, if it is configured, with TLS.
async fn entrances(
    config: &Config,
    tls: Option<(SocketAddr, Tls)>,
    shutdown: &Shutdown,
) -> std::io::Result<Vec<Entrance>> {
    let listener = TcpListener::bind(config.listen).await?;
    let address = listener.local_addr()?;
    let mut entrances = vec![Entrance::plain(listener)];
    if let Some((listen, tls)) = tls {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        tokio::spawn(tls.clone().watch(shutdown.clone())?);
        entrances.push(Entrance::encrypted(listener, tls));
        tracing::info!(%address, "the gateway listens for TLS");
    }
    tracing::info!(%address, "the gateway listens");
    Ok(entrances)
}

/// The process's state from the log and from its clients.
struct ProcessParts {
    live: Arc<Live>,
    halted: Arc<HaltedShards>,
    followers: Arc<Followers>,
    replays: Replays,
    degraded: watch::Receiver<Degraded>,
}

/// Opens the snapshots from which followers start. Without them, followers start from the beginning
/// of the log, which only takes longer.
fn snapshots(config: &Config) -> Option<Snapshots> {
    let location = config.snapshots.as_deref().filter(|_| config.follow)?;
    let opened = Snapshots::open_to_read(location, &config.log.topic_prefix);
    let opened = opened.inspect_err(|error| tracing::warn!(%error, "cannot read LFG_SNAPSHOTS")).ok().flatten();
    if opened.is_none() {
        tracing::warn!(location, "no snapshots there: followers start from the beginning of the log");
    }
    opened
}

/// Raises the number of file descriptors to the system's maximum, and logs how many clients can
/// connect.
fn sockets(config: &Config) -> Result<Sockets, TooFew> {
    let descriptors = descriptors::raise();
    let sockets = Sockets::of(config, descriptors)?;
    let Sockets { connections, each_address, websockets } = sockets;
    let requests = config.requests_max;
    tracing::info!(descriptors, connections, each_address, websockets, requests, "limits of this process");
    if connections < config.connections.all {
        let wanted = config.connections.all;
        tracing::warn!(descriptors, wanted, connections, "the system gives too few descriptors for all connections");
    }
    Ok(sockets)
}

fn limits_of(config: &Config, sockets: Sockets) -> serve::Limits {
    serve::Limits {
        connections: sockets.connections,
        each_address: sockets.each_address,
        shared_addresses: config.connections.shared_addresses.clone(),
        first_within: config.connections.first_within,
        idle_within: config.connections.idle_within,
        write_within: config.connections.write_within,
        drain_within: config::DRAIN_WITHIN,
        streams: config::STREAMS_MAX,
        requests: config.connections.requests,
        each_address_rate: Some(BucketRate {
            per_second: config.connections.per_second,
            burst: config.connections.burst,
        }),
    }
}

fn share(
    config: &Config,
    sockets: Sockets,
    ProcessParts { live, halted, followers, replays, degraded }: ProcessParts,
    submitter: Arc<Submitter>,
    database: Database,
    read_models: ReadModels,
    shutdown: Shutdown,
) -> Shared {
    Arc::new(GatewayState {
        map: config.log.shard_map(),
        live,
        books: BookTexts::default(),
        snapshots: ws::turns::SnapshotTurns::new(),
        halted,
        followers,
        submitter,
        database,
        database_progress: ReadModelProgress::new("postgres"),
        read_models,
        read_models_progress: ReadModelProgress::new("redis"),
        first_admin: config.first_admin.clone(),
        replays,
        allowed_origins: config.allowed_origins.iter().cloned().collect(),
        bodies: Shares::new(config.requests_max, REQUEST_PARTS),
        requests: Shares::new(config.requests_max, REQUEST_PARTS),
        waits: Shares::new(config.requests_max, WAIT_PARTS),
        answers: Shares::new(config::ANSWERS_MAX, ANSWER_PARTS),
        openings: config.open_accounts.then(|| Openings::new(config.accounts_per_address)),
        rates: Rates::new(config.rates.settings()),
        snapshot_rate: ws::snapshot_rate::SnapshotRate::new(),
        shared_addresses: config.connections.shared_addresses.iter().map(|address| Peer::of(*address)).collect(),
        socket_idle_within: config.connections.idle_within,
        websockets: Shares::new(sockets.websockets, WEBSOCKET_PARTS),
        websocket_bytes: Shares::new(config.websocket_bytes_max, WEBSOCKET_BYTE_PARTS),
        degraded,
        closing: ClosingTurns::default(),
        shutdown,
    })
}

/// Starts the background tasks, which run until the shutdown.
fn start_background(state: &Shared, config: &Config, shutdown: &Shutdown) {
    if config.rates.shared {
        let (state, prefix, shutdown) = (Arc::clone(state), config.log.topic_prefix.clone(), shutdown.clone());
        tokio::spawn(async move {
            keep_sharing(&state.rates, state.read_models.clone(), &prefix, shutdown).await;
        });
    }
    tokio::spawn(state.database.clone().look_after(shutdown.clone()));
    let database = state.database.clone();
    let source = move || {
        let database = database.clone();
        async move { database.progress().await }
    };
    tokio::spawn(Arc::clone(&state.database_progress).poll(source, shutdown.clone()));
    let (read_models, shards) = (state.read_models.clone(), state.map.shards());
    let source = move || {
        let read_models = read_models.clone();
        async move { read_models.progress(shards).await }
    };
    tokio::spawn(Arc::clone(&state.read_models_progress).poll(source, shutdown.clone()));
}

/// Waits up to [`config::DRAIN_WITHIN`] until every WebSocket connection is closed.
async fn farewell(state: &Shared) {
    if tokio::time::timeout(config::DRAIN_WITHIN, state.websockets.all_returned()).await.is_err() {
        tracing::warn!("some WebSocket connections were not closed in time");
    }
}

async fn warm_up(producer: &Arc<Producer>) -> Result<(), Fatal> {
    let producer = Arc::clone(producer);
    let warm = tokio::task::spawn_blocking(move || producer.warm_up());
    warm.await.map_err(|_| Fatal::TailPanicked)?.map_err(Fatal::from)
}
