//! Many requests of one account in one command.

use schemas::limits::BATCH_MAX;
use schemas::message::EnteredRequest;
use schemas::{AccountId, Amendment, Credits, Event, NewOrder, OrderRef, Rejection, Request, Shard};

use super::{Answer, Errand, Model};

/// Which request cannot be, and why. The others are refused for its sake.
pub(super) type Refused = (usize, Rejection);

impl Model {
    pub(super) fn batch(&mut self, at: Shard, account: AccountId, all_or_nothing: bool, requests: &[Request]) {
        let checked = match requests.len() {
            0 => Err(Rejection::BatchSizeInvalid),
            many if many > BATCH_MAX => Err(Rejection::BatchSizeInvalid),
            _ => self.account_at(at, account).map(drop),
        };
        match checked {
            Err(code) => self.tell(Event::Rejected { code }),
            Ok(()) if all_or_nothing => self.all_or_nothing(at, account, requests),
            Ok(()) => self.one_by_one(at, account, requests),
        }
    }

    fn one_by_one(&mut self, at: Shard, account: AccountId, requests: &[Request]) {
        for (index, request) in (0..).zip(requests) {
            self.tell(Event::BatchItem { index });
            match *request {
                Request::Place(order) if order.account != account => {
                    self.tell(Event::Rejected { code: Rejection::AccountMismatch });
                }
                Request::Place(order) => self.place(at, &order),
                Request::Cancel(order) => self.cancel(at, account, order),
                Request::Amend { order, price, quantity } => self.amend(at, account, order, price, quantity),
            }
        }
    }

    fn all_or_nothing(&mut self, at: Shard, account: AccountId, requests: &[Request]) {
        if let Some(repeats) = self.seen_batch(at, account, requests) {
            let refuse =
                |model: &mut Self, request: &Request| model.refuse_request(at, account, request, BATCH_REFUSED);
            let mut repeats = repeats.into_iter();
            for (index, request) in (0..).zip(requests) {
                self.tell(Event::BatchItem { index });
                match request {
                    Request::Place(_) => repeats.next().into_iter().for_each(|repeat| self.tell(repeat)),
                    Request::Cancel(_) | Request::Amend { .. } => refuse(self, request),
                }
            }
            return;
        }
        match self.check_at_home(at, account, requests) {
            Ok(markets_home) => {
                let entered =
                    requests.iter().map(|request| self.enter_request(at, account, request)).collect::<Vec<_>>();
                if markets_home == at {
                    self.carry_out(account, &entered);
                } else {
                    self.wait_for(markets_home, Errand::Batch(account, entered));
                }
            }
            Err((bad, code)) => {
                for (index, request) in requests.iter().enumerate() {
                    self.tell(Event::BatchItem { index: u16::try_from(index).expect("a batch is small") });
                    self.refuse_request(at, account, request, if index == bad { code } else { BATCH_REFUSED });
                }
            }
        }
    }

    /// The first answers to a batch that was sent before, if all its orders were.
    fn seen_batch(&self, at: Shard, account: AccountId, requests: &[Request]) -> Option<Vec<Event>> {
        let orders = requests.iter().filter_map(|request| match request {
            Request::Place(order) => Some(order),
            Request::Cancel(_) | Request::Amend { .. } => None,
        });
        let seen = |order: &NewOrder| self.seen_order(at, order).filter(|_| order.account == account)?.ok();
        orders.map(seen).collect::<Option<Vec<_>>>().filter(|repeats| !repeats.is_empty())
    }

    fn refuse_request(&mut self, at: Shard, account: AccountId, request: &Request, code: Rejection) {
        match *request {
            Request::Place(order) if order.account == account => self.refuse_entry(at, &order, code),
            // Another account's: nothing of that account is touched.
            Request::Place(_) => self.tell(Event::Rejected { code }),
            Request::Cancel(order) => self.tell(Event::CancelRejected { account, order, code }),
            Request::Amend { order, .. } => self.tell(Event::AmendRejected { account, order, code }),
        }
    }

    fn enter_request(&mut self, at: Shard, account: AccountId, request: &Request) -> EnteredRequest {
        let meant = |model: &Self, order| model.meant(at, account, order).expect("it was checked");
        match *request {
            Request::Place(order) => EnteredRequest::Place { id: self.enter(at, &order), order },
            Request::Cancel(order) => EnteredRequest::Cancel { order: meant(self, order) },
            Request::Amend { order, price, quantity } => {
                EnteredRequest::Amend(Amendment { account, order: meant(self, order), price, quantity })
            }
        }
    }

    /// What the account's home refuses, request by request. `Ok` is the shard of all the markets.
    fn check_at_home(&self, at: Shard, account: AccountId, requests: &[Request]) -> Result<Shard, Refused> {
        let mut markets_home = None;
        for (index, request) in requests.iter().enumerate() {
            let checked = match *request {
                Request::Place(order) => self
                    .check_entry_in_batch(at, account, &requests[..index], &order)
                    .map(|()| self.map.of_market(order.market)),
                Request::Cancel(order) => self.meant(at, account, order).map(|id| id.market_shard()),
                Request::Amend { order, .. } => {
                    self.active_at(at, account).and_then(|_| self.meant(at, account, order)).map(|id| id.market_shard())
                }
            };
            let home = checked.map_err(|code| (index, code))?;
            if *markets_home.get_or_insert(home) != home {
                return Err((index, Rejection::BatchConflict));
            }
        }
        Ok(markets_home.expect("a batch asks for something"))
    }

    /// An order, after others of the batch that were let in.
    fn check_entry_in_batch(&self, at: Shard, account: AccountId, before: &[Request], order: &NewOrder) -> Answer<()> {
        if order.account != account {
            return Err(Rejection::AccountMismatch);
        }
        let others: Vec<_> =
            before.iter().filter_map(|r| if let Request::Place(o) = r { Some(o) } else { None }).collect();
        let taken = |name| self.names.contains_key(&(at, account, name));
        if order.client_id.is_some_and(|name| taken(name) || others.iter().any(|o| o.client_id == Some(name))) {
            return Err(Rejection::ClientIdReused);
        }
        self.check_entry(at, order)?;
        let wallet = self.account_at(at, account)?;
        let holds = others.iter().map(|other| other.hold()).sum::<Credits>() + order.hold();
        if holds > wallet.available {
            return Err(Rejection::FundsInsufficient);
        }
        if wallet.live_orders.len() + others.len() + 1 > wallet.limits.live_orders as usize {
            return Err(Rejection::LiveOrderLimit);
        }
        if holds > Credits::ZERO && wallet.held + holds > wallet.limits.held {
            return Err(Rejection::NotionalLimit);
        }
        Ok(())
    }

    /// At the markets' home: first whether all of it can be done; then cancels, amendments, places.
    pub(super) fn carry_out(&mut self, account: AccountId, requests: &[EnteredRequest]) {
        if let Err((bad, code)) = self.try_batch(account, requests) {
            for (index, request) in requests.iter().enumerate() {
                self.tell(Event::BatchItem { index: u16::try_from(index).expect("a batch is small") });
                self.refuse_entered(account, request, if index == bad { code } else { BATCH_REFUSED });
            }
            return;
        }
        let from = self.told.len();
        for kind in [0, 1, 2] {
            for (index, request) in (0..).zip(requests) {
                match *request {
                    EnteredRequest::Cancel { order } if kind == 0 => {
                        self.tell(Event::BatchItem { index });
                        self.cancel_at_market(account, order);
                    }
                    EnteredRequest::Amend(amendment) if kind == 1 => {
                        self.tell(Event::BatchItem { index });
                        self.amend_at_market(amendment, None);
                    }
                    EnteredRequest::Place { id, order } if kind == 2 => {
                        self.tell(Event::BatchItem { index });
                        self.enter_market(id, &order);
                    }
                    _ => {}
                }
            }
        }
        let broken = self.told[from..].iter().find_map(refusal);
        assert!(broken.is_none(), "a batch that was taken in is not carried out whole: {broken:?} of {requests:?}");
    }

    fn refuse_entered(&mut self, account: AccountId, request: &EnteredRequest, code: Rejection) {
        match *request {
            EnteredRequest::Place { id, order } => self.refuse_at_market(id, &order, code),
            EnteredRequest::Cancel { order } => {
                self.tell(Event::CancelRejected { account, order: OrderRef::Id(order), code });
            }
            EnteredRequest::Amend(Amendment { order, .. }) => {
                self.tell(Event::AmendRejected { account, order: OrderRef::Id(order), code });
            }
        }
    }
}

const BATCH_REFUSED: Rejection = Rejection::BatchRefused;

fn refusal(event: &Event) -> Option<Rejection> {
    match event {
        Event::OrderRejected { code, .. } | Event::CancelRejected { code, .. } | Event::AmendRejected { code, .. } => {
            Some(*code)
        }
        _ => None,
    }
}
