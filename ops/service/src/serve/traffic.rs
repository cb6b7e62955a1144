//! What goes on on one connection: requests in progress, and how far their answers are written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::limits::Limits;
use super::streams;

/// The idle connections of a port, the one that is idle longest first.
#[derive(Default)]
pub struct IdleConnections(Mutex<BTreeSet<(Instant, u64)>>);

impl IdleConnections {
    /// Takes out the number of the connection that is idle longest.
    pub fn pop(&self) -> Option<u64> {
        self.all().pop_first().map(|(_, number)| number)
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    fn all(&self) -> MutexGuard<'_, BTreeSet<(Instant, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
pub struct Traffic {
    /// Among the connections of its port.
    number: u64,
    /// Locked after the state.
    idle: Arc<IdleConnections>,
    state: Mutex<State>,
    upgraded: AtomicBool,
    lingers: AtomicBool,
    leave: Notify,
    finish: Notify,
}

struct State {
    /// Had a whole request.
    spoke: bool,
    /// When it was accepted, or its last request ended.
    since: Instant,
    next: u64,
    /// Requests in progress.
    under_way: BTreeMap<u64, Progress>,
    /// It is being ended in order; by then, whatever goes on.
    until: Option<Instant>,
    /// No request is served before.
    held: Option<Instant>,
    closed: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.under_way.is_empty() && !self.closed
    }
}

/// How far a request is.
struct Progress {
    /// When its answer went on last; none while it is being made.
    answered: Option<Instant>,
    /// Ends its stream.
    stream: Option<Arc<Notify>>,
}

/// What ends a connection next if nothing happens, and when to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Its first request.
    Silent(Instant),
    /// Its next request.
    Idle(Instant),
    /// That an answer goes on. Over HTTP/2, this ends its stream alone.
    Stalled(Instant),
    /// That it ends in order.
    Leaving(Instant),
}

impl Due {
    pub fn at(self) -> Instant {
        match self {
            Self::Silent(at) | Self::Idle(at) | Self::Stalled(at) | Self::Leaving(at) => at,
        }
    }
}

impl Traffic {
    /// A connection that is idle until its first request.
    pub fn new(number: u64, idle: Arc<IdleConnections>) -> Arc<Self> {
        let (since, under_way) = (Instant::now(), BTreeMap::new());
        idle.all().insert((since, number));
        let state = State { spoke: false, since, next: 0, under_way, until: None, held: None, closed: false };
        let (upgraded, lingers) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self {
            number,
            idle,
            state: Mutex::new(state),
            upgraded,
            lingers,
            leave: Notify::new(),
            finish: Notify::new(),
        })
    }

    /// A request begins.
    pub fn begin(self: &Arc<Self>) -> RequestInProgress {
        let mut state = self.state();
        if state.is_idle() {
            self.idle.all().remove(&(state.since, self.number));
        }
        let number = state.next;
        state.next += 1;
        state.spoke = true;
        let stream = streams::current();
        let is_stream = stream.is_some();
        state.under_way.insert(number, Progress { answered: None, stream });
        RequestInProgress { traffic: Arc::clone(self), number, is_stream }
    }

    /// It is another protocol from here on, which has limits of its own.
    pub fn upgrade(&self) {
        self.upgraded.store(true, Ordering::Relaxed);
    }

    pub fn is_upgraded(&self) -> bool {
        self.upgraded.load(Ordering::Relaxed)
    }

    /// What was said last is to be seen, although the peer may be sending.
    pub fn linger(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }

    pub fn lingers(&self) -> bool {
        self.lingers.load(Ordering::Relaxed)
    }

    /// Since when nothing is in progress, if so.
    pub fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.is_idle() && !self.is_upgraded()).then_some(state.since)
    }

    /// The socket is closed: it is no longer among the idle ones.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        self.idle.all().remove(&(state.since, self.number));
    }

    /// No request is served before.
    pub fn hold(&self, until: Instant) {
        let mut state = self.state();
        state.held = state.held.max(Some(until));
    }

    /// Waits until requests are served.
    pub async fn held(&self) {
        let until = self.state().held;
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Ends the connection for another one's sake.
    pub fn leave(&self) {
        self.leave.notify_one();
    }

    pub async fn must_leave(&self) {
        self.leave.notified().await;
    }

    /// Ends the connection once its requests in progress are answered.
    pub fn finish(&self) {
        self.finish.notify_one();
    }

    pub async fn must_finish(&self) {
        self.finish.notified().await;
    }

    /// It is being ended in order.
    pub fn leaves(&self, within: Duration) {
        self.state().until = Some(Instant::now() + within);
    }

    /// What is waited for. While requests are in progress, their handlers bound the time; it is
    /// looked again.
    pub fn due(&self, limits: &Limits) -> Due {
        let state = self.state();
        if let Some(until) = state.until {
            return Due::Leaving(until);
        }
        if state.under_way.is_empty() {
            return match state.spoke {
                true => Due::Idle(state.since + limits.idle_within),
                false => Due::Silent(state.since + limits.first_within),
            };
        }
        let oldest = state.under_way.values().filter_map(|request| request.answered).min();
        Due::Stalled(oldest.unwrap_or_else(Instant::now) + limits.write_within)
    }

    /// What should have come by now.
    pub fn overdue(&self, limits: &Limits) -> Option<Due> {
        let due = self.due(limits);
        (due.at() <= Instant::now()).then_some(due)
    }

    /// Ends the streams whose answers should have gone on by now. False if such an answer is no
    /// stream's, but the connection's.
    pub fn end_stalled_streams(&self, limits: &Limits) -> bool {
        let now = Instant::now();
        let is_stalled =
            |_: &u64, request: &mut Progress| request.answered.is_some_and(|at| at + limits.write_within <= now);
        let mut state = self.state();
        // Not in progress any more, however long hyper takes to drop it.
        let stalled: Vec<_> = state.under_way.extract_if(.., is_stalled).map(|(_, request)| request.stream).collect();
        if stalled.is_empty() {
            return true;
        }
        let mut all_are_streams = true;
        for stream in stalled {
            match stream {
                Some(stream) => stream.notify_one(),
                None => all_are_streams = false,
            }
        }
        self.rests_from(&mut state, now);
        all_are_streams
    }

    /// Its last request ended now. It has one entry among the idle ones, if any.
    fn rests_from(&self, state: &mut State, now: Instant) {
        let mut idle = self.idle.all();
        idle.remove(&(state.since, self.number));
        state.since = now;
        if state.is_idle() && !self.is_upgraded() {
            idle.insert((now, self.number));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in progress, from its head to the last byte of its answer that was written.
pub struct RequestInProgress {
    traffic: Arc<Traffic>,
    number: u64,
    is_stream: bool,
}

impl RequestInProgress {
    /// The answer goes on.
    pub fn goes_on(&self) {
        if let Some(request) = self.traffic.state().under_way.get_mut(&self.number) {
            request.answered = Some(Instant::now());
        }
    }

    /// How many requests the connection had before.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// True if it is a stream of HTTP/2.
    pub fn is_stream(&self) -> bool {
        self.is_stream
    }
}

impl Drop for RequestInProgress {
    fn drop(&mut self) {
        let traffic = &self.traffic;
        let mut state = traffic.state();
        // One that was given up has ended before.
        if state.under_way.remove(&self.number).is_some() {
            traffic.rests_from(&mut state, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::streams::Streams;
    use super::*;
    use hyper::rt::Executor;
    use tokio::sync::oneshot;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits {
            connections: 1,
            each_address: 1,
            shared_addresses: Vec::new(),
            first_within: SECOND,
            idle_within: 5 * SECOND,
            write_within: 2 * SECOND,
            drain_within: SECOND,
            streams: 1,
            requests: 3,
            each_address_rate: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_waited_for_is_the_first_request_then_the_next_and_then_each_answer() {
        let (traffic, limits, start) = (Traffic::new(0, Arc::default()), limits(), Instant::now());
        assert_eq!(traffic.due(&limits), Due::Silent(start + SECOND));
        let (one, two) = (traffic.begin(), traffic.begin());
        // Being made: the handler bounds it.
        tokio::time::advance(60 * SECOND).await;
        assert_eq!((traffic.overdue(&limits), traffic.idle_since()), (None, None));
        one.goes_on();
        let stalled = Instant::now();
        tokio::time::advance(SECOND).await;
        two.goes_on();
        // One that goes on does not excuse the other.
        assert_eq!(traffic.due(&limits), Due::Stalled(stalled + 2 * SECOND));
        drop(one);
        assert_eq!(traffic.due(&limits), Due::Stalled(stalled + 3 * SECOND));
        drop(two);
        assert_eq!(traffic.due(&limits), Due::Idle(stalled + 6 * SECOND));
        assert_eq!(traffic.idle_since(), Some(stalled + SECOND));
        let switched = traffic.begin();
        traffic.upgrade();
        drop(switched);
        assert_eq!(traffic.idle_since(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_streams_were_given_up_is_among_the_idle_ones_once() {
        let (idle, limits) = (Arc::new(IdleConnections::default()), limits());
        let traffic = Traffic::new(0, Arc::clone(&idle));
        let stalled = [traffic.begin(), traffic.begin()];
        stalled.iter().for_each(RequestInProgress::goes_on);
        tokio::time::advance(3 * SECOND).await;
        traffic.end_stalled_streams(&limits);
        for request in stalled {
            tokio::time::advance(SECOND).await;
            drop(request);
        }
        traffic.end_stalled_streams(&limits);
        assert_eq!(idle.pop(), Some(0));
        assert!(idle.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_held_serves_later_and_one_that_is_closed_is_not_idle() {
        let (idle, start) = (Arc::new(IdleConnections::default()), Instant::now());
        let traffic = Traffic::new(0, Arc::clone(&idle));
        traffic.hold(start + SECOND);
        // It ends nothing earlier.
        traffic.hold(start);
        traffic.held().await;
        assert_eq!(start.elapsed(), SECOND);
        let last = traffic.begin();
        traffic.close();
        drop(last);
        assert!(idle.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_stream_ends_alone_and_an_answer_over_http1_with_its_connection() {
        let (traffic, limits) = (Traffic::new(0, Arc::default()), limits());
        let (stalled, going_on) = (Arc::clone(&traffic), Arc::clone(&traffic));
        let run = |traffic: Arc<Traffic>, every: Duration| {
            let (sender, ended) = oneshot::channel::<()>();
            Streams.execute(async move {
                let request = traffic.begin();
                let _alive = sender;
                loop {
                    request.goes_on();
                    tokio::time::sleep(every).await;
                }
            });
            ended
        };
        let (stalled, mut going_on) = (run(stalled, 60 * SECOND), run(going_on, SECOND));
        while !matches!(traffic.overdue(&limits), Some(Due::Stalled(_))) {
            tokio::time::sleep(SECOND / 2).await;
        }
        assert!(traffic.end_stalled_streams(&limits));
        assert!(stalled.await.is_err(), "its task is dropped");
        assert!(going_on.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        let only = traffic.begin();
        only.goes_on();
        tokio::time::advance(2 * SECOND).await;
        assert!(!traffic.end_stalled_streams(&limits));
    }
}
