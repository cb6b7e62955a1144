//! The queue of one client: messages that wait to be written to its socket, counted until they are.
//!
//! The bytes of all queues are counted as well. A message that waits for many clients counts once
//! there, because they share it, and once for each of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ws::Utf8Bytes;
use schemas::Shard;
use tokio::sync::mpsc;

use crate::ws::changes::OrdersDelta;
use crate::ws::subject::Subject;

/// The most messages that wait for one client.
pub const QUEUE_MAX: usize = 1_024;

/// The most bytes that wait for one client: its messages, and what is kept to continue a snapshot.
pub const SOCKET_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The messages that are written together, at least: a batch is never divided.
const TOGETHER: usize = 64;

/// A message to a client.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What it is about.
    pub subject: Subject,
    /// The outcome's shard.
    pub shard: Shard,
    /// The outcome's sequence.
    pub sequence: u64,
    /// The content, shared by all receivers.
    pub body: DeltaBody,
    /// Counts the content's bytes until nobody has it any more.
    held: Arc<HeldBytes>,
}

/// The bytes of all messages that somebody has, each counted once.
#[derive(Clone, Default)]
pub struct AllBytes(Arc<AtomicUsize>);

/// The bytes of one message.
#[derive(Debug)]
struct HeldBytes {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl AllBytes {
    /// Returns how many they are.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl Frame {
    /// Creates a message whose bytes are counted until it is dropped everywhere.
    pub fn new(subject: Subject, shard: Shard, sequence: u64, body: DeltaBody, all: &AllBytes) -> Self {
        let bytes = match &body {
            DeltaBody::Text(text) => text.len(),
            DeltaBody::Orders(changes) => changes.bytes(),
        };
        all.0.fetch_add(bytes, Ordering::AcqRel);
        Self { subject, shard, sequence, body, held: Arc::new(HeldBytes { bytes, all: Arc::clone(&all.0) }) }
    }

    /// Returns about how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.held.bytes
    }
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
    unwritten: Arc<Unwritten>,
}

/// What was handed to the client and is not written yet.
#[derive(Default)]
struct Unwritten {
    frames: AtomicUsize,
    bytes: AtomicUsize,
}

/// The session's end.
pub struct FrameQueue {
    batches: mpsc::Receiver<FrameBatch>,
    unwritten: Arc<Unwritten>,
}

/// More would wait for the client than may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueFull;

/// Creates the queue of one client.
pub fn queue() -> (QueueSender, FrameQueue) {
    // Each batch has a message, so this bound is never reached before the count.
    let (sender, receiver) = mpsc::channel(QUEUE_MAX + 1);
    let unwritten = Arc::<Unwritten>::default();
    (QueueSender { batches: sender, unwritten: Arc::clone(&unwritten) }, FrameQueue { batches: receiver, unwritten })
}

impl QueueSender {
    /// Hands messages to the client. Never waits. A client that has nothing to write takes any batch.
    pub fn hand(&self, batch: FrameBatch) -> Result<(), QueueFull> {
        let (frames, bytes) = (batch.len(), batch.iter().map(Frame::bytes).sum::<usize>());
        // Only the hub adds, under its lock.
        let before = self.unwritten.frames.load(Ordering::Acquire);
        if before > 0 && (before + frames > QUEUE_MAX || self.bytes() + bytes > SOCKET_BYTES_MAX) {
            return Err(QueueFull);
        }
        self.unwritten.frames.fetch_add(frames, Ordering::AcqRel);
        self.unwritten.bytes.fetch_add(bytes, Ordering::AcqRel);
        match self.batches.try_send(batch) {
            // A client that leaves needs nothing any more.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(QueueFull),
        }
    }

    /// Returns the bytes that wait for the client.
    pub fn bytes(&self) -> usize {
        self.unwritten.bytes.load(Ordering::Acquire)
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

    /// Drops all messages, and those that still come.
    pub fn clear(&mut self) {
        self.batches.close();
        while self.batches.try_recv().is_ok() {}
    }

    /// Notes that so many messages, of so many bytes, were written or need not be.
    pub fn written(&self, frames: usize, bytes: usize) {
        self.unwritten.frames.fetch_sub(frames, Ordering::AcqRel);
        self.unwritten.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use schemas::MarketId;

    fn batch_of(frames: u64, text: &str, all: &AllBytes) -> FrameBatch {
        let shard = Shard::new(0).unwrap();
        (0..frames)
            .map(|sequence| Frame::new(Subject::Book(MarketId(1)), shard, sequence, DeltaBody::Text(text.into()), all))
            .collect()
    }

    fn batch(frames: usize) -> FrameBatch {
        batch_of(frames as u64, "{}", &AllBytes::default())
    }

    #[test]
    fn messages_count_until_they_are_written() {
        let (sender, mut queue) = queue();
        assert_eq!(sender.hand(batch(QUEUE_MAX)), Ok(()));
        assert_eq!(queue.take().now_or_never().unwrap().len(), QUEUE_MAX);
        assert_eq!(sender.hand(batch(1)), Err(QueueFull), "they are being written");
        queue.written(QUEUE_MAX, 2 * QUEUE_MAX);
        for _ in 0..QUEUE_MAX {
            assert_eq!(sender.hand(batch(1)), Ok(()));
        }
        assert_eq!(sender.hand(batch(1)), Err(QueueFull));
        assert_eq!(queue.take().now_or_never().unwrap().len(), TOGETHER);
    }

    #[test]
    fn large_messages_are_bounded_by_their_bytes_and_shared_ones_count_once_in_all() {
        let (all, text) = (AllBytes::default(), "x".repeat(SOCKET_BYTES_MAX / 4));
        let (one, other) = (queue(), queue());
        for _ in 0..4 {
            let batch = batch_of(1, &text, &all);
            for (sender, _) in [&one, &other] {
                assert_eq!(sender.hand(Arc::clone(&batch)), Ok(()));
            }
        }
        assert_eq!(one.0.hand(batch_of(1, "x", &all)), Err(QueueFull));
        assert_eq!((one.0.bytes(), all.count()), (SOCKET_BYTES_MAX, SOCKET_BYTES_MAX));
        drop((one, other));
        assert_eq!(all.count(), 0);
    }
}
