//! The queue of one client: messages that wait to be written to its socket, counted until they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ws::Utf8Bytes;
use schemas::Shard;
use tokio::sync::mpsc;

use crate::ws::changes::OrdersDelta;

/// The most messages that wait for one client.
pub const QUEUE_MAX: usize = 1_024;

/// The messages that are written together, at least: a batch is never divided.
const TOGETHER: usize = 64;

/// A message to a client.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The outcome's shard.
    pub shard: Shard,
    /// The outcome's sequence.
    pub sequence: u64,
    /// The content, shared by all receivers.
    pub body: DeltaBody,
}

/// The content of a message.
#[derive(Clone, Debug)]
pub enum DeltaBody {
    /// JSON.
    Text(Utf8Bytes),
    /// Order changes, which each session completes with what it knows.
    Orders(Arc<OrdersDelta>),
}

/// The messages of one turn of a subject, shared by all receivers.
pub type FrameBatch = Arc<[Frame]>;

/// The hub's end.
pub struct QueueSender {
    batches: mpsc::Sender<FrameBatch>,
    unwritten: Arc<AtomicUsize>,
}

/// The session's end.
pub struct FrameQueue {
    batches: mpsc::Receiver<FrameBatch>,
    unwritten: Arc<AtomicUsize>,
}

/// More would wait for the client than may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueFull;

/// Creates the queue of one client.
pub fn queue() -> (QueueSender, FrameQueue) {
    // Each batch has a message, so this bound is never reached before the count.
    let (sender, receiver) = mpsc::channel(QUEUE_MAX + 1);
    let unwritten = Arc::<AtomicUsize>::default();
    (QueueSender { batches: sender, unwritten: Arc::clone(&unwritten) }, FrameQueue { batches: receiver, unwritten })
}

impl QueueSender {
    /// Hands messages to the client. Never waits. A client that has nothing to write takes any batch.
    pub fn hand(&self, batch: FrameBatch) -> Result<(), QueueFull> {
        let frames = batch.len();
        // Only the hub adds, under its lock.
        let before = self.unwritten.load(Ordering::Acquire);
        if before > 0 && before + frames > QUEUE_MAX {
            return Err(QueueFull);
        }
        self.unwritten.fetch_add(frames, Ordering::AcqRel);
        match self.batches.try_send(batch) {
            // A client that leaves needs nothing any more.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(QueueFull),
        }
    }
}

impl FrameQueue {
    /// Waits for messages, and takes all that are to be written together. Loses none when it is
    /// dropped meanwhile. Waits forever once the client is evicted: its session sees that elsewhere.
    pub async fn take(&mut self) -> Vec<Frame> {
        let Some(first) = self.batches.recv().await else { return std::future::pending().await };
        let mut frames = first.to_vec();
        while frames.len() < TOGETHER
            && let Ok(more) = self.batches.try_recv()
        {
            frames.extend_from_slice(&more);
        }
        frames
    }

    /// Notes that so many messages were written, or need not be.
    pub fn written(&self, frames: usize) {
        self.unwritten.fetch_sub(frames, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn batch(frames: usize) -> FrameBatch {
        let frame = |sequence: usize| Frame {
            shard: Shard::new(0).unwrap(),
            sequence: u64::try_from(sequence).unwrap(),
            body: DeltaBody::Text("{}".into()),
        };
        (0..frames).map(frame).collect()
    }

    #[test]
    fn messages_count_until_they_are_written() {
        let (sender, mut queue) = queue();
        assert_eq!(sender.hand(batch(QUEUE_MAX)), Ok(()));
        assert_eq!(queue.take().now_or_never().unwrap().len(), QUEUE_MAX);
        assert_eq!(sender.hand(batch(1)), Err(QueueFull), "they are being written");
        queue.written(QUEUE_MAX);
        for _ in 0..QUEUE_MAX {
            assert_eq!(sender.hand(batch(1)), Ok(()));
        }
        assert_eq!(sender.hand(batch(1)), Err(QueueFull));
        assert_eq!(queue.take().now_or_never().unwrap().len(), TOGETHER);
    }
}
