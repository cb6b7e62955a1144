//! Books, trades and orders rebuilt from WebSocket messages alone, as a client does it: a snapshot,
//! then every following delta. Pure.
//!
//! | message                                    | means           | do                |
//! |--------------------------------------------|-----------------|-------------------|
//! | snapshot                                   | a new start     | replace           |
//! | delta, sequence at or before the current   | a repetition    | ignore            |
//! | delta, previous at or before the current   | the next change | apply             |
//! | delta, previous after the current          | a gap           | subscribe again   |
//! | delta without a snapshot                   | a broken stream | fault             |

use std::collections::{BTreeMap, HashMap, HashSet};

use schemas::{BookSide, MarketId, OrderId, Price, Status, TradeId};

use super::message::{StreamMessage, StreamOrder, StreamOrderChange};
use crate::verify::Faults;

/// A channel that clients can subscribe to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StreamChannel {
    /// A market's price levels.
    Book(MarketId),
    /// A market's trades.
    Trades(MarketId),
    /// The account's orders.
    Orders,
}

/// Contracts at each price level.
pub type HeardLevels = BTreeMap<(BookSide, Price), i64>;

/// The state rebuilt from the messages received.
#[derive(Default, Debug)]
pub struct HeardMessages {
    /// Sequences by channel and shard. (Only `orders` has more than one shard.)
    sequences: HashMap<(StreamChannel, u16), u64>,
    /// Books.
    pub books: HashMap<MarketId, HeardLevels>,
    /// Trades in the order of matching.
    pub trades: HashMap<MarketId, Vec<TradeId>>,
    seen: HashSet<TradeId>,
    /// Orders: status, contracts resting, contracts filled.
    pub orders: HashMap<OrderId, (Status, u32, u32)>,
    /// Number of messages received.
    pub messages: u64,
    /// Number of snapshots received.
    pub snapshots: usize,
    /// Violations of the protocol.
    pub faults: Faults,
}

impl HeardMessages {
    /// Applies a message. Returns the channel to subscribe to again if there is a gap.
    pub fn take(&mut self, text: &str) -> Option<StreamChannel> {
        self.messages += 1;
        match serde_json::from_str::<StreamMessage>(text) {
            Err(error) => self.faults.add(|| format!("a message that is not understood ({error}): {}", head(text))),
            Ok(message) => match self.understood(&message) {
                Some(again) => return again,
                None => self.faults.add(|| format!("a message that is not understood: {}", head(text))),
            },
        }
        None
    }

    /// Applies a parsed message. Returns `None` if the message lacks a field.
    fn understood(&mut self, message: &StreamMessage) -> Option<Option<StreamChannel>> {
        match message.kind {
            "snapshot" => self.snapshot(message).map(|()| None),
            "delta" => self.delta(message),
            "error" => {
                self.faults.add(|| format!("the gateway sent the error {}", message.code.unwrap_or("nothing")));
                Some(None)
            }
            _ => Some(None),
        }
    }

    fn snapshot(&mut self, message: &StreamMessage) -> Option<()> {
        let channel = channel(message)?;
        match channel {
            StreamChannel::Book(market) => {
                let side = |side, levels: &[(&str, i64)]| -> Option<Vec<_>> {
                    levels.iter().map(|(price, quantity)| Some(((side, price.parse().ok()?), *quantity))).collect()
                };
                let (bids, asks) = (side(BookSide::Bid, &message.bids)?, side(BookSide::Ask, &message.asks)?);
                self.books.insert(market, bids.into_iter().chain(asks).collect());
            }
            StreamChannel::Trades(market) => {
                self.add_trades(market, message.trades.iter().rev().map(|t| t.trade_id))?
            }
            StreamChannel::Orders => {
                for order in &message.orders {
                    self.order(order)?;
                }
                let positions = message.positions.iter().map(|(shard, sequence)| ((channel, *shard), *sequence));
                self.sequences.extend(positions);
            }
        }
        if let (Some(shard), Some(sequence)) = (message.shard, message.sequence) {
            self.sequences.insert((channel, shard), sequence);
        }
        self.snapshots += 1;
        Some(())
    }

    fn delta(&mut self, message: &StreamMessage) -> Option<Option<StreamChannel>> {
        let channel = channel(message)?;
        let (shard, sequence, previous) = (message.shard?, message.sequence?, message.previous?);
        let Some(have) = self.sequences.get_mut(&(channel, shard)) else {
            self.faults.add(|| format!("a delta without a snapshot on {channel:?}"));
            return Some(None);
        };
        if sequence <= *have {
            return Some(None);
        }
        if previous > *have {
            let have = *have;
            self.faults.add(|| format!("a gap on {channel:?}: have {have}, previous is {previous}"));
            return Some(Some(channel));
        }
        *have = sequence;
        match channel {
            StreamChannel::Book(market) => self.change_levels(market, message)?,
            StreamChannel::Trades(market) => self.add_trades(market, message.trades.iter().map(|t| t.trade_id))?,
            StreamChannel::Orders => message.changes.iter().try_for_each(|change| self.change_order(change))?,
        }
        Some(None)
    }

    fn change_levels(&mut self, market: MarketId, message: &StreamMessage) -> Option<()> {
        let book = self.books.entry(market).or_default();
        for (side, price, quantity) in &message.levels {
            let level = (side.parse().ok()?, price.parse().ok()?);
            match quantity {
                0 => book.remove(&level),
                quantity => book.insert(level, *quantity),
            };
        }
        Some(())
    }

    fn add_trades<'a>(&mut self, market: MarketId, ids: impl Iterator<Item = &'a str>) -> Option<()> {
        let trades = self.trades.entry(market).or_default();
        for id in ids {
            let id = id.parse().ok()?;
            if self.seen.insert(id) {
                trades.push(id);
            }
        }
        Some(())
    }

    fn order(&mut self, order: &StreamOrder) -> Option<()> {
        let stands = (order.status.parse().ok()?, order.remaining, order.filled);
        self.orders.insert(order.order_id.parse().ok()?, stands);
        Some(())
    }

    /// Applies a change of an order. Each change contains the new values; nothing is summed here.
    fn change_order(&mut self, change: &StreamOrderChange) -> Option<()> {
        if let Some(order) = &change.order {
            return self.order(order);
        }
        // The change of a group has no order.
        let Some(id) = change.order_id else { return change.group.map(|_| ()) };
        let id = id.parse().ok()?;
        let status = match change.status {
            Some(status) => status.parse().ok()?,
            None => self.orders.get(&id)?.0,
        };
        self.orders.insert(id, (status, change.remaining.unwrap_or(0), change.filled?));
        Some(())
    }
}

fn channel(message: &StreamMessage) -> Option<StreamChannel> {
    let market = || message.market_id?.parse().ok();
    match message.channel? {
        "book" => Some(StreamChannel::Book(market()?)),
        "trades" => Some(StreamChannel::Trades(market()?)),
        "orders" => Some(StreamChannel::Orders),
        _ => None,
    }
}

fn head(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: &str = r#"{"type":"snapshot","channel":"book","market_id":"9","shard":1,"sequence":70,
        "bids":[["0.5500",120],["0.5400",5]],"asks":[["0.5700",40]]}"#;

    fn delta(previous: u64, sequence: u64, levels: &str) -> String {
        format!(
            r#"{{"type":"delta","channel":"book","market_id":"9","shard":1,"sequence":{sequence},"previous":{previous},
            "time":"t","levels":[{levels}]}}"#
        )
    }

    fn best(feed: &HeardMessages) -> Vec<(BookSide, String, i64)> {
        feed.books[&MarketId(9)].iter().map(|((side, price), n)| (*side, price.to_string(), *n)).collect()
    }

    #[test]
    fn a_book_is_a_snapshot_with_the_deltas_after_it() {
        let mut feed = HeardMessages::default();
        assert_eq!(feed.take(SNAPSHOT), None);
        assert_eq!(feed.take(&delta(60, 70, r#"["BID","0.5500",1]"#)), None, "heard before");
        assert_eq!(feed.take(&delta(69, 75, r#"["BID","0.5500",80],["ASK","0.5700",0]"#)), None);
        assert_eq!(feed.take(&delta(75, 77, r#"["BID","0.5400",0]"#)), None);
        assert_eq!(best(&feed), [(BookSide::Bid, "0.5500".to_owned(), 80)]);
        assert!(feed.faults.is_empty(), "{:?}", feed.faults);
    }

    #[test]
    fn a_gap_is_a_fault_and_asks_for_a_new_snapshot() {
        let mut feed = HeardMessages::default();
        feed.take(SNAPSHOT);
        assert_eq!(feed.take(&delta(75, 77, r#"["BID","0.5500",1]"#)), Some(StreamChannel::Book(MarketId(9))));
        assert_eq!(feed.faults.count(), 1);
        assert_eq!(best(&feed).len(), 3, "a change after a gap must not be applied");
    }

    #[test]
    fn trades_come_newest_first_in_a_snapshot_and_in_order_in_a_delta() {
        let mut feed = HeardMessages::default();
        feed.take(
            r#"{"type":"snapshot","channel":"trades","market_id":"9","shard":1,"sequence":5,
            "trades":[{"trade_id":"2"},{"trade_id":"1"}]}"#,
        );
        feed.take(
            r#"{"type":"delta","channel":"trades","market_id":"9","shard":1,"sequence":6,"previous":5,
            "trades":[{"trade_id":"3","price":"0.5000"},{"trade_id":"4"}]}"#,
        );
        assert_eq!(feed.trades[&MarketId(9)], [1, 2, 3, 4].map(TradeId));
    }

    #[test]
    fn orders_are_followed_on_every_shard() {
        let mut feed = HeardMessages::default();
        feed.take(r#"{"type":"snapshot","channel":"orders","positions":{"0":17,"1":77},"orders":[]}"#);
        feed.take(
            r#"{"type":"delta","channel":"orders","shard":1,"sequence":78,"previous":77,"time":"t","changes":[
            {"kind":"PLACED","order":{"order_id":"1","status":"ACTIVE","remaining":10,"filled":0,"quantity":10}},
            {"kind":"FILL","order_id":"1","status":"PARTIALLY_FILLED","filled":1,"remaining":9,"fill":{"trade_id":"3"}},
            {"kind":"REDUCED","order_id":"1","quantity":7,"filled":1,"remaining":6,"reduced":3,"reason":"REDUCE_ONLY"},
            {"kind":"FILL","order_id":"2","status":"FILLED","filled":5,"remaining":0,"fill":{"trade_id":"3"}},
            {"kind":"CANCELLED","order_id":"4","status":"CANCELLED","filled":3,"cancelled":2,"reason":"REQUESTED"},
            {"kind":"GROUP_DELETED","group":7},
            {"kind":"REJECTED","order":{"order_id":"5","status":"REJECTED","remaining":0,"filled":0},"rejection":"x"}]}"#,
        );
        feed.take(r#"{"type":"delta","channel":"orders","shard":0,"sequence":19,"previous":18,"changes":[]}"#);
        assert_eq!(feed.orders[&OrderId(1)], (Status::PartiallyFilled, 6, 1));
        assert_eq!(feed.orders[&OrderId(2)], (Status::Filled, 0, 5));
        assert_eq!(feed.orders[&OrderId(4)], (Status::Cancelled, 0, 3));
        assert_eq!(feed.orders[&OrderId(5)], (Status::Rejected, 0, 0));
        assert_eq!(feed.faults.count(), 1, "17 to 18 is a gap");
    }

    #[test]
    fn an_unknown_message_is_a_fault() {
        let mut feed = HeardMessages::default();
        for text in ["", "{}", r#"{"type":"snapshot"}"#, r#"{"type":"error","code":"market-unknown"}"#] {
            feed.take(text);
        }
        assert_eq!(feed.faults.count(), 4);
        feed.take(r#"{"type":"pong"}"#);
        assert_eq!(feed.faults.count(), 4);
    }
}
