//! A market's life cycle: listing, pauses, answer, payouts.

use schemas::market::{Confirmation, YesValue};

use super::*;

impl Exchange {
    pub(super) fn create_market(&mut self) -> Vec<Told> {
        let ticker: text::Ticker = format!("M-{}", self.markets.len()).parse().unwrap();
        let listing = Listing {
            market: MarketId::of(&ticker),
            ticker,
            about: self.about().into(),
            opens: (self.random.below(2) == 0).then_some(Timestamp(1_850_000_000_000)),
            // Sometimes a time beyond any calendar.
            expiry: Timestamp(if self.random.below(5) == 0 { u64::MAX } else { 1_900_000_000_000 }),
            tick: 1,
            maker_fee: FeeRate::new(10_000).unwrap(),
            taker_fee: FeeRate::new(30_000).unwrap(),
            dispute_window_ms: self.random.below(3) * 1_000,
            limits: MarketLimits::NONE,
        };
        let (market, shard) = (listing.market, self.map.of_market(listing.market));
        let (bids, asks) = (BTreeMap::new(), BTreeMap::new());
        self.markets.insert(
            market,
            Market { listing: listing.clone(), state: MarketState::Open, resolution: None, bids, asks },
        );
        let mut created = Telling::new(self.command(), shard);
        created.events.push(Event::MarketCreated { listing, by: AdminId(1) });
        let mut opened = Telling::new(self.command(), shard);
        self.change(&mut opened, market, MarketState::Open, Some(AdminId(1)));
        [self.tell(created), self.tell(opened)].into_iter().flatten().collect()
    }

    fn about(&mut self) -> About {
        let plain = About::plain("Will it \"happen\", ja oder nein? ✓", "YES if it does.\nNO else: {\"\\,}", "tests");
        About { tags: self.tags(), sources: self.sources(), event: self.any_event(), ..plain.unwrap() }
    }

    fn tags(&mut self) -> Tags {
        let (first, count) = (self.random.below(4), self.random.below(4));
        Tags::new((first..first + count).map(|n| format!("tag-{n}").parse().unwrap()).collect()).unwrap()
    }

    fn sources(&mut self) -> Sources {
        let (first, count) = (self.random.below(4), self.random.below(3));
        let source = |n| format!("https://source.example/?a=\"{n}\",{{NULL}}").parse().unwrap();
        Sources::new((first..first + count).map(source).collect()).unwrap()
    }

    fn any_event(&mut self) -> Option<MarketEventId> {
        let events: Vec<MarketEventId> = self.events.keys().copied().collect();
        events.get(self.random.below(4) as usize).copied()
    }

    /// Edits a market's properties or adds to them; or creates a market event, or changes the
    /// holder of its YES.
    pub(super) fn describe(&mut self) -> Vec<Told> {
        match self.random.below(8) {
            0 => self.create_event(),
            1 => self.hold_yes(),
            2..5 => self.edit_market(),
            _ => self.add_to_market(),
        }
    }

    fn create_event(&mut self) -> Vec<Told> {
        let name: text::Label = format!("event-{}", self.events.len()).parse().unwrap();
        let (id, exclusive) = (MarketEventId::of(&name), self.random.below(4) > 0);
        let title = "Who \"wins\"?".parse().unwrap();
        let event = Box::new(MarketEvent { id, name, title, exclusive });
        self.events.insert(id, (event.clone(), None));
        let mut told = Telling::new(self.command(), self.map.of_market_event(id));
        told.events.push(Event::MarketEventCreated { event, by: AdminId(2) });
        self.tell(told)
    }

    fn hold_yes(&mut self) -> Vec<Told> {
        let market = (self.random.below(2) == 0).then(|| self.any_market());
        let Some(id) = self.any_event().filter(|id| self.events[id].0.exclusive) else { return Vec::new() };
        self.events.get_mut(&id).unwrap().1 = market;
        let mut told = Telling::new(self.command(), self.map.of_market_event(id));
        told.events.push(Event::YesHeld { event: id, market });
        self.tell(told)
    }

    fn edit_market(&mut self) -> Vec<Told> {
        let (market, about) = (self.any_market(), self.about());
        let mut some = || self.random.below(3) == 0;
        let edit = MarketEdit {
            question: some().then(|| "Or \"won't\" it?".parse().unwrap()),
            rules: some().then(|| "NO if it does not.".parse().unwrap()),
            sources: some().then_some(about.sources),
            category: some().then(|| "other-tests".parse().unwrap()),
            tags: some().then_some(about.tags),
            event: some().then_some(about.event),
            opens: some().then(|| some().then_some(Timestamp(1_860_000_000_000))),
            expiry: some().then_some(Timestamp(1_910_000_000_000)),
        };
        self.markets.get_mut(&market).unwrap().listing.edit(&edit);
        let mut told = Telling::new(self.command(), self.map.of_market(market));
        told.events.push(Event::MarketEdited { market, edit: Box::new(edit), by: AdminId(1) });
        self.tell(told)
    }

    fn add_to_market(&mut self) -> Vec<Told> {
        let clarified = self.random.below(2) == 0;
        let clarification = clarified.then(|| "It means\n\"what\" it says.".parse().unwrap());
        let addition = MarketAddition { clarification, tags: self.tags(), sources: self.sources() };
        let market = self.any_market();
        let listing = &mut self.markets.get_mut(&market).unwrap().listing;
        let added = listing.add(&addition);
        if added.is_none() {
            return Vec::new();
        }
        self.clarifications += usize::from(clarified);
        let mut told = Telling::new(self.command(), self.map.of_market(market));
        told.events.push(Event::MarketAddedTo { market, addition: Box::new(addition), by: AdminId(1) });
        self.tell(told)
    }

    pub(super) fn pause_or_resume(&mut self) -> Vec<Told> {
        let market = self.any_market();
        let state = match self.markets[&market].state {
            MarketState::Open if self.random.below(4) == 0 => MarketState::Paused,
            MarketState::Open if self.random.below(4) == 0 => MarketState::CancelOnly,
            MarketState::Paused | MarketState::CancelOnly => MarketState::Open,
            _ => return self.limit_market(market),
        };
        let mut told = Telling::new(self.command(), self.map.of_market(market));
        self.change(&mut told, market, state, Some(AdminId(1)));
        self.tell(told)
    }

    fn limit_market(&mut self, market: MarketId) -> Vec<Told> {
        let limited = MarketLimits { live_orders: 3, notional: Credits(4), position: 5 };
        let limits = if self.random.below(2) == 0 { limited } else { MarketLimits::NONE };
        let mut told = Telling::new(self.command(), self.map.of_market(market));
        told.events.push(Event::MarketLimited { market, limits, by: AdminId(1) });
        self.tell(told)
    }

    fn change(&mut self, told: &mut Telling, market: MarketId, state: MarketState, by: Option<AdminId>) {
        let book = self.markets.get_mut(&market).unwrap();
        book.state = state;
        told.events.push(Event::MarketChanged { market, state, resolution: book.resolution, by });
    }

    /// Moves a market one step towards its answer: it closes; an answer is proposed, confirmed,
    /// sometimes amended, paid out.
    pub(super) fn go_on_to_an_answer(&mut self) -> Vec<Told> {
        let on_its_way = |book: &Market| matches!(book.state, MarketState::Closed | MarketState::Resolving);
        let first = self.markets.iter().find(|(_, book)| on_its_way(book)).map(|(id, _)| *id);
        let market = match first {
            Some(market) if self.random.below(4) > 0 => market,
            _ => self.any_market(),
        };
        let mut told = Telling::new(self.command(), self.map.of_market(market));
        let (first, second) = (AdminId(1), AdminId(2));
        let (state, resolution) = (self.markets[&market].state, self.markets[&market].resolution);
        match (state, resolution) {
            (MarketState::Resolved | MarketState::Voided, resolution) => {
                if self.markets.len() - self.archived.len() < 3 {
                    return Vec::new();
                }
                self.archive(&mut told, market, state, resolution);
            }
            (MarketState::Closed, _) => self.propose(&mut told, market, first),
            (MarketState::Resolving, Some(Resolution { confirmed: None, proposed_by, .. })) => {
                let other = if proposed_by == first { second } else { first };
                let confirmed = Some(Confirmation { by: other, payout: Timestamp(1_800_000_000_000) });
                self.markets.get_mut(&market).unwrap().resolution = resolution.map(|r| Resolution { confirmed, ..r });
                self.change(&mut told, market, MarketState::Resolving, Some(other));
            }
            (MarketState::Resolving, _) if self.random.below(3) == 0 => self.propose(&mut told, market, second),
            (MarketState::Resolving, Some(resolution)) => self.pay_out(&mut told, market, resolution.answer),
            _ => {
                self.change(&mut told, market, MarketState::Closed, Some(first));
                let book = self.markets.get_mut(&market).unwrap();
                let (bids, asks) = (std::mem::take(&mut book.bids), std::mem::take(&mut book.asks));
                for resting in bids.into_values().chain(asks.into_values()) {
                    self.end(&mut told, resting, CancelReason::MarketEnded);
                }
            }
        }
        self.tell(told)
    }

    /// Archives a market: no later event mentions it. Some others stay.
    fn archive(&mut self, told: &mut Telling, market: MarketId, state: MarketState, resolution: Option<Resolution>) {
        self.archived.insert(market);
        let (settled, fees) = (Timestamp(1), Credits::ZERO);
        told.events.push(Event::MarketArchived { market, state, resolution, settled, fees });
    }

    fn propose(&mut self, told: &mut Telling, market: MarketId, proposed_by: AdminId) {
        let answer = match self.random.below(3) {
            0 => ResolutionAnswer::Void,
            1 => ResolutionAnswer::Value(YesValue::new(2_500).unwrap()),
            _ => ResolutionAnswer::Value(YesValue::YES),
        };
        self.markets.get_mut(&market).unwrap().resolution = Some(Resolution { answer, proposed_by, confirmed: None });
        self.change(told, market, MarketState::Resolving, Some(proposed_by));
    }

    fn pay_out(&mut self, told: &mut Telling, market: MarketId, answer: ResolutionAnswer) {
        self.change(told, market, answer.final_state(), None);
        let value = answer.yes_value();
        let holders: Vec<AccountId> =
            self.positions.keys().filter(|(m, _)| *m == market).map(|(_, account)| *account).collect();
        for account in holders {
            let position = self.positions.get_mut(&(market, account)).unwrap();
            let (yes, no) = (position.yes.cast_unsigned(), position.no.cast_unsigned());
            if (yes, no) == (0, 0) {
                continue;
            }
            *position = Position::default();
            let credits = value.payout(yes, no);
            told.events.push(Event::PaidOut { market, account, yes, no, credits });
            told.settle(Settlement {
                account,
                market,
                order: None,
                reason: SettlementReason::Payout,
                spent: Credits::ZERO,
                released: Credits::ZERO,
                received: credits,
            });
        }
        told.events.push(Event::MarketSettled { market });
    }
}
