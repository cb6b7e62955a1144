//! How fast one client may ask. `shares` divides what exists at the same time; this divides time.
//!
//!   gate: key ─▶ *rates* ─▶ body ─▶ signature ─▶ place ─▶ handler ─▶ answer ─▶ *rates* (was it refused?)
//!
//! | policy         | of                    | a token is taken by                                   |
//! |----------------|-----------------------|-------------------------------------------------------|
//! | write          | the owner             | a command, before it costs anything: its cost         |
//! | cancel         | the owner             | a cancel, likewise                                    |
//! | read           | the owner             | a read, likewise                                      |
//! | address        | its address, with key | what is taken of `write` and `read`, once more        |
//! | refused        | the owner             | a request that is refused or abandoned, but cancels   |
//! | refused-cancel | the owner             | a cancel that is                                      |
//!
//! The first four are shared with other gateways ([`sharing`]). A request is served while its bucket
//! of refusals has a token. So a client whose orders are refused can still cancel, and no client of
//! the same address keeps it from that.

pub mod costs;
pub mod sharing;
pub mod told;

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{Counter, counter};
use schemas::AccountId;
use service::buckets::{BucketLevel, BucketRate, Buckets};
use service::serve::Peer;
use tokio::sync::Notify;

use crate::shares::{Asker, Owner};
use costs::{AMEND, CANCEL, PLACE, Policy, RequestCost, cost_of};

/// How long a connection's next request waits after one that was beyond a rate. Clients that heed
/// `Retry-After`, which is a second at least, do not notice.
pub const PAUSE: Duration = Duration::from_secs(1);

/// What a request takes from the buckets of its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Demand {
    /// Frees what its account holds.
    pub is_cancel: bool,
    cost: RequestCost,
}

impl Demand {
    /// Computes what a request of this route takes.
    pub fn of(method: &Method, route: &str, is_cancel: bool) -> Self {
        Self { is_cancel, cost: cost_of(method, route) }
    }

    /// Returns whether it is a read.
    pub fn is_read(self) -> bool {
        matches!(self.cost, RequestCost::Of(Policy::Read, _))
    }

    /// Returns the policies whose level its client should know.
    pub fn policies(self) -> &'static [Policy] {
        match self.cost {
            RequestCost::Of(Policy::Read, _) => &[Policy::Read],
            RequestCost::Of(Policy::Cancel, _) => &[Policy::Cancel],
            RequestCost::Of(..) => &[Policy::Write],
            RequestCost::Items => &[Policy::Write, Policy::Cancel],
        }
    }

    fn refused(self) -> Policy {
        if self.is_cancel { Policy::RefusedCancel } else { Policy::Refused }
    }
}

/// The items of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ItemCounts {
    /// Orders.
    pub places: u32,
    /// Amendments.
    pub amends: u32,
    /// Cancels.
    pub cancels: u32,
}

/// A request is beyond a rate. Nothing was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooFast {
    /// Which one.
    pub policy: Policy,
    /// When the request would be within it.
    pub wait: Duration,
}

/// The rates of all policies.
#[derive(Clone, Debug)]
pub struct RateSettings {
    /// Of [`Policy::Write`].
    pub writes: BucketRate,
    /// Of [`Policy::Cancel`].
    pub cancels: BucketRate,
    /// Of [`Policy::Read`].
    pub reads: BucketRate,
    /// Of [`Policy::Address`].
    pub address: BucketRate,
    /// Of [`Policy::Refused`] and [`Policy::RefusedCancel`].
    pub refusals: BucketRate,
    /// Accounts that have so many times these rates, but that of their address.
    pub larger: HashMap<AccountId, NonZeroU32>,
    /// Whether other gateways are told what is taken.
    pub shared: bool,
}

impl RateSettings {
    /// Returns the rate of a policy.
    pub fn of(&self, policy: Policy) -> BucketRate {
        match policy {
            Policy::Write => self.writes,
            Policy::Cancel => self.cancels,
            Policy::Read => self.reads,
            Policy::Address => self.address,
            Policy::Refused | Policy::RefusedCancel => self.refusals,
        }
    }

    /// Returns the rate of a policy for a client.
    pub fn of_client(&self, owner: Owner, policy: Policy) -> BucketRate {
        let times = match owner {
            Owner::Account(account) if policy != Policy::Address => self.larger.get(&account),
            _ => None,
        };
        let (rate, times) = (self.of(policy), times.copied().unwrap_or(NonZeroU32::MIN));
        BucketRate { per_second: rate.per_second.saturating_mul(times), burst: rate.burst.saturating_mul(times) }
    }
}

/// Full buckets. `told` wakes who tells other gateways what is taken.
fn buckets<K: Hash + Eq + Clone>(rate: BucketRate, told: Option<&Arc<Notify>>) -> Buckets<K> {
    told.map_or_else(|| Buckets::new(rate), |told| Buckets::shared(rate, Arc::clone(told)))
}

/// The buckets of all owners.
pub struct Rates {
    /// The rates.
    pub settings: RateSettings,
    writes: Buckets<Owner>,
    cancels: Buckets<Owner>,
    reads: Buckets<Owner>,
    of_addresses: Buckets<Peer>,
    /// For each owner one of cancels, and one of everything else.
    refusals: Buckets<(Owner, bool)>,
    /// Other gateways should hear at once what was taken.
    much_is_taken: Arc<Notify>,
    limited: [Counter; Policy::ALL.len()],
}

impl Rates {
    /// Creates full buckets.
    pub fn new(settings: RateSettings) -> Self {
        let much_is_taken = Arc::new(Notify::new());
        let larger = || settings.larger.iter().map(|(account, times)| (Owner::Account(*account), *times));
        // Buckets of which others are to be told are kept until they are.
        let told = settings.shared.then_some(&much_is_taken);
        let shared = |rate| buckets(rate, told).larger(larger().collect());
        let both = larger().flat_map(|(owner, times)| [((owner, false), times), ((owner, true), times)]);
        Self {
            writes: shared(settings.writes),
            cancels: shared(settings.cancels),
            reads: shared(settings.reads),
            of_addresses: buckets(settings.address, told),
            refusals: Buckets::new(settings.refusals).larger(both.collect()),
            limited: Policy::ALL.map(|policy| counter!("gateway_rate_limited_total", "policy" => policy.name())),
            settings,
            much_is_taken,
        }
    }

    /// Returns whether a request of this client is served: so far it was refused rarely enough.
    pub fn is_welcome(&self, asker: Asker, demand: Demand) -> Result<(), TooFast> {
        if !asker.owner.has_bucket() {
            return Ok(());
        }
        let looked = self.refusals.look(&(asker.owner, demand.is_cancel));
        self.limit(demand.refused(), looked)
    }

    /// The same; and takes what the request costs, but for the items of a batch.
    pub fn admit(&self, asker: Asker, demand: Demand) -> Result<(), TooFast> {
        self.is_welcome(asker, demand)?;
        match demand.cost {
            RequestCost::Of(policy, cost) => self.take(asker, &[(policy, Some(cost))]),
            RequestCost::Items => Ok(()),
        }
    }

    /// Takes what the items of a batch cost: all of it, or nothing.
    pub fn admit_items(&self, asker: Asker, items: ItemCounts) -> Result<(), TooFast> {
        let ItemCounts { places, amends, cancels } = items;
        let writes = places.saturating_mul(PLACE.get()).saturating_add(amends.saturating_mul(AMEND.get()));
        let cancels = cancels.saturating_mul(CANCEL.get());
        let costs = [(Policy::Write, NonZeroU32::new(writes)), (Policy::Cancel, NonZeroU32::new(cancels))];
        self.take(asker, &costs)
    }

    /// Takes all of it, or nothing.
    fn take(&self, asker: Asker, costs: &[(Policy, Option<NonZeroU32>)]) -> Result<(), TooFast> {
        if !asker.owner.has_bucket() {
            return Ok(());
        }
        for (nth, (policy, cost)) in costs.iter().enumerate() {
            let Some(cost) = *cost else { continue };
            if let Err(too_fast) = self.take_one(asker, *policy, cost) {
                for (policy, cost) in &costs[..nth] {
                    cost.iter().for_each(|cost| self.give_back(asker, *policy, *cost));
                }
                return Err(too_fast);
            }
        }
        Ok(())
    }

    fn take_one(&self, asker: Asker, policy: Policy, cost: NonZeroU32) -> Result<(), TooFast> {
        let address = shared_address(asker, policy);
        if let Some(address) = address {
            self.limit(Policy::Address, self.of_addresses.take(address, cost))?;
        }
        let taken = self.limit(policy, self.of_owners(policy).take(asker.owner, cost));
        if let (Err(_), Some(address)) = (taken, address) {
            self.of_addresses.give_back(&address, cost);
        }
        taken
    }

    fn give_back(&self, asker: Asker, policy: Policy, cost: NonZeroU32) {
        self.of_owners(policy).give_back(&asker.owner, cost);
        if let Some(address) = shared_address(asker, policy) {
            self.of_addresses.give_back(&address, cost);
        }
    }

    fn of_owners(&self, policy: Policy) -> &Buckets<Owner> {
        match policy {
            Policy::Cancel => &self.cancels,
            Policy::Read => &self.reads,
            _ => &self.writes,
        }
    }

    fn limit(&self, policy: Policy, taken: Result<(), Duration>) -> Result<(), TooFast> {
        taken.map_err(|wait| {
            self.limited[policy as usize].increment(1);
            TooFast { policy, wait }
        })
    }

    /// Returns what is left to a client of a policy; `None` if it has no such bucket.
    pub fn level(&self, asker: Asker, policy: Policy) -> Option<BucketLevel> {
        if !asker.owner.has_bucket() {
            return None;
        }
        match policy {
            Policy::Write | Policy::Cancel | Policy::Read => Some(self.of_owners(policy).level(&asker.owner)),
            Policy::Address => shared_address(asker, Policy::Write).map(|address| self.of_addresses.level(&address)),
            Policy::Refused => Some(self.refusals.level(&(asker.owner, false))),
            Policy::RefusedCancel => Some(self.refusals.level(&(asker.owner, true))),
        }
    }

    /// Counts a request until it is answered.
    pub fn count(&self, owner: Owner, demand: Demand) -> CountedRequest<'_> {
        CountedRequest { rates: self, owner, is_cancel: demand.is_cancel, is_open: true }
    }
}

/// Returns the address whose bucket an account uses as well, because one client can have many
/// accounts. Cancels use none: clients of one address do not keep each other from them. An admin's
/// acts do not depend on other clients either.
fn shared_address(asker: Asker, policy: Policy) -> Option<Peer> {
    asker.via.filter(|_| matches!(asker.owner, Owner::Account(_)) && policy != Policy::Cancel)
}

/// A request in progress. If it is dropped without an answer, its client is gone.
pub struct CountedRequest<'a> {
    rates: &'a Rates,
    /// Whose it is. It is known for sure once the signature is verified.
    pub owner: Owner,
    is_cancel: bool,
    is_open: bool,
}

impl CountedRequest<'_> {
    /// Takes a token if the client's own fault is the reason of the answer. What is beyond a rate
    /// costs nothing more: whoever reads too fast may still write.
    pub fn answered(mut self, status: StatusCode) {
        self.is_open = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
    }

    /// Takes a token, whatever the answer is.
    pub fn refused(self) {
        drop(self);
    }
}

impl Drop for CountedRequest<'_> {
    fn drop(&mut self) {
        if self.is_open && self.owner.has_bucket() {
            // An empty bucket is as empty as it can be.
            let _taken = self.rates.refusals.take((self.owner, self.is_cancel), NonZeroU32::MIN);
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::shares::Rank;
    use schemas::ApiKeyId;

    const ALICE: Owner = Owner::Account(AccountId(1));
    const BOB: Owner = Owner::Account(AccountId(2));

    pub fn settings() -> RateSettings {
        let rate = |per_second, burst| BucketRate {
            per_second: NonZeroU32::new(per_second).unwrap(),
            burst: NonZeroU32::new(burst).unwrap(),
        };
        RateSettings {
            writes: rate(100, 200),
            cancels: rate(10, 20),
            reads: rate(10, 20),
            address: rate(150, 300),
            refusals: rate(2, 4),
            larger: [(AccountId(9), NonZeroU32::new(3).unwrap())].into(),
            shared: true,
        }
    }

    fn rates() -> Rates {
        Rates::new(settings())
    }

    fn by(owner: Owner) -> Asker {
        Asker { owner, rank: Rank::Known, via: None }
    }

    fn wait(result: Result<(), TooFast>) -> Result<(), Duration> {
        result.map_err(|too_fast| too_fast.wait)
    }

    fn order() -> Demand {
        Demand::of(&Method::POST, "/v1/orders", false)
    }

    fn cancel() -> Demand {
        Demand::of(&Method::DELETE, "/v1/orders/{id}", true)
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_too_often_may_still_cancel_and_others_notice_nothing() {
        let rates = rates();
        for status in [400, 401, 404, 422] {
            assert_eq!(wait(rates.admit(by(ALICE), order())), Ok(()));
            rates.count(ALICE, order()).answered(StatusCode::from_u16(status).unwrap());
        }
        assert_eq!(wait(rates.admit(by(ALICE), order())), Err(Duration::from_millis(500)));
        assert_eq!((wait(rates.admit(by(ALICE), cancel())), wait(rates.admit(by(BOB), order()))), (Ok(()), Ok(())));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(wait(rates.admit(by(ALICE), order())), Ok(()));
        for _ in 0..4 {
            rates.count(ALICE, cancel()).answered(StatusCode::NOT_FOUND);
        }
        assert!(wait(rates.admit(by(ALICE), cancel())).is_err(), "cancels of nothing have a rate, too");
        assert_eq!(wait(rates.admit(by(ALICE), order())), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_served_or_fails_for_others_reasons_takes_no_token_and_hanging_up_does() {
        let rates = rates();
        for status in [101, 200, 201, 202, 429, 500, 503, 504] {
            for _ in 0..8 {
                rates.count(ALICE, order()).answered(StatusCode::from_u16(status).unwrap());
            }
        }
        assert_eq!(wait(rates.admit(by(ALICE), order())), Ok(()));
        for _ in 0..2 {
            drop(rates.count(ALICE, order()));
            rates.count(ALICE, order()).refused();
        }
        assert!(wait(rates.admit(by(ALICE), order())).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn reads_take_what_they_cost_and_writes_nothing() {
        let rates = rates();
        let orders = Demand::of(&Method::GET, "/v1/orders", false);
        assert_eq!((wait(rates.admit(by(ALICE), orders)), wait(rates.admit(by(ALICE), orders))), (Ok(()), Ok(())));
        assert_eq!(wait(rates.admit(by(ALICE), orders)), Err(Duration::from_secs(1)));
        assert_eq!((wait(rates.admit(by(ALICE), order())), wait(rates.admit(by(BOB), orders))), (Ok(()), Ok(())));
        for _ in 0..100 {
            for owner in [Owner::Many, Owner::Claimed(ApiKeyId(7))] {
                assert_eq!(wait(rates.admit(by(owner), orders)), Ok(()), "an address of many has no bucket");
                drop(rates.count(owner, orders));
            }
        }
    }

    fn via(account: u64, last: u8) -> Asker {
        let via = Some(Peer::of([192, 0, 2, last].into()));
        Asker { owner: Owner::Account(AccountId(account)), rank: Rank::Known, via }
    }

    fn batch(places: u32, amends: u32, cancels: u32) -> ItemCounts {
        ItemCounts { places, amends, cancels }
    }

    #[tokio::test(start_paused = true)]
    async fn places_cancels_and_reads_have_buckets_of_their_own() {
        let rates = rates();
        for _ in 0..100 {
            assert_eq!(rates.admit(by(ALICE), order()), Ok(()));
        }
        let too_fast = TooFast { policy: Policy::Write, wait: Duration::from_millis(20) };
        assert_eq!(rates.admit(by(ALICE), order()), Err(too_fast));
        for _ in 0..20 {
            assert_eq!(rates.admit(by(ALICE), cancel()), Ok(()));
        }
        let too_fast = TooFast { policy: Policy::Cancel, wait: Duration::from_millis(100) };
        assert_eq!(rates.admit(by(ALICE), cancel()), Err(too_fast));
        let wallet = Demand::of(&Method::GET, "/v1/wallet", false);
        assert_eq!((rates.admit(by(ALICE), wallet), rates.admit(by(BOB), order())), (Ok(()), Ok(())));
        let left = |policy| rates.level(by(ALICE), policy).map(|level| level.left);
        assert_eq!([Policy::Write, Policy::Cancel, Policy::Read].map(left), [Some(0), Some(0), Some(19)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_takes_what_all_of_its_items_cost_or_nothing() {
        let rates = rates();
        let left = |policy| rates.level(via(1, 1), policy).unwrap().left;
        assert_eq!(rates.admit(via(1, 1), Demand::of(&Method::POST, "/v1/orders/batch", false)), Ok(()));
        assert_eq!(rates.admit_items(via(1, 1), batch(40, 10, 15)), Ok(()));
        assert_eq!([Policy::Write, Policy::Cancel, Policy::Address].map(left), [100, 5, 200]);
        // There is enough for its orders, and too little for its cancels.
        let too_fast = TooFast { policy: Policy::Cancel, wait: Duration::from_millis(100) };
        assert_eq!(rates.admit_items(via(1, 1), batch(50, 0, 6)), Err(too_fast));
        assert_eq!([Policy::Write, Policy::Cancel, Policy::Address].map(left), [100, 5, 200]);
        assert_eq!(rates.admit_items(via(1, 1), batch(0, 0, 5)), Ok(()));
        // More than a bucket holds needs a full one, and all of it comes back first.
        let too_much = batch(150, 0, 0);
        assert_eq!(wait(rates.admit_items(by(ALICE), too_much)), Err(Duration::from_secs(1)));
        assert_eq!(rates.admit_items(by(BOB), too_much), Ok(()));
        assert_eq!(wait(rates.admit(by(BOB), order())), Err(Duration::from_millis(1_020)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_may_have_some_times_the_rates() {
        let rates = rates();
        let larger = by(Owner::Account(AccountId(9)));
        for policy in [Policy::Write, Policy::Cancel, Policy::Read, Policy::Refused, Policy::RefusedCancel] {
            let left = |asker| rates.level(asker, policy).unwrap().left;
            assert_eq!(left(larger), 3 * left(by(ALICE)), "{policy:?}");
            let quota = |owner| rates.settings.of_client(owner, policy).burst.get();
            assert_eq!((left(larger), left(by(ALICE))), (quota(larger.owner), quota(ALICE)));
        }
        assert_eq!(rates.level(via(9, 1), Policy::Address).unwrap().left, 300);
    }

    #[tokio::test(start_paused = true)]
    async fn accounts_of_one_address_have_a_bucket_together_but_for_cancels() {
        let rates = rates();
        assert_eq!(rates.admit_items(via(1, 1), batch(100, 0, 0)), Ok(()));
        assert_eq!(rates.admit_items(via(2, 1), batch(50, 0, 0)), Ok(()));
        let refused = rates.admit(via(2, 1), order()).unwrap_err();
        assert_eq!(refused, TooFast { policy: Policy::Address, wait: Duration::from_nanos(13_333_332) });
        assert_eq!((rates.admit(via(2, 1), cancel()), rates.admit(via(2, 2), order())), (Ok(()), Ok(())));
        assert_eq!(rates.level(by(ALICE), Policy::Address), None);
    }
}
