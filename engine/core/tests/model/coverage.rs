//! Counts what a run has reached. A rule that is never reached is not tested.

use std::collections::BTreeMap;

use schemas::event::CancelReason;
use schemas::{Event, Rejection, Shard};

use super::law::Standing;
use super::preview::Seen;
use crate::kinds::{KINDS, kind};

/// The leading process writes these from time to time; they answer no command.
const NOT_DECIDED: &str = "StateHashed";

/// Rejections of the command's record, before the core sees the command.
const OF_RECORDS: &str = "CameWith";

/// Announcements of components and the vocabulary: see `tests/vocabulary.rs`.
const VOCABULARY: [&str; 3] = ["PartAnnounced", "PartLeft", "VocabularyRaised"];
const VOCABULARY_REFUSED: [Rejection; 3] =
    [Rejection::VocabularyNotHigher, Rejection::VocabularyUnread, Rejection::PartsLimit];

/// Needs undelivered messages, more requests than one command or one run has, or acts of two admins
/// that the model does not know.
const NOT_DELIVERED: [Rejection; 7] = [
    Rejection::FundingTimeout,
    Rejection::ParkedLimit,
    Rejection::ClientIdLimit,
    Rejection::ShardUnavailable,
    Rejection::Quarantined,
    Rejection::MarketEventsLimit,
    Rejection::YesPending,
];

/// Events that may answer a parked request.
const ANSWERS: [&str; 10] = [
    "OrderPlaced",
    "OrderRejected",
    "HoldRaised",
    "OrderAmended",
    "AmendRejected",
    "BatchItem",
    "Withdrawn",
    "TransferSent",
    "Rejected",
    "InstructionCompleted",
];

/// Counts occurrences by name.
#[derive(Default, Debug)]
pub struct Coverage {
    pub commands: u64,
    kinds: BTreeMap<&'static str, u64>,
    /// Events that followed a `Resumed`.
    answers: BTreeMap<&'static str, u64>,
    rejections: BTreeMap<Rejection, u64>,
    cancels: BTreeMap<CancelReason, u64>,
    /// Repeated client ids of movements: on one shard or on several, the movement's state, and
    /// whether the request was the same.
    repeats: BTreeMap<(bool, Standing, bool), u64>,
    /// Results of order previews.
    pub previews: Seen,
}

impl Coverage {
    pub fn see(&mut self, events: &[(Shard, Event)]) {
        for (_, event) in events {
            *self.kinds.entry(kind(event)).or_default() += 1;
            self.see_codes(event);
        }
        for at in 0..events.len() {
            if let [(_, Event::Resumed { .. }), after @ ..] = &events[at..] {
                let turn = after.iter().take_while(|(_, event)| matches!(event, Event::BatchItem { .. })).count();
                let answers = after.iter().take(turn + 1).map(|(_, event)| kind(event));
                answers.for_each(|answer| *self.answers.entry(answer).or_default() += 1);
            }
        }
    }

    pub fn see_repeats(&mut self, shards: u16, repeats: Vec<(Standing, bool)>) {
        for (standing, same) in repeats {
            *self.repeats.entry((shards == 1, standing, same)).or_default() += 1;
        }
    }

    fn see_codes(&mut self, event: &Event) {
        match event {
            Event::Rejected { code }
            | Event::OrderRejected { code, .. }
            | Event::CancelRejected { code, .. }
            | Event::AmendRejected { code, .. }
            | Event::TransferReturned { code, .. } => *self.rejections.entry(*code).or_default() += 1,
            Event::OrderCancelled { reason, .. } | Event::OrderReduced { reason, .. } => self.see_cancel(Some(*reason)),
            Event::OrderPlaced(placed) => self.see_cancel(placed.cancel_reason),
            Event::OrderAmended(amended) => self.see_cancel(amended.cancel_reason),
            _ => {}
        }
    }

    fn see_cancel(&mut self, reason: Option<CancelReason>) {
        if let Some(reason) = reason {
            *self.cancels.entry(reason).or_default() += 1;
        }
    }

    /// Returns the names that never occurred.
    pub fn missing(&self) -> Vec<String> {
        let kinds = KINDS.iter().filter(|kind| ![NOT_DECIDED, OF_RECORDS].contains(kind));
        let kinds = kinds.filter(|kind| !VOCABULARY.contains(kind));
        let kinds = kinds.filter(|kind| !self.kinds.contains_key(*kind));
        let answers = ANSWERS.iter().filter(|kind| !self.answers.contains_key(*kind));
        let possible =
            Rejection::ALL.iter().filter(|code| !NOT_DELIVERED.contains(code) && !VOCABULARY_REFUSED.contains(code));
        let rejections = possible.filter(|code| !self.rejections.contains_key(code));
        let cancels = CancelReason::ALL.iter().filter(|reason| !self.cancels.contains_key(reason));
        let standings = [Standing::UnderWay, Standing::Made, Standing::Refused].into_iter();
        let uses = standings.flat_map(|standing| [true, false].map(|same| (standing, same)));
        let repeats = uses.flat_map(|(standing, same)| [true, false].map(|alone| (alone, standing, same)));
        // On one shard everything arrives at once.
        let repeats = repeats.filter(|(alone, standing, _)| !(*alone && *standing == Standing::UnderWay));
        let repeats = repeats.filter(|repeat| !self.repeats.contains_key(repeat));
        let repeats = repeats
            .map(|(alone, standing, same)| format!("{standing:?} repeated (one shard: {alone}, the same: {same})"));
        let kinds = kinds.map(|kind| (*kind).to_owned());
        let answers = answers.map(|kind| format!("{kind} after a wait"));
        kinds
            .chain(answers)
            .chain(repeats)
            .chain(rejections.map(ToString::to_string))
            .chain(cancels.map(ToString::to_string))
            .chain(self.previews.missing())
            .collect()
    }
}
