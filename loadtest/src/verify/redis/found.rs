//! Parses the keys in Redis and compares them with the fold.

use std::collections::HashMap;

use schemas::{AccountId, BookSide, Credits, MarketId, OrderId, Price, Shard, TradeId};
use serde::Deserialize;

use super::fields::{RedisFields, nonsense, number};
use crate::fold::{ExpectedAccount, ExpectedMarket, ExpectedPosition, ExpectedPurse, Fold, Life};
use crate::verify::read_model_error::ReadModelError;
use crate::verify::{Check, exactly, with_defaults};

/// The maximum length of a market's list of trades.
const RECENT_TRADES: usize = 100;

/// The content of Redis.
#[derive(Default)]
pub struct Found {
    books: HashMap<(MarketId, BookSide, Price), i64>,
    purses: HashMap<(AccountId, Shard), ExpectedPurse>,
    accounts: HashMap<(AccountId, Shard), ExpectedAccount>,
    positions: HashMap<(MarketId, AccountId), ExpectedPosition>,
    orders: HashMap<(AccountId, OrderId), LiveOrderFields>,
    markets: HashMap<MarketId, Figures>,
    trades: HashMap<MarketId, Vec<TradeId>>,
}

/// The fields of a live order that change.
#[derive(Clone, PartialEq, Eq, Debug)]
struct LiveOrderFields {
    price: u64,
    quantity: u64,
    filled: u64,
    notional: u64,
    fees: u64,
}

/// A market's hash. Missing fields have their values before the first trade.
#[derive(PartialEq, Eq, Debug, Default)]
struct Figures {
    ticker: String,
    question: String,
    category: String,
    event: Option<u64>,
    opens: Option<u64>,
    state: String,
    life: Life,
    settled: bool,
    last_price: Option<u64>,
    volume: u64,
    collateral: u64,
    fees: u64,
    yes: u64,
    no: u64,
}

impl Found {
    pub fn take(
        &mut self,
        key: &str,
        shard: Shard,
        kind: &str,
        id: u64,
        fields: &RedisFields,
    ) -> Result<(), ReadModelError> {
        match kind {
            "purse" => {
                self.purses.insert((AccountId(id), shard), purse(key, fields)?);
            }
            "account" => {
                self.accounts.insert((AccountId(id), shard), account(key, shard, fields)?);
            }
            "market" => {
                self.markets.insert(MarketId(id), figures(key, fields)?);
            }
            _ => {
                for (field, value) in fields.iter().filter(|(field, _)| *field != "sequence") {
                    self.take_field(kind, id, field, value).ok_or_else(|| nonsense(key, field, value))?;
                }
            }
        }
        Ok(())
    }

    pub fn take_trades(&mut self, key: &str, market: u64, trades: &[String]) -> Result<(), ReadModelError> {
        self.trades.insert(MarketId(market), trade_ids(key, trades)?);
        Ok(())
    }

    /// Parses a field. Returns `None` if it does not have the documented format.
    fn take_field(&mut self, kind: &str, id: u64, field: &str, value: &str) -> Option<()> {
        match kind {
            "book" => {
                let (side, ticks) = field.split_once(':')?;
                let level = (MarketId(id), side.parse().ok()?, Price::new(ticks.parse().ok()?)?);
                self.books.insert(level, value.parse().ok()?);
            }
            "positions" => {
                let (market, part) = field.split_once(':')?;
                let position = self.positions.entry((market.parse().ok()?, AccountId(id))).or_default();
                let part = match part {
                    "yes" => &mut position.yes,
                    "no" => &mut position.no,
                    "yes_reserved" => &mut position.yes_reserved,
                    "no_reserved" => &mut position.no_reserved,
                    _ => return None,
                };
                *part = value.parse().ok()?;
            }
            _ => {
                self.orders.insert((AccountId(id), field.parse().ok()?), live(value)?);
            }
        }
        Some(())
    }

    pub fn compare(&self, fold: &Fold) -> Vec<Check> {
        let books = fold.markets.iter().flat_map(|(id, market)| {
            market.book.iter().map(|(&(side, price), &quantity)| ((*id, side, price), quantity))
        });
        let live = fold.orders.iter().filter(|(_, order)| order.status.is_live());
        let orders = live.map(|(id, order)| {
            let live = LiveOrderFields {
                price: order.limit.unwrap_or_default().into(),
                quantity: order.quantity.into(),
                filled: order.filled.into(),
                notional: order.notional.micros().cast_unsigned(),
                fees: order.fees.micros().cast_unsigned(),
            };
            ((order.account, *id), live)
        });
        let accounts = fold.accounts.iter().map(|(id, account)| ((*id, account.shard), *account));
        let kept = || fold.markets.iter().filter(|(_, market)| !market.archived);
        let markets = kept().map(|(id, market)| (*id, expected_figures(market)));
        let recent =
            kept().map(|(id, market)| (*id, market.trades.iter().rev().take(RECENT_TRADES).copied().collect()));
        vec![
            exactly("Redis: every level of every book", &books.collect(), &self.books),
            exactly("Redis: live orders, with price and filled quantity", &orders.collect(), &self.orders),
            exactly("Redis: purses", &fold.purses, &self.purses),
            exactly("Redis: limits and freezes of accounts", &accounts.collect(), &self.accounts),
            with_defaults("Redis: positions", &fold.positions, &self.positions),
            exactly("Redis: markets and their tickers", &markets.collect(), &self.markets),
            with_defaults("Redis: the last trades of each market", &recent.collect(), &self.trades),
        ]
    }
}

/// Parses `PRICE:QUANTITY:FILLED:NOTIONAL:FEES:JSON`. The JSON never changes, so only the other
/// fields are compared.
fn live(text: &str) -> Option<LiveOrderFields> {
    let mut parts = text.splitn(6, ':');
    let mut number = || parts.next()?.parse().ok();
    let live = LiveOrderFields {
        price: number()?,
        quantity: number()?,
        filled: number()?,
        notional: number()?,
        fees: number()?,
    };
    parts.next()?.starts_with('{').then_some(live)
}

/// Parses a purse, which must have all its fields.
fn purse(key: &str, fields: &RedisFields) -> Result<ExpectedPurse, ReadModelError> {
    let amount = |name: &str| integer(key, fields, name).map(Credits);
    Ok(ExpectedPurse {
        available: amount("available")?,
        held: amount("held")?,
        live_orders: integer(key, fields, "live_orders")?,
        sent: amount("sent")?,
        received: amount("received")?,
        sequence: integer(key, fields, "sequence")?,
    })
}

fn account(key: &str, shard: Shard, fields: &RedisFields) -> Result<ExpectedAccount, ReadModelError> {
    let maybe = |name: &str| fields.get(name).map(|text| number::<u64>(key, text)).transpose();
    Ok(ExpectedAccount {
        shard,
        frozen: maybe("frozen")? == Some(1),
        live_orders_max: maybe("live_orders_max")?,
        held_max: maybe("held_max")?,
        dead_man_due: maybe("dead_man_due")?,
    })
}

fn integer<T: std::str::FromStr>(key: &str, fields: &RedisFields, name: &str) -> Result<T, ReadModelError> {
    number(key, fields.get(name).ok_or_else(|| nonsense(key, name, "missing"))?)
}

fn figures(key: &str, fields: &RedisFields) -> Result<Figures, ReadModelError> {
    let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let maybe = |name: &str| fields.get(name).map(|text| number::<u64>(key, text)).transpose();
    let or_zero = |name: &str| Ok::<_, ReadModelError>(maybe(name)?.unwrap_or(0));
    Ok(Figures {
        ticker: text("ticker"),
        question: text("question"),
        category: text("category"),
        event: maybe("event")?,
        opens: maybe("opens")?,
        state: text("state"),
        life: Life {
            answer: fields.get("answer").cloned(),
            yes_value: maybe("yes_value")?,
            proposed_by: maybe("proposed_by")?,
            confirmed_by: maybe("confirmed_by")?,
            payout_at: maybe("payout_at")?,
            dispute_window_ms: or_zero("dispute_window_ms")?,
            live_orders_max: maybe("live_orders_max")?,
            notional_max: maybe("notional_max")?,
            position_max: maybe("position_max")?,
        },
        settled: text("settled") == "1",
        last_price: maybe("last_price")?,
        volume: or_zero("volume")?,
        collateral: or_zero("collateral")?,
        fees: or_zero("fees")?,
        yes: or_zero("yes_outstanding")?,
        no: or_zero("no_outstanding")?,
    })
}

fn expected_figures(market: &ExpectedMarket) -> Figures {
    let listing = &market.about.listing;
    Figures {
        ticker: market.ticker.clone(),
        question: listing.about.question.to_string(),
        category: listing.about.category.to_string(),
        event: listing.about.event.map(|event| event.0),
        opens: listing.opens.map(|opens| opens.as_millis()),
        state: market.state.to_string(),
        life: Life::of(market),
        settled: market.settled,
        last_price: market.last_price.map(u64::from),
        volume: market.volume,
        collateral: market.collateral.micros().cast_unsigned(),
        fees: market.fees.micros().cast_unsigned(),
        yes: market.yes.cast_unsigned(),
        no: market.no.cast_unsigned(),
    }
}

#[derive(Deserialize)]
struct RecentTrade<'a> {
    trade_id: &'a str,
}

fn trade_ids(key: &str, trades: &[String]) -> Result<Vec<TradeId>, ReadModelError> {
    let id = |text: &String| {
        let trade: RecentTrade = serde_json::from_str(text).map_err(|_| nonsense(key, "a trade", text))?;
        trade.trade_id.parse().map_err(|_| nonsense(key, "trade_id", text))
    };
    trades.iter().map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_are_documented() {
        let (mut found, shard) = (Found::default(), Shard::new(2).unwrap());
        let mut take = |kind, id, pairs: &[(&str, &str)]| {
            let fields = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            found.take("k", shard, kind, id, &fields)
        };
        take("book", 9, &[("BID:5500", "12"), ("sequence", "4")]).unwrap();
        take("positions", 1, &[("9:yes", "5"), ("9:yes_reserved", "2")]).unwrap();
        take("orders", 1, &[("7", "5500:3:2:11000:1:{}"), ("sequence", "8")]).unwrap();
        assert!(take("orders", 1, &[("7", "5500:3:2:11000:{}")]).is_err(), "the fees are missing");
        let purse = [("held", "3"), ("live_orders", "2"), ("sent", "4"), ("received", "17"), ("sequence", "1")];
        assert!(take("purse", 1, &purse).is_err(), "what is available is missing");
        take("purse", 1, &[&purse[..], &[("available", "10")]].concat()).unwrap();
        take("account", 1, &[("frozen", "1"), ("held_max", "9"), ("sequence", "1")]).unwrap();
        assert!(take("book", 9, &[("BID:0", "12")]).is_err());
        assert_eq!(found.books[&(MarketId(9), BookSide::Bid, Price::new(5_500).unwrap())], 12);
        assert_eq!(
            found.positions[&(MarketId(9), AccountId(1))],
            ExpectedPosition { yes: 5, yes_reserved: 2, ..ExpectedPosition::default() }
        );
        let live = LiveOrderFields { price: 5_500, quantity: 3, filled: 2, notional: 11_000, fees: 1 };
        assert_eq!(found.orders, HashMap::from([((AccountId(1), OrderId(7)), live)]));
        let purse = ExpectedPurse {
            available: Credits(10),
            held: Credits(3),
            live_orders: 2,
            sent: Credits(4),
            received: Credits(17),
            sequence: 1,
        };
        assert_eq!(found.purses, HashMap::from([((AccountId(1), shard), purse)]));
        let account = ExpectedAccount { frozen: true, held_max: Some(9), ..ExpectedAccount::opened(shard) };
        assert_eq!(found.accounts, HashMap::from([((AccountId(1), shard), account)]));
    }
}
