//! The snapshot of the `orders` channel. It comes from Postgres, while its deltas come from the
//! log.
//!
//! The session subscribes to deltas first and holds them back. It reads the snapshot once Postgres
//! has reached the view's position at that time, so nothing is missing between the two, and drops
//! deltas that the snapshot contains, by their sequence.
//!
//! Each connection has at most one snapshot in progress: one that is replaced, or whose client has
//! left, is aborted together with its query. Only a few snapshots of all connections are made at a
//! time, outside of the sessions.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use schemas::ids::LogPosition;
use schemas::{AccountId, Shard};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::http::problem::{Problem, kinds};
use crate::seldom::Seldom;
use crate::shares::{Asker, Share};
use crate::state::Shared;
use crate::ws::changes::{SNAPSHOT_ORDERS_MAX, Tallies};
use crate::ws::protocol;
use crate::ws::queue::{DeltaBody, Frame, QUEUE_MAX, SOCKET_BYTES_MAX};

const SNAPSHOT_WITHIN: Duration = Duration::from_secs(10);

/// What the budget is charged when a snapshot starts, whatever its result.
pub const SNAPSHOT_COSTS: usize = 256 * 1024;

/// The text of the account's live orders, and its log positions.
pub struct OrdersSnapshot {
    text: BoundedText,
    at: Vec<LogPosition>,
    tallies: Tallies,
    /// The bytes of the totals.
    kept: Share,
}

/// A text with its bytes' share, which is returned once it is written.
pub struct BoundedText {
    /// The text.
    pub text: String,
    /// Its bytes.
    pub bytes: Share,
}

/// Aborts the snapshot when it is dropped.
pub struct SnapshotInProgress(AbortHandle);

impl Drop for SnapshotInProgress {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The state of one client's channel.
#[derive(Default)]
pub enum OrdersChannel {
    /// Not subscribed.
    #[default]
    Closed,
    /// Subscribed; the snapshot is in progress.
    Waiting {
        /// Receives the snapshot, or why there is none.
        snapshot: oneshot::Receiver<Result<OrdersSnapshot, Problem>>,
        /// Deltas since the subscription.
        held_back: Vec<Frame>,
        /// Their bytes.
        bytes: usize,
        /// The task that makes the snapshot.
        _under_way: SnapshotInProgress,
    },
    /// The snapshot was sent.
    Open {
        /// The sequences of the snapshot.
        since: HashMap<Shard, u64>,
        /// The running totals of each live order.
        tallies: Tallies,
        /// Their bytes.
        kept: Share,
    },
}

/// What to do with a delta.
pub enum Passage {
    /// Send this.
    Send(Utf8Bytes),
    /// Hold it back, or drop it.
    Keep,
    /// Too many deltas are held back.
    Overrun,
    /// The account's share of bytes does not suffice for the totals of its orders.
    TooMuch,
}

/// The result of waiting for the snapshot.
pub enum Arrival {
    /// The snapshot's text and the deltas that were held back for it: the channel passes those that
    /// it does not contain.
    Snapshot(BoundedText, Vec<Frame>),
    /// The snapshot failed; the channel is closed again.
    Unavailable(Problem),
}

impl OrdersChannel {
    /// Starts the snapshot of `account`, at least as of `at_least`.
    pub fn open(state: Shared, account: AccountId, asker: Asker, at_least: Vec<LogPosition>) -> Self {
        let (sender, snapshot) = oneshot::channel();
        Self::waiting(snapshot, async move {
            let found = read(&state, account, asker, &at_least).await;
            // The client may have left.
            let _ = sender.send(found);
        })
    }

    fn waiting(
        snapshot: oneshot::Receiver<Result<OrdersSnapshot, Problem>>,
        make: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let under_way = SnapshotInProgress(tokio::spawn(make).abort_handle());
        Self::Waiting { snapshot, held_back: Vec::new(), bytes: 0, _under_way: under_way }
    }

    /// Waits for the snapshot; forever if none is in progress.
    pub async fn arrival(&mut self) -> Arrival {
        let Self::Waiting { snapshot, held_back, .. } = self else { return std::future::pending().await };
        let found = snapshot.await.unwrap_or_else(|_| Err(Problem::new(kinds::READ_MODEL_UNAVAILABLE)));
        let OrdersSnapshot { text, at, tallies, kept } = match found {
            Ok(snapshot) => snapshot,
            Err(problem) => {
                *self = Self::Closed;
                return Arrival::Unavailable(problem);
            }
        };
        let since: HashMap<Shard, u64> = at.iter().map(|at| (at.shard, at.sequence)).collect();
        let held_back = std::mem::take(held_back);
        *self = Self::Open { since, tallies, kept };
        Arrival::Snapshot(text, held_back)
    }

    /// Decides what to do with a delta.
    pub fn pass(&mut self, frame: Frame) -> Passage {
        match self {
            Self::Closed => Passage::Keep,
            Self::Waiting { held_back, bytes, .. } => {
                *bytes += frame.bytes();
                held_back.push(frame);
                let is_too_much = held_back.len() > QUEUE_MAX || *bytes > SOCKET_BYTES_MAX;
                if is_too_much { Passage::Overrun } else { Passage::Keep }
            }
            Self::Open { since, tallies, kept } if is_news(since, &frame) => {
                let text = text_of(frame, tallies);
                let more = tallies.bytes().saturating_sub(kept.count());
                let fits = tallies.bytes() <= SOCKET_BYTES_MAX && (more == 0 || kept.grow(more));
                if fits { Passage::Send(text) } else { Passage::TooMuch }
            }
            Self::Open { .. } => Passage::Keep,
        }
    }
}

fn text_of(frame: Frame, tallies: &mut Tallies) -> Utf8Bytes {
    match frame.body {
        DeltaBody::Text(text) => text,
        DeltaBody::Orders(delta) => delta.told(tallies).into(),
    }
}

/// Returns true if the snapshot does not contain the delta.
fn is_news(since: &HashMap<Shard, u64>, frame: &Frame) -> bool {
    frame.sequence > since.get(&frame.shard).copied().unwrap_or(0)
}

async fn read(
    state: &Shared,
    account: AccountId,
    asker: Asker,
    at_least: &[LogPosition],
) -> Result<OrdersSnapshot, Problem> {
    static LINE: Seldom = Seldom::new();
    let made = make(state, account, at_least, Instant::now() + SNAPSHOT_WITHIN).await;
    let (text, at, tallies) = made.map_err(|error| {
        if let Some(kept_back) = LINE.pass() {
            tracing::warn!(error, kept_back, "no snapshot of orders");
        }
        Problem::new(kinds::READ_MODEL_UNAVAILABLE)
    })?;
    let kept = state.websocket_bytes.take(asker, tallies.bytes()).ok_or_else(too_much_unread)?;
    Ok(OrdersSnapshot { text: BoundedText::take(state, asker, text)?, at, tallies, kept })
}

impl BoundedText {
    /// Takes the share of a text's bytes, if it is available.
    pub fn take(state: &Shared, asker: Asker, text: String) -> Result<Self, Problem> {
        let bytes = state.websocket_bytes.take(asker, text.len()).ok_or_else(too_much_unread)?;
        Ok(Self { text, bytes })
    }
}

/// The client has as many bytes on their way to its sockets as it may have.
fn too_much_unread() -> Problem {
    Problem::new(kinds::OVERLOADED).detail("too much is still to be read of earlier snapshots")
}

async fn make(
    state: &Shared,
    account: AccountId,
    at_least: &[LogPosition],
    deadline: Instant,
) -> Result<(String, Vec<LogPosition>, Tallies), String> {
    state.database_progress.wait(at_least, deadline).await.map_err(|error| error.to_string())?;
    let turn = tokio::time::timeout_at(deadline, state.snapshots.take(account)).await;
    let turn = turn.map_err(|_| "too many other snapshots are in progress".to_owned())?;
    let (orders, more, at) =
        state.database.live_orders(account, SNAPSHOT_ORDERS_MAX).await.map_err(|error| error.to_string())?;
    // Takes milliseconds for the most orders that a snapshot has.
    let text = tokio::task::spawn_blocking(move || {
        let text = protocol::orders_snapshot(&orders, !more, &at);
        drop(turn);
        (text, at, Tallies::of(&orders))
    });
    text.await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::Order;
    use crate::shares::Shares;
    use crate::ws::queue::AllBytes;
    use crate::ws::subject::Subject;

    fn frame(shard: u16, sequence: u64) -> Frame {
        let shard = Shard::new(shard).unwrap();
        let body = DeltaBody::Text(format!("{shard}:{sequence}").into());
        Frame::new(Subject::Orders(AccountId(1)), shard, sequence, body, &AllBytes::default())
    }

    fn share() -> Share {
        Shares::new(8, 1).take(Asker::anonymous(None), 1).unwrap()
    }

    fn waiting() -> (oneshot::Sender<Result<OrdersSnapshot, Problem>>, OrdersChannel) {
        let (sender, snapshot) = oneshot::channel();
        (sender, OrdersChannel::waiting(snapshot, std::future::pending()))
    }

    #[tokio::test]
    async fn deltas_follow_the_snapshot_and_none_is_told_twice() {
        let (sender, mut channel) = waiting();
        for (shard, sequence) in [(0, 5), (1, 9), (0, 6)] {
            assert!(matches!(channel.pass(frame(shard, sequence)), Passage::Keep));
        }
        let at: Vec<LogPosition> = vec!["0:5".parse().unwrap(), "1:8".parse().unwrap()];
        let text = BoundedText { text: protocol::orders_snapshot::<Order>(&[], true, &at), bytes: share() };
        let found = OrdersSnapshot { text, at, tallies: Tallies::default(), kept: share() };
        assert!(sender.send(Ok(found)).is_ok());
        let Arrival::Snapshot(text, held_back) = channel.arrival().await else { panic!("no snapshot") };
        assert!(text.text.contains(r#""positions":{"0":5,"1":8}"#));
        let told = held_back.into_iter().filter_map(|frame| match channel.pass(frame) {
            Passage::Send(text) => Some(text),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), ["1:9", "0:6"]);
        assert!(matches!(channel.pass(frame(0, 5)), Passage::Keep));
        assert!(matches!(channel.pass(frame(0, 7)), Passage::Send(_)));
    }

    #[tokio::test]
    async fn a_snapshot_that_cannot_be_had_closes_the_channel() {
        let (sender, mut channel) = waiting();
        drop(sender);
        assert!(matches!(channel.arrival().await, Arrival::Unavailable(_)));
        assert!(matches!(channel.pass(frame(0, 1)), Passage::Keep));
    }

    #[tokio::test]
    async fn a_snapshot_that_is_replaced_is_given_up() {
        let ((held, mut is_held), (_snapshot, wanted)) = (oneshot::channel::<()>(), oneshot::channel());
        let mut session = [OrdersChannel::waiting(wanted, async move {
            let _held = held;
            std::future::pending().await
        })];
        tokio::task::yield_now().await;
        assert_eq!(is_held.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        session[0] = waiting().1;
        assert!(is_held.await.is_err(), "what made the first is gone");
    }

    #[tokio::test]
    async fn what_is_held_back_is_bounded() {
        let (_sender, mut channel) = waiting();
        let judged = (0..=QUEUE_MAX as u64).map(|sequence| channel.pass(frame(0, sequence)));
        assert!(matches!(judged.last(), Some(Passage::Overrun)));
    }
}
