//! A WebSocket client of the API.

use std::collections::BTreeMap;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use super::PATIENCE;
use super::api::Api;
use super::raw::connect_from;

/// A connection, and the last reported list of degraded parts.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>, Vec<Value>);

/// A received message or close.
#[derive(Debug)]
pub enum Heard {
    Message(Value),
    Closed(u16),
}

fn request(api: &Api, headers: &[(&'static str, &str)]) -> Request {
    let mut request = format!("ws://{}/v1/ws", api.address).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

impl Socket {
    pub async fn open(api: &Api, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        Self::opened(connect_async(request(api, headers)).await)
    }

    /// From this loopback address, with or without a key.
    pub async fn open_from(last: u8, api: &Api, key: Option<&str>) -> Result<Self, u16> {
        let stream = MaybeTlsStream::Plain(connect_from(last, &api.address).await);
        let bearer = key.map(|key| format!("Bearer {key}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        Self::opened(client_async(request(api, &headers), stream).await)
    }

    fn opened<T>(opened: Result<(WebSocketStream<MaybeTlsStream<TcpStream>>, T), Error>) -> Result<Self, u16> {
        match opened {
            Ok((socket, _)) => Ok(Self(socket, Vec::new())),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens a connection with small buffers.
    pub async fn narrow(api: &Api) -> WebSocketStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 * 1024).unwrap();
        let stream = socket.connect(api.address.parse().unwrap()).await.expect("a connection");
        let url = format!("ws://{}/v1/ws", api.address);
        client_async(url, stream).await.expect("an open socket").0
    }

    pub async fn anonymous(api: &Api) -> Self {
        Self::open(api, &[]).await.expect("an open socket")
    }

    pub async fn say(&mut self, message: &Value) {
        self.say_text(message.to_string()).await;
    }

    pub async fn say_text(&mut self, text: String) {
        self.0.send(Message::text(text)).await.expect("a write");
    }

    pub async fn hear(&mut self) -> Heard {
        // A server's ping is not a message and does not restart the wait.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let message = tokio::time::timeout_at(deadline, self.0.next()).await.expect("a message in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    // A status may come at any time, between other messages.
                    if message["type"] != "status" {
                        return Heard::Message(message);
                    }
                    self.1 = message["degraded"].as_array().unwrap().clone();
                }
                Some(Ok(Message::Close(Some(frame)))) => return Heard::Closed(frame.code.into()),
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Heard::Closed(0),
                Some(Ok(_)) => {}
            }
        }
    }

    /// Returns the next message.
    pub async fn next(&mut self) -> Value {
        match self.hear().await {
            Heard::Message(message) => message,
            Heard::Closed(code) => panic!("closed with {code}"),
        }
    }

    /// Returns the parts that the gateway has reported as degraded.
    pub async fn degraded(&mut self) -> &[Value] {
        assert_eq!(self.ask(json!({"op": "ping"})).await, json!({"type": "pong"}));
        &self.1
    }

    pub async fn ask(&mut self, message: Value) -> Value {
        self.say(&message).await;
        self.next().await
    }

    /// Returns true if a message about this order has come. Asks for a pong, because all earlier
    /// messages come before it.
    pub async fn socket_has(&mut self, order: &Value) -> bool {
        self.say(&json!({"op": "ping"})).await;
        let mut found = false;
        loop {
            let message = self.next().await;
            if message["type"] == "pong" {
                return found;
            }
            found |= message.to_string().contains(order["order_id"].as_str().unwrap());
        }
    }

    pub async fn subscribe(&mut self, channel: &str, market: &str) -> Value {
        self.ask(json!({"op": "subscribe", "channel": channel, "market": market})).await
    }
}

/// A book rebuilt from a snapshot and its deltas.
#[derive(Default)]
pub struct Rebuilt {
    bids: BTreeMap<String, i64>,
    asks: BTreeMap<String, i64>,
    pub sequence: u64,
}

impl Rebuilt {
    pub fn of(snapshot: &Value) -> Self {
        assert_eq!((&snapshot["type"], &snapshot["channel"]), (&json!("snapshot"), &json!("book")), "{snapshot}");
        let mut book = Self { sequence: snapshot["sequence"].as_u64().unwrap(), ..Self::default() };
        for (side, levels) in [("BID", &snapshot["bids"]), ("ASK", &snapshot["asks"])] {
            for level in levels.as_array().unwrap() {
                book.set(side, level[0].as_str().unwrap(), level[1].as_i64().unwrap());
            }
        }
        book
    }

    fn set(&mut self, side: &str, price: &str, quantity: i64) {
        let levels = if side == "BID" { &mut self.bids } else { &mut self.asks };
        match quantity {
            0 => levels.remove(price),
            _ => levels.insert(price.to_owned(), quantity),
        };
    }

    pub fn apply(&mut self, delta: &Value) {
        let (previous, sequence) = (delta["previous"].as_u64().unwrap(), delta["sequence"].as_u64().unwrap());
        assert!(previous <= self.sequence && self.sequence < sequence, "a gap or a repeat: {} {delta}", self.sequence);
        for level in delta["levels"].as_array().unwrap() {
            self.set(level[0].as_str().unwrap(), level[1].as_str().unwrap(), level[2].as_i64().unwrap());
        }
        self.sequence = sequence;
    }

    /// Returns the book in the form of `GET …/book`: best first.
    pub fn shown(&self) -> (Value, Value) {
        let pair = |(price, quantity): (&String, &i64)| json!([price, quantity]);
        (self.bids.iter().rev().map(pair).collect(), self.asks.iter().map(pair).collect())
    }
}
