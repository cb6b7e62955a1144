//! How far a read model may lag behind and still be served.
//!
//!   tail ─▶ reads ─▶ *fresh* ─▶ Redis, Postgres: each answer, before it goes out
//!
//! A read model that is being rebuilt starts with the past: empty wallets, then old ones. So no
//! answer is served that is behind
//!
//! - what this gateway itself had read of the log [`BEHIND_MAX`] ago, or
//! - what it had served from the same read model before the query was sent, or had seen as its
//!   position: a client that waited for a position is never answered from before it, even if
//!   another server answers (a replica, or a restored one).
//!
//! That holds for the shards that an answer's rows come from: what belongs to one market or one
//! order is read although another shard is behind.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use schemas::Shard;
use schemas::ids::LogPosition;
use schemas::reading::Checkpoint;

/// The greatest age of the first outcome that a read model may lack.
pub const BEHIND_MAX: Duration = Duration::from_secs(10);

/// Interval between two marks: the precision with which the time of a read is known.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// How far each shard was read, and when.
pub struct Reads {
    shards: Vec<Mutex<Marks>>,
}

struct Marks {
    /// Sequences with the time at which they were read, oldest first.
    recent: VecDeque<(Instant, u64)>,
    /// The last sequence that was read at least [`BEHIND_MAX`] ago.
    due: u64,
    /// When the last outcome was read.
    last: Option<(Instant, u64)>,
}

impl Marks {
    fn note(&mut self, sequence: u64, now: Instant) {
        self.last = Some((now, sequence));
        if self.recent.back().is_none_or(|(last, _)| now.saturating_duration_since(*last) >= MARK_EVERY) {
            self.mature(now);
            self.recent.push_back((now, sequence));
        }
    }

    fn mature(&mut self, now: Instant) {
        while let Some((_, sequence)) =
            self.recent.pop_front_if(|(at, _)| now.saturating_duration_since(*at) >= BEHIND_MAX)
        {
            self.due = sequence;
        }
        // Includes outcomes after the last mark if the shard has been silent since.
        if let Some((at, sequence)) = self.last
            && now.saturating_duration_since(at) >= BEHIND_MAX
        {
            self.due = sequence;
        }
    }
}

impl Reads {
    /// Starts with the view's positions, which count as read long ago.
    pub fn from(positions: &[Checkpoint]) -> Arc<Self> {
        let marks =
            |position: &Checkpoint| Mutex::new(Marks { recent: VecDeque::new(), due: position.sequence, last: None });
        Arc::new(Self { shards: positions.iter().map(marks).collect() })
    }

    /// Notes that an outcome was read.
    pub fn note(&self, shard: Shard, sequence: u64) {
        self.with(shard, |marks| marks.note(sequence, Instant::now()));
    }

    /// Returns the sequence that a read model must have reached on a shard.
    fn due(&self, shard: Shard) -> u64 {
        let due = self.with(shard, |marks| {
            marks.mature(Instant::now());
            marks.due
        });
        due.unwrap_or(0)
    }

    /// Returns when this gateway last read an outcome of a shard; `None` if it has not read one
    /// yet.
    pub fn last(&self, shard: Shard) -> Option<Instant> {
        self.with(shard, |marks| marks.last.map(|(at, _)| at)).flatten()
    }

    fn with<R>(&self, shard: Shard, look: impl FnOnce(&mut Marks) -> R) -> Option<R> {
        let marks = self.shards.get(shard.index())?;
        Some(look(&mut marks.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The limits of one read model.
#[derive(Clone)]
pub struct Fresh {
    reads: Arc<Reads>,
    /// The furthest position of each shard that was served or seen.
    served: Arc<[AtomicU64]>,
}

/// The read model is too far behind on this shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the read model is at {at}, behind {wanted}")]
pub struct Behind {
    /// Its position.
    pub at: LogPosition,
    /// The sequence that it must have reached.
    pub wanted: u64,
}

/// A query in progress: its answer must be at least as far as the read model was when the query was
/// sent.
pub struct FreshRead<'a> {
    fresh: &'a Fresh,
    floor: Vec<u64>,
}

impl Fresh {
    /// Creates the limits of a read model that has served nothing yet.
    pub fn new(reads: &Arc<Reads>) -> Self {
        let served = reads.shards.iter().map(|_| AtomicU64::new(0)).collect();
        Self { reads: Arc::clone(reads), served }
    }

    /// Returns what this gateway has read.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Notes the read model's position.
    pub fn saw(&self, at: &[LogPosition]) {
        for at in at {
            if let Some(served) = self.served.get(at.shard.index()) {
                served.fetch_max(at.sequence, Ordering::AcqRel);
            }
        }
    }

    /// Starts a query. What other queries see meanwhile does not count for it.
    pub fn ask(&self) -> FreshRead<'_> {
        let floor = self.served.iter().map(|served| served.load(Ordering::Acquire)).collect();
        FreshRead { fresh: self, floor }
    }

    /// Returns the first shard on which a read model at `reached` may not be served. A missing
    /// shard is at 0.
    pub fn behind(&self, reached: &[LogPosition]) -> Option<Behind> {
        let shards = Shard::all(u16::try_from(self.served.len()).unwrap_or(u16::MAX));
        let at =
            |shard| reached.iter().find(|at| at.shard == shard).copied().unwrap_or(LogPosition { shard, sequence: 0 });
        shards.map(at).find_map(|at| self.judge(at, self.served[at.shard.index()].load(Ordering::Acquire)).err())
    }

    fn judge(&self, at: LogPosition, floor: u64) -> Result<(), Behind> {
        let wanted = floor.max(self.reads.due(at.shard));
        if at.sequence < wanted { Err(Behind { at, wanted }) } else { Ok(()) }
    }
}

impl FreshRead<'_> {
    /// Checks an answer as of these positions, and notes them.
    pub fn answered(&self, at: impl IntoIterator<Item = LogPosition> + Clone) -> Result<(), Behind> {
        for at in at.clone() {
            self.fresh.judge(at, self.floor.get(at.shard.index()).copied().unwrap_or(0))?;
        }
        at.into_iter().for_each(|at| self.fresh.saw(&[at]));
        Ok(())
    }

    /// The same for an answer from rows of one shard, or of all (`None`). A missing one is at 0.
    pub fn answered_of(&self, shard: Option<Shard>, at: &[LogPosition]) -> Result<(), Behind> {
        let found =
            |shard| at.iter().find(|at| at.shard == shard).copied().unwrap_or(LogPosition { shard, sequence: 0 });
        self.answered(self.shards(shard).into_iter().map(found).collect::<Vec<_>>())
    }

    /// Returns the positions that another server must have reached to give the answer from rows of
    /// one shard, or of all (`None`). A client may have waited for other shards, too, so it is all
    /// that was served, and what is due on the shards that are read.
    pub fn wanted_of(&self, shard: Option<Shard>) -> Vec<LogPosition> {
        let wanted = |at: Shard| {
            let floor = self.floor.get(at.index()).copied().unwrap_or(0);
            let due = if shard.is_none_or(|only| only == at) { self.fresh.reads.due(at) } else { 0 };
            LogPosition { shard: at, sequence: floor.max(due) }
        };
        self.shards(None).into_iter().map(wanted).collect()
    }

    fn shards(&self, only: Option<Shard>) -> Vec<Shard> {
        let all = || Shard::all(u16::try_from(self.floor.len()).unwrap_or(u16::MAX)).collect();
        only.map_or_else(all, |shard| vec![shard])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: Shard = Shard::new(0).unwrap();

    fn at(sequence: u64) -> LogPosition {
        LogPosition { shard: SHARD, sequence }
    }

    #[test]
    fn what_was_read_long_ago_must_be_there_and_what_came_since_need_not() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut marks = Marks { recent: VecDeque::new(), due: 5, last: None };
        for number in 0..20 {
            marks.note(u64::from(number) + 100, start + second * number);
        }
        marks.mature(start + second * 19);
        assert_eq!(marks.due, 109, "read 10 s before");
        marks.mature(start + second * 60);
        assert_eq!(marks.due, 119);
        assert!(marks.recent.is_empty());
        // Between two marks, with the shard silent since.
        let (late, last) = (start + second * 100, start + second * 100 + second / 2);
        marks.note(200, late);
        marks.note(201, last);
        marks.mature(last + BEHIND_MAX - second / 4);
        assert_eq!(marks.due, 200);
        marks.mature(last + BEHIND_MAX);
        assert_eq!(marks.due, 201);
    }

    #[test]
    fn marks_are_few_however_much_is_read() {
        let start = Instant::now();
        let mut marks = Marks { recent: VecDeque::new(), due: 0, last: None };
        for number in 0..100_000_u64 {
            marks.note(number, start + Duration::from_millis(number));
        }
        assert!(marks.recent.len() <= 12, "{}", marks.recent.len());
    }

    #[test]
    fn rows_of_one_shard_are_served_though_another_is_behind() {
        let reads = Reads::from(&[7, 9].map(|sequence| Checkpoint { sequence, ..Checkpoint::default() }));
        let (fresh, [first, second]) = (Fresh::new(&reads), [0, 1].map(|number| Shard::new(number).unwrap()));
        let reached = [at(7), LogPosition { shard: second, sequence: 8 }];
        assert_eq!(fresh.ask().answered_of(Some(first), &reached), Ok(()));
        let behind = Err(Behind { at: reached[1], wanted: 9 });
        assert_eq!(fresh.ask().answered_of(Some(second), &reached), behind);
        assert_eq!(fresh.ask().answered_of(None, &reached), behind);
        assert_eq!(fresh.ask().answered_of(Some(second), &reached[..1]).unwrap_err().at.sequence, 0);
    }

    #[test]
    fn another_server_must_have_what_was_served_of_every_shard() {
        let reads = Reads::from(&[7, 9].map(|sequence| Checkpoint { sequence, ..Checkpoint::default() }));
        let (fresh, second) = (Fresh::new(&reads), Shard::new(1).unwrap());
        let of_second = |sequence| LogPosition { shard: second, sequence };
        assert_eq!(fresh.ask().wanted_of(None), [at(7), of_second(9)]);
        assert_eq!(fresh.ask().wanted_of(Some(second)), [at(0), of_second(9)], "nothing is read of the first");
        fresh.saw(&[at(8)]);
        assert_eq!(fresh.ask().wanted_of(Some(second)), [at(8), of_second(9)], "a client may have waited for it");
    }

    #[test]
    fn nothing_is_served_from_before_the_start_or_from_before_what_was_served() {
        let reads = Reads::from(&[Checkpoint { sequence: 7, ..Checkpoint::default() }]);
        let fresh = Fresh::new(&reads);
        assert_eq!(fresh.ask().answered([at(6)]), Err(Behind { at: at(6), wanted: 7 }));
        assert_eq!(fresh.behind(&[]), Some(Behind { at: at(0), wanted: 7 }));
        assert_eq!(fresh.ask().answered_of(None, &[]), Err(Behind { at: at(0), wanted: 7 }));
        let asked_before = fresh.ask();
        assert_eq!(fresh.ask().answered([at(9)]), Ok(()));
        assert_eq!(asked_before.answered([at(8)]), Ok(()), "it was asked before the other was answered");
        assert_eq!(fresh.ask().answered([at(8)]), Err(Behind { at: at(8), wanted: 9 }));
        assert_eq!(fresh.behind(&[at(9)]), None);
        let asked_before = fresh.ask();
        fresh.saw(&[at(12)]);
        fresh.saw(&[at(11)]);
        assert_eq!(fresh.ask().answered([at(11)]), Err(Behind { at: at(11), wanted: 12 }), "it was waited for");
        assert_eq!(asked_before.answered([at(11)]), Ok(()));
    }
}
