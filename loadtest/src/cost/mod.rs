//! What an order costs, counted: processor time, waits, requests to Kafka, calls of Redis, rows of Postgres. On a machine
//! that others share, counts can be trusted where times cannot.

mod metrics;
mod processes;
mod stores;

use std::collections::BTreeMap;

pub use metrics::{KafkaRequests, Scraped};
pub use processes::{Usage, Watched};
pub use stores::StoreWork;

use crate::api::ApiError;
use crate::verify::settle::{ReadModelError, VerifiedStores};
use processes::Processes;

/// Everything that is counted, at the beginning of a run.
pub struct Before {
    processes: Processes,
    scraped: Vec<Scraped>,
    asked: BTreeMap<String, KafkaRequests>,
    stored: StoreWork,
}

/// What a run took, by process.
pub struct Cost {
    /// Processor time and switches of each process that is watched; `None` if it is not there.
    pub used: Vec<(String, Option<Usage>)>,
    /// What each process asked of Kafka.
    pub asked: BTreeMap<String, KafkaRequests>,
    /// What Redis and Postgres did.
    pub stored: StoreWork,
}

/// Nothing can be counted.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// A process does not give its metrics.
    #[error("metrics: {0}")]
    Metrics(#[from] ApiError),
    /// Postgres or Redis.
    #[error(transparent)]
    Stores(#[from] ReadModelError),
}

impl Before {
    /// From now on.
    pub async fn now(watched: &[Watched], scraped: &[Scraped], models: &VerifiedStores) -> Result<Self, CostError> {
        let scraped = scraped.to_vec();
        let asked = metrics::asked(&scraped).await?;
        let stored = stores::stored(models).await?;
        Ok(Self { processes: Processes::start(watched), scraped, asked, stored })
    }

    /// Processors that this process kept busy since then, on average.
    pub fn share(&self) -> Option<f64> {
        self.processes.share()
    }

    /// What was used since then.
    pub async fn until_now(&self, models: &VerifiedStores) -> Result<Cost, CostError> {
        let used = self.processes.watched();
        let mut asked = metrics::asked(&self.scraped).await?;
        for (name, asked) in &mut asked {
            asked.less(self.asked.get(name).unwrap_or(&KafkaRequests::default()));
        }
        let stored = stores::stored(models).await? - self.stored;
        Ok(Cost { used, asked, stored })
    }
}
