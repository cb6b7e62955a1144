//! The read models in Redis against the fold: every key under the prefix. The layout is documented with the projection
//! that writes it (`projections/src/redis/keys.rs`); a black box knows it from there, not from its code.

use std::collections::HashMap;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike as _, HashesInterface as _, KeysInterface as _, ListInterface as _};
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy};
use schemas::{AccountId, BookSide, Credits, MarketId, OrderId, Price, Shard, TradeId};
use serde::Deserialize;

use super::settle::{Heads, ReadModelError};
use super::{Check, exactly, with_defaults};
use crate::fold::{Account, Fold, Life, Position, Wallet};

/// Trades that a market's list keeps.
const RECENT_TRADES: usize = 100;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Redis, connected.
pub struct Redis {
    client: Client,
    prefix: String,
    shards: u16,
}

type Fields = HashMap<String, String>;

impl Redis {
    /// Connects.
    pub async fn connect(url: &str, prefix: &str, shards: u16) -> Result<Self, ReadModelError> {
        let performance = PerformanceConfig { default_command_timeout: TIMEOUT, ..PerformanceConfig::default() };
        let connection = ConnectionConfig { connection_timeout: TIMEOUT, ..ConnectionConfig::default() };
        let config = Config { fail_fast: true, ..Config::from_url(url)? };
        let client =
            Client::new(config, Some(performance), Some(connection), Some(ReconnectPolicy::new_constant(3, 500)));
        client.init().await?;
        Ok(Self { client, prefix: prefix.to_owned(), shards })
    }

    fn base(&self, shard: Shard) -> String {
        format!("{}:{{{shard}}}:", self.prefix)
    }

    /// How far each shard is. Shards without a position, or being rebuilt, are missing.
    pub async fn heads(&self) -> Result<Heads, ReadModelError> {
        let mut heads = Heads::new();
        for shard in Shard::all(self.shards) {
            let progress: Option<String> = self.client.get(format!("{}progress", self.base(shard))).await?;
            if let Some(head) = progress.as_deref().and_then(head) {
                heads.insert(shard, head);
            }
        }
        Ok(heads)
    }

    /// Compares everything. `None` if Redis moved on from `heads` meanwhile.
    pub async fn check(&self, fold: &Fold, heads: &Heads) -> Result<Option<Vec<Check>>, ReadModelError> {
        let before = self.heads().await?;
        let mut found = Found::default();
        for shard in Shard::all(self.shards) {
            self.read_shard(shard, &mut found).await?;
        }
        let unmoved = before == *heads && self.heads().await? == *heads;
        Ok(unmoved.then(|| found.compare(fold)))
    }

    async fn read_shard(&self, shard: Shard, found: &mut Found) -> Result<(), ReadModelError> {
        let base = self.base(shard);
        for key in self.keys(&base).await? {
            let rest = key.strip_prefix(&base).unwrap_or_default();
            let Some((kind, id)) = rest.split_once(':') else { continue };
            if kind == "trades" {
                let trades: Vec<String> = self.client.lrange(&key, 0, -1).await?;
                found.trades.insert(MarketId(number(&key, id)?), trade_ids(&key, &trades)?);
            } else if matches!(kind, "book" | "wallet" | "positions" | "orders" | "market") {
                let fields: Fields = self.client.hgetall(&key).await?;
                found.take(&key, kind, number(&key, id)?, fields)?;
            }
        }
        Ok(())
    }

    async fn keys(&self, base: &str) -> Result<Vec<String>, ReadModelError> {
        let (pattern, mut cursor) = (format!("{base}*"), "0".to_owned());
        let mut keys = std::collections::HashSet::new();
        loop {
            let (next, page): (String, Vec<String>) =
                self.client.scan_page(cursor, pattern.clone(), Some(1_000), None).await?;
            keys.extend(page);
            if next == "0" {
                return Ok(keys.into_iter().collect());
            }
            cursor = next;
        }
    }
}

/// `OFFSET:TERM:SEQUENCE:CHAIN:NEXT_COMMAND`.
fn head(progress: &str) -> Option<(u64, Vec<u8>)> {
    let parts: Vec<&str> = progress.split(':').collect();
    let [_, _, sequence, chain, _] = parts[..] else { return None };
    let byte = |at: usize| u8::from_str_radix(chain.get(at..at + 2)?, 16).ok();
    let chain = (0..chain.len()).step_by(2).map(byte).collect::<Option<_>>()?;
    Some((sequence.parse().ok()?, chain))
}

/// All that Redis says.
#[derive(Default)]
struct Found {
    books: HashMap<(MarketId, BookSide, Price), i64>,
    wallets: HashMap<AccountId, Wallet>,
    accounts: HashMap<AccountId, Account>,
    positions: HashMap<(MarketId, AccountId), Position>,
    orders: HashMap<(AccountId, OrderId), Live>,
    markets: HashMap<MarketId, Figures>,
    trades: HashMap<MarketId, Vec<TradeId>>,
}

/// What changes of a live order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Live {
    price: u64,
    quantity: u64,
    filled: u64,
    notional: u64,
    fees: u64,
}

/// A market's hash. What is missing is as before the first trade.
#[derive(PartialEq, Eq, Debug, Default)]
struct Figures {
    ticker: String,
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
    fn take(&mut self, key: &str, kind: &str, id: u64, fields: Fields) -> Result<(), ReadModelError> {
        match kind {
            "wallet" => {
                let amount = |name: &str| fields.get(name).map_or(Ok(0), |text| number(key, text)).map(Credits);
                let live_orders = fields.get("live_orders").map_or(Ok(0), |text| number(key, text))?;
                let (available, held) = (amount("available")?, amount("held")?);
                self.wallets.insert(AccountId(id), Wallet { available, held, live_orders });
                let maybe = |name: &str| fields.get(name).map(|text| number::<u64>(key, text)).transpose();
                let account = Account {
                    frozen: maybe("frozen")? == Some(1),
                    live_orders_max: maybe("live_orders_max")?,
                    held_max: maybe("held_max")?,
                    dead_man_due: maybe("dead_man_due")?,
                };
                self.accounts.insert(AccountId(id), account);
            }
            "market" => {
                self.markets.insert(MarketId(id), figures(key, &fields)?);
            }
            _ => {
                for (field, value) in fields.iter().filter(|(field, _)| *field != "sequence") {
                    self.take_field(kind, id, field, value).ok_or_else(|| nonsense(key, field, value))?;
                }
            }
        }
        Ok(())
    }

    /// `None` if the field has not the form that it should have.
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
            // The order's JSON never changes; what is compared is what does.
            _ => {
                let Some((order, part)) = field.split_once(':') else { return Some(()) };
                let live = self.orders.entry((AccountId(id), order.parse().ok()?)).or_default();
                let part = match part {
                    "price" => &mut live.price,
                    "quantity" => &mut live.quantity,
                    "filled" => &mut live.filled,
                    "notional" => &mut live.notional,
                    "fees" => &mut live.fees,
                    _ => return None,
                };
                *part = value.parse().ok()?;
            }
        }
        Some(())
    }

    fn compare(&self, fold: &Fold) -> Vec<Check> {
        let books = fold.markets.iter().flat_map(|(id, market)| {
            market.book.iter().map(|(&(side, price), &quantity)| ((*id, side, price), quantity))
        });
        let live = fold.orders.iter().filter(|(_, order)| order.status.is_live());
        let orders = live.map(|(id, order)| {
            let live = Live {
                price: order.limit.unwrap_or_default().into(),
                quantity: order.quantity.into(),
                filled: order.filled.into(),
                notional: order.notional.micros().cast_unsigned(),
                fees: order.fees.micros().cast_unsigned(),
            };
            ((order.account, *id), live)
        });
        let markets = fold.markets.iter().map(|(id, market)| (*id, expected_figures(market)));
        let recent = fold
            .markets
            .iter()
            .map(|(id, market)| (*id, market.trades.iter().rev().take(RECENT_TRADES).copied().collect()));
        vec![
            exactly("Redis: every level of every book", &books.collect(), &self.books),
            exactly("Redis: live orders, where they rest and what they filled", &orders.collect(), &self.orders),
            with_defaults("Redis: wallets", &fold.wallets, &self.wallets),
            with_defaults("Redis: what accounts may do", &fold.accounts, &self.accounts),
            with_defaults("Redis: positions", &fold.positions, &self.positions),
            exactly("Redis: markets and their tickers", &markets.collect(), &self.markets),
            with_defaults("Redis: the last trades of each market", &recent.collect(), &self.trades),
        ]
    }
}

fn figures(key: &str, fields: &Fields) -> Result<Figures, ReadModelError> {
    let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let maybe = |name: &str| fields.get(name).map(|text| number::<u64>(key, text)).transpose();
    let or_zero = |name: &str| Ok::<_, ReadModelError>(maybe(name)?.unwrap_or(0));
    Ok(Figures {
        ticker: text("ticker"),
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

fn expected_figures(market: &crate::fold::Market) -> Figures {
    Figures {
        ticker: market.ticker.clone(),
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

fn number<T: std::str::FromStr>(key: &str, text: &str) -> Result<T, ReadModelError> {
    text.parse().map_err(|_| nonsense(key, "a number", text))
}

fn nonsense(key: &str, what: &str, value: &str) -> ReadModelError {
    ReadModelError::Nonsense(format!("{key}: {what} is {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_from_its_text() {
        let chain = "000102030405060708090a0b0c0d0e0f";
        assert_eq!(head(&format!("12:3:8:{chain}:20")), Some((8, (0..16).collect())));
        assert_eq!(head(&format!("0:-:0:{chain}:0")), Some((0, (0..16).collect())));
        assert_eq!(head("rebuilding:17"), None);
    }

    #[test]
    fn fields_are_read_as_they_are_documented() {
        let mut found = Found::default();
        let fields = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        found.take("k", "book", 9, fields(&[("BID:5500", "12"), ("sequence", "4")])).unwrap();
        found.take("k", "positions", 1, fields(&[("9:yes", "5"), ("9:yes_reserved", "2")])).unwrap();
        found.take("k", "orders", 1, fields(&[("7", "{}"), ("7:quantity", "3"), ("7:fees", "1")])).unwrap();
        found.take("k", "wallet", 1, fields(&[("available", "10"), ("sequence", "1")])).unwrap();
        assert_eq!(found.books[&(MarketId(9), BookSide::Bid, Price::new(5_500).unwrap())], 12);
        assert_eq!(
            found.positions[&(MarketId(9), AccountId(1))],
            Position { yes: 5, yes_reserved: 2, ..Position::default() }
        );
        let live = Live { quantity: 3, fees: 1, ..Live::default() };
        assert_eq!(found.orders, HashMap::from([((AccountId(1), OrderId(7)), live)]));
        assert_eq!(found.wallets[&AccountId(1)].available, Credits(10));
        assert!(found.take("k", "book", 9, fields(&[("BID:0", "12")])).is_err());
    }
}
