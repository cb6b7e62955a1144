//! The cost of an order in counts: processor time, context switches, requests to Kafka, Redis
//! commands, Postgres rows. On a shared machine, counts are reliable where times are not.

mod metrics;
mod processes;
mod stores;

use std::collections::BTreeMap;

pub use metrics::{KafkaRequests, Scraped};
pub use processes::{Usage, Watched};
pub use stores::StoreWork;

use crate::api::ApiError;
use crate::verify::read_model_error::ReadModelError;
use crate::verify::settle::VerifiedStores;
use processes::Processes;

/// All counters at the beginning of a run.
pub struct Before {
    processes: Processes,
    scraped: Vec<Scraped>,
    asked: BTreeMap<String, KafkaRequests>,
    stored: StoreWork,
}

/// The cost of a run, by process.
pub struct Cost {
    /// Processor time and context switches of each watched process; `None` if the process does not
    /// exist.
    pub used: Vec<(String, Option<Usage>)>,
    /// The requests of each process to Kafka and Postgres.
    pub asked: BTreeMap<String, KafkaRequests>,
    /// The work of Redis and Postgres.
    pub stored: StoreWork,
}

/// Why the cost cannot be counted.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// A process does not serve its metrics.
    #[error("metrics: {0}")]
    Metrics(#[from] ApiError),
    /// Postgres or Redis failed.
    #[error(transparent)]
    Stores(#[from] ReadModelError),
}

impl Before {
    /// Reads all counters now.
    pub async fn now(watched: &[Watched], scraped: &[Scraped], models: &VerifiedStores) -> Result<Self, CostError> {
        let scraped = scraped.to_vec();
        let asked = metrics::asked(&scraped).await?;
        let stored = stores::stored(models).await?;
        Ok(Self { processes: Processes::start(watched), scraped, asked, stored })
    }

    /// Returns the average number of processors that this process kept busy since then.
    pub fn share(&self) -> Option<f64> {
        self.processes.share()
    }

    /// Returns the cost since then.
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
