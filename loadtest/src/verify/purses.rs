//! Verifies purses (an account's credits on one shard) against their orders, against each other,
//! and against rejections for lack of credits.

use std::collections::HashMap;

use schemas::limits::PARKED_MAX_MS;
use schemas::{AccountId, Credits, OrderId, Rejection, Shard, Side, Timestamp};

use super::{Check, Faults, with_defaults};
use crate::fold::{ExpectedOrder, ExpectedPurse, Fold};

/// How long a request may wait beyond its deadline until its shard notices, plus the maximum
/// difference of brokers' clocks.
const SLACK_MS: u64 = 2_000;

/// Checks all purses.
pub fn check(fold: &Fold) -> Vec<Check> {
    vec![both_sides(fold), held(fold), live_orders(fold), not_refused_for_nothing(fold)]
}

/// Checks that the credits sent by one purse of an account were received by another, or are in a
/// message between their shards.
fn both_sides(fold: &Fold) -> Check {
    let (mut by_pair, mut by_account) = (fold.moved.clone(), HashMap::<AccountId, Credits>::new());
    for ((from, to, _), freight) in &fold.waiting.messages {
        for (account, credits) in freight.iter().flat_map(|freight| &freight.purses) {
            *by_pair.entry((*account, *from, *to)).or_default() -= *credits;
            *by_account.entry(*account).or_default() -= *credits;
        }
    }
    for ((account, _), purse) in &fold.purses {
        *by_account.entry(*account).or_default() += purse.sent - purse.received;
    }
    let mut faults = Faults::default();
    for ((account, from, to), lost) in &by_pair {
        faults.check(*lost == Credits::ZERO, || {
            format!(
                "of account {account}, {lost} more were sent from shard {from} to {to} than were received or are \
                 in flight"
            )
        });
    }
    for (account, lost) in &by_account {
        faults.check(*lost == Credits::ZERO, || {
            format!("account {account}'s purses sent {lost} more than they received and than is in flight")
        });
    }
    Check::of("each purse's sent and received agree with the other side", by_pair.len() + by_account.len(), faults)
}

/// Returns a value for every purse.
fn of_purses<T>(fold: &Fold, value: impl Fn(&ExpectedPurse) -> T) -> HashMap<(AccountId, Shard), T> {
    fold.purses.iter().map(|(key, purse)| (*key, value(purse))).collect()
}

fn held(fold: &Fold) -> Check {
    let mut could_cost: HashMap<(AccountId, Shard), Credits> = HashMap::new();
    for (id, order) in fold.orders.iter().filter(|(_, order)| order.side == Side::Buy && order.status.is_live()) {
        let hold = fold.order_totals.get(id).map(|order_totals| order_totals.hold(order.limit, order.remaining()));
        *could_cost.entry((order.account, order.shard)).or_default() += hold.unwrap_or_default();
    }
    let held = of_purses(fold, |purse| purse.held);
    with_defaults("I-5 held credits of each purse = what its shard's live buys could still cost", &could_cost, &held)
}

fn live_orders(fold: &Fold) -> Check {
    let mut live: HashMap<(AccountId, Shard), i64> = HashMap::new();
    let orders = fold.orders.values().filter(|order| order.status.is_live());
    orders.for_each(|order| *live.entry((order.account, order.shard)).or_default() += 1);
    with_defaults(
        "I-8 each purse counts its shard's live orders right",
        &live,
        &of_purses(fold, |purse| purse.live_orders),
    )
}

/// Checks that an order rejected for lack of credits lacked them: the credits unused in all of its
/// account's purses, from before the order can have arrived until its rejection, were less than it
/// needs. (A batch of all or nothing is skipped: its need is not that of one order.)
fn not_refused_for_nothing(fold: &Fold) -> Check {
    let mut refused: HashMap<AccountId, Vec<(OrderId, &ExpectedOrder)>> = HashMap::new();
    for (id, order) in &fold.orders {
        let alone = fold.order_totals.get(id).is_some_and(|order_totals| order_totals.alone);
        if order.rejection == Some(Rejection::FundsInsufficient) && alone {
            refused.entry(order.account).or_default().push((*id, order));
        }
    }
    let (mut faults, mut count) = (Faults::default(), 0);
    for (account, orders) in refused {
        let idle = Idle::new(fold.spendable.get(&account).map_or(&[], |changes| changes));
        for (id, order) in orders {
            count += 1;
            let (had, needs) = (idle.around(order.created_at), needs(fold, id, order));
            faults.check(had < needs, || {
                format!("order {id} of account {account} needs {needs} and was refused, although {had} were unused")
            });
        }
    }
    Check::of("no order was refused for credits that its account had", count, faults)
}

fn needs(fold: &Fold, id: OrderId, order: &ExpectedOrder) -> Credits {
    let hold = || fold.order_totals.get(&id).map(|order_totals| order_totals.hold(order.limit, order.quantity));
    order.budget.or_else(hold).unwrap_or_default()
}

/// The spendable credits of one account over time.
struct Idle {
    times: Vec<Timestamp>,
    /// The credits before the first change, and after each.
    had: Vec<Credits>,
    /// The total taken up to each change.
    taken: Vec<Credits>,
}

impl Idle {
    fn new(changes: &[(Timestamp, Credits)]) -> Self {
        let mut changes = changes.to_vec();
        changes.sort_by_key(|(time, _)| *time);
        let mut idle = Self { times: Vec::new(), had: vec![Credits::ZERO], taken: vec![Credits::ZERO] };
        let (mut had, mut taken) = (Credits::ZERO, Credits::ZERO);
        for (time, change) in changes {
            had += change;
            taken += (-change).max(Credits::ZERO);
            idle.times.push(time);
            idle.had.push(had);
            idle.taken.push(taken);
        }
        idle
    }

    /// Returns the credits that were available before a request rejected at `time` can have
    /// arrived, and that nothing took until then.
    fn around(&self, time: Timestamp) -> Credits {
        let (begin, end) = (time.0.saturating_sub(PARKED_MAX_MS + SLACK_MS), time.0.saturating_add(SLACK_MS));
        let begin = self.times.partition_point(|time| time.0 < begin);
        let end = self.times.partition_point(|time| time.0 <= end);
        self.had[begin] - (self.taken[end] - self.taken[begin])
    }
}

#[cfg(test)]
mod tests;
