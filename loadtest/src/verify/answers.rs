//! Verifies the gateway's responses against the log.

use std::collections::{BTreeMap, HashSet};

use schemas::event::CancelReason;
use schemas::{AccountId, ClientId, MarketId, OrderId, Status};
use uuid::Uuid;

use super::{Check, Faults};
use crate::drive::{AnswerResult, RequestKind, RequestResult};
use crate::fold::{ExpectedOrderName, Fold};

/// The name of the check of responses to cancels.
pub const CANCELS: &str = "every cancel had the effect that its answer reports";

/// Rejections that normal trading causes: another client was faster, or an account has spent its
/// credits. (The checks of purses verify the latter.)
const EXPECTED: [&str; 8] = [
    "order-unknown",
    "order-filled",
    "order-cancelled",
    "order-expired",
    "position-insufficient",
    "funds-insufficient",
    "nothing-to-reduce",
    "reduce-only-limit",
];

/// Accounts and markets of a run, by the indexes used in results.
#[derive(Clone, Copy)]
pub struct RunIds<'a> {
    /// The accounts.
    pub accounts: &'a [AccountId],
    /// The markets.
    pub markets: &'a [MarketId],
}

impl RunIds<'_> {
    /// Returns the key by which the order of a result was sent.
    fn name(self, answer: &RequestResult, client_id: Uuid) -> ExpectedOrderName {
        (self.accounts[answer.account], self.markets[answer.market], ClientId(client_id.as_u128()))
    }

    /// Returns the orders placed or rejected under that key.
    fn born<'f>(self, fold: &'f Fold, answer: &RequestResult, client_id: Uuid) -> &'f [OrderId] {
        fold.by_client_id.get(&self.name(answer, client_id)).map_or(&[], |ids| ids)
    }

    /// Returns the orders that own that key.
    fn named(self, fold: &Fold, answer: &RequestResult, client_id: Uuid) -> Vec<OrderId> {
        self.born(fold, answer, client_id).iter().copied().filter(|id| fold.is_named(*id)).collect()
    }
}

/// Checks every response.
pub fn check(answers: &[RequestResult], fold: &Fold, ids: RunIds<'_>) -> Vec<Check> {
    vec![
        acknowledged(answers, fold, ids),
        refused(answers, fold, ids),
        open_ended(answers, fold, ids),
        cancels(answers, fold),
        nothing_unasked(answers, fold, ids),
        no_failure(answers),
        no_odd_refusal(answers),
    ]
}

fn acknowledged(answers: &[RequestResult], fold: &Fold, ids: RunIds<'_>) -> Check {
    let (mut faults, mut count) = (Faults::default(), 0);
    for answer in answers {
        let (RequestKind::Order { client_id, .. }, AnswerResult::Placed { order: id, status, filled, .. }) =
            (&answer.asked, &answer.result)
        else {
            continue;
        };
        count += 1;
        let born = ids.named(fold, answer, *client_id);
        faults.check(born == [*id], || format!("order {id} was acknowledged; in the log, its client id is {born:?}"));
        let Some(order) = fold.orders.get(id) else { continue };
        let ended = !status.is_live();
        let follows = if ended { (order.status, order.filled) == (*status, *filled) } else { order.filled >= *filled };
        faults.check(follows && order.status != Status::Rejected, || {
            format!(
                "order {id} was answered {status} with {filled} filled, and is {} with {}",
                order.status, order.filled
            )
        });
    }
    Check::of("every acknowledged order was accepted once, as answered", count, faults)
}

fn refused(answers: &[RequestResult], fold: &Fold, ids: RunIds<'_>) -> Check {
    let (mut faults, mut count) = (Faults::default(), 0);
    for answer in answers {
        let (RequestKind::Order { client_id, .. }, AnswerResult::Refused { code, order, .. }) =
            (&answer.asked, &answer.result)
        else {
            continue;
        };
        count += 1;
        let (born, named) = (ids.born(fold, answer, *client_id), ids.named(fold, answer, *client_id));
        let holds = match order {
            None => named.is_empty(),
            Some(id) => {
                let rejection = fold.orders.get(id).and_then(|order| order.rejection);
                let stands = if fold.is_named(*id) { named == [*id] } else { born.contains(id) };
                stands && rejection.is_some_and(|rejection| rejection.name() == *code)
            }
        };
        faults.check(holds, || {
            format!("client id {client_id} was refused with {code} ({order:?}); the log has {born:?}")
        });
    }
    Check::of("every refused order had no effect, for the answered reason", count, faults)
}

/// Checks requests without a final response: a 202 must have an outcome, a failure may have at most
/// one.
fn open_ended(answers: &[RequestResult], fold: &Fold, ids: RunIds<'_>) -> Check {
    let (mut faults, mut count) = (Faults::default(), 0);
    for answer in answers {
        let RequestKind::Order { client_id, .. } = &answer.asked else { continue };
        let least = match answer.result {
            AnswerResult::Later => 1,
            AnswerResult::Failed { .. } => 0,
            _ => continue,
        };
        count += 1;
        let (order_totals, named) =
            (ids.born(fold, answer, *client_id).len(), ids.named(fold, answer, *client_id).len());
        faults.check(order_totals >= least && named <= 1, || {
            format!("client id {client_id} was placed {order_totals} times, and refers to {named} orders")
        });
    }
    Check::of("every 202 and every failure is resolved by the log", count, faults)
}

fn cancels(answers: &[RequestResult], fold: &Fold) -> Check {
    let (mut faults, mut count) = (Faults::default(), 0);
    for answer in answers {
        let RequestKind::Cancel { order: id } = &answer.asked else { continue };
        let Some(order) = fold.orders.get(id) else {
            faults.add(|| format!("order {id} was to be cancelled and is not in the log"));
            continue;
        };
        let holds = match &answer.result {
            AnswerResult::Cancelled { cancelled } => {
                order.status == Status::Cancelled
                    && order.cancel_reason == Some(CancelReason::Requested)
                    && order.quantity - order.filled == *cancelled
            }
            AnswerResult::Refused { .. } | AnswerResult::Later => !order.status.is_live(),
            _ => continue,
        };
        count += 1;
        faults.check(holds, || {
            format!("the cancel of order {id} was answered {}; it is {}", answer.result.label(), order.status)
        });
    }
    Check::of(CANCELS, count, faults)
}

fn nothing_unasked(answers: &[RequestResult], fold: &Fold, ids: RunIds<'_>) -> Check {
    let name = |answer: &RequestResult| match answer.asked {
        RequestKind::Order { client_id, .. } => Some(ids.name(answer, client_id)),
        RequestKind::Cancel { .. } => None,
    };
    let asked: HashSet<ExpectedOrderName> = answers.iter().filter_map(name).collect();
    let ours: HashSet<AccountId> = ids.accounts.iter().copied().collect();
    let (mut faults, mut count) = (Faults::default(), 0);
    for (id, order) in fold.orders.iter().filter(|(_, order)| ours.contains(&order.account)) {
        count += 1;
        let name = order.client_id.map(|client_id| (order.account, order.market, client_id));
        faults.check(name.is_some_and(|name| asked.contains(&name)), || {
            format!("order {id} was placed, and no client sent it")
        });
    }
    Check::of("no order was placed that no client sent", count, faults)
}

fn no_failure(answers: &[RequestResult]) -> Check {
    by_label("no request failed", answers, |answer| answer.result.is_failure())
}

fn no_odd_refusal(answers: &[RequestResult]) -> Check {
    by_label("no refusal has a reason that trading does not cause", answers, |answer| match &answer.result {
        AnswerResult::Refused { code, .. } => !EXPECTED.contains(&code.as_str()),
        _ => false,
    })
}

fn by_label(name: &str, answers: &[RequestResult], is_fault: impl Fn(&RequestResult) -> bool) -> Check {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for answer in answers.iter().filter(|answer| is_fault(answer)) {
        *counts.entry(answer.result.label()).or_default() += 1;
    }
    let mut faults = Faults::default();
    for (label, count) in counts {
        faults.add(|| format!("{count} × {label}"));
    }
    Check::of(name, answers.len(), faults)
}
