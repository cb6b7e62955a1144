//! One client's connection: reads requests, writes messages, checks for signs of life. One task;
//! all waits are bounded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::SinkExt;
use schemas::ids::LogPosition;
use schemas::{MarketId, Scopes};
use service::hex::to_hex;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout};
use tungstenite::error::ProtocolError;

use crate::books::BookCopy;
use crate::http::auth::holder;
use crate::http::missing::missing_market;
use crate::http::problem::{Problem, kinds};
use crate::http::signed::websocket_signer;
use crate::live::Live;
use crate::shares::{Asker, Share};
use crate::state::Shared;
use crate::view::Moving;
use crate::view::keys::KeyHolder;
use crate::ws::budget::Budget;
use crate::ws::hub::{ClientQueue, Eviction, NotSubscribed};
use crate::ws::orders::{Arrival, BoundedText, OrdersChannel, Passage, SNAPSHOT_COSTS};
use crate::ws::protocol::{self, Channel, Proof, SocketRequest};
use crate::ws::queue::{DeltaBody, Frame};
use crate::ws::subject::{ClientNumber, Subject};

/// Interval between the server's pings.
pub const PING_EVERY: Duration = Duration::from_secs(30);
/// How long a client may be silent, pongs included.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// How long a client may take to answer a close.
pub const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Requests in a row that are not understood before the client is disconnected.
pub const BAD_REQUESTS_MAX: u32 = 32;

/// Why a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SessionEnd {
    /// The client left, or the connection broke.
    Gone,
    /// The client sent a close, and gets one.
    Closed,
    /// A message is too large.
    TooBig,
    /// A text is not UTF-8.
    NotText,
    /// The bytes are not WebSocket.
    NotWebSocket,
    /// The connection has no key, no subscription and no request.
    Idle,
    /// The gateway stops.
    Shutdown,
    /// Too many requests that are not understood.
    BadRequests,
    /// The client was silent for too long.
    Silent,
    /// The client does not keep up.
    TooSlow,
    /// The gateway does not keep up with all clients together.
    FanOutBehind,
    /// The client's key was revoked.
    KeyRevoked,
    /// The shard that would show the key's revocation has halted.
    HomeHalted,
    /// The account has as many connections as it may have.
    TooMany,
}

impl SessionEnd {
    /// Returns the close frame, if the client can still receive one.
    fn frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone | Self::Closed => return None,
            Self::NotWebSocket => (1002, "not WebSocket"),
            Self::NotText => (1007, "a text must be UTF-8"),
            Self::TooBig => (1009, "a message has 4,096 bytes at most"),
            Self::Idle => (4006, "no key, no subscription and no request"),
            Self::Shutdown => (1001, "the gateway stops"),
            Self::BadRequests => (1008, "too many bad messages"),
            Self::KeyRevoked => (4001, "the key was revoked"),
            Self::Silent => (4002, "nothing heard for 60 s"),
            Self::TooSlow => (4003, "the client does not keep up"),
            Self::FanOutBehind => (4005, "the gateway does not keep up"),
            Self::HomeHalted => (4004, "the part of the log that has the account has halted"),
            Self::TooMany => (4007, "the account has too many WebSockets"),
        };
        Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
    }
}

impl From<Eviction> for SessionEnd {
    fn from(eviction: Eviction) -> Self {
        match eviction {
            Eviction::TooSlow => Self::TooSlow,
            Eviction::FanOutBehind => Self::FanOutBehind,
            Eviction::KeyRevoked => Self::KeyRevoked,
            Eviction::HomeHalted => Self::HomeHalted,
        }
    }
}

impl From<axum::Error> for SessionEnd {
    fn from(error: axum::Error) -> Self {
        match error.into_inner().downcast_ref() {
            Some(tungstenite::Error::Capacity(_)) => Self::TooBig,
            Some(tungstenite::Error::Utf8(_)) => Self::NotText,
            // Not caused by the client.
            Some(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Self::Gone,
            Some(tungstenite::Error::Protocol(_)) => Self::NotWebSocket,
            _ => Self::Gone,
        }
    }
}

/// Serves a connection until it ends.
pub async fn run(socket: WebSocket, state: Shared, key: Option<KeyHolder>, place: Share) {
    let inbox = state.live.hub().connect();
    let client = inbox.client;
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.reset();
    let (heard, bad_requests, orders) = (Instant::now(), 0, OrdersChannel::default());
    let (budget, asked, snapshots) = (Budget::full(heard), heard, HashMap::new());
    let mut session = SocketSession {
        socket,
        state,
        inbox,
        place,
        key: None,
        challenge: None,
        orders,
        snapshots,
        heard,
        asked,
        bad_requests,
        budget,
    };
    let greeted = match key {
        Some(key) => session.authenticate(key).await,
        None => Ok(()),
    };
    let end = match greeted {
        Ok(()) => session.converse(&mut pings).await,
        Err(end) => end,
    };
    session.state.live.hub().disconnect(client);
    tracing::debug!(?end, "a WebSocket ended");
    session.close(end).await;
}

struct SocketSession {
    socket: WebSocket,
    state: Shared,
    inbox: ClientQueue,
    /// The connection's place among all.
    place: Share,
    key: Option<KeyHolder>,
    /// The challenge that the next `auth` signs. A message overheard elsewhere signs another
    /// connection's challenge.
    challenge: Option<String>,
    orders: OrdersChannel,
    /// The sequence of the last snapshot of each book and each list of trades. Messages up to there
    /// may wait in the queue: of a subscription before, or told while the snapshot was made.
    snapshots: HashMap<Subject, u64>,
    heard: Instant,
    /// When the client sent its last request.
    asked: Instant,
    bad_requests: u32,
    /// The client's budget of snapshots.
    budget: Budget,
}

impl SocketSession {
    async fn converse(&mut self, pings: &mut Interval) -> SessionEnd {
        let state = Arc::clone(&self.state);
        let stopped = async {
            state.shutdown.wait().await;
            state.closing.wait().await;
        };
        tokio::pin!(stopped);
        let mut looks = interval(self.state.socket_idle_within);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut status = self.state.degraded.clone();
        // Reports the current status if it is not empty, and then every change.
        if !status.borrow_and_update().is_empty() {
            status.mark_changed();
        }
        loop {
            let heard_from = self.budget.heard_from();
            let is_heard = heard_from <= Instant::now();
            let went_on = tokio::select! {
                Ok(()) = status.changed() => {
                    let text = protocol::status(&status.borrow_and_update());
                    self.say(text).await
                }
                () = &mut stopped => Err(SessionEnd::Shutdown),
                end = evicted(&mut self.inbox.evicted) => Err(end),
                message = self.socket.recv(), if is_heard => self.hear(message).await,
                () = sleep_until(heard_from), if !is_heard => Ok(()),
                frames = self.inbox.frames.take() => self.deliver(frames).await,
                arrival = self.orders.arrival() => self.deliver_snapshot(arrival).await,
                _ = pings.tick() => self.ping().await,
                _ = looks.tick() => self.look(),
            };
            if let Err(end) = went_on {
                return end;
            }
            // Requests that arrived already would be served without a pause.
            tokio::task::yield_now().await;
        }
    }

    /// Pings alone do not keep an idle connection open.
    fn look(&self) -> Result<(), SessionEnd> {
        let is_idle = self.key.is_none() && self.asked.elapsed() >= self.state.socket_idle_within;
        if is_idle && self.state.live.hub().watches_nothing(self.inbox.client) { Err(SessionEnd::Idle) } else { Ok(()) }
    }

    /// Sends the reason and waits for the client's close. Best effort: the client may have left, or
    /// not read.
    async fn close(mut self, end: SessionEnd) {
        // What waits for it counts among the bytes of all clients.
        self.inbox.frames.clear();
        if let Some(frame) = end.frame() {
            let said = timeout(WRITE_WITHIN, self.socket.send(Message::Close(Some(frame)))).await;
            if !matches!(said, Ok(Ok(()))) {
                return;
            }
        }
        if end != SessionEnd::Gone {
            let rest = async { while let Some(Ok(_)) = self.socket.recv().await {} };
            // The client had its time to answer.
            let _answered = timeout(CLOSE_WITHIN, rest).await;
        }
    }

    async fn ping(&mut self) -> Result<(), SessionEnd> {
        if self.heard.elapsed() >= SILENCE_MAX {
            return Err(SessionEnd::Silent);
        }
        self.write(Message::Ping(axum::body::Bytes::new())).await
    }

    /// Writes a message within a bounded time, unless the client is evicted meanwhile.
    async fn write(&mut self, message: Message) -> Result<(), SessionEnd> {
        let sent = async { self.socket.send(message).await.map_err(|_| SessionEnd::Gone) };
        within(&mut self.inbox.evicted, sent).await
    }

    async fn say(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), SessionEnd> {
        self.write(Message::Text(text.into())).await
    }

    async fn deliver(&mut self, frames: Vec<Frame>) -> Result<(), SessionEnd> {
        let (count, bytes) = (frames.len(), frames.iter().map(Frame::bytes).sum());
        self.write_frames(frames).await?;
        self.inbox.frames.written(count, bytes);
        Ok(())
    }

    /// Writes one message after the other. Each exists only while it is written, and its bytes are
    /// counted until then: a client that does not read has the frames, which others share, and one
    /// text.
    async fn write_frames(&mut self, frames: Vec<Frame>) -> Result<(), SessionEnd> {
        let Self { socket, orders, snapshots, inbox, .. } = self;
        let all = async {
            for frame in frames {
                if snapshots.get(&frame.subject).is_some_and(|snapshot| frame.sequence <= *snapshot) {
                    continue;
                }
                let text = match &frame.body {
                    DeltaBody::Text(text) => text.clone(),
                    DeltaBody::Orders(_) => match orders.pass(frame.clone()) {
                        Passage::Send(text) => text,
                        Passage::Keep => continue,
                        Passage::Overrun => return Err(SessionEnd::TooSlow),
                        Passage::TooMuch => return Err(SessionEnd::TooMany),
                    },
                };
                socket.feed(Message::Text(text)).await.map_err(|_| SessionEnd::Gone)?;
            }
            socket.flush().await.map_err(|_| SessionEnd::Gone)
        };
        within(&mut inbox.evicted, all).await
    }

    async fn deliver_snapshot(&mut self, arrival: Arrival) -> Result<(), SessionEnd> {
        match arrival {
            Arrival::Snapshot(BoundedText { text, bytes }, follow) => {
                self.budget.spend(text.len(), Instant::now());
                self.say(text).await?;
                drop(bytes);
                self.write_frames(follow).await
            }
            Arrival::Unavailable(problem) => {
                if let Some(key) = &self.key {
                    self.state.live.hub().unsubscribe(self.inbox.client, Subject::Orders(key.account));
                }
                self.refuse(&problem, Some("subscribe")).await
            }
        }
    }

    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), SessionEnd> {
        let message = message.ok_or(SessionEnd::Gone)??;
        self.heard = Instant::now();
        match message {
            Message::Text(text) => match SocketRequest::parse(text.as_str()) {
                Ok(request) => {
                    self.asked = self.heard;
                    self.serve(request).await
                }
                Err(problem) => self.complain(&problem).await,
            },
            Message::Binary(_) => self.complain(&Problem::new(kinds::MALFORMED_JSON).detail("text, please")).await,
            // The library answers pings, with the next write at the latest.
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            // The library answers it while the rest is read.
            Message::Close(_) => Err(SessionEnd::Closed),
        }
    }

    async fn complain(&mut self, problem: &Problem) -> Result<(), SessionEnd> {
        self.bad_requests += 1;
        self.say(protocol::error(problem, None)).await?;
        if self.bad_requests < BAD_REQUESTS_MAX { Ok(()) } else { Err(SessionEnd::BadRequests) }
    }

    async fn refuse(&mut self, problem: &Problem, op: Option<&str>) -> Result<(), SessionEnd> {
        self.say(protocol::error(problem, op)).await
    }

    async fn serve(&mut self, request: SocketRequest) -> Result<(), SessionEnd> {
        let (op, result) = match request {
            SocketRequest::Ping => ("ping", Ok(Some(protocol::PONG.to_owned()))),
            SocketRequest::Challenge => {
                let text = to_hex(&rand::random::<[u8; 32]>());
                let said = protocol::challenge(&text);
                // The one before was asked for in vain.
                self.bad_requests += u32::from(self.challenge.replace(text).is_some());
                ("challenge", Ok(Some(said)))
            }
            SocketRequest::Auth(proof) => match self.holder(&proof) {
                Ok(key) => return self.authenticate(key).await,
                Err(problem) => {
                    self.bad_requests += 1;
                    ("auth", Err(problem))
                }
            },
            SocketRequest::Subscribe(channel) => match self.subscribe(channel).await {
                Ok(Some(BoundedText { text, bytes })) => {
                    self.say(text).await?;
                    drop(bytes);
                    ("subscribe", Ok(None))
                }
                Ok(None) => ("subscribe", Ok(None)),
                Err(problem) => ("subscribe", Err(problem)),
            },
            SocketRequest::Unsubscribe(channel) => ("unsubscribe", self.unsubscribe(channel).map(Some)),
        };
        match result {
            _ if self.bad_requests >= BAD_REQUESTS_MAX => Err(SessionEnd::BadRequests),
            Ok(Some(text)) => self.say(text).await,
            Ok(None) => Ok(()),
            Err(problem) => self.refuse(&problem, Some(op)).await,
        }
    }

    /// A challenge is used once, whatever the result.
    fn holder(&mut self, proof: &Proof) -> Result<KeyHolder, Problem> {
        match proof {
            Proof::Key(api_key) => holder(api_key, &self.state),
            Proof::Signature(stamp) => match self.challenge.take() {
                Some(challenge) => websocket_signer(&self.state, stamp, &challenge),
                None => Err(Problem::new(kinds::UNAUTHENTICATED).detail("ask for a challenge, and sign it")),
            },
        }
    }

    async fn authenticate(&mut self, key: KeyHolder) -> Result<(), SessionEnd> {
        if self.key.as_ref().is_some_and(|before| before.account != key.account) {
            let problem = Problem::new(kinds::ACCOUNT_ONLY).detail("the connection belongs to another account");
            return self.refuse(&problem, Some("auth")).await;
        }
        if !self.place.pass_to(Asker::account(key.account, self.place.via())) {
            self.refuse(&Problem::too_many_sockets(), Some("auth")).await?;
            return Err(SessionEnd::TooMany);
        }
        self.state.live.hub().authenticated(self.inbox.client, key.account, key.key);
        // The shard may have halted since the key was checked, before the hub knew of this
        // connection.
        if self.state.halted.is_left_behind(self.state.map.of_account(key.account)) {
            return Err(SessionEnd::HomeHalted);
        }
        let account = key.account;
        // The new key need not have access to what the old key subscribed to.
        if !key.scopes.contains(Scopes::READ) {
            self.state.live.hub().unsubscribe(self.inbox.client, Subject::Orders(account));
            self.orders = OrdersChannel::default();
        }
        let is_another = self.key.as_ref().is_none_or(|before| before.key != key.key);
        self.key = Some(key);
        self.counts(is_another);
        self.say(protocol::authenticated(account)).await
    }

    /// Bad messages are counted in a row, which only a message ends that changed something: pings,
    /// challenges and what is so already could be sent between any two.
    fn counts(&mut self, changed: bool) {
        if changed {
            self.bad_requests = 0;
        }
    }

    /// Returns the snapshot, or nothing if it is still in progress.
    async fn subscribe(&mut self, channel: Channel) -> Result<Option<BoundedText>, Problem> {
        let client = self.inbox.client;
        let live = &self.state.live;
        if let Channel::Book(name) | Channel::Trades(name) = &channel {
            let shard = live.view().market_named(name).map(|live| live.market.shard);
            if let Some(shard) = shard.filter(|shard| self.state.halted.contains(*shard)) {
                return Err(Problem::shard_halted(shard));
            }
        }
        match channel {
            Channel::Book(name) => {
                let levels = live.market(&name, |_, _, moving| moving.book.count());
                let levels = levels.map_err(|error| Problem::unstored(&error))?.unwrap_or(0);
                self.state.snapshot_rate.wait(self.asker().owner, levels).await?;
                let watched = watch_market(live, client, &name, Subject::Book, |moving| moving.book.clone())?;
                let WatchedMarket { id, at, is_more, copy: book } = watched;
                self.counts(is_more);
                let newest = || self.state.live.newest_book(id);
                let text = self.state.books.text(id, BookCopy { book, at }, newest).await;
                self.snapshots.insert(Subject::Book(id), text.at.sequence);
                self.bounded(Subject::Book(id), protocol::book_snapshot(id, text.at, &text.levels)).map(Some)
            }
            Channel::Trades(name) => {
                let watched = watch_market(live, client, &name, Subject::Trades, |moving| moving.trades.clone())?;
                let WatchedMarket { id, at, is_more, copy: trades } = watched;
                self.counts(is_more);
                self.snapshots.insert(Subject::Trades(id), at.sequence);
                self.bounded(Subject::Trades(id), protocol::trades_snapshot(id, at, &trades)).map(Some)
            }
            Channel::Orders => {
                let key = self.key.as_ref().ok_or_else(|| Problem::new(kinds::UNAUTHENTICATED))?;
                if !key.scopes.contains(Scopes::READ) {
                    return Err(Problem::new(kinds::SCOPE_MISSING));
                }
                let (is_more, at_least) = loop {
                    live.keys(key.key).map_err(|error| Problem::unstored(&error))?;
                    let subscribed = live.subscribe(|view, hub| {
                        let known = view.keys().known(key.key)?;
                        let positions = view.positions();
                        let start = positions.iter().map(|at| (at.shard, at.sequence));
                        // A key that was revoked between its message's arrival and now opens
                        // nothing.
                        if known.of(key.account).is_none() {
                            return Some(Err(Problem::new(kinds::UNAUTHENTICATED)));
                        }
                        let subscribed = hub.subscribe(client, Subject::Orders(key.account), start);
                        Some(subscribed.map_err(too_many).map(|is_more| (is_more, positions)))
                    });
                    // Read it again if it was dropped from memory between the two.
                    if let Some(subscribed) = subscribed {
                        break subscribed?;
                    }
                };
                self.orders = OrdersChannel::open(self.state.clone(), key.account, self.asker(), at_least);
                self.budget.spend(SNAPSHOT_COSTS, Instant::now());
                self.counts(is_more);
                Ok(None)
            }
        }
    }

    /// Takes the share of a snapshot's bytes. Without one, the subscription ends.
    fn bounded(&mut self, subject: Subject, snapshot: String) -> Result<BoundedText, Problem> {
        let bounded = BoundedText::take(&self.state, self.asker(), snapshot);
        self.budget.spend(bounded.as_ref().map_or(0, |bounded| bounded.text.len()), Instant::now());
        bounded.inspect_err(|_| {
            self.state.live.hub().unsubscribe(self.inbox.client, subject);
        })
    }

    /// Whose share this connection uses.
    fn asker(&self) -> Asker {
        let via = self.place.via();
        self.key.as_ref().map_or_else(|| Asker::anonymous(via), |key| Asker::account(key.account, via))
    }

    fn unsubscribe(&mut self, channel: Channel) -> Result<String, Problem> {
        let (name, market, topic) = match channel {
            Channel::Book(name) => {
                let market = self.market(&name)?;
                ("book", Some(market), Some(Subject::Book(market)))
            }
            Channel::Trades(name) => {
                let market = self.market(&name)?;
                ("trades", Some(market), Some(Subject::Trades(market)))
            }
            Channel::Orders => {
                self.orders = OrdersChannel::Closed;
                ("orders", None, self.key.as_ref().map(|key| Subject::Orders(key.account)))
            }
        };
        if let Some(topic) = topic {
            let was_subscribed = self.state.live.hub().unsubscribe(self.inbox.client, topic);
            self.counts(was_subscribed);
            self.snapshots.remove(&topic);
        }
        Ok(protocol::unsubscribed(name, market))
    }

    fn market(&self, name: &str) -> Result<MarketId, Problem> {
        let view = self.state.live.view();
        let market = view.market_named(name).map(|live| live.market.listing.market);
        // A subscription from before the market was archived can still be ended.
        market.or_else(|| view.archived_named(name)).ok_or_else(|| missing_market(&view, name))
    }
}

/// A market's subject that a client watches.
struct WatchedMarket<T> {
    id: MarketId,
    /// What the copy is as of.
    at: LogPosition,
    /// It did not watch it before.
    is_more: bool,
    copy: T,
}

/// Subscribes to a market's subject and copies the data of its snapshot at the same moment. Both
/// locks are held no longer than that.
fn watch_market<T>(
    live: &Live,
    client: ClientNumber,
    name: &str,
    topic: fn(MarketId) -> Subject,
    copy: fn(&Moving) -> T,
) -> Result<WatchedMarket<T>, Problem> {
    let watched = live.subscribe_to(name, |view, hub, market, moving| {
        let (id, shard) = (market.market.listing.market, market.market.shard);
        let at = LogPosition { shard, sequence: view.sequence(shard) };
        let is_more = hub.subscribe(client, topic(id), [(shard, at.sequence)]).map_err(too_many)?;
        Ok(WatchedMarket { id, at, is_more, copy: copy(moving) })
    });
    let watched = watched.map_err(|error| Problem::unstored(&error))?;
    watched.unwrap_or_else(|| Err(missing_market(&live.view(), name)))
}

fn too_many(NotSubscribed: NotSubscribed) -> Problem {
    Problem::new(kinds::OVERLOADED).detail("no more subscriptions on this connection")
}

/// Writes within a bounded time, unless the client is evicted meanwhile.
async fn within(
    eviction: &mut watch::Receiver<Option<Eviction>>,
    writes: impl Future<Output = Result<(), SessionEnd>>,
) -> Result<(), SessionEnd> {
    tokio::select! {
        written = timeout(WRITE_WITHIN, writes) => written.unwrap_or(Err(SessionEnd::TooSlow)),
        end = evicted(eviction) => Err(end),
    }
}

/// Waits until the client is evicted.
async fn evicted(evicted: &mut watch::Receiver<Option<Eviction>>) -> SessionEnd {
    match evicted.wait_for(Option::is_some).await.map(|why| *why) {
        Ok(Some(why)) => why.into(),
        // The hub dropped the client without a reason: only at its end.
        Ok(None) | Err(_) => SessionEnd::Gone,
    }
}
