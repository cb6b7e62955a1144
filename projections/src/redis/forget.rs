//! Deletes the progress of read models, so that the worker rebuilds them.

use fred::prelude::KeysInterface as _;
use schemas::Shard;
use schemas::read_models::RedisKeys;
use service::LogArgs;

use super::writer::{classify, connect};
use crate::sink::SinkError;

/// Deletes the progress of shard `only`, or of all shards. Returns the shards.
pub async fn forget(url: &str, log: &LogArgs, only: Option<u16>) -> Result<Vec<Shard>, SinkError> {
    let shards: Vec<Shard> =
        Shard::all(log.shards).filter(|shard| only.is_none_or(|only| only == shard.number())).collect();
    if shards.is_empty() {
        return Err(SinkError::refused(format!("there is no such shard; the log has {}", log.shards)));
    }
    let connection =
        connect(&fred::prelude::Config::from_url(url).map_err(classify)?, "lfg-projections:rebuild").await?;
    for shard in &shards {
        let progress = RedisKeys::new(&log.topic_prefix, *shard).progress();
        let _: i64 = connection.client.del(progress).await.map_err(classify)?;
    }
    Ok(shards)
}
