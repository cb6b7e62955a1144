//! Redis: tickers, purses and positions, as `projections` writes them.
//!
//! [`schemas::read_models`] has the names of keys and fields.
//! The data of a shard comes from one script call together with the shard's progress, so it has an
//! exact position. A read of all shards is one call as well, unless Redis is a cluster ([`call`]).

mod call;
mod error;
mod fields;
mod wallet;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::Pool;
use fred::interfaces::ClientLike;
use fred::types::config::{Config, ReconnectPolicy, UnresponsiveConfig};
use fred::types::{Builder, InfoKind, Value};
use metrics::{Histogram, histogram};
use schemas::ids::LogPosition;
use schemas::read_models::{RedisKeys, sequence_reached};
use schemas::{AccountId, Credits, MarketId, Price, Shard, Timestamp};
use serde::Serialize;
use service::{Shutdown, eviction};
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::fresh::Fresh;
use crate::openapi::scalars::{ContractsText, CreditsText, PriceText, TimeText};
use crate::shapes::{iso, iso_or_null, text};

use call::{Script, WantedKeys};
pub use error::ReadError;
use fields::{RedisHash, integer, price, time};

pub use wallet::{AccountStatus, Wallet};

const CLIENTS: usize = 4;
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const RECONNECT_MIN_MS: u32 = 50;
const RECONNECT_MAX_MS: u32 = 1_000;

/// Interval between attempts to connect for the first time.
const CONNECT_AGAIN: Duration = Duration::from_millis(500);

/// The same where an operator must act.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The Redis read models under one prefix.
#[derive(Clone)]
pub struct ReadModels {
    connected: watch::Receiver<Connected>,
    prefix: String,
    seconds: Histogram,
    fresh: Option<Fresh>,
}

/// The connections and the script, or why there are none yet.
type Connected = Result<(Pool, Script), Arc<str>>;

/// The values of a shard, as of a position: one for each key.
struct ShardValues {
    at: LogPosition,
    values: std::vec::IntoIter<Value>,
}

impl ShardValues {
    /// Takes the value of the next key.
    fn next<T: fred::types::FromValue>(&mut self) -> Result<T, ReadError> {
        Ok(self.values.next().unwrap_or(Value::Null).convert()?)
    }
}

/// A market's current figures. Prices in YES.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct TickerData {
    /// The highest bid.
    #[serde(serialize_with = "crate::shapes::text_or_null")]
    #[schema(value_type = Option<PriceText>, required)]
    pub best_bid: Option<Price>,
    /// The lowest ask.
    #[serde(serialize_with = "crate::shapes::text_or_null")]
    #[schema(value_type = Option<PriceText>, required)]
    pub best_ask: Option<Price>,
    /// The price of the last trade.
    #[serde(serialize_with = "crate::shapes::text_or_null")]
    #[schema(value_type = Option<PriceText>, required)]
    pub last_price: Option<Price>,
    /// The time of the last trade.
    #[serde(serialize_with = "iso_or_null")]
    #[schema(value_type = Option<TimeText>, required)]
    pub last_time: Option<Timestamp>,
    /// Contracts traded; over years more than a JSON number holds.
    #[serde(serialize_with = "text")]
    #[schema(value_type = ContractsText)]
    pub volume: u64,
    /// Credits that back the outstanding pairs.
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    pub collateral: Credits,
    /// Outstanding YES contracts; as many as NO, until the payout.
    pub open_interest: u64,
    /// When the market was listed.
    #[serde(serialize_with = "iso")]
    #[schema(value_type = TimeText)]
    pub created_at: Timestamp,
}

/// An account's contracts in one market.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Holding {
    /// YES contracts.
    pub yes: u64,
    /// NO contracts.
    pub no: u64,
    /// YES contracts reserved by resting sells.
    pub yes_reserved: u64,
    /// NO contracts reserved by resting sells.
    pub no_reserved: u64,
}

impl ReadModels {
    /// Connects in the background, for as long as it takes. Broken connections reconnect by
    /// themselves. Fails if the URL is invalid.
    pub fn connect(url: &str, prefix: &str, shutdown: Shutdown) -> Result<Self, ReadError> {
        let config = Config::from_url(url)?;
        let (sender, connected) = watch::channel(Err("connecting".into()));
        tokio::spawn(keep_connecting(config, sender, shutdown));
        let seconds = histogram!("gateway_redis_seconds");
        Ok(Self { connected, prefix: prefix.to_owned(), seconds, fresh: None })
    }

    /// Waits for a connection, for a bounded time.
    pub async fn settle(&self, within: Duration) {
        let mut connected = self.connected.clone();
        // The gateway continues in both cases.
        let _ = tokio::time::timeout(within, connected.wait_for(Result::is_ok)).await;
    }

    fn connection(&self) -> Result<(Pool, Script), ReadError> {
        self.connected.borrow().clone().map_err(ReadError::NotConnected)
    }

    /// Refuses answers that are too far behind from now on.
    #[must_use]
    pub fn only(self, fresh: Fresh) -> Self {
        Self { fresh: Some(fresh), ..self }
    }

    fn keys(&self, shard: Shard) -> RedisKeys {
        RedisKeys::new(&self.prefix, shard)
    }

    /// Reads the keys that `add` wants of each shard, with their progress; in one call, if Redis
    /// can.
    async fn read_raw(
        &self,
        shards: impl IntoIterator<Item = Shard>,
        add: impl Fn(Shard, &mut WantedKeys),
    ) -> Result<Vec<(Shard, Option<String>, std::vec::IntoIter<Value>)>, ReadError> {
        let start = std::time::Instant::now();
        let shards: Vec<Shard> = shards.into_iter().collect();
        let wanted = shards.iter().map(|shard| {
            let mut wanted = WantedKeys::default();
            wanted.text(self.keys(*shard).progress());
            add(*shard, &mut wanted);
            wanted
        });
        let (redis, script) = self.connection()?;
        let read = script.read(redis.next(), wanted.collect()).await?;
        self.seconds.record(start.elapsed());
        let part = |(shard, values): (Shard, Vec<Value>)| {
            let mut values = values.into_iter();
            Ok((shard, values.next().unwrap_or(Value::Null).convert()?, values))
        };
        shards.into_iter().zip(read).map(part).collect()
    }

    /// The same; fails if one of the shards is being rebuilt, or too far behind.
    async fn read(
        &self,
        shards: impl IntoIterator<Item = Shard>,
        add: impl Fn(Shard, &mut WantedKeys),
    ) -> Result<Vec<ShardValues>, ReadError> {
        let asked = self.fresh.as_ref().map(Fresh::ask);
        let read = self.read_raw(shards, add).await?;
        let found = |(shard, progress, values): (Shard, Option<String>, _)| {
            Ok(ShardValues { at: reached(shard, progress.as_deref())?, values })
        };
        let found: Vec<ShardValues> = read.into_iter().map(found).collect::<Result<_, ReadError>>()?;
        if let Some(asked) = asked {
            asked.answered(found.iter().map(|found| found.at))?;
        }
        Ok(found)
    }

    /// The same for one shard.
    async fn read_one(&self, shard: Shard, add: impl Fn(&mut WantedKeys)) -> Result<ShardValues, ReadError> {
        let mut found = self.read([shard], |_, wanted| add(wanted)).await?;
        found.pop().ok_or(ReadError::Incomplete(shard))
    }

    /// Reads the position of each shard; 0 for one that is being rebuilt.
    pub async fn progress(&self, shards: u16) -> Result<Vec<LogPosition>, ReadError> {
        let read = self.read_raw(Shard::all(shards), |_, _| {}).await?;
        let at = |(shard, progress, _): (Shard, Option<String>, _)| {
            reached(shard, progress.as_deref()).unwrap_or(LogPosition { shard, sequence: 0 })
        };
        let at: Vec<LogPosition> = read.into_iter().map(at).collect();
        self.fresh.iter().for_each(|fresh| fresh.saw(&at));
        Ok(at)
    }

    /// Fails if a shard of these positions is being rebuilt.
    pub async fn complete(&self, positions: &[LogPosition]) -> Result<(), ReadError> {
        self.read(positions.iter().map(|at| at.shard), |_, _| {}).await.map(drop)
    }

    /// Reads an account's wallet and restrictions.
    pub async fn wallet(
        &self,
        shards: u16,
        home: Shard,
        account: AccountId,
    ) -> Result<(Wallet, AccountStatus, Vec<LogPosition>), ReadError> {
        let add = |shard, wanted: &mut WantedKeys| {
            wanted.hash(self.keys(shard).purse(account));
            // What exists once for the account is on its home alone.
            if shard == home {
                wanted.hash(self.keys(shard).account(account));
            }
        };
        let (mut wallet, mut standing, mut positions) = (Wallet::default(), None, Vec::new());
        for mut found in self.read(Shard::all(shards), add).await? {
            positions.push(found.at);
            wallet.add(&found.next()?)?;
            if found.at.shard == home {
                standing = Some(AccountStatus::read(&found.next()?)?);
            }
        }
        Ok((wallet, standing.ok_or(ReadError::Incomplete(home))?, positions))
    }

    /// Reads a market's figures, without its best prices: see [`crate::view::book`].
    pub async fn ticker(&self, home: Shard, market: MarketId) -> Result<(TickerData, LogPosition), ReadError> {
        use schemas::read_models::redis_keys::market as field;
        let add = |wanted: &mut WantedKeys| wanted.hash(self.keys(home).market(market));
        let mut found = self.read_one(home, add).await?;
        let ticker: RedisHash = found.next()?;
        let number = |field| integer(&ticker, field).map(|value| value.unwrap_or(0));
        let unsigned = |field| number(field).and_then(|n| u64::try_from(n).map_err(|_| ReadError::Impossible(field)));
        let last_price = integer(&ticker, field::LAST_PRICE)?.map(price).transpose()?;
        let last_time = integer(&ticker, field::LAST_TIME)?.map(time).transpose()?;
        let data = TickerData {
            best_bid: None,
            best_ask: None,
            last_price,
            last_time,
            volume: unsigned(field::VOLUME)?,
            collateral: Credits(number(field::COLLATERAL)?),
            open_interest: unsigned(field::YES_OUTSTANDING)?,
            created_at: Timestamp(unsigned(field::CREATED_AT)?),
        };
        Ok((data, found.at))
    }

    /// Reads an account's positions in all markets.
    pub async fn positions(
        &self,
        shards: u16,
        account: AccountId,
    ) -> Result<(BTreeMap<MarketId, Holding>, Vec<LogPosition>), ReadError> {
        let add = |shard, wanted: &mut WantedKeys| wanted.hash(self.keys(shard).positions(account));
        let (mut holdings, mut positions) = (BTreeMap::new(), Vec::new());
        for mut found in self.read(Shard::all(shards), add).await? {
            add_holdings(&found.next()?, &mut holdings)?;
            positions.push(found.at);
        }
        Ok((holdings, positions))
    }
}

/// Connects, and retries until it succeeds. Logs what an operator must fix once for each cause.
async fn keep_connecting(config: Config, sender: watch::Sender<Connected>, shutdown: Shutdown) {
    loop {
        let error = match connect(config.clone()).await {
            Ok(connected) => {
                // There is no reader any more when the process ends.
                let _ = sender.send(Ok(connected));
                return;
            }
            Err(error) => error,
        };
        let text: Arc<str> = error.to_string().into();
        let pause = if error.may_wait() { CONNECT_AGAIN } else { LOOK_AGAIN };
        let is_told = sender.borrow().as_ref().is_err_and(|before| *before == text);
        match error.may_wait() {
            _ if is_told => {}
            true => tracing::warn!(%error, "Redis is not there: reads of it are refused until it is"),
            false => tracing::error!(%error, "Redis cannot be used: reads of it are refused until it can"),
        }
        // As above.
        let _ = sender.send(Err(text));
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn connect(config: Config) -> Result<(Pool, Script), ReadError> {
    let mut builder = Builder::from_config(config);
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
    let script = async {
        verify_eviction(&redis).await?;
        Ok(Script::load(&redis).await?)
    };
    match script.await {
        Ok(script) => Ok((redis, script)),
        Err(error) => {
            // Otherwise its connections would reconnect beside those of the next attempt.
            let _ = redis.quit().await;
            Err(error)
        }
    }
}

/// Fails if Redis evicts keys.
async fn verify_eviction(redis: &Pool) -> Result<(), ReadError> {
    let info: Result<String, fred::error::Error> = redis.next().info(Some(InfoKind::Memory)).await;
    let info = match info {
        // A hosted Redis may not report it.
        Err(error) if error.details().starts_with("NOPERM") || error.details().starts_with("ERR unknown") => {
            String::new()
        }
        info => info?,
    };
    eviction::judge(eviction::policy_of(&info)).map_err(ReadError::Evicts)
}

/// Returns the position of a shard's keys. There is none while the shard is being rebuilt: then its
/// keys are out of date.
fn reached(shard: Shard, progress: Option<&str>) -> Result<LogPosition, ReadError> {
    let sequence = progress.and_then(sequence_reached);
    sequence.map(|sequence| LogPosition { shard, sequence }).ok_or(ReadError::Incomplete(shard))
}

/// Adds fields `MARKET:PART`.
fn add_holdings(hash: &RedisHash, holdings: &mut BTreeMap<MarketId, Holding>) -> Result<(), ReadError> {
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

    pub fn hash(fields: &[(&str, &str)]) -> RedisHash {
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
