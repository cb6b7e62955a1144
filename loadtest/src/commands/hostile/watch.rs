//! The victim's WebSockets: one that it keeps, and others that it opens one after another.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::stage::AttackStage;

/// Between two sockets that are opened.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a socket may take to open and to send its snapshots.
const SNAPSHOTS_WITHIN: Duration = Duration::from_secs(15);

/// How long after the last order its messages may still come.
const LAST_WITHIN: Duration = Duration::from_secs(15);

/// A socket of the victim.
pub type WatchedSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Keeps a socket for so long, while the victim trades. Returns what was refused to it.
pub async fn keep(socket: Result<WatchedSocket, String>, length: Duration) -> Vec<String> {
    let (mut books, mut orders) = (0, 0);
    let kept = async {
        let mut socket = socket?;
        let (end, last) = (Instant::now() + length, Instant::now() + length + LAST_WITHIN);
        // It trades for the whole time, so both channels have something to tell.
        while Instant::now() < end || books == 0 || orders == 0 {
            let wait = if Instant::now() < end { end } else { last };
            match timeout_at(wait, next(&mut socket)).await {
                Ok(message) => {
                    let message = message?;
                    books += u32::from(message["type"] == "delta" && message["channel"] == "book");
                    orders += u32::from(message["type"] == "delta" && message["channel"] == "orders");
                }
                Err(_) if wait == last => return Err("a WebSocket is told nothing".to_owned()),
                Err(_) => {}
            }
        }
        Ok(())
    };
    kept.await.err().into_iter().collect()
}

/// Opens one socket after another for so long. Returns what was refused to them.
pub async fn visit(stage: &AttackStage, length: Duration) -> Vec<String> {
    let (end, mut refused) = (Instant::now() + length, Vec::new());
    let mut due = Instant::now();
    while due < end {
        sleep_until(due).await;
        refused.extend(opened(stage).await.err());
        due = Instant::now() + PAUSE;
    }
    refused
}

/// A socket with the snapshots of the victim's book and orders.
pub async fn opened(stage: &AttackStage) -> Result<WatchedSocket, String> {
    let open = async {
        let request = stage.endpoint.websocket("/v1/ws").into_client_request();
        let mut request = request.map_err(|error| format!("WebSocket: {error}"))?;
        request.headers_mut().insert("authorization", stage.victim.header().clone());
        let (mut socket, _) = connect_async(request).await.map_err(|error| format!("WebSocket: {error}"))?;
        let market = &stage.market.market_id;
        for subscribe in [
            json!({"op": "subscribe", "channel": "book", "market": market}),
            json!({"op": "subscribe", "channel": "orders"}),
        ] {
            let said = socket.send(Message::text(subscribe.to_string())).await;
            said.map_err(|error| format!("WebSocket: {error}"))?;
        }
        let mut snapshots = 0;
        while snapshots < 2 {
            let message = next(&mut socket).await?;
            snapshots += u32::from(message["type"] == "snapshot");
        }
        Ok(socket)
    };
    timeout(SNAPSHOTS_WITHIN, open).await.unwrap_or_else(|_| Err("a WebSocket has no snapshot in time".to_owned()))
}

/// The next message. An error, or the end, is a refusal.
async fn next(socket: &mut WatchedSocket) -> Result<Value, String> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let message: Value = serde_json::from_str(&text).map_err(|error| format!("WebSocket: {error}"))?;
                let is_error = message["type"] == "error";
                return if is_error { Err(format!("WebSocket: {}", message["code"])) } else { Ok(message) };
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| u16::from(frame.code));
                return Err(format!("a WebSocket is closed with {code}"));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(format!("WebSocket: {error}")),
            None => return Err("a WebSocket ends".to_owned()),
        }
    }
}
