//! Reads records from Kafka and distributes them to the shards' queues. Runs in its own thread,
//! since the client blocks.
//!
//! Shards enter and leave independently, as their stores allow. A shard whose queue is full is
//! paused, so it does not delay others.
//!
//! The pump never decodes a record.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as commands;
use std::time::Duration;

use schemas::{Shard, Timestamp};
use service::Shutdown;
use service::kafka::{EventsTail, KafkaFault};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::batch::QueuedRecord;
use super::queue_share::QueueShare;

/// Maximum number of records in one shard's queue.
const QUEUE_RECORDS: usize = 8_192;

/// Maximum bytes of records in all queues of a sink, shared equally; each queue exceeds its share
/// by one record at most.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// How soon an idle pump notices a request.
const PATIENCE: Duration = Duration::from_millis(20);

enum Wish {
    Enter { shard: Shard, offset: u64, queue: mpsc::Sender<QueuedRecord> },
    Leave(Shard),
}

/// The writers' side: requests records of shards.
#[derive(Clone)]
pub struct WriterPort(commands::Sender<Wish>);

impl WriterPort {
    /// Returns the records of `shard` from `offset` on. The queue ends when the tail cannot
    /// continue it.
    pub fn enter(&self, shard: Shard, offset: u64) -> mpsc::Receiver<QueuedRecord> {
        let (queue, end) = mpsc::channel(QUEUE_RECORDS);
        // Without a pump, the queue ends at once.
        let _ = self.0.send(Wish::Enter { shard, offset, queue });
        end
    }

    /// Stops reading `shard`.
    pub fn leave(&self, shard: Shard) {
        // Without a pump, no records arrive anyway.
        let _ = self.0.send(Wish::Leave(shard));
    }
}

/// A fetched record that is not in a queue yet.
struct FetchedRecord {
    offset: u64,
    time: Timestamp,
    bytes: Vec<u8>,
}

/// The pump's state of one shard.
#[derive(Default)]
struct Lane {
    /// None while the shard is not read.
    queue: Option<mpsc::Sender<QueuedRecord>>,
    /// Bytes in the queue and in the writer's hands.
    level: Arc<AtomicUsize>,
    /// Fetched records that found no space.
    backlog: VecDeque<FetchedRecord>,
    paused: bool,
    /// The offset after the last fetched record.
    next: u64,
    /// Set after an entry at an offset before `next`. Records at or beyond this offset were fetched
    /// before the entry; they are dropped until the first record of the entry arrives.
    fence: Option<u64>,
}

/// A sink's queues, on the pump's side.
pub struct Pump {
    tail: Arc<EventsTail>,
    lanes: Vec<Lane>,
    lane_bytes: usize,
    wishes: commands::Receiver<Wish>,
}

impl Pump {
    /// Queues for the shards `0..shards`, none of which is read yet.
    pub fn new(tail: Arc<EventsTail>, shards: u16) -> (Self, WriterPort) {
        let (sender, wishes) = commands::channel();
        let lanes = (0..shards).map(|_| Lane::default()).collect();
        let lane_bytes = QUEUE_BYTES / usize::from(shards.max(1));
        (Self { tail, lanes, lane_bytes, wishes }, WriterPort(sender))
    }

    /// Pumps until asked to stop.
    pub fn run(mut self, stop: &Shutdown) -> Result<(), KafkaFault> {
        while !stop.is_triggered() {
            while let Ok(wish) = self.wishes.try_recv() {
                self.grant(wish)?;
            }
            let came = match self.tail.next_or_wait(PATIENCE) {
                Ok(record) => record.map(|record| {
                    let (bytes, time) = (record.payload().to_vec(), record.time());
                    (record.shard(), record.offset(), time, bytes)
                }),
                // The writers find out which shard it was when they enter again.
                Err(fault) if fault.is_lost_log() => {
                    tracing::warn!(%fault, "the tail lost its position; all shards of this sink enter again");
                    self.leave_all()?;
                    None
                }
                Err(fault) => return Err(fault),
            };
            if let Some((shard, offset, time, bytes)) = came {
                let lane = &mut self.lanes[shard.index()];
                if lane.admits(offset) {
                    lane.backlog.push_back(FetchedRecord { offset, time, bytes });
                    self.serve(shard)?;
                }
            }
            let waiting: Vec<usize> = (0..self.lanes.len()).filter(|&nth| self.lanes[nth].paused).collect();
            for nth in waiting {
                self.serve(shard_of(nth))?;
            }
        }
        Ok(())
    }

    fn grant(&mut self, wish: Wish) -> Result<(), KafkaFault> {
        match wish {
            Wish::Leave(shard) => self.leave(shard),
            Wish::Enter { shard, offset, queue } => {
                self.leave(shard)?;
                self.tail.enter(shard, offset)?;
                let lane = &mut self.lanes[shard.index()];
                lane.queue = Some(queue);
                lane.fence = (offset < lane.next).then_some(lane.next);
                Ok(())
            }
        }
    }

    fn leave(&mut self, shard: Shard) -> Result<(), KafkaFault> {
        let lane = &mut self.lanes[shard.index()];
        if lane.queue.take().is_none() {
            return Ok(());
        }
        lane.backlog.clear();
        if std::mem::take(&mut lane.paused) {
            // A partition stays paused when it is assigned again.
            self.tail.resume(shard)?;
        }
        self.tail.leave(shard)
    }

    fn leave_all(&mut self) -> Result<(), KafkaFault> {
        (0..self.lanes.len()).try_for_each(|nth| self.leave(shard_of(nth)))
    }

    /// Moves waiting records into the queue, and pauses or resumes the shard by the rest.
    fn serve(&mut self, shard: Shard) -> Result<(), KafkaFault> {
        let lane_bytes = self.lane_bytes;
        let lane = &mut self.lanes[shard.index()];
        if !lane.flush(lane_bytes) {
            // The writer is gone, or will enter again.
            return self.leave(shard);
        }
        if lane.backlog.is_empty() == lane.paused {
            lane.paused = !lane.paused;
            if lane.paused { self.tail.pause(shard)? } else { self.tail.resume(shard)? }
        }
        Ok(())
    }
}

impl Lane {
    /// True if a fetched record is to be used.
    fn admits(&mut self, offset: u64) -> bool {
        self.next = self.next.max(offset + 1);
        if self.queue.is_none() || self.fence.is_some_and(|fence| offset >= fence) {
            return false;
        }
        self.fence = None;
        true
    }

    /// Moves waiting records into the queue while there is space. Returns false if its receiver is
    /// gone.
    fn flush(&mut self, bytes_max: usize) -> bool {
        let Some(queue) = &self.queue else { return true };
        while !self.backlog.is_empty() && self.level.load(Ordering::Relaxed) < bytes_max {
            match queue.try_reserve() {
                Ok(place) => {
                    let Some(FetchedRecord { offset, time, bytes }) = self.backlog.pop_front() else { break };
                    let room = QueueShare::take(&self.level, bytes.len());
                    place.send(QueuedRecord { offset, time, bytes, _room: room });
                }
                Err(TrySendError::Full(())) => break,
                Err(TrySendError::Closed(())) => return false,
            }
        }
        true
    }
}

fn shard_of(nth: usize) -> Shard {
    u16::try_from(nth).ok().and_then(Shard::new).expect("a lane for each shard")
}
