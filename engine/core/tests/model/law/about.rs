//! Descriptions of markets, and which market of an event may be YES.

use schemas::limits::{MARKET_CLARIFICATIONS_MAX, MARKET_EVENTS_MAX};
use schemas::{
    AdminId, Event, MarketAddition, MarketEdit, MarketEvent, MarketEventId, MarketId, MarketState, Rejection,
    ResolutionAnswer as Word, Timestamp,
};

use super::{Answer, Market, Model};

/// A market's claim to the YES of its event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Yes {
    /// The market may be YES.
    Its,
    /// Another market of the event is YES, or is proposed to be.
    Of(MarketId),
}

/// A named group of markets.
pub struct Group {
    pub exclusive: bool,
    pub yes: Option<MarketId>,
}

impl Model {
    pub(super) fn create_market_event(&mut self, event: &MarketEvent, by: AdminId) {
        let here = |id: &MarketEventId| self.map.of_market_event(*id) == self.at;
        let answer = match () {
            () if event.id != MarketEventId::of(&event.name) => Err(Rejection::MarketEventIdMismatch),
            () if !event.name.has_letter() => Err(Rejection::NameInvalid),
            () if !here(&event.id) => Err(Rejection::WrongShard),
            () if self.groups.contains_key(&event.id) => Err(Rejection::MarketEventExists),
            () if self.groups.keys().filter(|id| here(id)).count() >= MARKET_EVENTS_MAX => {
                Err(Rejection::MarketEventsLimit)
            }
            () => Ok(Event::MarketEventCreated { event: Box::new(event.clone()), by }),
        };
        if self.answer(answer) {
            self.groups.insert(event.id, Group { exclusive: event.exclusive, yes: None });
        }
    }

    pub(super) fn edit_market(&mut self, id: MarketId, edit: &MarketEdit, by: AdminId) {
        let answer = self.check_edit(id, edit).map(|()| {
            let edit = Box::new(edit.clone());
            Event::MarketEdited { market: id, edit, by }
        });
        if self.answer(answer) {
            self.market_mut(id).listing.edit(edit);
        }
    }

    fn check_edit(&self, id: MarketId, edit: &MarketEdit) -> Answer<()> {
        let now = self.now;
        let past = |time: Option<Timestamp>| time.is_some_and(|time| time <= now);
        let crossed = |opens: Option<Timestamp>, expiry: Timestamp| opens.is_some_and(|opens| opens >= expiry);
        match () {
            () if past(edit.expiry) => return Err(Rejection::ExpiryInPast),
            () if past(edit.opens.flatten()) => return Err(Rejection::OpeningInvalid),
            () if edit.expiry.is_some_and(|expiry| crossed(edit.opens.flatten(), expiry)) => {
                return Err(Rejection::OpeningInvalid);
            }
            () if edit.is_empty() => return Err(Rejection::EditEmpty),
            () => {}
        }
        let market = self.market_here(id)?;
        let (waits, mut edited) = (market.state == MarketState::Created, market.listing.clone());
        edited.edit(edit);
        match () {
            () if market.traded => Err(Rejection::MarketTraded),
            () if !market.state.trades_later() || past(Some(market.listing.expiry)) => Err(Rejection::MarketEnded),
            () if !waits && edit.opens.is_some() => Err(Rejection::MarketOpened),
            () if waits && crossed(edited.opens, edited.expiry) => Err(Rejection::OpeningInvalid),
            () => Ok(()),
        }
    }

    pub(super) fn add_to_market(&mut self, id: MarketId, addition: &MarketAddition, by: AdminId) {
        let answer = self.check_addition(id, addition).map(|()| {
            let addition = Box::new(addition.clone());
            Event::MarketAddedTo { market: id, addition, by }
        });
        if self.answer(answer) {
            let market = self.market_mut(id);
            market.listing.add(addition).expect("the edit was checked");
            market.clarifications += u8::from(addition.clarification.is_some());
        }
    }

    fn check_addition(&self, id: MarketId, addition: &MarketAddition) -> Answer<()> {
        if addition.is_empty() {
            return Err(Rejection::EditEmpty);
        }
        let market = self.market_here(id)?;
        let about = &market.listing.about;
        let most = |there: usize, more: usize| there + more > 10;
        let full = addition.clarification.is_some() && market.clarifications == MARKET_CLARIFICATIONS_MAX;
        match () {
            () if market.state.is_final() => Err(Rejection::MarketEnded),
            () if full => Err(Rejection::MarketTextsLimit),
            () if most(about.sources.len(), addition.sources.len()) => Err(Rejection::MarketTextsLimit),
            () if most(about.tags.len(), addition.tags.len()) => Err(Rejection::MarketTextsLimit),
            () if market.listing.clone().add(addition).is_none() => Err(Rejection::AdditionRepeated),
            () => Ok(()),
        }
    }

    /// Handles a proposed answer for a market of an event: it claims the event's YES, keeps it, or
    /// releases it.
    pub(super) fn want_yes(&mut self, id: MarketId, answer: Word) {
        let (at, market) = (self.at, self.market(id));
        let (Some(event), has) = (market.listing.about.event, market.yes == Some(Yes::Its)) else { return };
        let home = self.map.of_market_event(event);
        let wants = answer == Word::Value(schemas::market::YesValue::YES);
        if wants == has {
            return;
        }
        if !wants {
            self.market_mut(id).yes = None;
            self.told.push((at, Event::YesReleased { market: id, event }));
            if let Some(group) = self.groups.get_mut(&event).filter(|group| group.yes == Some(id)) {
                group.yes = None;
                self.told.push((home, Event::YesHeld { event, market: None }));
            }
            return;
        }
        let claim = market.claims + 1;
        self.told.push((at, Event::YesClaimed { market: id, event, claim }));
        let mut taken_by = None;
        if let Some(group) = self.groups.get_mut(&event).filter(|group| group.exclusive) {
            taken_by = group.yes.filter(|holder| *holder != id);
            if group.yes.is_none() {
                group.yes = Some(id);
                self.told.push((home, Event::YesHeld { event, market: Some(id) }));
            }
        }
        self.told.push((at, Event::YesAnswered { market: id, claim, taken_by }));
        let market = self.market_mut(id);
        (market.claims, market.yes) = (claim, Some(taken_by.map_or(Yes::Its, Yes::Of)));
    }
}

impl Market {
    /// Returns why the proposed answer cannot be confirmed.
    pub fn may_be(&self, answer: Word) -> Answer<()> {
        let whole = answer.yes_value() == schemas::market::YesValue::YES;
        match self.yes {
            Some(Yes::Of(_)) if whole && self.listing.about.event.is_some() => Err(Rejection::YesTaken),
            _ => Ok(()),
        }
    }
}
