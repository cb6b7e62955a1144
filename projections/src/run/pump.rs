//! Takes records off Kafka and deals them out to the shards' queues. A thread of its own, since the client blocks.
//!
//! Absent: any look into a record.

use std::sync::Arc;
use std::time::Duration;

use schemas::Shard;
use service::Shutdown;
use service::kafka::{EventsTail, KafkaFault};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::batch::Record;

/// Records that wait for one shard's writer.
const QUEUE_RECORDS: usize = 8_192;

/// Bytes of records that wait for all of a sink's writers; above the largest record.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;
const _: () = assert!(QUEUE_BYTES >= 2 * schemas::limits::RECORD_BYTES_MAX);

/// How soon a quiet pump sees that it should stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// A sink's queues, on the pump's side.
pub struct Pump {
    queues: Vec<mpsc::Sender<Record>>,
    room: Arc<Semaphore>,
}

impl Pump {
    /// Queues for the shards `0..shards`, and their other ends.
    pub fn new(shards: u16) -> (Self, Vec<mpsc::Receiver<Record>>) {
        let (queues, ends) = (0..shards).map(|_| mpsc::channel(QUEUE_RECORDS)).unzip();
        (Self { queues, room: Arc::new(Semaphore::new(QUEUE_BYTES)) }, ends)
    }

    /// Pumps until asked to stop, or until a writer is gone.
    pub fn run(&self, tail: &EventsTail, stop: &Shutdown, runtime: &Handle) -> Result<(), KafkaFault> {
        while !stop.is_triggered() {
            let Some(record) = tail.next_or_wait(PATIENCE)? else { continue };
            let (shard, offset, time, bytes) =
                (record.shard(), record.offset(), record.time(), record.payload().to_vec());
            let size = u32::try_from(bytes.len().min(QUEUE_BYTES)).unwrap_or(u32::MAX);
            // The room comes back as writers fold, and a writer that ends gives back what its queue holds.
            let Ok(room) = runtime.block_on(Arc::clone(&self.room).acquire_many_owned(size)) else { break };
            if self.queue(shard).blocking_send(Record { offset, time, bytes, _room: room }).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn queue(&self, shard: Shard) -> &mpsc::Sender<Record> {
        &self.queues[shard.index()]
    }
}
