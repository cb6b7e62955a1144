//! Previews, combined from several followers: the market's shard says what the order would do and
//! which rules it breaks, the account's home what it would lend, and the account's other purses
//! what a recall would return.
//!
//! Each shard is read once, one after the other; an answer contains the position of each.

use std::collections::BTreeMap;

use engine_core::{Lending, Preview, Purse};
use schemas::ids::LogPosition;
use schemas::shard_map::ShardMap;
use schemas::{AccountId, Credits, NewOrder, Rejection, Shard, Timestamp};

use super::{Followers, Unavailable};

/// The source of the credits that the order's purse lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Funding {
    /// Nothing is lacking.
    Enough,
    /// The account's home lends them.
    FromHome,
    /// The account's home recalls them from purses on other shards.
    AfterRecall,
    /// Other requests of the account wait for the same credits, so the rest is unknown.
    Waits,
    /// The order would be rejected.
    Refused(Rejection),
    /// A shard that is needed is not followed.
    Unknown,
}

/// The preview of an order.
pub struct Previewed {
    /// What its market's shard says.
    pub preview: Preview,
    /// The source of the credits that it lacks.
    pub funding: Funding,
    /// What its account can spend in all its purses; `None` if one of their shards is not followed.
    pub available: Option<Credits>,
    /// The positions of all this, the market's shard first.
    pub at: Vec<LogPosition>,
}

/// An account's purses, as far as they were read.
#[derive(Default)]
struct Purses {
    known: BTreeMap<Shard, Option<Purse>>,
    complete: bool,
    at: Vec<LogPosition>,
}

impl Purses {
    fn saw(&mut self, purse: Option<Purse>, at: LogPosition) {
        self.known.insert(at.shard, purse);
        self.at.push(at);
    }
}

/// What the account's home says.
struct Home {
    lending: Option<Lending>,
    /// Shards with a purse that the home lends to.
    lent: Vec<Shard>,
}

/// Returns what an order would do, and why it would be rejected. Fails only if its market's shard
/// is not available.
pub fn preview(
    followers: &Followers,
    map: ShardMap,
    order: &NewOrder,
    now: Timestamp,
) -> Result<Previewed, Unavailable> {
    let (account, shard) = (order.account, map.of_market(order.market));
    let home = map.of_account(account);
    let mut purses = Purses { complete: true, ..Purses::default() };
    let ((preview, purse, mut told), at) = followers.read(shard, |state| {
        let preview = state.preview(order, now);
        // If both are the same shard, both are as of one position.
        let told = (home == shard).then(|| ask_home(state, shard, account, &preview));
        (preview, state.purse(account).copied(), told)
    })?;
    purses.saw(purse, at);
    if home != shard {
        match followers.read(home, |state| (ask_home(state, shard, account, &preview), state.purse(account).copied())) {
            Ok(((asked, purse), at)) => {
                told = Some(asked);
                purses.saw(purse, at);
            }
            Err(_) => purses.complete = false,
        }
    }
    for lent in told.iter().flat_map(|told| &told.lent) {
        if !purses.known.contains_key(lent) {
            match followers.read(*lent, |state| state.purse(account).copied()) {
                Ok((purse, at)) => purses.saw(purse, at),
                Err(_) => purses.complete = false,
            }
        }
    }
    let funding = funding(&preview, told.and_then(|told| told.lending), &purses);
    let available = purses.known.values().flatten().map(|purse| purse.available).sum();
    Ok(Previewed { preview, funding, available: purses.complete.then_some(available), at: purses.at })
}

fn ask_home(state: &engine_core::ShardState, from: Shard, account: AccountId, preview: &Preview) -> Home {
    let lent = state.account(account).into_iter().flat_map(|known| known.lent.keys().copied()).collect();
    let lacks = !preview.lacks.is_nothing();
    Home { lending: lacks.then(|| state.lending(from, account, preview.lacks, preview.given_back)), lent }
}

fn funding(preview: &Preview, lending: Option<Lending>, purses: &Purses) -> Funding {
    if preview.waits {
        return Funding::Waits;
    }
    match lending {
        _ if preview.lacks.is_nothing() => Funding::Enough,
        None => Funding::Unknown,
        Some(Lending::AtOnce) => Funding::FromHome,
        Some(Lending::Waits) => Funding::Waits,
        Some(Lending::Refused(code)) => Funding::Refused(code),
        Some(Lending::Recalls(recall)) => {
            if recall.from.iter().any(|shard| !purses.known.contains_key(shard)) {
                return Funding::Unknown;
            }
            let asked = recall.from.iter().filter_map(|shard| Some((*shard, (*purses.known.get(shard)?)?)));
            recall.brings(asked).map_or_else(Funding::Refused, |()| Funding::AfterRecall)
        }
    }
}
