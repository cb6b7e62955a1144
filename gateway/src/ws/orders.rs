//! The snapshot of the `orders` channel, which comes from Postgres while its deltas come from the log.
//!
//! Deltas are subscribed to first and held back. The snapshot is read once Postgres is as far as the view was then, so
//! that nothing is missing between the two; deltas that the snapshot has already are dropped by their sequence.

use std::collections::HashMap;
use std::time::Duration;

use schemas::ids::Coordinate;
use schemas::{AccountId, Shard};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::db::ListedOrder;
use crate::state::Shared;
use crate::ws::hub::{Frame, QUEUE_MAX};
use crate::ws::protocol;

const SNAPSHOT_WITHIN: Duration = Duration::from_secs(10);

/// Orders of a snapshot at most: the newest.
pub const SNAPSHOT_ORDERS_MAX: usize = 10_000;

/// The account's live orders, whether there are more, and what they are as of.
pub type Snapshot = (Vec<ListedOrder>, bool, Vec<Coordinate>);

/// Where the channel of one client stands.
#[derive(Default)]
pub enum OrdersChannel {
    /// Not subscribed.
    #[default]
    Closed,
    /// Subscribed; the snapshot is on its way.
    Waiting {
        /// The snapshot, or nothing if it could not be had.
        snapshot: oneshot::Receiver<Snapshot>,
        /// Deltas since the subscription.
        held_back: Vec<Frame>,
    },
    /// Snapshot sent, as of these sequences.
    Open(HashMap<Shard, u64>),
}

/// What to do with a delta.
pub enum Passage {
    /// Send it.
    Send(Frame),
    /// Not now, or not at all.
    Keep,
    /// Too many are held back.
    Overrun,
}

/// What came of waiting for the snapshot.
pub enum Arrival {
    /// The snapshot's text and the deltas that follow it.
    Snapshot(String, Vec<Frame>),
    /// It could not be had; the channel is closed again.
    Unavailable,
}

impl OrdersChannel {
    /// Begins to wait for the snapshot of `account`, at least as of `at_least`.
    pub fn open(state: Shared, account: AccountId, at_least: Vec<Coordinate>) -> Self {
        let (sender, snapshot) = oneshot::channel();
        tokio::spawn(async move {
            if let Some(found) = read(&state, account, &at_least).await {
                // The client may be gone; then nobody wants it.
                let _ = sender.send(found);
            }
        });
        Self::Waiting { snapshot, held_back: Vec::new() }
    }

    /// Waits for the snapshot; for ever if none is on its way.
    pub async fn arrival(&mut self) -> Arrival {
        let Self::Waiting { snapshot, held_back } = self else { return std::future::pending().await };
        let Ok((orders, more, at)) = snapshot.await else {
            *self = Self::Closed;
            return Arrival::Unavailable;
        };
        let text = protocol::orders_snapshot(&orders, !more, &at);
        let since: HashMap<Shard, u64> = at.iter().map(|at| (at.shard, at.sequence)).collect();
        let follow = held_back.drain(..).filter(|frame| is_news(&since, frame)).collect();
        *self = Self::Open(since);
        Arrival::Snapshot(text, follow)
    }

    /// Judges a delta.
    pub fn pass(&mut self, frame: Frame) -> Passage {
        match self {
            Self::Closed => Passage::Keep,
            Self::Waiting { held_back, .. } if held_back.len() == QUEUE_MAX => Passage::Overrun,
            Self::Waiting { held_back, .. } => {
                held_back.push(frame);
                Passage::Keep
            }
            Self::Open(since) if is_news(since, &frame) => Passage::Send(frame),
            Self::Open(_) => Passage::Keep,
        }
    }
}

/// True if the snapshot does not have it already.
fn is_news(since: &HashMap<Shard, u64>, frame: &Frame) -> bool {
    frame.sequence > since.get(&frame.shard).copied().unwrap_or(0)
}

async fn read(state: &Shared, account: AccountId, at_least: &[Coordinate]) -> Option<Snapshot> {
    let reached = state.database_progress.wait(at_least, Instant::now() + SNAPSHOT_WITHIN).await;
    if let Err(error) = reached {
        tracing::warn!(%error, "no snapshot of orders");
        return None;
    }
    match state.database.live_orders(account, SNAPSHOT_ORDERS_MAX).await {
        Ok(snapshot) => Some(snapshot),
        Err(error) => {
            tracing::warn!(%error, "no snapshot of orders");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::hub::Topic;

    fn frame(shard: u16, sequence: u64) -> Frame {
        let shard = Shard::new(shard).unwrap();
        Frame { topic: Topic::Orders(AccountId(1)), shard, sequence, text: "{}".into() }
    }

    fn waiting() -> (oneshot::Sender<Snapshot>, OrdersChannel) {
        let (sender, snapshot) = oneshot::channel();
        (sender, OrdersChannel::Waiting { snapshot, held_back: Vec::new() })
    }

    #[tokio::test]
    async fn deltas_follow_the_snapshot_and_none_is_told_twice() {
        let (sender, mut channel) = waiting();
        for (shard, sequence) in [(0, 5), (1, 9), (0, 6)] {
            assert!(matches!(channel.pass(frame(shard, sequence)), Passage::Keep));
        }
        sender.send((Vec::new(), false, vec!["0:5".parse().unwrap(), "1:8".parse().unwrap()])).unwrap();
        let Arrival::Snapshot(text, follow) = channel.arrival().await else { panic!("no snapshot") };
        assert!(text.contains(r#""positions":{"0":5,"1":8}"#));
        assert_eq!(follow.iter().map(|f| (f.shard.number(), f.sequence)).collect::<Vec<_>>(), [(1, 9), (0, 6)]);
        assert!(matches!(channel.pass(frame(0, 5)), Passage::Keep));
        assert!(matches!(channel.pass(frame(0, 7)), Passage::Send(_)));
    }

    #[tokio::test]
    async fn a_snapshot_that_cannot_be_had_closes_the_channel() {
        let (sender, mut channel) = waiting();
        drop(sender);
        assert!(matches!(channel.arrival().await, Arrival::Unavailable));
        assert!(matches!(channel.pass(frame(0, 1)), Passage::Keep));
    }

    #[test]
    fn what_is_held_back_is_bounded() {
        let (_sender, mut channel) = waiting();
        let judged = (0..=QUEUE_MAX as u64).map(|sequence| channel.pass(frame(0, sequence)));
        assert!(matches!(judged.last(), Some(Passage::Overrun)));
    }
}
