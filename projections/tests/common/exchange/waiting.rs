//! Orders that wait for credits or room that their purse lacks.
//!
//! | event      | when                                                                              |
//! |------------|-----------------------------------------------------------------------------------|
//! | `Parked`   | an order lacks credits or a purse, or arrives behind a waiting order              |
//! | `Asked`    | the oldest waiting order lacks something, and no answer is awaited                |
//! | `Resumed`  | it can be decided: its purse has enough, its market has closed, its time has passed, or nothing more comes |

use super::*;

/// The maximum number of an account's waiting orders on one shard; below the real limit, so that
/// tests reach it.
const WAITING_MAX: usize = 2;

impl Exchange {
    /// Returns what an order's purse lacks, or why the order is rejected in any case.
    fn need(&self, order: &NewOrder) -> Result<Need, Rejection> {
        let (asked, selling) = (asked(order), order.entry.side() == Side::Sell);
        if self.frozen.contains(&order.account) {
            return Err(Rejection::AccountFrozen);
        }
        if self.markets[&order.market].state != MarketState::Open {
            return Err(Rejection::MarketNotOpen);
        }
        if asked == 0 && !matches!(order.terms, Terms::Budget { .. }) {
            return Err(Rejection::QuantityIsZero);
        }
        if selling && self.free(order.market, order.account, order.entry.contract()) < i64::from(asked) {
            return Err(Rejection::PositionInsufficient);
        }
        let purse = self.purses.get(&(order.account, self.market_home(order.market)));
        let lacking = order.hold().micros() - purse.map_or(0, |purse| purse.available);
        let room = Room { orders: u32::from(purse.is_none()), held: Credits::ZERO };
        Ok(Need { credits: Credits(lacking.max(0)), room })
    }

    pub(super) fn place(&mut self, order: NewOrder) -> Vec<Told> {
        let mut told = Telling::new(self.command(), self.market_home(order.market));
        let waiting = self.waiting((order.account, told.shard));
        match self.need(&order) {
            Err(code) if waiting == 0 => self.refuse(&mut told, order, code),
            Ok(Need::NOTHING) if waiting == 0 => self.enter(&mut told, order),
            _ if waiting == WAITING_MAX => self.refuse(&mut told, order, Rejection::ParkedLimit),
            _ => self.park(&mut told, order),
        }
        self.tell(told)
    }

    /// Returns the number of an account's waiting orders on a shard.
    pub(super) fn waiting(&self, place: Place) -> usize {
        self.parked.get(&place).map_or(0, VecDeque::len)
    }

    fn park(&mut self, told: &mut Telling, order: NewOrder) {
        let parked = self.parked(told, order.account, ParkedRequest::Place(order));
        told.events.push(Event::Parked(Box::new(parked.clone())));
        self.parked.entry((order.account, told.shard)).or_default().push_back(parked);
        self.ask(told, order.account);
    }

    pub(super) fn parked(&mut self, told: &Telling, account: AccountId, request: ParkedRequest) -> Parked {
        let (ticket, deadline) = (self.ticket(), Timestamp(1_800_000_000_000));
        Parked { account, ticket, command: told.answers, index: None, deadline, request }
    }

    pub(super) fn ticket(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Returns the oldest waiting order of an account on a shard.
    fn oldest(&self, place: Place) -> Option<NewOrder> {
        self.parked.get(&place)?.front().map(order_of)
    }

    /// Returns what the oldest order lacks.
    pub(super) fn oldest_needs(&self, place: Place) -> Option<Need> {
        let need = self.need(&self.oldest(place)?).ok()?;
        (!need.is_nothing()).then_some(need)
    }

    /// Asks the account's home shard for what the oldest order lacks.
    fn ask(&mut self, told: &mut Telling, account: AccountId) {
        let Some(need) = self.oldest_needs((account, told.shard)) else { return };
        if !self.asking.insert((account, told.shard)) {
            return;
        }
        let (home, shard, given_back) = (self.home(account), told.shard, Room::ZERO);
        told.events.push(Event::Asked { account, need, given_back });
        if home == shard {
            self.claim(told, account, ParkedRequest::Fund { shard, need });
        } else {
            self.send(told, home, Message::Ask { account, need, given_back });
        }
    }

    /// Handles the home shard's answer. If nothing was sent, and nothing has been freed here since,
    /// the oldest order is rejected.
    pub(super) fn ask_answered(&mut self, told: &mut Telling, account: AccountId, refused: Option<Rejection>) {
        let place = (account, told.shard);
        self.asking.remove(&place);
        told.events.push(Event::AskAnswered { account, refused });
        if let (Some(code), Some(_)) = (refused, self.oldest_needs(place)) {
            self.refuse_oldest(told, place, code);
        }
        self.resume_parked(told, account);
    }

    fn refuse_oldest(&mut self, told: &mut Telling, place: Place, code: Rejection) {
        if let Some(parked) = self.parked.get_mut(&place).and_then(VecDeque::pop_front) {
            told.resume(parked.account, parked.ticket, parked.command);
            self.refuse(told, order_of(&parked), code);
        }
    }

    /// Decides an account's waiting orders here, in order, until one lacks something.
    pub(super) fn resume_parked(&mut self, told: &mut Telling, account: AccountId) {
        let place = (account, told.shard);
        while let Some(order) = self.oldest(place) {
            match self.need(&order) {
                Err(code) => self.refuse_oldest(told, place, code),
                Ok(Need::NOTHING) => {
                    let parked = self.parked.get_mut(&place).and_then(VecDeque::pop_front).unwrap();
                    told.resume(account, parked.ticket, parked.command);
                    self.enter(told, order);
                    self.settle(told);
                }
                Ok(_) => return self.ask(told, account),
            }
        }
    }

    /// Times out an order that has waited too long.
    pub(super) fn time_out(&mut self) -> Vec<Told> {
        let Some(place) = self.any_waiting() else { return Vec::new() };
        let mut told = Telling::new(self.command(), place.1);
        self.refuse_oldest(&mut told, place, Rejection::FundingTimeout);
        told.freed(place.0);
        self.tell(told)
    }

    /// Cancels a client's latest waiting order.
    pub(super) fn cancel_parked(&mut self) -> Vec<Told> {
        let Some(place) = self.any_waiting() else { return Vec::new() };
        let mut told = Telling::new(self.command(), place.1);
        let parked = self.parked.get_mut(&place).and_then(VecDeque::pop_back).unwrap();
        self.end_parked(&mut told, &parked);
        told.freed(place.0);
        self.tell(told)
    }

    fn any_waiting(&mut self) -> Option<Place> {
        let places: Vec<Place> = self.parked.keys().copied().filter(|place| self.waiting(*place) > 0).collect();
        (!places.is_empty()).then(|| places[self.random.index(places.len())])
    }

    /// Ends an account's waiting orders here: in one market, or in all.
    pub(super) fn end_waiting(&mut self, told: &mut Telling, account: AccountId, market: Option<MarketId>) {
        let meant = |parked: &Parked| market.is_none_or(|market| order_of(parked).market == market);
        let waiting = self.parked.entry((account, told.shard)).or_default();
        let (ended, kept) = std::mem::take(waiting).into_iter().partition::<VecDeque<_>, _>(meant);
        *waiting = kept;
        for parked in ended {
            self.end_parked(told, &parked);
        }
    }

    fn end_parked(&mut self, told: &mut Telling, parked: &Parked) {
        let Parked { account, ticket, command, .. } = *parked;
        told.events.push(Event::ParkedCancelled { account, ticket, command });
        told.resume(account, ticket, command);
        self.refuse(told, order_of(parked), Rejection::CancelledWhileParked);
    }
}

/// Away from home shards, only orders are parked here.
fn order_of(parked: &Parked) -> NewOrder {
    match parked.request {
        ParkedRequest::Place(order) => order,
        ref other => panic!("{other:?} is no order"),
    }
}

pub(super) fn asked(order: &NewOrder) -> u32 {
    match order.terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => quantity.contracts(),
        Terms::Budget { .. } => 0,
    }
}
