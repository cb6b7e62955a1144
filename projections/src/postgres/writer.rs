//! The Postgres writer of one shard: a batch is one transaction.

use deadpool_postgres::Client;
use schemas::Shard;
use schemas::reading::Checkpoint;
use schemas::shard_map::ShardMap;

use super::arrays::all;
use super::error::classify;
use super::months::Months;
use super::pool::WritePool;
use super::{accounts, admins, candles, groups, market_events, markets, orders, progress, purses};
use crate::fold::RowChanges;
use crate::sink::{Sink, SinkError, WriterId};

/// One shard's rows in Postgres.
pub struct PostgresSink {
    connections: WritePool,
    months: Months,
    writer: WriterId,
    shard: Shard,
    map: ShardMap,
    /// True if the last batch failed, possibly because the month of an order that it ends was
    /// removed.
    doubts: bool,
}

impl PostgresSink {
    /// Creates the writer of `shard`. Call [`Sink::load`] first.
    pub fn new(connections: WritePool, months: Months, writer: WriterId, shard: Shard, map: ShardMap) -> Self {
        Self { connections, months, writer, shard, map, doubts: false }
    }

    async fn load_once(&self) -> Result<Checkpoint, SinkError> {
        let mut client = self.connections.get().await?;
        let tx = client.transaction().await.map_err(classify)?;
        let position = progress::read(&tx, self.shard).await?;
        tx.commit().await.map_err(classify)?;
        Ok(position)
    }

    async fn write_once(&self, changes: &RowChanges, from: &Checkpoint, to: &Checkpoint) -> Result<(), SinkError> {
        self.months.cover(changes).await?;
        if self.doubts {
            self.months.cover_ends(changes).await?;
        }
        let mut client: Client = self.connections.get().await?;
        let tx = client.transaction().await.map_err(classify)?;
        // First, and alone: another writer blocks here until this one commits, and then sees that
        // the position has moved.
        progress::advance(&tx, self.writer, self.shard, from, to).await?;
        // The other statements are sent together: a batch costs a few round trips, not one per
        // statement.
        all([
            Box::pin(accounts::write(&tx, self.shard, changes)),
            Box::pin(admins::write(&tx, self.shard, changes)),
            Box::pin(groups::write(&tx, self.shard, self.map, changes)),
            Box::pin(purses::write(&tx, self.shard, changes)),
            Box::pin(orders::write(&tx, self.shard, changes)),
            Box::pin(candles::write(&tx, self.shard, changes)),
            Box::pin(markets::write(&tx, self.shard, changes)),
            Box::pin(market_events::write(&tx, self.shard, changes)),
        ])
        .await?;
        tx.commit().await.map_err(classify)
    }

    /// After a fault, forgets what was known of connections and partitions.
    fn doubt<T>(&self, result: Result<T, SinkError>) -> Result<T, SinkError> {
        if let Err(SinkError::Unavailable(_) | SinkError::Denied(_)) = &result {
            self.connections.forget();
            self.months.forget();
        }
        result
    }
}

impl Sink for PostgresSink {
    const NAME: &'static str = "postgres";

    fn shard(&self) -> Shard {
        self.shard
    }

    async fn load(&mut self, _end: u64) -> Result<Checkpoint, SinkError> {
        let loaded = self.load_once().await;
        self.doubt(loaded)
    }

    async fn write(&mut self, changes: &RowChanges, from: &Checkpoint, to: &Checkpoint) -> Result<(), SinkError> {
        let written = self.write_once(changes, from, to).await;
        self.doubts = written.is_err();
        self.doubt(written)
    }

    async fn check(&mut self, at: &Checkpoint) -> Result<(), SinkError> {
        let client = self.connections.get().await?;
        progress::check(&client, self.shard, at).await
    }
}
