//! Builds the view that the gateway starts with.
//!
//! | there is            | the view starts from                                 | Postgres and Redis       |
//! |---------------------|------------------------------------------------------|--------------------------|
//! | a store with a view | the store's last checkpoint                          | are not asked            |
//! | a store without one | what Postgres has, which is the first checkpoint     | Postgres is waited for   |
//! | no store            | what Postgres has                                    | Postgres is waited for   |
//!
//! The start waits for Kafka in every case. The tail then folds the log from the view's positions.
//!
//! What Postgres has goes into a store in parts, while it is read, and leaves the memory. The last
//! part has the positions, so a store that has some of it counts as empty at the next start.

use std::sync::Arc;

use service::kafka::{KafkaFault, topics};
use service::{Readiness, Shutdown};

use crate::config::Config;
use crate::db::boot::BootError;
use crate::db::{Database, DbError};
use crate::patience::when_there;
use crate::read_models::{ReadError, ReadModels};
use crate::store::{Store, StoreError};
use crate::view::LiveView;

/// Why the gateway cannot start. Waiting does not help.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Kafka failed, or its topics do not match the configuration.
    #[error(transparent)]
    Kafka(#[from] KafkaFault),
    /// The settings of Postgres are invalid.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Postgres failed, and the view has to come from it.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The settings of Redis are invalid.
    #[error(transparent)]
    ReadModels(#[from] ReadError),
    /// The store cannot be opened or created.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Everything that the start opened.
pub struct Begun {
    /// Postgres, possibly without a connection yet.
    pub database: Database,
    /// Redis, possibly without a connection yet.
    pub read_models: ReadModels,
    /// The view.
    pub view: LiveView,
    /// The store, if there is one.
    pub store: Option<Arc<Store>>,
}

/// Opens the store, Postgres and Redis, and builds the view. Returns `None` if the process is asked
/// to end meanwhile.
pub async fn begin(config: &Config, readiness: &Readiness, shutdown: &Shutdown) -> Result<Option<Begun>, BeginError> {
    let read_models = ReadModels::connect(&config.redis_url, &config.log.topic_prefix, shutdown.clone())?;
    let database = Database::new(&config.database_url, &config.replicas, &config.pool, readiness)?;
    let (prefix, shards) = (&config.log.topic_prefix, config.log.shards);
    let opened = config.state.as_ref().map(|folder| Store::open(folder, prefix, shards)).transpose()?;
    let verify = async || topics::verify(&config.log).await;
    if when_there("Kafka", shutdown, KafkaFault::may_retry, verify).await?.is_none() {
        return Ok(None);
    }
    let store = match opened {
        Some((store, Some(view))) => {
            let (markets, keys) = (view.markets_len(), store.keys_len()?);
            tracing::info!(markets, keys, store = %store.path().display(), "the view begins with what the store has");
            return Ok(Some(Begun { database, read_models, view, store: Some(store) }));
        }
        Some((store, None)) => Some(store),
        None => {
            tracing::warn!("no --state: each start needs Postgres, and all keys, books and trades are held in memory");
            None
        }
    };
    let boot = async || database.boot(shards, store.as_ref()).await;
    let Some(mut view) = when_there("Postgres", shutdown, BootError::may_wait, boot).await? else { return Ok(None) };
    let keys = store.as_ref().map_or_else(|| Ok(view.keys().len() as u64), |store| store.keys_len())?;
    tracing::info!(markets = view.markets_len(), keys, "the view begins with what Postgres has");
    if let Some(store) = &store
        && let Some(batch) = view.take_changes()?
    {
        store.write(&batch)?;
        view.stored_changes(&batch);
    }
    Ok(Some(Begun { database, read_models, view, store }))
}
