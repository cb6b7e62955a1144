//! Several requests of one account in one command, in markets of one shard.
//!
//! In mode one-by-one, each request is answered as if it had come alone. In mode all-or-nothing,
//! the decision uses the state before the batch, and nothing is applied before it. Cancels run
//! first, then amendments that free credits, then amendments that need some, and placements last,
//! so that nothing in the batch can take away what a later request needs; a request that could is
//! refused as a conflict.

use std::collections::BTreeMap;

use schemas::limits::BATCH_MAX;
use schemas::{
    AccountId, Amendment, BatchRequest, ClientId, Event, MarketId, Need, NewOrder, OrderId, OrderRef, ParkedRequest,
    Rejection, Side, Terms,
};

use super::precheck::Precheck;
use super::{CommandRun, amend, cancel, order, parking};
use crate::state::ShardState;

impl CommandRun<'_> {
    pub(super) fn batch(&mut self, account: AccountId, all_or_nothing: bool, requests: &[BatchRequest]) {
        if !(1..=BATCH_MAX).contains(&requests.len()) {
            self.refuse_alone(Rejection::BatchSizeInvalid);
        } else if all_or_nothing {
            self.all_or_nothing(account, requests);
        } else {
            self.one_by_one(account, requests);
        }
    }

    fn one_by_one(&mut self, account: AccountId, requests: &[BatchRequest]) {
        for (index, request) in (0..).zip(requests) {
            self.item(index);
            self.index = Some(index);
            self.frees_later = frees(&requests[usize::from(index) + 1..]);
            match *request {
                BatchRequest::Place(order) if order.account != account => self.refuse_alone(Rejection::AccountMismatch),
                BatchRequest::Place(order) => self.place_order(&order),
                BatchRequest::Cancel(order) => self.cancel_order(account, order),
                BatchRequest::Amend { order, price, quantity } => self.amend_order(account, order, price, quantity),
            }
        }
        self.index = None;
        self.frees_later = false;
    }

    /// Another account's request never touches an order, nor the client ids that its client uses.
    pub(super) fn refuse_alone(&mut self, code: Rejection) {
        self.step(|_, context| context.events.push(Event::Rejected { code }));
    }

    fn item(&mut self, index: u16) {
        self.step(|_, context| context.events.push(Event::BatchItem { index }));
    }

    fn all_or_nothing(&mut self, account: AccountId, requests: &[BatchRequest]) {
        if self.repeat(account, requests) {
            return;
        }
        let names = check_names(self.state, account, requests);
        match names.and_then(|()| look(self.state, account, requests, self.context.room)) {
            Err(refused) => self.refuse_requests(account, requests, refused),
            Ok(need) if need.is_nothing() && !parking::queues(self.state, account) => self.carry_out(account, requests),
            Ok(need) => self.park_for(account, need, ParkedRequest::Batch(requests.to_vec())),
        }
    }

    /// Answers a batch that was accepted before, all its orders with client ids: each request as
    /// the first time. Returns true if the batch is such a repeat.
    fn repeat(&mut self, account: AccountId, requests: &[BatchRequest]) -> bool {
        let orders = requests.iter().filter_map(|request| match request {
            BatchRequest::Place(order) => Some(order),
            BatchRequest::Cancel(_) | BatchRequest::Amend { .. } => None,
        });
        let own = |order: &NewOrder| order::repeated(self.state, order).filter(|_| order.account == account)?.ok();
        let answers: Option<Vec<Event>> = orders.map(own).collect();
        let Some(answers) = answers.filter(|answers| !answers.is_empty()) else { return false };
        let mut answers = answers.into_iter();
        for (index, request) in (0..).zip(requests) {
            self.item(index);
            match *request {
                BatchRequest::Place(_) => {
                    let answer = answers.next().expect("an answer for each order");
                    self.step(|_, context| context.events.push(answer));
                }
                BatchRequest::Cancel(order) => self.reject_cancel(account, order, Rejection::BatchRefused),
                BatchRequest::Amend { order, .. } => self.reject_amend(account, order, Rejection::BatchRefused),
            }
        }
        true
    }

    pub(super) fn refuse_requests(&mut self, account: AccountId, requests: &[BatchRequest], refused: BatchRefusal) {
        for (index, request) in (0..).zip(requests) {
            self.item(index);
            let code = refused.code(usize::from(index));
            match *request {
                BatchRequest::Place(order) if order.account != account => self.refuse_alone(code),
                BatchRequest::Place(order) if repeats_earlier(requests, usize::from(index)) => {
                    self.repeat_or(&order, code)
                }
                BatchRequest::Place(order) => self.reject_order(&order, code),
                BatchRequest::Cancel(order) => self.reject_cancel(account, order, code),
                BatchRequest::Amend { order, .. } => self.reject_amend(account, order, code),
            }
        }
    }

    /// Carries out a batch that passed the precheck and lacks nothing.
    pub(super) fn carry_out(&mut self, account: AccountId, requests: &[BatchRequest]) {
        let steps = Steps::of(self.state, account, requests);
        for (index, order) in steps.cancels {
            self.item(index);
            self.cancel_here(account, order);
        }
        for (index, amendment) in steps.amendments {
            self.item(index);
            self.change(&amendment);
        }
        for (index, order) in steps.places {
            self.item(index);
            match repeats_earlier(requests, usize::from(index)).then(|| order::repeated(self.state, &order)).flatten() {
                Some(Ok(answer)) => self.step(|_, context| context.events.push(answer)),
                _ => self.take_in(&order),
            }
        }
    }

    /// Answers an order whose client id the batch used before: with the first one's answer, or with
    /// a refusal if its own request is the cause.
    fn repeat_or(&mut self, order: &NewOrder, code: Rejection) {
        match order::repeated(self.state, order) {
            Some(Ok(answer)) => self.step(|_, context| context.events.push(answer)),
            _ => self.reject_order(order, code),
        }
    }
}

/// Returns true if an order has the client id of an earlier one in the batch.
pub(super) fn repeats_earlier(requests: &[BatchRequest], index: usize) -> bool {
    let BatchRequest::Place(order) = &requests[index] else { return false };
    let named = (order.account, order.market, order.client_id);
    let same = |earlier: &BatchRequest| match earlier {
        BatchRequest::Place(earlier) => (earlier.account, earlier.market, earlier.client_id) == named,
        BatchRequest::Cancel(_) | BatchRequest::Amend { .. } => false,
    };
    order.client_id.is_some() && requests[..index].iter().any(same)
}

/// Returns true if one of these requests may free credits or room for an earlier one.
fn frees(requests: &[BatchRequest]) -> bool {
    requests.iter().any(|request| matches!(request, BatchRequest::Cancel(_) | BatchRequest::Amend { .. }))
}

/// The requests of a batch in the order in which they are carried out, each with its index in the
/// batch.
struct Steps {
    cancels: Vec<(u16, OrderId)>,
    amendments: Vec<(u16, Amendment)>,
    places: Vec<(u16, NewOrder)>,
}

impl Steps {
    fn of(state: &ShardState, account: AccountId, requests: &[BatchRequest]) -> Self {
        let (mut cancels, mut freeing, mut needing, mut places) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let known = |order| cancel::resolve(state, account, order).expect("the batch was just looked at");
        for (index, request) in (0..).zip(requests) {
            match *request {
                BatchRequest::Cancel(order) => cancels.push((index, known(order))),
                BatchRequest::Place(order) => places.push((index, order)),
                BatchRequest::Amend { order, price, quantity } => {
                    let amendment = Amendment { account, order: known(order), price, quantity };
                    let (.., change) = amend::check(state, &amendment, false).expect("the batch was just looked at");
                    let free = change.raised.0 == 0;
                    if free { &mut freeing } else { &mut needing }.push((index, amendment));
                }
            }
        }
        freeing.append(&mut needing);
        // What a sell frees may end a reduce-only buy that the batch cancels as well.
        cancels.sort_by_key(|(_, order)| sells(state, *order));
        Self { cancels, amendments: freeing, places }
    }
}

fn sells(state: &ShardState, order: OrderId) -> bool {
    state.live_order(order).is_some_and(|(_, resting)| resting.owner.entry.side() == Side::Sell)
}

/// The first request that cannot be carried out, and why; the others are refused because of it.
#[derive(Clone, Copy)]
pub(super) struct BatchRefusal {
    /// The index of that request; `None` gives all requests the same code.
    index: Option<usize>,
    code: Rejection,
}

impl BatchRefusal {
    pub(super) fn all(code: Rejection) -> Self {
        Self { index: None, code }
    }

    pub(super) fn at(index: usize, code: Rejection) -> Self {
        Self { index: Some(index), code }
    }

    /// Returns the code for a request outside a batch.
    pub(super) fn first(self) -> Rejection {
        self.code
    }

    fn code(self, index: usize) -> Rejection {
        match self.index {
            Some(blamed) if blamed != index => Rejection::BatchRefused,
            _ => self.code,
        }
    }
}

/// Returns the refusal for what the purse lacks. In a batch it names the first order that takes
/// most of it, or else the first amendment.
pub(super) fn for_lack(request: &ParkedRequest, code: Rejection) -> BatchRefusal {
    match request {
        // The whole batch may be sent again with its client ids.
        _ if code.leaves_client_id_free() => BatchRefusal::all(code),
        ParkedRequest::Batch(requests) => blame(requests, code),
        _ => BatchRefusal::all(code),
    }
}

fn blame(requests: &[BatchRequest], code: Rejection) -> BatchRefusal {
    let takes = |request: &BatchRequest| match request {
        BatchRequest::Place(order) if code == Rejection::LiveOrderLimit => {
            i64::from(order.terms.time_in_force().rests())
        }
        BatchRequest::Place(order) => order.hold().0,
        BatchRequest::Cancel(_) | BatchRequest::Amend { .. } => 0,
    };
    let most = requests.iter().map(takes).max().filter(|most| *most > 0);
    let order = most.and_then(|most| requests.iter().position(|request| takes(request) == most));
    let amended = || requests.iter().position(|request| matches!(request, BatchRequest::Amend { .. }));
    order.or_else(amended).map_or(BatchRefusal::all(code), |index| BatchRefusal::at(index, code))
}

/// Refuses a client id that already stands for something, or for two different orders of the batch.
/// The same order twice is a repeat, as it is when each request is decided alone.
/// each request is decided for itself.
fn check_names(state: &ShardState, account: AccountId, requests: &[BatchRequest]) -> Result<(), BatchRefusal> {
    let mut names: BTreeMap<(MarketId, ClientId), &NewOrder> = BTreeMap::new();
    let left = state.facts.client_ids.left(account) as usize;
    for (index, request) in requests.iter().enumerate() {
        let BatchRequest::Place(order) = request else { continue };
        if order.account != account {
            return Err(BatchRefusal::at(index, Rejection::AccountMismatch));
        }
        let Some(client_id) = order.client_id else { continue };
        let first = *names.entry((order.market, client_id)).or_insert(order);
        if first != order || order::repeated(state, order).is_some() {
            return Err(BatchRefusal::at(index, Rejection::ClientIdReused));
        }
        if names.len() > left {
            // Give all requests the same code, so that none uses its client id up.
            return Err(BatchRefusal::all(Rejection::ClientIdLimit));
        }
    }
    Ok(())
}

/// Returns what refuses a batch whatever its purse has, or what the purse lacks.
pub(super) fn look(
    state: &ShardState,
    account: AccountId,
    requests: &[BatchRequest],
    room: usize,
) -> Result<Need, BatchRefusal> {
    for (index, request) in requests.iter().enumerate() {
        admit(state, account, request).map_err(|code| BatchRefusal::at(index, code))?;
    }
    let wanted = Precheck::of(state, account, requests, room)?;
    parking::lacks(state, account, wanted).map_err(|code| blame(requests, code))
}

/// Checks a request alone, before its market is examined.
fn admit(state: &ShardState, account: AccountId, request: &BatchRequest) -> Result<(), Rejection> {
    let here = |order: OrderRef| match cancel::resolve(state, account, order) {
        Err(Rejection::WrongShard) => Err(Rejection::BatchConflict),
        resolved => resolved.map(drop),
    };
    match request {
        BatchRequest::Place(order) => {
            order::check_terms(order, state.facts.time)?;
            order::check_active(state, account)?;
            order::check_deadline(order, state.facts.time)?;
            match state.map.of_market(order.market) == state.shard {
                true => Ok(()),
                false => Err(Rejection::BatchConflict),
            }
        }
        BatchRequest::Cancel(order) => here(*order),
        BatchRequest::Amend { order, .. } => {
            order::check_active(state, account)?;
            here(*order)
        }
    }
}

/// Returns the most contracts that an order takes.
pub(super) fn takes(order: &NewOrder) -> u64 {
    match order.terms {
        Terms::Budget { .. } => u64::from(schemas::limits::QUANTITY_MAX),
        Terms::Limit { .. } | Terms::Market { .. } => u64::from(order.terms.contracts().contracts()),
    }
}
