//! Many requests of one account in one command.
//!
//! One by one, each request is answered as if it had come alone. All or nothing is decided where the account lives and again where the
//! markets live, on what is there before the batch; only then anything is done. Cancels run first, amendments next and places last, so
//! that nothing the batch does can take away what a later request needs; what could is refused as a conflict.

use std::collections::BTreeSet;

use schemas::limits::{BATCH_MAX, QUANTITY_MAX};
use schemas::message::EnteredRequest;
use schemas::{
    AccountId, Amendment, BookSide, Contract, Credits, Event, MarketId, MarketLimits, Message, NewOrder, OrderId,
    OrderRef, PostOnly, Price, Rejection, Request, Shard, Side, Terms, TimeInForce,
};

use super::amend::Lack;
use super::matching::Change;
use super::{Turn, account, amend, cancel, limits, matching, order, settle, taker};
use crate::state::{Exposure, MarketOrder, MarketView, State};

impl Turn<'_> {
    /// Account's home.
    pub(super) fn batch(&mut self, account: AccountId, all_or_nothing: bool, requests: &[Request]) {
        let known = self.step(|state, draft| {
            let checked = match requests.len() {
                1..=BATCH_MAX => account::known(state, account).map(drop),
                _ => Err(Rejection::BatchSizeInvalid),
            };
            draft.events.extend(checked.err().map(|code| Event::Rejected { code }));
            checked.is_ok()
        });
        match (known, all_or_nothing) {
            (false, _) => {}
            (true, false) => self.one_by_one(account, requests),
            (true, true) => self.all_or_nothing(account, requests),
        }
    }

    fn one_by_one(&mut self, account: AccountId, requests: &[Request]) {
        for (index, request) in (0..).zip(requests) {
            self.item(index);
            match *request {
                Request::Place(order) if order.account != account => self.refuse_request(Rejection::AccountMismatch),
                Request::Place(order) => self.place_order(&order),
                Request::Cancel(order) => self.cancel_order(account, order),
                Request::Amend { order, price, quantity } => self.amend_order(account, order, price, quantity),
            }
        }
    }

    /// Nobody's order is touched by what another account asks, not even the names that its client gives.
    fn refuse_request(&mut self, code: Rejection) {
        self.step(|_, draft| draft.events.push(Event::Rejected { code }));
    }

    fn item(&mut self, index: u16) {
        self.step(|_, draft| draft.events.push(Event::BatchItem { index }));
    }

    fn all_or_nothing(&mut self, account: AccountId, requests: &[Request]) {
        if self.repeat(account, requests) {
            return;
        }
        match check_home(self.state, account, requests) {
            Err(refused) => self.refuse_requests(account, requests, refused),
            Ok(to) => {
                let entered = self.enter_all(account, requests);
                if to == self.state.shard {
                    self.carry_out(account, &entered);
                } else {
                    self.tell(to, Message::Batch { account, requests: entered });
                }
            }
        }
    }

    /// A batch that was taken in before, all its orders by their clients' names: answers each as the first time. True if it is one.
    fn repeat(&mut self, account: AccountId, requests: &[Request]) -> bool {
        let orders = requests.iter().filter_map(|request| match request {
            Request::Place(order) => Some(order),
            Request::Cancel(_) | Request::Amend { .. } => None,
        });
        let own = |order: &NewOrder| order::repeated(self.state, order).filter(|_| order.account == account)?.ok();
        let answers: Option<Vec<Event>> = orders.map(own).collect();
        let Some(answers) = answers.filter(|answers| !answers.is_empty()) else { return false };
        let mut answers = answers.into_iter();
        for (index, request) in (0..).zip(requests) {
            self.item(index);
            match *request {
                Request::Place(_) => {
                    let answer = answers.next().expect("an answer for each order");
                    self.step(|_, draft| draft.events.push(answer));
                }
                Request::Cancel(order) => self.reject_cancel(account, order, Rejection::BatchRefused),
                Request::Amend { order, .. } => self.reject_amend(account, order, Rejection::BatchRefused),
            }
        }
        true
    }

    fn refuse_requests(&mut self, account: AccountId, requests: &[Request], refused: Refused) {
        for (index, request) in (0..).zip(requests) {
            self.item(index);
            let code = refused.code(usize::from(index));
            match *request {
                Request::Place(order) if order.account != account => self.refuse_request(code),
                Request::Place(order) => self.reject_order(&order, code),
                Request::Cancel(order) => self.reject_cancel(account, order, code),
                Request::Amend { order, .. } => self.reject_amend(account, order, code),
            }
        }
    }

    /// Gives the orders their ids and holds what they need.
    fn enter_all(&mut self, account: AccountId, requests: &[Request]) -> Vec<EnteredRequest> {
        let enter = |turn: &mut Self, request: &Request| match *request {
            Request::Place(order) => turn.step(|state, draft| {
                let id = state.next_order_id(state.map.of_market(order.market));
                draft.events.push(order::entered(id, &order, order.hold()));
                EnteredRequest::Place { id, order }
            }),
            Request::Cancel(order) => EnteredRequest::Cancel { order: turn.checked(account, order) },
            Request::Amend { order, price, quantity } => {
                let order = turn.checked(account, order);
                EnteredRequest::Amend(Amendment { account, order, price, quantity })
            }
        };
        requests.iter().map(|request| enter(self, request)).collect()
    }

    fn checked(&self, account: AccountId, order: OrderRef) -> OrderId {
        cancel::resolve(self.state, account, order).expect("it was just resolved")
    }

    /// Markets' home: all of it, or none.
    pub(super) fn carry_out(&mut self, account: AccountId, requests: &[EnteredRequest]) {
        if let Err(refused) = Trial::of(self.state, account, requests, self.draft.room) {
            self.refuse_entered(account, requests, refused);
            return;
        }
        let numbered = || (0..).zip(requests);
        for (index, request) in numbered() {
            if let EnteredRequest::Cancel { order } = *request {
                self.item(index);
                self.cancel_here(account, order);
            }
        }
        for (index, request) in numbered() {
            if let EnteredRequest::Amend(amendment) = *request {
                self.item(index);
                self.amend_here(amendment, None);
            }
        }
        for (index, request) in numbered() {
            if let EnteredRequest::Place { id, order } = request {
                self.item(index);
                self.enter_market(*id, order);
            }
        }
    }

    fn refuse_entered(&mut self, account: AccountId, requests: &[EnteredRequest], refused: Refused) {
        for (index, request) in (0..).zip(requests) {
            self.item(index);
            let code = refused.code(usize::from(index));
            match *request {
                EnteredRequest::Place { id, order } => {
                    self.step(|_, draft| {
                        draft.events.push(Event::OrderRejected { id, order, code });
                        draft.settlements.push(settle::ended(id, &order));
                    });
                }
                EnteredRequest::Cancel { order } => self.reject_cancel(account, OrderRef::Id(order), code),
                EnteredRequest::Amend(Amendment { order, .. }) => self.reject_amend(account, OrderRef::Id(order), code),
            }
        }
        self.settle();
    }
}

/// The first request that cannot be, and why; for its sake the others are refused too.
struct Refused {
    index: usize,
    code: Rejection,
}

impl Refused {
    fn code(&self, index: usize) -> Rejection {
        if index == self.index { self.code } else { Rejection::BatchRefused }
    }
}

/// What the account's home can refuse. `Ok` is the one shard where all the markets live.
fn check_home(state: &State, account: AccountId, requests: &[Request]) -> Result<Shard, Refused> {
    let mut home = Home { shard: None, held: Credits::ZERO, orders: 0, names: BTreeSet::new() };
    for (index, request) in requests.iter().enumerate() {
        home.admit(state, account, request).map_err(|code| Refused { index, code })?;
    }
    Ok(home.shard.expect("a batch is not empty"))
}

/// What the requests so far come to at the account's home.
struct Home {
    shard: Option<Shard>,
    held: Credits,
    orders: u32,
    names: BTreeSet<schemas::ClientId>,
}

impl Home {
    fn admit(&mut self, state: &State, account: AccountId, request: &Request) -> Result<(), Rejection> {
        let shard = match request {
            Request::Place(order) => {
                self.admit_order(state, account, order)?;
                state.map.of_market(order.market)
            }
            Request::Cancel(order) => cancel::resolve(state, account, *order)?.market_shard(),
            Request::Amend { order, .. } => {
                account::active(state, account)?;
                cancel::resolve(state, account, *order)?.market_shard()
            }
        };
        if *self.shard.get_or_insert(shard) == shard { Ok(()) } else { Err(Rejection::BatchConflict) }
    }

    fn admit_order(&mut self, state: &State, account: AccountId, order: &NewOrder) -> Result<(), Rejection> {
        if order.account != account {
            return Err(Rejection::AccountMismatch);
        }
        let used = order
            .client_id
            .is_some_and(|name| state.facts.client_ids.get(account, name).is_some() || !self.names.insert(name));
        if used {
            return Err(Rejection::ClientIdReused);
        }
        let hold = order.hold();
        order::check_entry(state, order, hold)?;
        self.held += hold;
        self.orders += 1;
        let account = account::known(state, account)?;
        if account.available < self.held {
            return Err(Rejection::FundsInsufficient);
        }
        if account.limits.live_orders.saturating_sub(account.live_orders) < self.orders {
            return Err(Rejection::LiveOrderLimit);
        }
        if self.held.0 > 0 && account.held + self.held > account.limits.held {
            return Err(Rejection::NotionalLimit);
        }
        Ok(())
    }
}

/// An all-or-nothing batch against what is there before it.
///
/// Invariant: a batch that passes is carried out whole. Each check is at least as strict as the one that its request meets when it runs.
struct Trial<'a> {
    state: &'a State,
    account: AccountId,
    /// Orders that the batch cancels or amends.
    targets: BTreeSet<OrderId>,
    cancelled: Vec<(MarketId, MarketOrder)>,
    /// Where orders of the batch may come to rest, or how far they go.
    entering: Vec<Entering>,
    /// What the batch's cancels and reductions touch, and the contracts that they free.
    freed: Vec<Freed>,
    room: usize,
}

/// Contracts of a sell that become free. Together with free ones of the other kind they are redeemed, and can not be sold any more.
#[derive(Clone, Copy)]
struct Freed {
    market: MarketId,
    contract: Contract,
    at_least: u64,
    at_most: u64,
}

impl Freed {
    fn by(market: MarketView<'_>, resting: &MarketOrder, cancelled: bool) -> Self {
        let at_most = match resting.owner.entry.side() {
            Side::Sell => u64::from(resting.contracts().contracts()),
            Side::Buy => 0,
        };
        let at_least = if cancelled { at_most } else { 0 };
        Self { market: market.listing.market, contract: resting.owner.entry.contract(), at_least, at_most }
    }
}

#[derive(Clone, Copy)]
struct Entering {
    market: MarketId,
    side: BookSide,
    limit: Price,
    contract: Contract,
    buys: bool,
    /// It buys for what it may spend: how many contracts, nobody knows before.
    by_budget: bool,
    /// Contracts that a sell takes of its account's free ones; those of an amendment, beyond what it had.
    gives: u64,
    /// Contracts that it may take of the other side.
    takes: u64,
    before: Exposure,
    after: Exposure,
}

impl<'a> Trial<'a> {
    fn of(state: &'a State, account: AccountId, requests: &[EnteredRequest], room: usize) -> Result<(), Refused> {
        let (targets, cancelled, entering, freed) = (BTreeSet::new(), Vec::new(), Vec::new(), Vec::new());
        let mut trial = Self { state, account, targets, cancelled, entering, freed, room };
        for admit in [Self::admit_cancel, Self::admit_amend, Self::admit_place] {
            for (index, request) in requests.iter().enumerate() {
                admit(&mut trial, request).map_err(|code| Refused { index, code })?;
            }
        }
        Ok(())
    }

    fn admit_cancel(&mut self, request: &EnteredRequest) -> Result<(), Rejection> {
        let EnteredRequest::Cancel { order } = *request else { return Ok(()) };
        let (market, resting) = cancel::check(self.state, self.account, order)?;
        self.cancelled.push((market.listing.market, resting));
        self.freed.push(Freed::by(market, &resting, true));
        self.admit_target(order)
    }

    fn admit_target(&mut self, order: OrderId) -> Result<(), Rejection> {
        if self.targets.insert(order) { Ok(()) } else { Err(Rejection::BatchConflict) }
    }

    fn admit_amend(&mut self, request: &EnteredRequest) -> Result<(), Rejection> {
        let EnteredRequest::Amend(amendment) = request else { return Ok(()) };
        self.admit_target(amendment.order)?;
        let (market, resting, change, lack) = amend::check(self.state, amendment, Credits::ZERO, false)?;
        if matches!(lack, Lack::Credits(_)) {
            return Err(Rejection::BatchConflict);
        }
        self.freed.push(Freed::by(market, &resting, false));
        if change.in_place {
            return Ok(());
        }
        let entering = Entering::amended(market, &resting, &change);
        if self.meets(market, &entering) {
            return Err(Rejection::BatchConflict);
        }
        self.admit_entering(market, entering)
    }

    fn admit_place(&mut self, request: &EnteredRequest) -> Result<(), Rejection> {
        let EnteredRequest::Place { id, order } = request else { return Ok(()) };
        let market = order::check_listing(self.state, order)?;
        order::check_times(self.state, order)?;
        let entering = Entering::placed(order);
        let post_only = order.terms.post_only();
        if post_only != PostOnly::Off && self.meets(market, &entering) {
            let alone = matching::limit_to_rest(market, order.entry, entering.limit, post_only, self.state.facts.time);
            return Err(alone.err().unwrap_or(Rejection::BatchConflict));
        }
        if order.terms.time_in_force() == TimeInForce::Fok && !self.fills_whole(market, *id, order, &entering) {
            return Err(Rejection::BatchConflict);
        }
        self.admit_entering(market, entering)
    }

    /// True if it would meet an order that is there, or one of the batch.
    fn meets(&self, market: MarketView<'_>, entering: &Entering) -> bool {
        let crosses = |price| taker::crosses(entering.side, entering.limit, price);
        let resting = market.queue(entering.side.opposite());
        let live = |order: &MarketOrder| !order.has_expired(self.state.facts.time);
        let cancelled = |order: &MarketOrder| self.cancelled.iter().any(|(_, gone)| gone.id == order.id);
        resting.take_while(|order| crosses(order.book_price())).filter(live).any(|order| !cancelled(&order))
            || self.others(entering).any(|other| other.side != entering.side && crosses(other.limit))
    }

    /// Orders of the batch that enter the same market.
    fn others(&self, entering: &Entering) -> impl Iterator<Item = &Entering> {
        let market = entering.market;
        self.entering.iter().filter(move |other| other.market == market)
    }

    /// True if it fills whole, whatever else the batch does: nothing of the batch touches its market or matches before it.
    fn fills_whole(&self, market: MarketView<'_>, id: OrderId, order: &NewOrder, entering: &Entering) -> bool {
        let fok = matching::incoming(self.state, market, id, order, entering.limit);
        let first = self.entering.is_empty() && !self.freed.iter().any(|freed| freed.market == entering.market);
        first && fok.fills_whole(self.state, market, self.room)
    }

    fn admit_entering(&mut self, market: MarketView<'_>, entering: Entering) -> Result<(), Rejection> {
        let same = |other: &&Entering| other.contract == entering.contract;
        let given: u64 = self.others(&entering).filter(same).map(|other| other.gives).sum();
        let (free, redeemed) = self.free(market, &entering);
        if entering.gives > 0 && free < given + entering.gives {
            return Err(Rejection::PositionInsufficient);
        }
        if entering.gives > 0 && free - redeemed < given + entering.gives {
            return Err(Rejection::BatchConflict);
        }
        if market.limits != MarketLimits::NONE {
            let Entering { contract, before, after, .. } = entering;
            let wanted = limits::Wanted { account: self.account, contract, before, after };
            limits::check_exposure(market, &wanted, &self.exposure(market, &entering))?;
            // A budget before it may buy as much as the position's limit allows.
            if entering.buys && self.others(&entering).filter(same).any(|other| other.by_budget) {
                return Err(Rejection::BatchConflict);
            }
        }
        self.entering.push(entering);
        Ok(())
    }

    /// What the account's live orders come to with this one, after the batch's cancels and with all that enter before.
    fn exposure(&self, market: MarketView<'_>, entering: &Entering) -> Exposure {
        let mut exposure = limits::exposure(self.state, market, self.account);
        for (_, gone) in self.cancelled.iter().filter(|(id, _)| *id == entering.market) {
            exposure.subtract(&Exposure::of_live(gone));
        }
        for other in self.others(entering).chain([entering]) {
            exposure.subtract(&other.before);
            exposure.add(&other.after);
        }
        exposure
    }

    /// Contracts that are free to be sold once the batch's cancels are done, and how many of them may be redeemed with others of the
    /// other kind that the batch frees or buys before.
    fn free(&self, market: MarketView<'_>, entering: &Entering) -> (u64, u64) {
        let here = |freed: &&Freed| freed.market == entering.market;
        let (same, other): (Vec<&Freed>, Vec<&Freed>) =
            self.freed.iter().filter(here).partition(|freed| freed.contract == entering.contract);
        let free = market.position(self.account).free(entering.contract)
            + same.iter().map(|freed| freed.at_least).sum::<u64>();
        let buys = self.others(entering).filter(|other| other.contract != entering.contract && other.buys);
        let others = market.position(self.account).free(entering.contract.other())
            + other.iter().map(|freed| freed.at_most).sum::<u64>()
            + buys.map(|buy| buy.takes).sum::<u64>();
        (free, others.min(free))
    }
}

/// Contracts that an order takes at most.
fn takes(order: &NewOrder) -> u64 {
    match order.terms {
        Terms::Budget { .. } => u64::from(QUANTITY_MAX),
        Terms::Limit { .. } | Terms::Market { .. } => u64::from(order::contracts(order).contracts()),
    }
}

impl Entering {
    fn placed(order: &NewOrder) -> Self {
        let contracts = u64::from(order::contracts(order).contracts());
        let limits::Wanted { contract, before, after, .. } = order::wanted(order);
        Self {
            market: order.market,
            side: order.entry.book_side(),
            limit: order.entry.book_price(order.terms.limit()),
            contract,
            buys: order.entry.side() == Side::Buy,
            by_budget: matches!(order.terms, Terms::Budget { .. }),
            gives: if order.entry.side() == Side::Sell { contracts } else { 0 },
            takes: takes(order),
            before,
            after,
        }
    }

    fn amended(market: MarketView<'_>, resting: &MarketOrder, change: &Change) -> Self {
        let stake = &resting.owner;
        let remaining = change.quantity - resting.filled();
        let more = amend::more_contracts(resting, remaining);
        let limits::Wanted { contract, before, after, .. } = limits::Wanted::amended(resting, change.limit, remaining);
        Self {
            market: market.listing.market,
            side: stake.entry.book_side(),
            limit: change.limit,
            contract,
            buys: stake.entry.side() == Side::Buy,
            by_budget: false,
            gives: if stake.entry.side() == Side::Sell { more } else { 0 },
            takes: u64::from(remaining.contracts()),
            before,
            after,
        }
    }
}
