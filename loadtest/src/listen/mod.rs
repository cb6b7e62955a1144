//! Subscribes to the gateway's WebSocket as clients do, and keeps the state rebuilt from the
//! messages.
//!
//!   gateway ─▶ *listen*: connections ─▶ feed ─▶ verify
//!
//! A connection that the gateway ends is a fault, not a reason to reconnect: messages sent
//! meanwhile would be lost.

pub mod feed;
mod message;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use schemas::{AccountId, MarketId};
use service::Shutdown;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::api::{Credentials, Endpoint};
use feed::{HeardMessages, StreamChannel};

/// Number of connections that share the markets' channels.
const MARKET_CONNECTIONS: usize = 4;

/// The time limit for the first snapshots.
const SNAPSHOTS_WITHIN: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why listening failed.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The connection cannot be made or used.
    #[error("WebSocket: {0}")]
    WebSocket(#[from] tungstenite::Error),
    /// Some subscriptions produced no snapshot.
    #[error("WebSocket: {heard} of {wanted} snapshots within {} s; {faults:?}", SNAPSHOTS_WITHIN.as_secs())]
    NoSnapshots {
        /// Number of snapshots received.
        heard: usize,
        /// Number of channels subscribed to.
        wanted: usize,
        /// The faults found instead.
        faults: Vec<String>,
    },
}

/// All listeners and their state.
pub struct Listeners {
    /// Markets' channels.
    pub markets: Vec<Arc<Mutex<HeardMessages>>>,
    /// Accounts' channels.
    pub accounts: Vec<(AccountId, Arc<Mutex<HeardMessages>>)>,
    stop: Shutdown,
}

impl Listeners {
    /// Subscribes to book and trades of every market, and to the orders of the accounts. Returns
    /// once all snapshots have arrived.
    pub async fn start(
        endpoint: &Endpoint,
        markets: &[MarketId],
        accounts: &[(AccountId, Credentials)],
    ) -> Result<Self, ListenError> {
        let stop = Shutdown::new();
        let mut listeners = Self { markets: Vec::new(), accounts: Vec::new(), stop };
        for markets in markets.chunks(markets.len().div_ceil(MARKET_CONNECTIONS).max(1)) {
            let channels = markets.iter().flat_map(|m| [StreamChannel::Book(*m), StreamChannel::Trades(*m)]).collect();
            let feed = listeners.listen(endpoint, None, channels).await?;
            listeners.markets.push(feed);
        }
        for (account, key) in accounts {
            let feed = listeners.listen(endpoint, Some(key), vec![StreamChannel::Orders]).await?;
            listeners.accounts.push((*account, feed));
        }
        listeners.await_snapshots(2 * markets.len() + accounts.len()).await?;
        Ok(listeners)
    }

    async fn listen(
        &self,
        endpoint: &Endpoint,
        key: Option<&Credentials>,
        channels: Vec<StreamChannel>,
    ) -> Result<Arc<Mutex<HeardMessages>>, ListenError> {
        let mut request = endpoint.websocket("/v1/ws").into_client_request()?;
        if let Some(key) = key {
            request.headers_mut().insert("authorization", key.header().clone());
        }
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        for channel in channels {
            socket.send(subscribe(channel)).await?;
        }
        let feed = Arc::new(Mutex::new(HeardMessages::default()));
        tokio::spawn(hear(socket, feed.clone(), self.stop.clone()));
        Ok(feed)
    }

    /// Returns the state of all listeners.
    pub fn feeds(&self) -> impl Iterator<Item = &Arc<Mutex<HeardMessages>>> {
        self.markets.iter().chain(self.accounts.iter().map(|(_, feed)| feed))
    }

    async fn await_snapshots(&self, wanted: usize) -> Result<(), ListenError> {
        let started = Instant::now();
        loop {
            let heard: usize = self.feeds().map(|feed| locked(feed, |feed| feed.snapshots)).sum();
            if heard >= wanted {
                return Ok(());
            }
            if started.elapsed() > SNAPSHOTS_WITHIN {
                let faults = self.feeds().flat_map(|feed| locked(feed, |feed| feed.faults.told().to_vec())).collect();
                return Err(ListenError::NoSnapshots { heard, wanted, faults });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns the number of messages received by all listeners.
    pub fn messages(&self) -> u64 {
        self.feeds().map(|feed| locked(feed, |feed| feed.messages)).sum()
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.stop.trigger();
    }
}

/// Inspects the state received so far.
pub fn locked<T>(feed: &Mutex<HeardMessages>, look: impl FnOnce(&mut HeardMessages) -> T) -> T {
    look(&mut feed.lock().expect("nobody panics while listening"))
}

async fn hear(mut socket: Socket, feed: Arc<Mutex<HeardMessages>>, stop: Shutdown) {
    loop {
        let next = tokio::select! {
            next = socket.next() => next,
            () = stop.wait() => return close(socket).await,
        };
        match next {
            Some(Ok(Message::Text(text))) => {
                let again = locked(&feed, |feed| feed.take(&text));
                if let Some(channel) = again
                    && let Err(error) = socket.send(subscribe(channel)).await
                {
                    return ended(&feed, &error.to_string());
                }
            }
            Some(Ok(Message::Close(frame))) => {
                let why = frame.map_or_else(|| "without a reason".to_owned(), |frame| frame.to_string());
                return ended(&feed, &why);
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return ended(&feed, &error.to_string()),
            None => return ended(&feed, "the stream ended"),
        }
    }
}

fn ended(feed: &Mutex<HeardMessages>, why: &str) {
    locked(feed, |feed| feed.faults.add(|| format!("the gateway closed the connection: {why}")));
}

async fn close(mut socket: Socket) {
    // A courtesy to the gateway; the process is about to end.
    let _ = socket.close(None).await;
}

fn subscribe(channel: StreamChannel) -> Message {
    let text = match channel {
        StreamChannel::Book(market) => format!(r#"{{"op":"subscribe","channel":"book","market":"{market}"}}"#),
        StreamChannel::Trades(market) => format!(r#"{{"op":"subscribe","channel":"trades","market":"{market}"}}"#),
        StreamChannel::Orders => r#"{"op":"subscribe","channel":"orders"}"#.to_owned(),
    };
    Message::text(text)
}
