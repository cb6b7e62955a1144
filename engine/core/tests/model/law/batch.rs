//! Many requests of one account in one command.

use std::collections::{BTreeMap, BTreeSet};

use schemas::limits::BATCH_MAX;
use schemas::{AccountId, Amendment, BatchRequest, Credits, Event, NewOrder, OrderRef, Rejection};

use super::trial::same_name;
use super::{Decided, Model};

/// The request that is refused, and why. The others are refused because of it.
pub(super) type Refused = (usize, Rejection);

/// The result of one request of a batch at its turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    CancelBuy,
    CancelSell,
    /// The request needs no credits.
    Amend,
    AmendForMore,
    Place,
}

impl Model {
    pub(super) fn batch(
        &mut self,
        account: AccountId,
        all_or_nothing: bool,
        requests: &[BatchRequest],
        decided: &[Decided],
    ) {
        if requests.is_empty() || requests.len() > BATCH_MAX {
            self.tell(Event::Rejected { code: Rejection::BatchSizeInvalid });
        } else if all_or_nothing {
            self.all_or_nothing(account, requests);
        } else {
            self.one_by_one(account, requests, decided);
        }
    }

    /// A request that waits for credits or room is decided later than it came. Only requests that
    /// release credits or orders may pass it.
    fn one_by_one(&mut self, account: AccountId, requests: &[BatchRequest], decided: &[Decided]) {
        let mut open: BTreeMap<u16, &BatchRequest> = (0..).zip(requests).collect();
        let mut ended = BTreeSet::new();
        for decided in decided {
            let index = match decided {
                Decided::Request(index) => index,
                // Messages that arrive after the last request are delivered with all others.
                Decided::Group(_) if open.is_empty() => break,
                Decided::Group(group) => {
                    self.told_of(*group);
                    continue;
                }
            };
            let request = open.remove(index).unwrap_or_else(|| panic!("request {index} is decided twice"));
            let before = || open.range(..index);
            let waiting: BTreeMap<u16, NewOrder> =
                before().filter_map(|(at, request)| Some((*at, own(account, request)?))).collect();
            let from = self.told.len();
            self.tell(Event::BatchItem { index: *index });
            let mut ends = waiting.iter().filter(|(at, order)| cancels(request, order) && !ended.contains(*at));
            match (request, ends.next()) {
                (_, Some((waits, _))) => {
                    ended.insert(*waits);
                }
                (BatchRequest::Place(order), _) if ended.contains(index) => {
                    self.refuse(order, Rejection::CancelledWhileParked)
                }
                (request, _) => self.one_of_batch(account, request, &waiting.into_values().collect::<Vec<_>>()),
            }
            let passes = self.told[from..].iter().all(|(_, event)| may_pass(event));
            assert!(passes || before().next().is_none(), "request {index} passes those that wait");
        }
        assert!(open.is_empty(), "some requests are not decided: {open:?}");
    }

    fn one_of_batch(&mut self, account: AccountId, request: &BatchRequest, waiting: &[NewOrder]) {
        match *request {
            BatchRequest::Place(order) if order.account != account => {
                self.tell(Event::Rejected { code: Rejection::AccountMismatch });
            }
            BatchRequest::Place(order) => self.place(&order, waiting),
            BatchRequest::Cancel(order) => self.cancel(account, order),
            BatchRequest::Amend { order, price, quantity } => self.amend(account, order, price, quantity),
        }
    }

    fn all_or_nothing(&mut self, account: AccountId, requests: &[BatchRequest]) {
        if let Some(repeats) = self.seen_batch(account, requests) {
            let mut repeats = repeats.into_iter();
            for (index, request) in (0..).zip(requests) {
                self.tell(Event::BatchItem { index });
                match request {
                    BatchRequest::Place(_) => repeats.next().into_iter().for_each(|repeat| self.tell(repeat)),
                    BatchRequest::Cancel(_) | BatchRequest::Amend { .. } => {
                        self.refuse_request(account, request, BATCH_REFUSED)
                    }
                }
            }
            return;
        }
        let mut tried = self.try_batch(account, requests);
        if tried.is_ok() && !self.has_purse(account) {
            self.get_purse(account);
            tried = self.try_batch(account, requests);
        }
        match tried {
            Ok(()) => self.carry_out(account, requests),
            Err((bad, code)) => {
                for (index, request) in requests.iter().enumerate() {
                    self.tell(Event::BatchItem { index: u16::try_from(index).expect("a batch is small") });
                    let code = if index == bad { code } else { BATCH_REFUSED };
                    match (request, self.once_more(&requests[..index], request)) {
                        (BatchRequest::Place(order), Some(repeat)) if order.account == account => self.tell(repeat),
                        _ => self.refuse_request(account, request, code),
                    }
                }
            }
        }
    }

    /// Returns the first answers to a repeated batch, if all its orders were in that batch.
    fn seen_batch(&self, account: AccountId, requests: &[BatchRequest]) -> Option<Vec<Event>> {
        let orders = requests.iter().filter_map(|request| match request {
            BatchRequest::Place(order) => Some(order),
            BatchRequest::Cancel(_) | BatchRequest::Amend { .. } => None,
        });
        let seen = |order: &NewOrder| self.seen_order(order, &[]).filter(|_| order.account == account)?.ok();
        orders.map(seen).collect::<Option<Vec<_>>>().filter(|repeats| !repeats.is_empty())
    }

    /// Returns the answer to an order that is repeated in its batch: the first answer.
    fn once_more(&self, before: &[BatchRequest], request: &BatchRequest) -> Option<Event> {
        let BatchRequest::Place(order) = request else { return None };
        let earlier = before.iter().any(|other| same_name(other, request));
        self.seen_order(order, &[]).filter(|_| earlier)?.ok()
    }

    fn refuse_request(&mut self, account: AccountId, request: &BatchRequest, code: Rejection) {
        match *request {
            BatchRequest::Place(order) if order.account == account => self.refuse(&order, code),
            // The order of another account: nothing of that account changes.
            BatchRequest::Place(_) => self.tell(Event::Rejected { code }),
            BatchRequest::Cancel(order) => self.tell(Event::CancelRejected { account, order, code }),
            BatchRequest::Amend { order, .. } => self.tell(Event::AmendRejected { account, order, code }),
        }
    }

    /// In this order: cancels, amendments that free credits, amendments that need credits, new
    /// orders.
    fn carry_out(&mut self, account: AccountId, requests: &[BatchRequest]) {
        let mut turns: Vec<(Turn, u16)> =
            (0..).zip(requests).map(|(index, request)| (self.turn(account, request), index)).collect();
        turns.sort_unstable();
        for (_, index) in turns {
            self.tell(Event::BatchItem { index });
            let from = self.told.len();
            match requests[usize::from(index)] {
                BatchRequest::Cancel(order) => self.cancel(account, order),
                BatchRequest::Amend { order, price, quantity } => {
                    let order = self.meant(account, order).expect("it was checked");
                    let change = self.check_change(&Amendment { account, order, price, quantity }, true);
                    self.carry_out_change(&change.unwrap_or_else(|code| panic!("{requests:?} stops: {code}")));
                }
                // Accepted a moment ago with the same client id.
                BatchRequest::Place(order) if self.seen_order(&order, &[]).is_some() => self.place(&order, &[]),
                BatchRequest::Place(order) => {
                    let checked = self.check_at_market(&order);
                    let (price, _) = checked.unwrap_or_else(|code| panic!("{requests:?} stops: {code}"));
                    self.take_in_named(&order, price);
                }
            }
            let refused = self.told[from..].iter().find(|(_, event)| matches!(event, Event::CancelRejected { .. }));
            assert!(refused.is_none(), "{requests:?} stops: {refused:?}");
        }
    }

    fn turn(&self, account: AccountId, request: &BatchRequest) -> Turn {
        match *request {
            BatchRequest::Cancel(order) => {
                let id = self.meant(account, order).expect("it was checked");
                let sells = self.live_order(account, id).is_ok_and(|(_, order)| order.sells());
                if sells { Turn::CancelSell } else { Turn::CancelBuy }
            }
            BatchRequest::Place(_) => Turn::Place,
            BatchRequest::Amend { order, price, quantity } => {
                let order = self.meant(account, order).expect("it was checked");
                let change = self.check_change(&Amendment { account, order, price, quantity }, false);
                if change.is_ok_and(|change| change.needs > Credits::ZERO) { Turn::AmendForMore } else { Turn::Amend }
            }
        }
    }
}

const BATCH_REFUSED: Rejection = Rejection::BatchRefused;

fn own(account: AccountId, request: &BatchRequest) -> Option<NewOrder> {
    match request {
        BatchRequest::Place(order) if order.account == account => Some(*order),
        BatchRequest::Place(_) | BatchRequest::Cancel(_) | BatchRequest::Amend { .. } => None,
    }
}

/// True if the request cancels this order by its client id.
fn cancels(request: &BatchRequest, order: &NewOrder) -> bool {
    match request {
        BatchRequest::Cancel(OrderRef::ClientId { market, client_id }) => {
            (order.market, order.client_id) == (*market, Some(*client_id))
        }
        _ => false,
    }
}

/// True if a request that passes waiting ones may have this result.
fn may_pass(event: &Event) -> bool {
    match event {
        Event::OrderPlaced(_) | Event::HoldRaised { .. } => false,
        Event::OrderAmended(amended) => amended.in_place,
        _ => true,
    }
}
