//! WebSockets that request more than they read.

use std::io;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::attacker::Attacker;

/// Pause between two messages: 10 ms, a hundred messages a second.
const PAUSE: Duration = Duration::from_millis(10);

/// Sends a message a hundred times a second and reads the answers.
pub async fn subscribe_on(attacker: &Attacker, message: &str) -> io::Result<()> {
    let stream = attacker.connect().await?;
    let url = format!("ws://{}/v1/ws", attacker.authority);
    let mut request = url.into_client_request().map_err(io::Error::other)?;
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
