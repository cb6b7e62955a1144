//! Many requests of one account in one command.

use std::collections::{BTreeMap, BTreeSet};

use schemas::limits::BATCH_MAX;
use schemas::{AccountId, Amendment, Credits, Event, NewOrder, OrderRef, Rejection, Request};

use super::trial::same_name;
use super::{Decided, Model};

/// Which request cannot be, and why. The others are refused for its sake.
pub(super) type Refused = (usize, Rejection);

/// What one request of a batch leads to, when its turn has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    CancelBuy,
    CancelSell,
    /// It needs no credits.
    Amend,
    AmendForMore,
    Place,
}

impl Model {
    pub(super) fn batch(
        &mut self,
        account: AccountId,
        all_or_nothing: bool,
        requests: &[Request],
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

    /// What waits for credits or room is decided later than it came. Only what takes away passes it.
    fn one_by_one(&mut self, account: AccountId, requests: &[Request], decided: &[Decided]) {
        let mut open: BTreeMap<u16, &Request> = (0..).zip(requests).collect();
        let mut ended = BTreeSet::new();
        for decided in decided {
            let index = match decided {
                Decided::Request(index) => index,
                // What it hears after the last is told with all other messages.
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
                (Request::Place(order), _) if ended.contains(index) => {
                    self.refuse(order, Rejection::CancelledWhileParked)
                }
                (request, _) => self.one_of_batch(account, request, &waiting.into_values().collect::<Vec<_>>()),
            }
            let passes = self.told[from..].iter().all(|(_, event)| may_pass(event));
            assert!(passes || before().next().is_none(), "request {index} passes those that wait");
        }
        assert!(open.is_empty(), "not decided: {open:?}");
    }

    fn one_of_batch(&mut self, account: AccountId, request: &Request, waiting: &[NewOrder]) {
        match *request {
            Request::Place(order) if order.account != account => {
                self.tell(Event::Rejected { code: Rejection::AccountMismatch });
            }
            Request::Place(order) => self.place(&order, waiting),
            Request::Cancel(order) => self.cancel(account, order),
            Request::Amend { order, price, quantity } => self.amend(account, order, price, quantity),
        }
    }

    fn all_or_nothing(&mut self, account: AccountId, requests: &[Request]) {
        if let Some(repeats) = self.seen_batch(account, requests) {
            let mut repeats = repeats.into_iter();
            for (index, request) in (0..).zip(requests) {
                self.tell(Event::BatchItem { index });
                match request {
                    Request::Place(_) => repeats.next().into_iter().for_each(|repeat| self.tell(repeat)),
                    Request::Cancel(_) | Request::Amend { .. } => self.refuse_request(account, request, BATCH_REFUSED),
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
                        (Request::Place(order), Some(repeat)) if order.account == account => self.tell(repeat),
                        _ => self.refuse_request(account, request, code),
                    }
                }
            }
        }
    }

    /// The first answers to a batch that was sent before, if all its orders were.
    fn seen_batch(&self, account: AccountId, requests: &[Request]) -> Option<Vec<Event>> {
        let orders = requests.iter().filter_map(|request| match request {
            Request::Place(order) => Some(order),
            Request::Cancel(_) | Request::Amend { .. } => None,
        });
        let seen = |order: &NewOrder| self.seen_order(order, &[]).filter(|_| order.account == account)?.ok();
        orders.map(seen).collect::<Option<Vec<_>>>().filter(|repeats| !repeats.is_empty())
    }

    /// The answer to an order that comes once more in its batch: what was answered before.
    fn once_more(&self, before: &[Request], request: &Request) -> Option<Event> {
        let Request::Place(order) = request else { return None };
        let earlier = before.iter().any(|other| same_name(other, request));
        self.seen_order(order, &[]).filter(|_| earlier)?.ok()
    }

    fn refuse_request(&mut self, account: AccountId, request: &Request, code: Rejection) {
        match *request {
            Request::Place(order) if order.account == account => self.refuse(&order, code),
            // Another account's: nothing of that account is touched.
            Request::Place(_) => self.tell(Event::Rejected { code }),
            Request::Cancel(order) => self.tell(Event::CancelRejected { account, order, code }),
            Request::Amend { order, .. } => self.tell(Event::AmendRejected { account, order, code }),
        }
    }

    /// Cancels, amendments that free credits, those that need some, places.
    fn carry_out(&mut self, account: AccountId, requests: &[Request]) {
        let mut turns: Vec<(Turn, u16)> =
            (0..).zip(requests).map(|(index, request)| (self.turn(account, request), index)).collect();
        turns.sort_unstable();
        for (_, index) in turns {
            self.tell(Event::BatchItem { index });
            let from = self.told.len();
            match requests[usize::from(index)] {
                Request::Cancel(order) => self.cancel(account, order),
                Request::Amend { order, price, quantity } => {
                    let order = self.meant(account, order).expect("it was tried");
                    let change = self.check_change(&Amendment { account, order, price, quantity }, true);
                    self.carry_out_change(&change.unwrap_or_else(|code| panic!("{requests:?} breaks off: {code}")));
                }
                // Taken in a moment ago, under the same name.
                Request::Place(order) if self.seen_order(&order, &[]).is_some() => self.place(&order, &[]),
                Request::Place(order) => {
                    let checked = self.check_at_market(&order);
                    let (price, _) = checked.unwrap_or_else(|code| panic!("{requests:?} breaks off: {code}"));
                    self.take_in_named(&order, price);
                }
            }
            let refused = self.told[from..].iter().find(|(_, event)| matches!(event, Event::CancelRejected { .. }));
            assert!(refused.is_none(), "{requests:?} breaks off: {refused:?}");
        }
    }

    fn turn(&self, account: AccountId, request: &Request) -> Turn {
        match *request {
            Request::Cancel(order) => {
                let id = self.meant(account, order).expect("it was tried");
                let sells = self.live_order(account, id).is_ok_and(|(_, order)| order.sells());
                if sells { Turn::CancelSell } else { Turn::CancelBuy }
            }
            Request::Place(_) => Turn::Place,
            Request::Amend { order, price, quantity } => {
                let order = self.meant(account, order).expect("it was tried");
                let change = self.check_change(&Amendment { account, order, price, quantity }, false);
                if change.is_ok_and(|change| change.needs > Credits::ZERO) { Turn::AmendForMore } else { Turn::Amend }
            }
        }
    }
}

const BATCH_REFUSED: Rejection = Rejection::BatchRefused;

fn own(account: AccountId, request: &Request) -> Option<NewOrder> {
    match request {
        Request::Place(order) if order.account == account => Some(*order),
        Request::Place(_) | Request::Cancel(_) | Request::Amend { .. } => None,
    }
}

/// True if the request cancels this order by its name.
fn cancels(request: &Request, order: &NewOrder) -> bool {
    match request {
        Request::Cancel(OrderRef::ClientId { market, client_id }) => {
            (order.market, order.client_id) == (*market, Some(*client_id))
        }
        _ => false,
    }
}

/// Whether a request that passes others may lead to this.
fn may_pass(event: &Event) -> bool {
    match event {
        Event::OrderPlaced(_) | Event::HoldRaised { .. } => false,
        Event::OrderAmended(amended) => amended.in_place,
        _ => true,
    }
}
