//! Shares the buckets of `write`, `cancel`, `read` and `address` with other gateways, through Redis.
//!
//!   take ─▶ bucket of this gateway ─▶ *sharing*: what was taken ─▶ Redis ─▶ when it is full for all ─▶ bucket
//!
//! No request waits for Redis, and one that is refused costs it nothing. A gateway tells what was
//! taken once an eighth of a bucket was, else within [`SHARE_EVERY`]. So for a moment each gateway
//! may let through a bucket of its own; what is too much is owed, and nothing more is let through
//! until it has come back. Up to 16 gateways (N) let through in T seconds at most
//! `N × burst + T × rate`, and as a rule little more than one.
//!
//! | Redis         | each gateway                                                                   |
//! |---------------|--------------------------------------------------------------------------------|
//! | answers       | counts what all take                                                           |
//! | is away       | counts alone; what it could not tell is forgotten, and no request is refused   |
//! | is back       | counts what all take from here on                                              |
//! | is back empty | the same: a bucket without a key is full, and each gateway keeps what it knows |

use std::fmt::Display;
use std::hash::Hash;
use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, LuaInterface};
use fred::types::{ClusterHash, CustomCommand};
use metrics::gauge;
use service::Shutdown;
use service::buckets::{BucketRate, Buckets};
use service::serve::Peer;
use tokio::time::{Instant, sleep, timeout};

use crate::rates::Rates;
use crate::rates::costs::Policy;
use crate::read_models::ReadModels;
use crate::seldom::Seldom;
use crate::shares::Owner;

/// How long what was taken may stay untold, if it is little.
pub const SHARE_EVERY: Duration = Duration::from_secs(1);

/// The shortest time between two rounds.
const SHARE_PAUSE: Duration = Duration::from_millis(20);

/// How long Redis may take for one.
pub const SHARE_WITHIN: Duration = Duration::from_millis(500);

/// Buckets of each policy that are told in a round; the others are in the next ones.
pub const SHARE_MAX: usize = 8_192;

/// What a bucket may owe, in whole buckets: so many gateways may take all of one at the same moment.
const OWED_MAX: u32 = 16;

const SCRIPT: &str = include_str!("share.lua");

/// Tells other gateways what is taken, until the shutdown.
pub async fn keep_sharing(rates: &Rates, redis: ReadModels, prefix: &str, shutdown: Shutdown) {
    let mut sharing = Sharing { redis, prefix: format!("{prefix}:rates"), hash: None, is_cut: false };
    let shared = gauge!("gateway_rates_shared");
    let mut told_all = Instant::now();
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            () = rates.much_is_taken.notified() => {}
            () = sleep(SHARE_EVERY), if !sharing.is_cut => {}
            () = sleep(SHARE_PAUSE), if sharing.is_cut => {}
        }
        let (all, now) = (told_all.elapsed() >= SHARE_EVERY, Instant::now());
        sharing.is_cut = false;
        let is_shared = sharing.round(rates, all).await;
        // Otherwise the next round goes on with the rest.
        if all && !sharing.is_cut {
            told_all = now;
        }
        shared.set(f64::from(u8::from(is_shared)));
        sleep(SHARE_PAUSE).await;
    }
}

struct Sharing {
    redis: ReadModels,
    prefix: String,
    /// Of the script. It is sent as a text after a failure: the server may be another one.
    hash: Option<String>,
    /// Whether the last round left some out.
    is_cut: bool,
}

impl Sharing {
    /// Returns whether other gateways know what was taken.
    async fn round(&mut self, rates: &Rates, all: bool) -> bool {
        let mut is_shared = true;
        for policy in [Policy::Write, Policy::Cancel, Policy::Read] {
            let rate = rates.settings.of(policy);
            is_shared &= self.tell(policy, rate, rates.of_owners(policy), all, shown_owner).await;
        }
        let (policy, rate) = (Policy::Address, rates.settings.address);
        is_shared & self.tell(policy, rate, &rates.of_addresses, all, |peer: &Peer| peer.address().to_string()).await
    }

    async fn tell<K: Hash + Eq + Clone>(
        &mut self,
        policy: Policy,
        rate: BucketRate,
        buckets: &Buckets<K>,
        all: bool,
        shown: impl Fn(&K) -> String,
    ) -> bool {
        // What cannot be told is forgotten: later it would be counted at a time when it is no longer
        // true.
        let taken = buckets.unshared(all, SHARE_MAX);
        self.is_cut |= taken.len() == SHARE_MAX;
        let Some(redis) = self.redis.client() else { return false };
        if taken.is_empty() {
            return redis.is_connected();
        }
        let owed_max = OWED_MAX * (Duration::from_secs(1) / rate.per_second.get()) * rate.burst.get();
        let calls = taken.iter().map(|(key, took)| Call {
            key: format!("{}:{}:{}", self.prefix, policy.name(), shown(key)),
            took: took.as_micros(),
            owed_max: owed_max.as_micros(),
        });
        match timeout(SHARE_WITHIN, self.run(&redis, calls.collect())).await {
            Ok(Ok(full_in)) => {
                for ((key, _), micros) in taken.iter().zip(full_in) {
                    buckets.settle(key, Duration::from_micros(micros));
                }
                true
            }
            Ok(Err(error)) => self.failed(&error),
            Err(_) => self.failed(&"no answer in time"),
        }
    }

    fn failed(&self, error: &impl Display) -> bool {
        static LINE: Seldom = Seldom::new();
        if let Some(kept_back) = LINE.pass() {
            tracing::warn!(%error, kept_back, "rates are not shared with other gateways: each counts alone");
        }
        false
    }

    async fn run(&mut self, redis: &Client, calls: Vec<Call>) -> Result<Vec<u64>, Error> {
        if !redis.is_connected() {
            return Err(Error::new(fred::error::ErrorKind::IO, "not connected"));
        }
        // The script's text loads it on every server of a cluster that gets a call.
        let (name, script, hash) = match self.hash.take() {
            Some(hash) => ("EVALSHA", hash.clone(), hash),
            None => ("EVAL", SCRIPT.to_owned(), redis.script_load(SCRIPT).await?),
        };
        let pipeline = redis.pipeline();
        for Call { key, took, owed_max } in calls {
            let words = vec![script.clone(), "1".to_owned(), key, took.to_string(), owed_max.to_string()];
            // The key, after the script and the number of keys, decides which server gets the call.
            let command = CustomCommand::new_static(name, ClusterHash::Offset(2), false);
            pipeline.custom::<(), _>(command, words).await?;
        }
        let told = pipeline.all().await?;
        self.hash = Some(hash);
        Ok(told)
    }
}

/// A call of the script.
struct Call {
    key: String,
    took: u128,
    owed_max: u128,
}

/// Owners as keys have them.
fn shown_owner(owner: &Owner) -> String {
    match owner {
        Owner::Account(account) => format!("account:{account}"),
        Owner::Admin(admin) => format!("admin:{admin}"),
        Owner::Address(peer) => format!("address:{}", peer.address()),
        // They have no bucket.
        Owner::Claimed(key) => format!("claimed:{key}"),
        Owner::Many => "many".to_owned(),
    }
}
