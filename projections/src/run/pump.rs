//! Takes records off Kafka and deals them out to the shards' queues. A thread of its own, since the
//! client blocks.
//!
//! Shards enter and leave one by one, each when its store lets it. One that does not take its
//! records is paused, so it makes nobody else wait.
//!
//! Absent: any look into a record.

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

/// Records that wait for one shard's writer.
const QUEUE_RECORDS: usize = 8_192;

/// Bytes of records that wait for all of a sink's writers, shared out equally; each goes beyond its
/// share by one record at most.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// How soon a quiet pump sees that somebody wants something.
const PATIENCE: Duration = Duration::from_millis(20);

enum Wish {
    Enter { shard: Shard, offset: u64, queue: mpsc::Sender<QueuedRecord> },
    Leave(Shard),
}

/// The writers' side: who wants which records.
#[derive(Clone)]
pub struct WriterPort(commands::Sender<Wish>);

impl WriterPort {
    /// The records of `shard` from `offset` on. The queue ends when the tail cannot go on with it.
    pub fn enter(&self, shard: Shard, offset: u64) -> mpsc::Receiver<QueuedRecord> {
        let (queue, end) = mpsc::channel(QUEUE_RECORDS);
        // Without a pump, the queue ends at once.
        let _ = self.0.send(Wish::Enter { shard, offset, queue });
        end
    }

    /// No more of `shard`.
    pub fn leave(&self, shard: Shard) {
        // Without a pump, nothing comes anyway.
        let _ = self.0.send(Wish::Leave(shard));
    }
}

/// A record that came, before it has a place in a queue.
struct FetchedRecord {
    offset: u64,
    time: Timestamp,
    bytes: Vec<u8>,
}

/// What goes to one shard's writer.
#[derive(Default)]
struct Lane {
    /// None while the shard is not read.
    queue: Option<mpsc::Sender<QueuedRecord>>,
    /// Bytes in the queue and in the writer's hands.
    level: Arc<AtomicUsize>,
    /// What came and found no room.
    backlog: VecDeque<FetchedRecord>,
    paused: bool,
    /// The offset after the last record that ever came.
    next: u64,
    /// After an entry before `next`: what is at or beyond this offset was fetched before the entry,
    /// and counts for nothing until the entry's own first record comes.
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
                // The writers find out whose it is when they enter again.
                Err(fault) if fault.is_lost_log() => {
                    tracing::warn!(%fault, "the tail lost its place; all shards of this sink enter again");
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
            // A partition keeps that it is paused, also when it is assigned again.
            self.tail.resume(shard)?;
        }
        self.tail.leave(shard)
    }

    fn leave_all(&mut self) -> Result<(), KafkaFault> {
        (0..self.lanes.len()).try_for_each(|nth| self.leave(shard_of(nth)))
    }

    /// Moves what waits into the queue, and pauses or resumes the shard by what is left.
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
    /// Whether a record that came is of use.
    fn admits(&mut self, offset: u64) -> bool {
        self.next = self.next.max(offset + 1);
        if self.queue.is_none() || self.fence.is_some_and(|fence| offset >= fence) {
            return false;
        }
        self.fence = None;
        true
    }

    /// Moves what waits into the queue while there is room; false if nobody is at its other end.
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
