//! The setup of a run, and what its connections share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use uuid::Uuid;

use super::answer::{RequestKind, RequestResult};
use super::live::{LiveOrders, lock};
use crate::api::{Credentials, Endpoint};
use crate::latency::Latencies;
use crate::plan::Intent;

/// The accounts, markets and gateway of a run.
#[derive(Debug)]
pub struct DriveSetup {
    /// The gateway.
    pub endpoint: Endpoint,
    /// API keys by index of the account.
    pub keys: Vec<Credentials>,
    /// Market ids by index of the market.
    pub markets: Vec<String>,
    /// The run's number, which distinguishes runs in client ids.
    pub run: u64,
    /// Number of connections kept open.
    pub connections: usize,
    /// Number of orders per request.
    pub batch: usize,
}

pub struct DriveState {
    pub stage: Arc<DriveSetup>,
    pub plan: Arc<[Intent]>,
    /// Index of the plan's first request among those of the run.
    pub first: usize,
    pub live: Mutex<LiveOrders>,
    /// Of orders, of cancels, and of either that was refused because of too many requests.
    pub latencies: Mutex<(Latencies, Latencies, Latencies)>,
    pub due: tokio::sync::Mutex<mpsc::Receiver<(usize, Instant)>>,
    pub answered: AtomicU64,
    pub failed: AtomicU64,
    pub idle_cancels: AtomicU64,
}

/// Returns the client id of the `index`-th request of a run: a custom UUID (version 8).
pub fn client_id(run: u64, index: usize) -> Uuid {
    let bytes = (u128::from(run) << 64 | index as u128).to_be_bytes();
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

pub fn keep(shared: &DriveState, answer: &RequestResult, latency: Duration) {
    shared.answered.fetch_add(1, Ordering::Relaxed);
    if answer.result.is_failure() {
        shared.failed.fetch_add(1, Ordering::Relaxed);
    }
    {
        let mut latencies = lock(&shared.latencies);
        match answer.asked {
            _ if answer.result.is_shed() => latencies.2.record(latency),
            RequestKind::Order { .. } => latencies.0.record(latency),
            RequestKind::Cancel { .. } => latencies.1.record(latency),
        }
    }
    lock(&shared.live).learn(answer);
}
