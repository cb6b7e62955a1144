//! Compares the Redis read models with the fold: every key under the prefix. The names of
//! keys are in [`schemas::read_models`].

mod fields;
mod found;

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike as _, HashesInterface as _, KeysInterface as _, ListInterface as _};
use fred::types::InfoKind;
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy};
use schemas::Shard;
use schemas::read_models::{RedisKeys, RedisProgress};

use self::fields::{RedisFields, number};
use self::found::Found;
use super::Check;
use super::heads::Heads;
use super::read_model_error::ReadModelError;
use crate::fold::Fold;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to Redis.
pub struct Redis {
    client: Client,
    prefix: String,
    shards: u16,
}

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

    fn keys_of(&self, shard: Shard) -> RedisKeys {
        RedisKeys::new(&self.prefix, shard)
    }

    /// Returns each shard's position. Shards without a position, or being rebuilt, are missing.
    pub async fn heads(&self) -> Result<Heads, ReadModelError> {
        let mut heads = Heads::new();
        for shard in Shard::all(self.shards) {
            let progress: Option<String> = self.client.get(self.keys_of(shard).progress()).await?;
            if let Some(head) = progress.as_deref().and_then(head) {
                heads.insert(shard, head);
            }
        }
        Ok(heads)
    }

    /// Returns the number of commands that the server has executed since it started.
    pub async fn commands_processed(&self) -> Result<u64, ReadModelError> {
        const NAME: &str = "total_commands_processed:";
        let info: String = self.client.info(Some(InfoKind::Stats)).await?;
        let count = info.lines().find_map(|line| line.strip_prefix(NAME)?.trim().parse().ok());
        count.ok_or_else(|| ReadModelError::Nonsense(format!("INFO has no `{NAME}`")))
    }

    /// Runs all checks. Returns `None` if Redis moved on from `heads` meanwhile.
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
        let keys = self.keys_of(shard);
        for key in self.keys(keys.all()).await? {
            let rest = key.strip_prefix(keys.base()).unwrap_or_default();
            let Some((kind, id)) = rest.split_once(':') else { continue };
            if kind == "trades" {
                let trades: Vec<String> = self.client.lrange(&key, 0, -1).await?;
                found.take_trades(&key, number(&key, id)?, &trades)?;
            } else if matches!(kind, "book" | "account" | "purse" | "positions" | "orders" | "market") {
                let fields: RedisFields = self.client.hgetall(&key).await?;
                found.take(&key, shard, kind, number(&key, id)?, &fields)?;
            }
        }
        Ok(())
    }

    async fn keys(&self, pattern: String) -> Result<Vec<String>, ReadModelError> {
        let mut cursor = "0".to_owned();
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

/// Returns sequence and chain of a shard's keys, unless the shard is being rebuilt.
fn head(progress: &str) -> Option<(u64, Vec<u8>)> {
    match progress.parse() {
        Ok(RedisProgress::At(at)) => Some((at.sequence, at.chain.0.to_vec())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_from_its_text() {
        let chain = "000102030405060708090a0b0c0d0e0f";
        assert_eq!(head(&format!("12:3:8:{chain}:11:20:2")), Some((8, (0..16).collect())));
        assert_eq!(head(&format!("0:-:0:{chain}:0:0:2")), Some((0, (0..16).collect())));
        assert_eq!(head(&format!("12:3:8:{chain}:11:20:3")), None, "another layout");
        assert_eq!(head("rebuilding:17"), None);
    }
}
