//! The WebSocket's messages in both directions. Pure; API.md documents them.

use schemas::ids::LogPosition;
use schemas::{AccountId, MarketId, Shard, Timestamp};
use serde::{Serialize, Serializer};

use crate::http::fields::Fields;
use crate::http::parse::{self, ValueFault};
use crate::http::problem::Problem;
use crate::shapes::positions::LogPositions;
use crate::shapes::{PublicTrade, iso};
use crate::signing::{self, Stamp};
use crate::view::book::Level;
use crate::view::trades::RecentTrades;

/// A client's request.
#[derive(Clone, PartialEq, Eq)]
pub enum SocketRequest {
    /// Asks for a challenge to sign.
    Challenge,
    /// Authenticates the connection.
    Auth(Proof),
    /// Subscribes to a channel.
    Subscribe(Channel),
    /// Unsubscribes from a channel.
    Unsubscribe(Channel),
    /// Asks for a sign of life.
    Ping,
}

/// How a client authenticates.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// A key with its secret, as presented.
    Key(String),
    /// A key's id, and a signature over the connection's challenge.
    Signature(Stamp),
}

/// Never shows a key.
impl std::fmt::Debug for SocketRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Challenge => f.write_str("Challenge"),
            Self::Auth(_) => f.write_str("Auth"),
            Self::Subscribe(channel) => write!(f, "Subscribe({channel:?})"),
            Self::Unsubscribe(channel) => write!(f, "Unsubscribe({channel:?})"),
            Self::Ping => f.write_str("Ping"),
        }
    }
}

/// A channel as a client names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Channel {
    /// A market's levels; the market's id or ticker.
    Book(String),
    /// A market's trades; the market's id or ticker.
    Trades(String),
    /// The client's own orders.
    Orders,
}

impl SocketRequest {
    /// Parses a client's message.
    pub fn parse(message: &str) -> Result<Self, Problem> {
        let mut fields = Fields::parse(message.as_bytes())?;
        let op = fields.text("op", |op| match op {
            "challenge" | "auth" | "subscribe" | "unsubscribe" | "ping" => Ok(op.to_owned()),
            _ => Err(ValueFault::form("one of challenge, auth, subscribe, unsubscribe, ping")),
        });
        let request = match op.as_deref() {
            Some("challenge") => Some(Self::Challenge),
            Some("auth") => proof(&mut fields).map(Self::Auth),
            Some("subscribe") => channel(&mut fields).map(Self::Subscribe),
            Some("unsubscribe") => channel(&mut fields).map(Self::Unsubscribe),
            Some(_) => Some(Self::Ping),
            None => None,
        };
        fields.finish(request)
    }
}

/// Either `api_key`, or `key_id`, `timestamp` and `signature`.
fn proof(fields: &mut Fields) -> Option<Proof> {
    if !fields.has("key_id") {
        for name in ["timestamp", "signature"] {
            fields.refuse(name, "only with key_id");
        }
        return fields.text("api_key", |key| Ok(Proof::Key(key.to_owned())));
    }
    fields.refuse("api_key", "give either api_key or key_id");
    let key = fields.text("key_id", parse::key_id);
    let timestamp = fields.text("timestamp", |text| {
        signing::timestamp(text).ok_or_else(|| ValueFault::form("milliseconds since 1970-01-01 UTC"))
    });
    let signature = fields.text("signature", |text| {
        signing::signature(text).ok_or_else(|| ValueFault::form("an Ed25519 signature, 64 bytes in base64"))
    });
    Some(Proof::Signature(Stamp { key: key?, timestamp: timestamp?, signature: signature? }))
}

fn channel(fields: &mut Fields) -> Option<Channel> {
    let of_market: Option<fn(String) -> Channel> = fields.text("channel", |channel| match channel {
        "book" => Ok(Some(Channel::Book as fn(String) -> Channel)),
        "trades" => Ok(Some(Channel::Trades as fn(String) -> Channel)),
        "orders" => Ok(None),
        _ => Err(ValueFault::form("one of book, trades, orders")),
    })?;
    match of_market {
        Some(channel) => fields.text("market", |market| Ok(channel(market.to_owned()))),
        None => Some(Channel::Orders),
    }
}

/// A delta's place in its channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delta {
    /// The outcome's shard.
    pub shard: Shard,
    /// The outcome's sequence.
    pub sequence: u64,
    /// The sequence of the previous message on this channel and shard.
    pub previous: u64,
    /// The outcome's time.
    pub time: Timestamp,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    r#type: &'a str,
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    market_id: Option<String>,
    shard: u16,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Time>,
    #[serde(flatten)]
    body: T,
}

struct Time(Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        iso(&self.0, serializer)
    }
}

impl<'a, T: Serialize> Envelope<'a, T> {
    fn delta(channel: &'a str, market: Option<MarketId>, delta: &Delta, body: T) -> String {
        let Delta { shard, sequence, previous, time } = *delta;
        let (market_id, shard) = (market.map(|id| id.to_string()), shard.number());
        let (previous, time) = (Some(previous), Some(Time(time)));
        json(&Self { r#type: "delta", channel, market_id, shard, sequence, previous, time, body })
    }

    fn snapshot(channel: &'a str, market: MarketId, at: LogPosition, body: T) -> String {
        let (market_id, shard, sequence) = (Some(market.to_string()), at.shard.number(), at.sequence);
        let (previous, time) = (None, None);
        json(&Self { r#type: "snapshot", channel, market_id, shard, sequence, previous, time, body })
    }
}

/// Serialising these types cannot fail: they have no maps with non-string keys and no fallible
/// members.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain structs of texts and numbers")
}

/// All levels of a market; `levels` is their text (see [`crate::books`]).
pub fn book_snapshot(market: MarketId, at: LogPosition, levels: &str) -> String {
    let (shard, sequence) = (at.shard, at.sequence);
    format!(
        r#"{{"type":"snapshot","channel":"book","market_id":"{market}","shard":{shard},"sequence":{sequence},{levels}}}"#
    )
}

/// The levels that an outcome changed, with their new quantities.
pub fn book_delta(market: MarketId, levels: &[Level], delta: &Delta) -> String {
    #[derive(Serialize)]
    struct Body {
        levels: Vec<(&'static str, String, i64)>,
    }
    let levels = levels.iter().map(|level| (level.side.name(), level.price.to_string(), level.quantity)).collect();
    Envelope::delta("book", Some(market), delta, Body { levels })
}

#[derive(Serialize)]
struct Trades<'a> {
    trades: Vec<&'a PublicTrade>,
}

/// The last trades of a market, newest first.
pub fn trades_snapshot(market: MarketId, at: LogPosition, trades: &RecentTrades) -> String {
    Envelope::snapshot("trades", market, at, Trades { trades: trades.newest_first().collect() })
}

/// The trades of an outcome, in order of matching.
pub fn trades_delta(market: MarketId, trades: &[PublicTrade], delta: &Delta) -> String {
    Envelope::delta("trades", Some(market), delta, Trades { trades: trades.iter().collect() })
}

/// The changes of an account's orders by an outcome.
pub fn orders_delta<T: Serialize>(delta: &Delta, changes: T) -> String {
    Envelope::delta("orders", None, delta, changes)
}

/// An account's live orders; `complete` is true if there are no more.
pub fn orders_snapshot<T: Serialize>(orders: &[T], complete: bool, positions: &[LogPosition]) -> String {
    #[derive(Serialize)]
    struct Message<'a, T> {
        r#type: &'static str,
        channel: &'static str,
        positions: LogPositions<'a>,
        complete: bool,
        orders: &'a [T],
    }
    json(&Message { r#type: "snapshot", channel: "orders", positions: LogPositions(positions), complete, orders })
}

/// The challenge that the next `auth` of this connection signs.
pub fn challenge(challenge: &str) -> String {
    json(&serde_json::json!({ "type": "challenge", "challenge": challenge }))
}

/// The degraded dependencies of the gateway; empty if there are none.
pub fn status(degraded: &[String]) -> String {
    json(&serde_json::json!({ "type": "status", "degraded": degraded }))
}

/// A key was accepted.
pub fn authenticated(account: AccountId) -> String {
    json(&serde_json::json!({ "type": "authenticated", "account_id": account.to_string() }))
}

/// A subscription ended.
pub fn unsubscribed(channel: &str, market: Option<MarketId>) -> String {
    let market = market.map(|id| id.to_string());
    json(&serde_json::json!({ "type": "unsubscribed", "channel": channel, "market_id": market }))
}

/// The answer to a ping.
pub const PONG: &str = r#"{"type":"pong"}"#;

/// A request was not understood or not granted.
pub fn error(problem: &Problem, op: Option<&str>) -> String {
    let (code, detail) = (problem.code(), problem.text());
    json(&serde_json::json!({ "type": "error", "code": code, "detail": detail, "op": op }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::Order;
    use crate::view::tests::{SHARD, listing, outcome, placed, view_with_market};
    use schemas::{Entry, Event};
    use serde_json::{Value, json};

    const DELTA: Delta = Delta { shard: SHARD, sequence: 7, previous: 5, time: Timestamp(7) };

    #[test]
    fn requests_are_read_strictly() {
        let market = "RAIN".to_owned();
        let parse = |message: &str| SocketRequest::parse(message).map_err(|problem| problem.kind().code);
        assert_eq!(parse(r#"{"op":"ping"}"#), Ok(SocketRequest::Ping));
        assert_eq!(parse(r#"{"op":"challenge"}"#), Ok(SocketRequest::Challenge));
        assert_eq!(parse(r#"{"op":"subscribe","channel":"orders"}"#), Ok(SocketRequest::Subscribe(Channel::Orders)));
        assert_eq!(
            parse(r#"{"op":"unsubscribe","channel":"book","market":"RAIN"}"#),
            Ok(SocketRequest::Unsubscribe(Channel::Book(market)))
        );
        for message in [
            "{}",
            r#"{"op":"dance"}"#,
            r#"{"op":1}"#,
            r#"{"op":"subscribe"}"#,
            r#"{"op":"subscribe","channel":"book"}"#,
            r#"{"op":"subscribe","channel":"books","market":"RAIN"}"#,
            r#"{"op":"subscribe","channel":"orders","market":"RAIN"}"#,
            r#"{"op":"ping","x":1}"#,
            r#"{"op":"auth"}"#,
            r#"{"op":"auth","api_key":"k","key_id":"00000000000000ab"}"#,
            r#"{"op":"auth","api_key":"k","timestamp":"1"}"#,
            r#"{"op":"auth","key_id":"00000000000000ab","timestamp":"1"}"#,
            r#"{"op":"auth","key_id":"00000000000000ab","timestamp":"1","signature":"x"}"#,
        ] {
            assert_eq!(parse(message), Err("invalid-request"), "{message}");
        }
        assert_eq!(parse("hello"), Err("malformed-json"));
        assert_eq!(format!("{:?}", SocketRequest::Auth(Proof::Key("secret".to_owned()))), "Auth");
        let signature = format!("{}AQ==", "AQEB".repeat(21));
        let message =
            json!({"op": "auth", "key_id": "00000000000000ab", "timestamp": "1764288000123", "signature": signature});
        let stamp = Stamp { key: schemas::ApiKeyId(0xab), timestamp: 1_764_288_000_123, signature: [1; 64] };
        assert_eq!(parse(&message.to_string()), Ok(SocketRequest::Auth(Proof::Signature(stamp))));
    }

    #[test]
    fn a_book_is_told_whole_and_then_in_absolute_levels() {
        let mut view = view_with_market();
        let bid = placed(1, Entry::BuyYes, 5_500, 120, 0);
        let changes = view.apply(SHARD, &outcome(2, vec![Event::OrderPlaced(bid)])).unwrap();
        let market = listing("RAIN").market;
        let levels = crate::books::text(&view.market(market).unwrap().moving().unwrap().book, usize::MAX);
        let at = LogPosition { shard: SHARD, sequence: view.sequence(SHARD) };
        let snapshot: Value = serde_json::from_str(&book_snapshot(market, at, &levels)).unwrap();
        assert_eq!(
            snapshot,
            json!({"type": "snapshot", "channel": "book", "market_id": market.to_string(), "shard": 0, "sequence": 2,
                   "bids": [["0.5500", 120]], "asks": []})
        );
        let delta: Value = serde_json::from_str(&book_delta(market, &changes.books[&market], &DELTA)).unwrap();
        assert_eq!(
            delta,
            json!({"type": "delta", "channel": "book", "market_id": market.to_string(), "shard": 0, "sequence": 7,
                   "previous": 5, "time": "1970-01-01T00:00:00.007Z", "levels": [["BID", "0.5500", 120]]})
        );
    }

    #[test]
    fn positions_are_an_object() {
        let at = ["0:17", "2:41"].map(|text| text.parse().unwrap());
        let message: Value = serde_json::from_str(&orders_snapshot::<Order>(&[], true, &at)).unwrap();
        assert_eq!(message["positions"], json!({"0": 17, "2": 41}));
    }
}
