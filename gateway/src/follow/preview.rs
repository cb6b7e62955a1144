//! A preview as all followers together can give it: the market's shard says what the order would do and which rules it
//! breaks, the account's home what it would lend, the account's other purses what a recall would bring.
//!
//! Each shard is looked at once, one after the other: an answer names the position of each.

use std::collections::BTreeMap;

use engine_core::{Lending, Preview, Purse};
use schemas::ids::LogPosition;
use schemas::shard_map::ShardMap;
use schemas::{AccountId, Credits, NewOrder, Rejection, Shard, Timestamp};

use super::{Followers, Unavailable};

/// Where what the order's purse lacks would come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Funding {
    /// It lacks nothing.
    Enough,
    /// The account's home lends it.
    FromHome,
    /// The account's home has it given back by purses on other shards.
    AfterRecall,
    /// Other requests of the account wait for the same: what is left for this one is not known.
    Waits,
    /// It would be refused.
    Refused(Rejection),
    /// A shard that would be asked is not followed.
    Unknown,
}

/// What is known of an order that was not sent.
pub struct Previewed {
    /// What its market's shard says.
    pub preview: Preview,
    /// Where what it lacks would come from.
    pub funding: Funding,
    /// What its account can spend, in all its purses; `None` if one of their shards is not followed.
    pub available: Option<Credits>,
    /// The positions of all this: the market's shard first.
    pub at: Vec<LogPosition>,
}

/// An account's purses, as far as they were seen.
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

/// What a home tells.
struct Home {
    lending: Option<Lending>,
    /// Shards with a purse that it lends to.
    lent: Vec<Shard>,
}

/// What an order would do, and what it would be refused for. Unavailable only if its market's shard is.
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
        // Where both are the same shard, both are as of one position.
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
