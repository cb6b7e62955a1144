//! Redis: books, tickers, recent trades, purses and positions, as `projections` writes them.
//!
//! The names of keys and fields are projections' to give (documented there, in `redis/keys.rs`); what is read of them is
//! repeated here, because programs share nothing but the log's language. What is read of a shard comes from one script call
//! together with the shard's progress, so it has an exact position.

mod wallet;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use fred::clients::Pool;
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::config::{Config, ReconnectPolicy, UnresponsiveConfig};
use fred::types::{Builder, ClusterHash, CustomCommand, FromValue, Value};
use metrics::histogram;
use schemas::ids::Coordinate;
use schemas::{AccountId, BookSide, Credits, MarketId, Price, Quantity, Shard, Timestamp};
use serde::{Deserialize, Serialize};

use crate::shapes::{PublicTrade, iso, iso_or_null, text};

pub use wallet::{Standing, Wallet};

const CLIENTS: usize = 4;
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const RECONNECT_MIN_MS: u32 = 50;
const RECONNECT_MAX_MS: u32 = 1_000;

/// `progress` alone.
const READ_PROGRESS: &str = "return redis.call('GET', KEYS[1])";

/// `progress`, then all fields of a hash.
const READ_HASH: &str = "return {redis.call('GET', KEYS[1]), redis.call('HGETALL', KEYS[2])}";

/// `progress`, then the first entries of a list.
const READ_LIST: &str = "return {redis.call('GET', KEYS[1]), redis.call('LRANGE', KEYS[2], 0, tonumber(ARGV[1]) - 1)}";

/// `progress`, then all fields of two hashes.
const READ_TWO_HASHES: &str =
    "return {redis.call('GET', KEYS[1]), redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[3])}";

/// Redis did not give what was asked. Retry later, except for `Impossible`: an operator must look.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be reached, or failed.
    #[error("Redis: {0}")]
    Redis(#[from] fred::error::Error),
    /// The shard is being rebuilt, or was never written.
    #[error("the read model of shard {0} is not complete")]
    Incomplete(Shard),
    /// A value that the projection does not write.
    #[error("Redis has an impossible {0}")]
    Impossible(&'static str),
}

impl ReadError {
    /// True if it may be well later without a hand: Redis cannot be reached, or starts.
    pub fn may_wait(&self) -> bool {
        use fred::error::ErrorKind::{Auth, Config, InvalidArgument, InvalidCommand, Url};
        let by_hand =
            |error: &fred::error::Error| matches!(error.kind(), Auth | Config | InvalidArgument | InvalidCommand | Url);
        matches!(self, Self::Redis(error) if !by_hand(error))
    }
}

/// The Redis read models under one prefix.
#[derive(Clone)]
pub struct ReadModels {
    redis: Pool,
    prefix: String,
}

/// Levels of a book in YES, best first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Levels {
    /// The highest first.
    pub bids: Vec<(Price, u64)>,
    /// The lowest first.
    pub asks: Vec<(Price, u64)>,
}

/// What moves in a market, at a glance. Prices in YES.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TickerData {
    /// The highest bid.
    #[serde(serialize_with = "crate::shapes::text_or_null")]
    pub best_bid: Option<Price>,
    /// The lowest ask.
    #[serde(serialize_with = "crate::shapes::text_or_null")]
    pub best_ask: Option<Price>,
    /// Of the last trade.
    #[serde(serialize_with = "crate::shapes::text_or_null")]
    pub last_price: Option<Price>,
    /// When that was.
    #[serde(serialize_with = "iso_or_null")]
    pub last_time: Option<Timestamp>,
    /// Contracts traded; in years more than a JSON number holds.
    #[serde(serialize_with = "text")]
    pub volume: u64,
    /// Credits that back the pairs in the world.
    #[serde(serialize_with = "text")]
    pub collateral: Credits,
    /// YES contracts in the world; as many as NO, until the payout.
    pub open_interest: u64,
    /// When the market was listed.
    #[serde(serialize_with = "iso")]
    pub created_at: Timestamp,
}

/// An account's contracts of one market.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Holding {
    /// YES contracts.
    pub yes: u64,
    /// NO contracts.
    pub no: u64,
    /// YES contracts that resting sells reserve.
    pub yes_reserved: u64,
    /// NO contracts that resting sells reserve.
    pub no_reserved: u64,
}

type Hash = HashMap<String, String>;

impl ReadModels {
    /// Connects. Afterwards connections are made again by themselves whenever they break.
    pub async fn connect(url: &str, prefix: &str) -> Result<Self, ReadError> {
        let mut builder = Builder::from_config(Config::from_url(url)?);
        builder
            .with_performance_config(|config| config.default_command_timeout = ANSWER_WITHIN)
            .with_connection_config(|config| {
                config.connection_timeout = CONNECT_WITHIN;
                config.max_command_attempts = 2;
                let (max_timeout, interval) = (Some(ANSWER_WITHIN), Duration::from_secs(1));
                config.unresponsive = UnresponsiveConfig { max_timeout, interval };
            })
            .set_policy(ReconnectPolicy::new_exponential(0, RECONNECT_MIN_MS, RECONNECT_MAX_MS, 2));
        let redis = builder.build_pool(CLIENTS)?;
        redis.init().await?;
        Ok(Self { redis, prefix: prefix.to_owned() })
    }

    fn key(&self, shard: Shard, rest: &str) -> String {
        format!("{}:{{{shard}}}:{rest}", self.prefix)
    }

    async fn read<T: FromValue>(
        &self,
        script: &'static str,
        shard: Shard,
        keys: &[String],
        argument: i64,
    ) -> Result<T, ReadError> {
        let start = std::time::Instant::now();
        let all: Vec<String> =
            std::iter::once(self.key(shard, "progress")).chain(keys.iter().map(|rest| self.key(shard, rest))).collect();
        let value: T = self.redis.eval(script, all, vec![argument]).await?;
        histogram!("gateway_redis_seconds").record(start.elapsed());
        Ok(value)
    }

    /// The same of every shard, in one pipeline.
    async fn read_all<const N: usize>(
        &self,
        shards: u16,
        script: &'static str,
        keys: [String; N],
    ) -> Result<Vec<Value>, ReadError> {
        let start = std::time::Instant::now();
        // fred has no `eval` in a pipeline. The first key, behind the script and the number of keys, says which server has it.
        let eval = || CustomCommand::new_static("EVAL", ClusterHash::Offset(2), false);
        let pipeline = self.redis.next().pipeline();
        for shard in Shard::all(shards) {
            let mut words = vec![script.to_owned(), (N + 1).to_string(), self.key(shard, "progress")];
            words.extend(keys.iter().map(|rest| self.key(shard, rest)));
            pipeline.custom::<(), _>(eval(), words).await?;
        }
        let all = pipeline.all().await?;
        histogram!("gateway_redis_seconds").record(start.elapsed());
        Ok(all)
    }

    /// How far each of `shards` is; 0 for one that is being rebuilt.
    pub async fn progress(&self, shards: u16) -> Result<Vec<Coordinate>, ReadError> {
        let all = self.read_all(shards, READ_PROGRESS, []).await?;
        let at = |(shard, value): (Shard, Value)| {
            let text: Option<String> = value.convert()?;
            Ok(reached(shard, text.as_deref()).unwrap_or(Coordinate { shard, sequence: 0 }))
        };
        Shard::all(shards).zip(all).map(at).collect()
    }

    /// Fails if a shard of these positions is being rebuilt.
    pub async fn complete(&self, positions: &[Coordinate]) -> Result<(), ReadError> {
        for Coordinate { shard, .. } in positions.iter().copied() {
            let progress: Option<String> = self.read(READ_PROGRESS, shard, &[], 0).await?;
            reached(shard, progress.as_deref())?;
        }
        Ok(())
    }

    async fn hash(&self, shard: Shard, key: String) -> Result<(Hash, Coordinate), ReadError> {
        let (progress, flat): (Option<String>, Value) = self.read(READ_HASH, shard, &[key], 0).await?;
        Ok((flat.convert()?, reached(shard, progress.as_deref())?))
    }

    /// An account's wallet, and what it may do: one pipeline for all shards.
    pub async fn wallet(
        &self,
        shards: u16,
        home: Shard,
        account: AccountId,
    ) -> Result<(Wallet, Standing, Vec<Coordinate>), ReadError> {
        // What is one for the account is on its home alone: elsewhere its hash is empty.
        let all = self.read_all(shards, READ_TWO_HASHES, [format!("purse:{account}"), format!("account:{account}")]);
        let all = all.await?;
        let (mut wallet, mut standing, mut positions) = (Wallet::default(), None, Vec::new());
        for (shard, value) in Shard::all(shards).zip(all) {
            let (progress, purse, account): (Option<String>, Value, Value) = value.convert()?;
            positions.push(reached(shard, progress.as_deref())?);
            wallet.add(&purse.convert()?)?;
            if shard == home {
                standing = Some(Standing::read(&account.convert()?)?);
            }
        }
        Ok((wallet, standing.ok_or(ReadError::Incomplete(home))?, positions))
    }

    /// A market's levels.
    pub async fn book(&self, home: Shard, market: MarketId) -> Result<(Levels, Coordinate), ReadError> {
        let (hash, at) = self.hash(home, format!("book:{market}")).await?;
        Ok((levels(&hash)?, at))
    }

    /// A market's ticker.
    pub async fn ticker(&self, home: Shard, market: MarketId) -> Result<(TickerData, Coordinate), ReadError> {
        let keys = [format!("market:{market}"), format!("book:{market}")];
        let (progress, ticker, book): (Option<String>, Value, Value) =
            self.read(READ_TWO_HASHES, home, &keys, 0).await?;
        let (ticker, book): (Hash, Hash) = (ticker.convert()?, book.convert()?);
        let at = reached(home, progress.as_deref())?;
        let levels = levels(&book)?;
        let number = |field| integer(&ticker, field).map(|value| value.unwrap_or(0));
        let unsigned = |field| number(field).and_then(|n| u64::try_from(n).map_err(|_| ReadError::Impossible(field)));
        let last_price = integer(&ticker, "last_price")?.map(price).transpose()?;
        let last_time = integer(&ticker, "last_time")?.map(time).transpose()?;
        let data = TickerData {
            best_bid: levels.bids.first().map(|(price, _)| *price),
            best_ask: levels.asks.first().map(|(price, _)| *price),
            last_price,
            last_time,
            volume: unsigned("volume")?,
            collateral: Credits(number("collateral")?),
            open_interest: unsigned("yes_outstanding")?,
            created_at: Timestamp(unsigned("created_at")?),
        };
        Ok((data, at))
    }

    /// A market's last trades, newest first.
    pub async fn trades(
        &self,
        home: Shard,
        market: MarketId,
        limit: usize,
    ) -> Result<(Vec<PublicTrade>, Coordinate), ReadError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (progress, list): (Option<String>, Vec<String>) =
            self.read(READ_LIST, home, &[format!("trades:{market}")], limit).await?;
        Ok((list.iter().map(|text| trade(text)).collect::<Result<_, _>>()?, reached(home, progress.as_deref())?))
    }

    /// An account's positions in all markets.
    pub async fn positions(
        &self,
        shards: u16,
        account: AccountId,
    ) -> Result<(BTreeMap<MarketId, Holding>, Vec<Coordinate>), ReadError> {
        let all = self.read_all(shards, READ_HASH, [format!("positions:{account}")]).await?;
        let (mut holdings, mut positions) = (BTreeMap::new(), Vec::new());
        for (shard, value) in Shard::all(shards).zip(all) {
            let (progress, flat): (Option<String>, Value) = value.convert()?;
            add_holdings(&flat.convert()?, &mut holdings)?;
            positions.push(reached(shard, progress.as_deref())?);
        }
        Ok((holdings, positions))
    }
}

/// `OFFSET:TERM:SEQUENCE:CHAIN:NEXT_COMMAND`; missing or `rebuilding:…` while the shard is being rebuilt, up to where
/// its log ended when that began: then its keys are not the present.
fn reached(shard: Shard, progress: Option<&str>) -> Result<Coordinate, ReadError> {
    let progress = progress.filter(|text| !text.starts_with("rebuilding:"));
    let sequence = progress.and_then(|text| text.split(':').nth(2)?.parse().ok());
    sequence.map(|sequence| Coordinate { shard, sequence }).ok_or(ReadError::Incomplete(shard))
}

fn integer(hash: &Hash, field: &'static str) -> Result<Option<i64>, ReadError> {
    let parse = |text: &String| text.parse().map_err(|_| ReadError::Impossible(field));
    hash.get(field).map(parse).transpose()
}

fn price(ticks: i64) -> Result<Price, ReadError> {
    u16::try_from(ticks).ok().and_then(Price::new).ok_or(ReadError::Impossible("price"))
}

fn time(millis: i64) -> Result<Timestamp, ReadError> {
    u64::try_from(millis).map(Timestamp).map_err(|_| ReadError::Impossible("time"))
}

/// An entry of the list of trades.
fn trade(text: &str) -> Result<PublicTrade, ReadError> {
    #[derive(Deserialize)]
    struct Entry<'a> {
        trade_id: &'a str,
        price: &'a str,
        quantity: u32,
        taker_side: &'a str,
        kind: &'a str,
        time: u64,
    }
    let read = |text| {
        let entry: Entry<'_> = serde_json::from_str(text).ok()?;
        Some(PublicTrade {
            trade_id: entry.trade_id.parse().ok()?,
            price: entry.price.parse().ok()?,
            quantity: Quantity::new(entry.quantity)?,
            taker_side: entry.taker_side.parse().ok()?,
            kind: entry.kind.parse().ok()?,
            time: Timestamp(entry.time),
        })
    };
    read(text).ok_or(ReadError::Impossible("trade"))
}

/// Of the fields `BID:TICKS` and `ASK:TICKS`.
fn levels(hash: &Hash) -> Result<Levels, ReadError> {
    let mut levels = Levels::default();
    for (field, quantity) in hash {
        let Some((side, ticks)) = field.split_once(':') else { continue };
        let price = price(ticks.parse().map_err(|_| ReadError::Impossible("level"))?)?;
        let quantity = quantity.parse().map_err(|_| ReadError::Impossible("level"))?;
        match side.parse().map_err(|_| ReadError::Impossible("side"))? {
            BookSide::Bid => levels.bids.push((price, quantity)),
            BookSide::Ask => levels.asks.push((price, quantity)),
        }
    }
    levels.bids.sort_unstable_by(|a, b| b.cmp(a));
    levels.asks.sort_unstable();
    Ok(levels)
}

/// Of the fields `MARKET:PART`.
fn add_holdings(hash: &Hash, holdings: &mut BTreeMap<MarketId, Holding>) -> Result<(), ReadError> {
    for (field, contracts) in hash {
        let Some((market, part)) = field.split_once(':') else { continue };
        let market = market.parse().map_err(|_| ReadError::Impossible("position"))?;
        let contracts = contracts.parse().map_err(|_| ReadError::Impossible("position"))?;
        let holding: &mut Holding = holdings.entry(market).or_default();
        match part {
            "yes" => holding.yes = contracts,
            "no" => holding.no = contracts,
            "yes_reserved" => holding.yes_reserved = contracts,
            "no_reserved" => holding.no_reserved = contracts,
            _ => return Err(ReadError::Impossible("position")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn hash(fields: &[(&str, &str)]) -> Hash {
        fields.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_shard_that_is_being_rebuilt_has_no_position() {
        let shard = Shard::new(1).unwrap();
        let full = "10:3:7:00000000000000000000000000000000:9";
        assert_eq!(reached(shard, Some(full)).unwrap().to_string(), "1:7");
        assert_eq!(reached(shard, Some("0:-:0:00:0")).unwrap().sequence, 0);
        for text in [None, Some("rebuilding:abc"), Some(""), Some("rebuilding:a:b"), Some("rebuilding:9/3/0/2/00/2")] {
            assert!(matches!(reached(shard, text), Err(ReadError::Incomplete(_))), "{text:?}");
        }
    }

    #[test]
    fn levels_come_out_best_first() {
        let hash =
            hash(&[("sequence", "9"), ("BID:5500", "3"), ("BID:5600", "1"), ("ASK:6000", "2"), ("ASK:5900", "4")]);
        let levels = levels(&hash).unwrap();
        let shown = |side: &[(Price, u64)]| side.iter().map(|(p, n)| (p.ticks(), *n)).collect::<Vec<_>>();
        assert_eq!(
            (shown(&levels.bids), shown(&levels.asks)),
            (vec![(5_600, 1), (5_500, 3)], vec![(5_900, 4), (6_000, 2)])
        );
    }

    #[test]
    fn trades_are_read_as_they_are_documented() {
        let text = r#"{"trade_id":"9","price":"0.5500","quantity":4,"taker_side":"BID","kind":"MINT","time":1764000000000,"sequence":77}"#;
        let read = trade(text).unwrap();
        assert_eq!((read.price.ticks(), read.time), (5_500, Timestamp(1_764_000_000_000)));
        assert!(trade("{}").is_err() && trade(&text.replace("MINT", "GIFT")).is_err());
    }

    #[test]
    fn positions_are_put_together_from_their_parts() {
        let mut holdings = BTreeMap::new();
        add_holdings(
            &hash(&[("sequence", "9"), ("7:yes", "3"), ("7:yes_reserved", "1"), ("8:no", "2")]),
            &mut holdings,
        )
        .unwrap();
        assert_eq!(holdings[&MarketId(7)], Holding { yes: 3, yes_reserved: 1, ..Holding::default() });
        assert_eq!(holdings[&MarketId(8)], Holding { no: 2, ..Holding::default() });
        assert!(add_holdings(&hash(&[("8:maybe", "2")]), &mut holdings).is_err());
    }
}
