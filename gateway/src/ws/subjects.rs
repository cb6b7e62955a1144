//! What waits for the turn of one subject, and the turn itself. Pure.
//!
//!   outcome ─▶ *pending changes* ─▶ turn: messages, serialised once ─▶ one client's queue after another
//!
//! A subject that is told to many clients has few turns, each with few messages: while one waits,
//! the changes of a book, or the trades, of several outcomes become one message. So a subject takes
//! a bounded part of the fan-out, and of what writes to the sockets, whatever happens on it and
//! however many clients watch it; other subjects are delivered between its turns.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use schemas::{AccountId, BookSide, MarketId, Price, Shard};

use crate::shapes::PublicTrade;
use crate::view::book::Level;
use crate::ws::changes::OrdersDelta;
use crate::ws::protocol::{self, Delta};
use crate::ws::queue::{AllBytes, DeltaBody, Frame, FrameBatch, QUEUE_MAX};
use crate::ws::subject::{ClientNumber, Subject};

/// The most messages of one turn to all its clients together, except that each client gets one.
pub const TURN_MAX: usize = 4_096;

/// How long a subject rests for each message of a turn to each client: some times what writing one
/// costs a processor, so that one subject never takes all of them.
const REST_EACH: Duration = Duration::from_micros(250);

/// The longest rest.
const REST_MAX: Duration = Duration::from_millis(500);

/// How far each shard was in a client's snapshot, until something later is delivered. The client
/// has everything up to there.
pub type Start = Vec<(Shard, u64)>;

/// A subject with its clients.
pub struct WatchedSubject {
    /// The clients.
    pub clients: BTreeMap<ClientNumber, Start>,
    /// When it is told next, if something is to be told.
    pub due: Option<Instant>,
    /// The sequence of the last change, for each shard that changed this subject.
    last: HashMap<Shard, u64>,
    pending: Vec<(Delta, SubjectChange)>,
    turn: Option<Turn>,
    rests_until: Instant,
}

/// What an outcome changed of a subject.
pub enum SubjectChange {
    /// Levels of a book, with their new quantities.
    Book(MarketId, Vec<Level>),
    /// Trades, in order of matching, with the sequences of their outcomes.
    Trades(MarketId, Vec<(u64, PublicTrade)>),
    /// Orders of an account.
    Orders(AccountId, Arc<OrdersDelta>),
}

/// Messages on their way to all clients of a subject.
struct Turn {
    frames: FrameBatch,
    /// What they were made of.
    changes: Vec<(Delta, SubjectChange)>,
    /// The first client that has not got them.
    next: ClientNumber,
}

/// More outcomes wait for the subject's turn than a client's queue would take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubjectBehind;

impl WatchedSubject {
    /// Creates a subject of which the first client has everything up to `start`.
    pub fn new(start: &Start, now: Instant) -> Self {
        let last = start.iter().copied().collect();
        Self { clients: BTreeMap::new(), due: None, last, pending: Vec::new(), turn: None, rests_until: now }
    }

    /// Adds the change of an outcome, unless all clients have it in their snapshots.
    pub fn push(&mut self, delta: Delta, change: impl FnOnce(&Delta) -> SubjectChange) -> Result<(), SubjectBehind> {
        let previous = self.last.get(&delta.shard).copied().unwrap_or(0);
        if delta.sequence <= previous {
            return Ok(());
        }
        self.last.insert(delta.shard, delta.sequence);
        let delta = Delta { previous, ..delta };
        self.pending.push((delta, change(&delta)));
        if self.pending.len() > QUEUE_MAX {
            self.merge();
        }
        if self.pending.len() > QUEUE_MAX { Err(SubjectBehind) } else { Ok(()) }
    }

    /// Returns when the subject can be told next.
    pub fn next_turn(&self, now: Instant) -> Option<Instant> {
        match (&self.turn, self.pending.is_empty()) {
            (Some(_), _) => Some(now),
            (None, false) => Some(self.rests_until.max(now)),
            (None, true) => None,
        }
    }

    /// Gives the messages of a turn to some clients: at most `most`, from where it stopped. Returns
    /// how many these were.
    pub fn tell(
        &mut self,
        now: Instant,
        most: usize,
        all: &AllBytes,
        mut give: impl FnMut(ClientNumber, FrameBatch),
    ) -> usize {
        if self.turn.is_none() {
            let crowd = self.clients.len();
            if self.pending.len() > (TURN_MAX / crowd.max(1)).max(1) {
                self.merge();
            }
            let messages = u32::try_from(crowd * self.pending.len()).unwrap_or(u32::MAX);
            self.rests_until = now + REST_EACH.saturating_mul(messages).min(REST_MAX);
            let changes = std::mem::take(&mut self.pending);
            let frames = changes.iter().map(|(delta, change)| change.frame(delta, all)).collect();
            self.turn = Some(Turn { frames, changes, next: ClientNumber::FIRST });
        }
        let Some(turn) = &mut self.turn else { return 0 };
        let mut told = 0;
        for (&client, start) in self.clients.range_mut(turn.next..).take(most) {
            told += 1;
            turn.next = client.next();
            if let Some(news) = turn.news(start, all) {
                give(client, news);
            }
        }
        if self.clients.range(turn.next..).next().is_none() {
            self.turn = None;
        }
        told
    }

    /// Makes one change of the pending ones. Changes of orders stay as they are: each has its time.
    fn merge(&mut self) {
        let (Some((first, kind)), Some((last, _))) = (self.pending.first(), self.pending.last()) else { return };
        let delta = Delta { previous: first.previous, ..*last };
        let merged = match *kind {
            SubjectChange::Book(market, _) => SubjectChange::Book(market, self.levels()),
            SubjectChange::Trades(market, _) => SubjectChange::Trades(market, self.trades()),
            SubjectChange::Orders(..) => return,
        };
        self.pending = vec![(delta, merged)];
    }

    /// The last quantity of each level.
    fn levels(&self) -> Vec<Level> {
        let mut levels: BTreeMap<(bool, Price), Level> = BTreeMap::new();
        for (_, change) in &self.pending {
            if let SubjectChange::Book(_, changed) = change {
                levels.extend(changed.iter().map(|level| ((level.side == BookSide::Ask, level.price), *level)));
            }
        }
        levels.into_values().collect()
    }

    fn trades(&self) -> Vec<(u64, PublicTrade)> {
        let trades = self.pending.iter().filter_map(|(_, change)| match change {
            SubjectChange::Trades(_, trades) => Some(trades),
            SubjectChange::Book(..) | SubjectChange::Orders(..) => None,
        });
        trades.flatten().copied().collect()
    }
}

impl Turn {
    /// Returns the messages that a client does not have from its snapshot.
    fn news(&self, start: &mut Start, all: &AllBytes) -> Option<FrameBatch> {
        if start.is_empty() {
            return Some(Arc::clone(&self.frames));
        }
        let mut news = Vec::new();
        for (frame, (delta, change)) in self.frames.iter().zip(&self.changes) {
            let has = start.iter().find(|(shard, _)| *shard == frame.shard).map(|(_, sequence)| *sequence);
            if has.is_some_and(|has| frame.sequence <= has) {
                continue;
            }
            let rest = has.and_then(|has| change.after(has));
            news.push(rest.map_or_else(|| frame.clone(), |rest| rest.frame(delta, all)));
            start.retain(|(of, _)| *of != frame.shard);
        }
        (!news.is_empty()).then(|| news.into())
    }
}

impl SubjectChange {
    /// Returns the trades that a snapshot does not have, if it has some of these. Levels may be told
    /// twice.
    fn after(&self, has: u64) -> Option<Self> {
        let Self::Trades(market, trades) = self else { return None };
        let is_part = trades.iter().any(|(sequence, _)| *sequence <= has);
        is_part.then(|| Self::Trades(*market, trades.iter().copied().filter(|(sequence, _)| *sequence > has).collect()))
    }

    fn frame(&self, delta: &Delta, all: &AllBytes) -> Frame {
        let (subject, body) = match self {
            Self::Book(market, levels) => {
                (Subject::Book(*market), DeltaBody::Text(protocol::book_delta(*market, levels, delta).into()))
            }
            Self::Trades(market, trades) => {
                let trades: Vec<PublicTrade> = trades.iter().map(|(_, trade)| *trade).collect();
                (Subject::Trades(*market), DeltaBody::Text(protocol::trades_delta(*market, &trades, delta).into()))
            }
            Self::Orders(account, changes) => (Subject::Orders(*account), DeltaBody::Orders(Arc::clone(changes))),
        };
        Frame::new(subject, delta.shard, delta.sequence, body, all)
    }
}
