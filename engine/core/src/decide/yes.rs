//! The YES of an exclusive market event, which at most one of its markets holds. Its markets may be
//! on any shards, so only the event's home decides who holds it (ADR 29).
//!
//! ```text
//! market's shard ─ ClaimYes ─▶ event's home ─ YesAnswered ─▶ market's shard
//!                ─ ReleaseYes ▶
//! ```
//!
//! | at the market's shard                                    | event         | then                                        |
//! |----------------------------------------------------------|---------------|---------------------------------------------|
//! | YES is proposed, and the market claims and holds nothing | `YesClaimed`  | the event's home is asked                   |
//! | YES is proposed again while it claims or holds the YES   |               | it stays so                                 |
//! | another answer is proposed, and it claims or holds it    | `YesReleased` | the event's home is notified                |
//! | the home has answered the last claim                     | `YesAnswered` | YES can be confirmed, or never by this claim |
//! | the home has answered a claim before that                |               | nothing: it was released                    |
//!
//! | at the event's home                                      | event         | answer                                      |
//! |----------------------------------------------------------|---------------|---------------------------------------------|
//! | the event is not exclusive, or not known                 |               | it can be YES                               |
//! | exclusive, and its YES is free or the market's own       | `YesHeld`     | it can be YES                               |
//! | exclusive, and another market holds it                   |               | taken, by that market                       |
//! | a market releases what it holds                          | `YesHeld`     | none                                        |
//!
//! A market that is paid out YES holds it permanently. What the home must send also goes through a
//! full outbox, as every answer does; a market's shard refuses the proposal beforehand if the
//! event's home is full.

use schemas::{Event, MarketEventId, MarketId, Message, Rejection, ResolutionAnswer, Shard};

use super::{CommandRun, message};
use crate::state::{MarketView, ShardState, YesClaim};

/// What a proposal does to a market's claim.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Claim,
    Release,
}

/// Returns `None` if the claim does not change.
fn step(market: MarketView<'_>, answer: ResolutionAnswer) -> Option<(Step, MarketEventId)> {
    let event = market.listing.event?;
    let claims = matches!(market.yes_claim, Some(YesClaim::Asked | YesClaim::Granted));
    match (answer.is_yes(), claims) {
        (true, false) => Some((Step::Claim, event)),
        (false, true) => Some((Step::Release, event)),
        (true, true) | (false, false) => None,
    }
}

/// Refuses a proposal whose event cannot be notified.
pub(super) fn check_proposal(
    state: &ShardState,
    market: MarketView<'_>,
    answer: ResolutionAnswer,
) -> Result<(), Rejection> {
    let told = step(market, answer).map(|(_, event)| state.map.of_market_event(event));
    match told {
        Some(home) if state.is_full(home) => Err(Rejection::ShardUnavailable),
        _ => Ok(()),
    }
}

/// Refuses a confirmation if the market does not hold its event's YES.
pub(super) fn check_confirmation(market: MarketView<'_>, answer: ResolutionAnswer) -> Result<(), Rejection> {
    if !answer.is_yes() || market.listing.event.is_none() {
        return Ok(());
    }
    match market.yes_claim {
        Some(YesClaim::Granted) => Ok(()),
        Some(YesClaim::Taken(_)) => Err(Rejection::YesTaken),
        Some(YesClaim::Asked) | None => Err(Rejection::YesPending),
    }
}

impl CommandRun<'_> {
    /// Market's shard: handles a proposed answer.
    pub(super) fn claim_or_release(&mut self, id: MarketId, answer: ResolutionAnswer) {
        let market = self.state.market(id).expect("an answer was just proposed for it");
        let (Some((step, event)), claim) = (step(market, answer), market.claims + 1) else { return };
        let home = self.state.map.of_market_event(event);
        let here = home == self.state.shard;
        self.step(|state, context| {
            let (told, message) = match step {
                Step::Claim => {
                    let told = Event::YesClaimed { market: id, event, claim };
                    (told, Message::ClaimYes { event, market: id, claim })
                }
                Step::Release => (Event::YesReleased { market: id, event }, Message::ReleaseYes { event, market: id }),
            };
            context.events.push(told);
            if !here {
                context.events.push(message::send(state, home, message));
            }
        });
        match step {
            Step::Claim if here => {
                let taken_by = self.hold_yes(event, id);
                self.yes_answered(id, claim, taken_by);
            }
            Step::Release if here => self.let_go_yes(event, id),
            Step::Claim | Step::Release => {}
        }
    }

    /// Event's home: a market of another shard claims the YES.
    pub(super) fn answer_claim(&mut self, from: Shard, event: MarketEventId, market: MarketId, claim: u32) {
        let taken_by = self.hold_yes(event, market);
        self.tell(from, Message::YesAnswered { market, claim, taken_by });
    }

    /// Event's home: returns the holder, if that is another market.
    fn hold_yes(&mut self, event: MarketEventId, market: MarketId) -> Option<MarketId> {
        let known = self.state.market_event(event).filter(|known| known.exclusive)?;
        match known.yes {
            None => self.step(|_, context| context.events.push(Event::YesHeld { event, market: Some(market) })),
            Some(holder) => return Some(holder).filter(|holder| *holder != market),
        }
        None
    }

    /// Event's home: frees the YES that a market holds.
    pub(super) fn let_go_yes(&mut self, event: MarketEventId, market: MarketId) {
        if self.state.market_event(event).is_some_and(|known| known.yes == Some(market)) {
            self.step(|_, context| context.events.push(Event::YesHeld { event, market: None }));
        }
    }

    /// Market's shard: handles the home's answer. An answer to a claim that was released since has
    /// no effect.
    pub(super) fn yes_answered(&mut self, market: MarketId, claim: u32, taken_by: Option<MarketId>) {
        let asks = |market: MarketView<'_>| market.claims == claim && matches!(market.yes_claim, Some(YesClaim::Asked));
        if self.state.market(market).is_some_and(asks) {
            self.step(|_, context| context.events.push(Event::YesAnswered { market, claim, taken_by }));
        }
    }
}
