//! WebSockets that request more than they read.

use std::io;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::attacker::Attacker;

/// Pause between two messages: 10 ms, a hundred messages a second.
const PAUSE: Duration = Duration::from_millis(10);

/// Subscriptions that are sent without reading a snapshot.
const UNREAD: usize = 1_000;

/// Bytes that a client which does not read takes.
const NARROW: u32 = 4 * 1_024;

/// After a socket that was refused.
const REFUSED: Duration = Duration::from_secs(2);

/// Orders of one batch.
const BATCH: usize = 30;

/// Watches a book, and reads all that comes.
pub async fn watch(attacker: &Attacker, market: &str) -> io::Result<()> {
    let (mut socket, _) =
        tokio_tungstenite::client_async(url(attacker), attacker.connect().await?).await.map_err(io::Error::other)?;
    socket.send(subscribe(market)).await.map_err(io::Error::other)?;
    while let Some(heard) = socket.next().await {
        heard.map_err(io::Error::other)?;
    }
    Ok(())
}

/// The same, and comes again only some time after it was refused: holding sockets is the attack, and
/// not asking for them.
pub async fn hold(attacker: &Attacker, market: &str) -> io::Result<()> {
    let held = watch(attacker, market).await;
    tokio::time::sleep(REFUSED).await;
    held
}

/// Asks for a book again and again, and reads nothing.
pub async fn never_read(attacker: &Attacker, market: &str) -> io::Result<()> {
    let stream = attacker.connect_with(Some(NARROW)).await?;
    let (mut socket, _) = tokio_tungstenite::client_async(url(attacker), stream).await.map_err(io::Error::other)?;
    for _ in 0..UNREAD {
        socket.send(subscribe(market)).await.map_err(io::Error::other)?;
    }
    // Whether it was cut shows in writing alone.
    let mut pause = tokio::time::interval(Duration::from_secs(1));
    loop {
        pause.tick().await;
        socket.send(Message::Ping(Vec::new().into())).await.map_err(io::Error::other)?;
    }
}

/// A batch of orders that each change a level of a book.
pub fn orders(market: &str) -> String {
    let order = |ticks: usize| {
        json!({"place": {"market_id": market, "contract": "YES", "side": "BUY", "type": "LIMIT",
            "price": format!("0.{ticks:04}"), "quantity": 1}})
    };
    json!({"requests": (1..=BATCH).map(order).collect::<Vec<_>>()}).to_string()
}

fn url(attacker: &Attacker) -> String {
    format!("ws://{}/v1/ws", attacker.authority)
}

fn subscribe(market: &str) -> Message {
    Message::text(json!({"op": "subscribe", "channel": "book", "market": market}).to_string())
}

/// Sends a message a hundred times a second and reads the answers.
pub async fn subscribe_on(attacker: &Attacker, message: &str) -> io::Result<()> {
    let stream = attacker.connect().await?;
    let mut request = url(attacker).into_client_request().map_err(io::Error::other)?;
    let key = format!("Bearer {}", attacker.target.key);
    request.headers_mut().insert("authorization", key.parse().map_err(io::Error::other)?);
    let (socket, _) = tokio_tungstenite::client_async(request, stream).await.map_err(io::Error::other)?;
    let (mut sends, mut hears) = socket.split();
    let mut pause = tokio::time::interval(PAUSE);
    loop {
        tokio::select! {
            _ = pause.tick() => sends.send(Message::text(message.to_owned())).await.map_err(io::Error::other)?,
            heard = hears.next() => match heard {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Ok(()),
            },
        }
    }
}
