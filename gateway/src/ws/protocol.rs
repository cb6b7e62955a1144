//! The messages of the WebSocket, both ways. Pure; documented in API.md.

use schemas::answers::{Part, parts};
use schemas::event::{CancelReason, Trade};
use schemas::ids::Coordinate;
use schemas::{
    AccountId, Event, GroupId, MarketId, OrderId, Outcome, Quantity, Rejection, Shard, Status, Timestamp, TriggerCause,
};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::answers::AmendedTerms;
use crate::http::fields::Fields;
use crate::http::parse::{self, Fault};
use crate::http::problem::Problem;
use crate::shapes::{Fill, Order, PublicTrade, Role, iso, number, text};
use crate::signing::{self, Stamp};
use crate::view::book::Level;
use crate::view::trades::RecentTrades;

/// What a client asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// Something to sign, please.
    Challenge,
    /// This is who I am.
    Auth(Proof),
    /// Watch a channel.
    Subscribe(Channel),
    /// Do not watch it any longer.
    Unsubscribe(Channel),
    /// Are you there?
    Ping,
}

/// What a client proves itself with.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// A key with its secret, as presented.
    Key(String),
    /// A key's id, and a signature over the connection's challenge.
    Signature(Stamp),
}

/// Never shows a key.
impl std::fmt::Debug for Request {
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

impl Request {
    /// Reads a message of a client.
    pub fn parse(message: &str) -> Result<Self, Problem> {
        let mut fields = Fields::parse(message.as_bytes())?;
        let op = fields.text("op", |op| match op {
            "challenge" | "auth" | "subscribe" | "unsubscribe" | "ping" => Ok(op.to_owned()),
            _ => Err(Fault::form("one of challenge, auth, subscribe, unsubscribe, ping")),
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
        signing::timestamp(text).ok_or_else(|| Fault::form("milliseconds since 1970-01-01 UTC"))
    });
    let signature = fields.text("signature", |text| {
        signing::signature(text).ok_or_else(|| Fault::form("an Ed25519 signature, 64 bytes in base64"))
    });
    Some(Proof::Signature(Stamp { key: key?, timestamp: timestamp?, signature: signature? }))
}

fn channel(fields: &mut Fields) -> Option<Channel> {
    let of_market: Option<fn(String) -> Channel> = fields.text("channel", |channel| match channel {
        "book" => Ok(Some(Channel::Book as fn(String) -> Channel)),
        "trades" => Ok(Some(Channel::Trades as fn(String) -> Channel)),
        "orders" => Ok(None),
        _ => Err(Fault::form("one of book, trades, orders")),
    })?;
    match of_market {
        Some(channel) => fields.text("market", |market| Ok(channel(market.to_owned()))),
        None => Some(Channel::Orders),
    }
}

/// Where a delta stands in its channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delta {
    /// The outcome's shard.
    pub shard: Shard,
    /// The outcome's sequence.
    pub sequence: u64,
    /// The sequence of the message before on this channel and shard.
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

    fn snapshot(channel: &'a str, market: MarketId, at: Coordinate, body: T) -> String {
        let (market_id, shard, sequence) = (Some(market.to_string()), at.shard.number(), at.sequence);
        let (previous, time) = (None, None);
        json(&Self { r#type: "snapshot", channel, market_id, shard, sequence, previous, time, body })
    }
}

/// Serialising these types cannot fail: no maps with odd keys, no fallible members.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain structs of texts and numbers")
}

/// All levels of a market, of which `levels` is the text: see [`crate::books`].
pub fn book_snapshot(market: MarketId, at: Coordinate, levels: &str) -> String {
    let (shard, sequence) = (at.shard, at.sequence);
    format!(
        r#"{{"type":"snapshot","channel":"book","market_id":"{market}","shard":{shard},"sequence":{sequence},{levels}}}"#
    )
}

/// The levels that an outcome touched, as they are now.
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
pub fn trades_snapshot(market: MarketId, at: Coordinate, trades: &RecentTrades) -> String {
    Envelope::snapshot("trades", market, at, Trades { trades: trades.newest_first().collect() })
}

/// The trades of an outcome, in order of matching.
pub fn trades_delta(market: MarketId, trades: &[PublicTrade], delta: &Delta) -> String {
    Envelope::delta("trades", Some(market), delta, Trades { trades: trades.iter().collect() })
}

/// What happened to an order, or to a group of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "UPPERCASE")]
enum Change {
    Placed {
        order: Order,
    },
    Fill {
        #[serde(serialize_with = "text")]
        order_id: OrderId,
        #[serde(serialize_with = "text")]
        status: Status,
        #[serde(serialize_with = "number")]
        remaining: Quantity,
        fill: Fill,
    },
    Cancelled {
        #[serde(serialize_with = "text")]
        order_id: OrderId,
        #[serde(serialize_with = "text")]
        status: Status,
        #[serde(serialize_with = "number")]
        cancelled: Quantity,
        #[serde(serialize_with = "text")]
        reason: CancelReason,
    },
    Rejected {
        order: Order,
        #[serde(serialize_with = "text")]
        rejection: Rejection,
    },
    Amended {
        #[serde(serialize_with = "text")]
        order_id: OrderId,
        #[serde(flatten)]
        terms: AmendedTerms,
    },
    Reduced {
        #[serde(serialize_with = "text")]
        order_id: OrderId,
        #[serde(serialize_with = "number")]
        reduced: Quantity,
        #[serde(serialize_with = "text")]
        reason: CancelReason,
    },
    #[serde(rename = "GROUP_SET")]
    GroupSet {
        group: u16,
        contracts: u32,
        window_s: u8,
        generation: u64,
        anew: bool,
    },
    #[serde(rename = "GROUP_TRIGGERED")]
    GroupTriggered {
        group: u16,
        #[serde(serialize_with = "text")]
        cause: TriggerCause,
    },
    #[serde(rename = "GROUP_DELETED")]
    GroupDeleted {
        group: u16,
    },
}

impl Change {
    /// What an event says of a group.
    fn of_group(event: &Event) -> Option<Self> {
        let number = |group: &GroupId| group.number();
        match event {
            Event::GroupSet { group, limits, generation, anew, .. } => Some(Self::GroupSet {
                group: number(group),
                contracts: limits.contracts(),
                window_s: limits.window_s(),
                generation: *generation,
                anew: *anew,
            }),
            Event::GroupTriggered { group, cause, .. } => {
                Some(Self::GroupTriggered { group: number(group), cause: *cause })
            }
            Event::GroupDeleted { group, .. } => Some(Self::GroupDeleted { group: number(group) }),
            _ => None,
        }
    }
}

/// The account whose group an event makes, changes, triggers or deletes.
pub fn account_of_group(event: &Event) -> Option<AccountId> {
    match event {
        Event::GroupSet { account, .. }
        | Event::GroupTriggered { account, .. }
        | Event::GroupDeleted { account, .. } => Some(*account),
        _ => None,
    }
}

/// The accounts whose orders an event changes: none, one, or a trade's two.
pub fn accounts_of(event: &Event) -> impl Iterator<Item = AccountId> {
    let accounts = match event {
        Event::OrderPlaced(placed) => [Some(placed.order.account), None],
        Event::OrderRejected { order, .. } => [Some(order.account), None],
        Event::OrderCancelled { account, .. } | Event::OrderReduced { account, .. } => [Some(*account), None],
        Event::OrderAmended(amended) => [Some(amended.account), None],
        Event::Traded(trade) => [Some(trade.maker.account), Some(trade.taker.account)],
        _ => [None, None],
    };
    accounts.into_iter().flatten()
}

/// What an outcome did to the orders of one account; `at_home`, to its groups as well.
pub fn orders_delta(account: AccountId, at_home: bool, outcome: &Outcome, delta: &Delta) -> String {
    #[derive(Serialize)]
    struct Body {
        changes: Vec<Change>,
    }
    let (mut changes, mut entered) = (Vec::new(), None);
    for part in parts(outcome) {
        for (index, event) in part.events.iter().enumerate() {
            entered = Entered::of(event).or(entered);
            changes_of(account, &part, index, outcome.time, entered, &mut changes);
            if at_home && account_of_group(event) == Some(account) {
                changes.extend(Change::of_group(event));
            }
        }
    }
    Envelope::delta("orders", None, delta, Body { changes })
}

/// An order that came in or was changed: the taker of the trades that follow, and where it stands after all of them.
#[derive(Clone, Copy)]
struct Entered {
    order: OrderId,
    status: Status,
    remaining: Quantity,
}

impl Entered {
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::OrderPlaced(o) => Some(Self { order: o.id, status: o.status, remaining: o.resting() }),
            Event::OrderAmended(o) => Some(Self { order: o.order, status: o.status, remaining: o.resting() }),
            _ => None,
        }
    }
}

/// What the event at `index` did to the orders of one account.
fn changes_of(
    account: AccountId,
    part: &Part<'_>,
    index: usize,
    time: Timestamp,
    entered: Option<Entered>,
    changes: &mut Vec<Change>,
) {
    let Part { command, events, .. } = *part;
    match &events[index] {
        Event::OrderPlaced(placed) if placed.order.account == account => {
            let order = Order::placed(placed, &events[index + 1..], command, time);
            changes.push(Change::Placed { order });
        }
        Event::OrderRejected { id, order, code } if order.account == account => {
            let order = Order::rejected(*id, order, *code, command, time);
            changes.push(Change::Rejected { order, rejection: *code });
        }
        Event::OrderCancelled { order, account: owner, quantity, reason, .. } if *owner == account => {
            let (order_id, status) = (*order, reason.status());
            changes.push(Change::Cancelled { order_id, status, cancelled: *quantity, reason: *reason });
        }
        Event::OrderAmended(amended) if amended.account == account => {
            changes.push(Change::Amended { order_id: amended.order, terms: AmendedTerms::of(amended) });
        }
        Event::OrderReduced { order, account: owner, quantity, reason, .. } if *owner == account => {
            changes.push(Change::Reduced { order_id: *order, reduced: *quantity, reason: *reason });
        }
        Event::Traded(trade) => changes.extend(fills_of(account, trade, entered)),
        _ => {}
    }
}

/// One account's sides of a trade: none, one or both, the maker's first.
fn fills_of(account: AccountId, trade: &Trade, entered: Option<Entered>) -> impl Iterator<Item = Change> {
    let maker = (trade.maker.account == account).then(|| {
        let remaining = trade.maker_remaining;
        let status = if remaining.is_zero() { Status::Filled } else { Status::PartiallyFilled };
        Change::Fill {
            order_id: trade.maker.order,
            status,
            remaining,
            fill: Fill::of(trade, &trade.maker, Role::Maker),
        }
    });
    let taker = (trade.taker.account == account).then(|| {
        let entered = entered.filter(|entered| entered.order == trade.taker.order);
        let (status, remaining) = entered.map_or((Status::Filled, Quantity::ZERO), |o| (o.status, o.remaining));
        Change::Fill {
            order_id: trade.taker.order,
            status,
            remaining,
            fill: Fill::of(trade, &trade.taker, Role::Taker),
        }
    });
    maker.into_iter().chain(taker)
}

/// Coordinates as an object: `{"0": 17, "2": 41}`.
pub struct Positions<'a>(pub &'a [Coordinate]);

impl Serialize for Positions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for at in self.0 {
            map.serialize_entry(&at.shard.number(), &at.sequence)?;
        }
        map.end()
    }
}

/// An account's live orders; `complete` if there are no more.
pub fn orders_snapshot<T: Serialize>(orders: &[T], complete: bool, positions: &[Coordinate]) -> String {
    #[derive(Serialize)]
    struct Message<'a, T> {
        r#type: &'static str,
        channel: &'static str,
        positions: Positions<'a>,
        complete: bool,
        orders: &'a [T],
    }
    json(&Message { r#type: "snapshot", channel: "orders", positions: Positions(positions), complete, orders })
}

/// What the next `auth` of this connection signs.
pub fn challenge(challenge: &str) -> String {
    json(&serde_json::json!({ "type": "challenge", "challenge": challenge }))
}

/// A key was accepted.
pub fn authenticated(account: AccountId) -> String {
    json(&serde_json::json!({ "type": "authenticated", "account_id": account.to_string() }))
}

/// A channel is watched no longer.
pub fn unsubscribed(channel: &str, market: Option<MarketId>) -> String {
    let market = market.map(|id| id.to_string());
    json(&serde_json::json!({ "type": "unsubscribed", "channel": channel, "market_id": market }))
}

/// Still here.
pub const PONG: &str = r#"{"type":"pong"}"#;

/// A request was not understood or not granted.
pub fn error(problem: &Problem, op: Option<&str>) -> String {
    let (code, detail) = (problem.code(), problem.text());
    json(&serde_json::json!({ "type": "error", "code": code, "detail": detail, "op": op }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{SHARD, amended, listing, outcome, placed, trade, view_with_market};
    use schemas::Entry;
    use serde_json::{Value, json};

    const DELTA: Delta = Delta { shard: SHARD, sequence: 7, previous: 5, time: Timestamp(7) };

    #[test]
    fn requests_are_read_strictly() {
        let market = "RAIN".to_owned();
        let parse = |message: &str| Request::parse(message).map_err(|problem| problem.kind().code);
        assert_eq!(parse(r#"{"op":"ping"}"#), Ok(Request::Ping));
        assert_eq!(parse(r#"{"op":"challenge"}"#), Ok(Request::Challenge));
        assert_eq!(parse(r#"{"op":"subscribe","channel":"orders"}"#), Ok(Request::Subscribe(Channel::Orders)));
        assert_eq!(
            parse(r#"{"op":"unsubscribe","channel":"book","market":"RAIN"}"#),
            Ok(Request::Unsubscribe(Channel::Book(market)))
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
        assert_eq!(format!("{:?}", Request::Auth(Proof::Key("secret".to_owned()))), "Auth");
        let signature = format!("{}AQ==", "AQEB".repeat(21));
        let message =
            json!({"op": "auth", "key_id": "00000000000000ab", "timestamp": "1764288000123", "signature": signature});
        let stamp = Stamp { key: schemas::ApiKeyId(0xab), timestamp: 1_764_288_000_123, signature: [1; 64] };
        assert_eq!(parse(&message.to_string()), Ok(Request::Auth(Proof::Signature(stamp))));
    }

    #[test]
    fn a_book_is_told_whole_and_then_in_absolute_levels() {
        let mut view = view_with_market();
        let bid = placed(1, Entry::BuyYes, 5_500, 120, 0);
        let changes = view.apply(SHARD, &outcome(2, vec![Event::OrderPlaced(bid)])).unwrap();
        let market = listing("RAIN").market;
        let levels = crate::books::text(&view.market(market).unwrap().book, usize::MAX);
        let at = Coordinate { shard: SHARD, sequence: view.sequence(SHARD) };
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
    fn an_account_is_told_of_its_own_side_only() {
        let maker = placed(1, Entry::BuyYes, 5_500, 10, 0);
        let taker = placed(2, Entry::BuyNo, 4_500, 6, 4);
        let outcome = outcome(7, vec![Event::OrderPlaced(taker), trade(9, &maker, &taker, 4, 6)]);
        let of = |account| -> Value {
            let text = orders_delta(AccountId(account), false, &outcome, &DELTA);
            serde_json::from_str::<Value>(&text).unwrap()["changes"].take()
        };
        let makers = json!([{"kind": "FILL", "order_id": "1", "status": "PARTIALLY_FILLED", "remaining": 6,
            "fill": {"trade_id": "9", "price": "0.5500", "quantity": 4, "fee": "0.000005", "role": "MAKER"}}]);
        assert_eq!(of(1), makers);
        let takers = of(2);
        assert_eq!((&takers[0]["kind"], &takers[0]["order"]["filled"]), (&json!("PLACED"), &json!(4)));
        assert_eq!((&takers[1]["kind"], &takers[1]["remaining"]), (&json!("FILL"), &json!(2)));
        assert_eq!(takers[1]["fill"]["price"], "0.4500");
        assert_eq!(of(3), json!([]));
    }

    #[test]
    fn an_order_that_was_parked_is_told_with_its_own_command() {
        let resting = placed(1, Entry::BuyYes, 5_500, 10, 0);
        let taker = placed(2, Entry::BuyNo, 4_500, 6, 4);
        let resumed = Event::Resumed { account: AccountId(2), ticket: 3, command: schemas::CommandId(5) };
        let events =
            vec![Event::OrderPlaced(resting), resumed, Event::OrderPlaced(taker), trade(9, &resting, &taker, 4, 6)];
        let of = |account, outcome: &Outcome| -> Value {
            let text = orders_delta(AccountId(account), false, outcome, &DELTA);
            serde_json::from_str::<Value>(&text).unwrap()["changes"].take()
        };
        let outcome = outcome(7, events);
        let (cause, parked) = ("00000000-0000-0000-0000-000000000007", "00000000-0000-0000-0000-000000000005");
        let (makers, takers) = (of(1, &outcome), of(2, &outcome));
        assert_eq!((&makers[0]["order"]["command_id"], &makers[1]["fill"]["role"]), (&json!(cause), &json!("MAKER")));
        assert_eq!((&takers[0]["order"]["command_id"], &takers[0]["order"]["filled"]), (&json!(parked), &json!(4)));
        assert_eq!((&takers[1]["remaining"], &takers[0]["order"]["fees"]), (&json!(2), &json!("0.000005")));
    }

    #[test]
    fn an_amendment_is_told_before_its_fills_and_a_reduction_as_a_difference() {
        let (maker, before) = (placed(1, Entry::BuyYes, 5_500, 4, 0), placed(2, Entry::BuyNo, 4_000, 10, 0));
        let contracts = |n| Quantity::new(n).unwrap();
        let mut after = amended(&before, 4_600, 9);
        (after.filled, after.status) = (contracts(4), Status::PartiallyFilled);
        let (order, account, market, entry, price) =
            (after.order, after.account, after.market, after.entry, after.price);
        let events = vec![
            Event::OrderAmended(after),
            trade(9, &maker, &before, 4, 0),
            Event::OrderReduced {
                order,
                account,
                market,
                entry,
                price,
                quantity: contracts(2),
                reason: CancelReason::ReduceOnly,
            },
        ];
        let text = orders_delta(AccountId(2), false, &outcome(7, events), &DELTA);
        let changes = serde_json::from_str::<Value>(&text).unwrap()["changes"].take();
        assert_eq!(
            changes[0],
            json!({"kind": "AMENDED", "order_id": "2", "status": "PARTIALLY_FILLED", "price": "0.4600", "quantity": 9,
                   "filled": 4, "remaining": 5, "cancel_reason": null, "in_place": false})
        );
        assert_eq!((&changes[1]["kind"], &changes[1]["remaining"]), (&json!("FILL"), &json!(5)));
        assert_eq!(changes[2], json!({"kind": "REDUCED", "order_id": "2", "reduced": 2, "reason": "REDUCE_ONLY"}));
    }

    #[test]
    fn positions_are_an_object() {
        let at = ["0:17", "2:41"].map(|text| text.parse().unwrap());
        let message: Value = serde_json::from_str(&orders_snapshot::<Order>(&[], true, &at)).unwrap();
        assert_eq!(message["positions"], json!({"0": 17, "2": 41}));
    }
}
