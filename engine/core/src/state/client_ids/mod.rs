//! Client ids of requests, so that a repeat finds the first outcome.
//!
//! ```text
//! name ─hash─▶ index ─▶ entry of 32 bytes, in the generation of its hour
//! ```
//!
//! | a name                                  | is kept                                                |
//! |-----------------------------------------|--------------------------------------------------------|
//! | of an order that rests                  | as long as the order rests, then as if just used       |
//! | of anything else                        | at least 24 hours, at most one more                    |
//!
//! Names are kept in generations, one for each hour of the log's time. Entries are only appended,
//! so a generation whose hour is over does not change any more. When it is 24 hours old it is
//! dropped, a bounded number of entries with each command, except for orders that still rest. So
//! the number of entries follows from the rate of the last 25 hours, and from the maximum of names
//! of an account in an hour ([`CLIENT_IDS_AN_HOUR_MAX`]).
//!
//! A name is identified by 128 bits of its hash, which includes the account: nobody can find a name
//! of one account that stands for another's.

mod entry;
mod generations;
mod index;

use std::collections::BTreeMap;

use bincode::de::{BorrowDecode, BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemas::limits::{CLIENT_ID_GENERATION_MS, CLIENT_ID_WINDOW_MS, CLIENT_IDS_AN_HOUR_MAX};
use schemas::{AccountId, ClientId, MarketId, NewOrder, OrderId, Timestamp};

use super::Hashed;
use crate::hash::{client_ids_used, old_client_id};
pub use entry::Meaning;
use entry::{ClientIdEntry, NameHash};
use generations::Generations;
use index::ClientIdIndex;

/// A client's name for a request: unique in its market for an order, in its account for a movement
/// of credits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestName {
    pub account: AccountId,
    /// `None` for deposits, withdrawals and transfers.
    pub market: Option<MarketId>,
    pub client_id: ClientId,
}

impl RequestName {
    /// Returns the name of an order, if its client gave it one.
    pub fn of_order(order: &NewOrder) -> Option<Self> {
        let NewOrder { account, market, client_id, .. } = *order;
        Some(Self { account, market: Some(market), client_id: client_id? })
    }
}

/// Number of entries of old generations that one command drops. Checking whether an order still
/// rests costs about as much as a fill.
const GIVEN_UP_MAX: usize = 256;

/// Number of generations that are kept completely, besides the current one.
const GENERATIONS: u64 = CLIENT_ID_WINDOW_MS / CLIENT_ID_GENERATION_MS;

/// The names that are kept, and their index.
#[derive(Clone, Debug, Default)]
pub struct ClientIds {
    /// The hour of the log's time, counted from its epoch.
    hour: u64,
    /// Number of names that each account has used in this hour.
    used: Hashed<AccountId, u32>,
    generations: Generations,
    /// Names of orders that rest for longer than names are kept.
    old: BTreeMap<NameHash, ClientIdEntry>,
    /// The same names by order.
    old_orders: BTreeMap<OrderId, NameHash>,
    /// The sum of the hashes of the old names.
    old_sum: u64,
    /// The index of names in the generations. Derived from them.
    index: ClientIdIndex,
    /// The name of the current command, and its hash. A cache without effect on results.
    recalled: Option<(RequestName, NameHash)>,
}

impl ClientIds {
    /// Returns the number of names that are kept.
    pub fn len(&self) -> usize {
        self.generations.len() + self.old.len()
    }

    /// Caches the name that the current command looks up repeatedly. No visible effect.
    #[inline]
    pub fn seek(&mut self, name: RequestName) {
        self.recalled = Some((name, NameHash::of(name)));
    }

    /// Returns what the name stands for.
    pub fn get(&self, name: RequestName) -> Option<Meaning> {
        self.find(self.hash(name)).map(|entry| entry.meaning)
    }

    /// Returns what the name stands for, and whether the request that had it first has this
    /// fingerprint.
    pub fn get_first(&self, name: RequestName, fingerprint: impl FnOnce() -> u128) -> Option<(Meaning, bool)> {
        let entry = self.find(self.hash(name))?;
        Some((entry.meaning, entry.is_of(fingerprint())))
    }

    /// Returns true if the account has used as many names in this hour as it may.
    #[inline]
    pub fn are_used_up(&self, account: AccountId) -> bool {
        self.left(account) == 0
    }

    /// As [`Self::are_used_up`], at a time that is not before the log's.
    pub fn are_used_up_at(&self, account: AccountId, now: Timestamp) -> bool {
        now.0 / CLIENT_ID_GENERATION_MS == self.hour && self.are_used_up(account)
    }

    /// Returns the number of names that the account may still use in this hour.
    pub fn left(&self, account: AccountId) -> u32 {
        CLIENT_IDS_AN_HOUR_MAX.saturating_sub(self.used.get(account).copied().unwrap_or_default())
    }

    /// Records a name unless it is known already.
    pub fn remember(&mut self, name: RequestName, meaning: Meaning, fingerprint: u128) {
        let hash = self.hash(name);
        if self.find(hash).is_some() {
            return;
        }
        *self.used.get_or_default(name.account) += 1;
        self.append(ClientIdEntry::new(hash, meaning, fingerprint));
    }

    /// Advances the time. Drops names that are old enough, some at a time.
    #[inline]
    pub fn advance(&mut self, now: Timestamp, rests: impl Fn(OrderId) -> bool) {
        let hour = now.0 / CLIENT_ID_GENERATION_MS;
        if hour != self.hour {
            self.hour = hour;
            self.used = Hashed::default();
        }
        if self.generations.oldest().is_some_and(|oldest| oldest + GENERATIONS < hour) {
            self.give_up(rests);
        }
    }

    #[cold]
    fn give_up(&mut self, rests: impl Fn(OrderId) -> bool) {
        for _ in 0..GIVEN_UP_MAX {
            if self.generations.oldest().is_none_or(|oldest| oldest + GENERATIONS >= self.hour) {
                return;
            }
            let Some(entry) = self.generations.pop() else { return };
            if let Meaning::Order(order) = entry.meaning
                && rests(order)
            {
                self.keep_old(order, entry);
            }
        }
    }

    fn keep_old(&mut self, order: OrderId, entry: ClientIdEntry) {
        self.old_orders.insert(order, entry.name);
        self.old_sum = self.old_sum.wrapping_add(old_client_id(entry.pack().words()));
        self.old.insert(entry.name, entry);
    }

    /// Hashes what has changed since it was hashed.
    pub fn hash_changed(&mut self) {
        self.used.hash_changed(|account, used| client_ids_used(account, self.hour, *used));
    }

    /// Returns the sum of the hashes of all names.
    pub fn sum(&self) -> u64 {
        self.used.sum().wrapping_add(self.generations.sum()).wrapping_add(self.old_sum)
    }

    /// Handles the end of a resting order: its name is kept as long as if it had just been used.
    #[inline]
    pub fn order_ended(&mut self, order: OrderId) {
        if !self.old_orders.is_empty() {
            self.renew(order);
        }
    }

    #[cold]
    fn renew(&mut self, order: OrderId) {
        let entry = self.old_orders.remove(&order).and_then(|name| self.old.remove(&name));
        if let Some(entry) = entry {
            self.old_sum = self.old_sum.wrapping_sub(old_client_id(entry.pack().words()));
            self.append(entry);
        }
    }

    fn append(&mut self, entry: ClientIdEntry) {
        let at = self.generations.push(self.hour, entry);
        self.index.insert(entry.name, at, &self.generations);
    }

    #[inline]
    fn hash(&self, name: RequestName) -> NameHash {
        match self.recalled {
            Some((recalled, hash)) if recalled == name => hash,
            _ => NameHash::of(name),
        }
    }

    fn find(&self, hash: NameHash) -> Option<ClientIdEntry> {
        self.index.find(hash, &self.generations).or_else(|| self.old.get(&hash).copied())
    }
}

impl Encode for ClientIds {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.hour.encode(encoder)?;
        self.used.encode(encoder)?;
        self.generations.encode(encoder)?;
        (self.old.len() as u64).encode(encoder)?;
        self.old.values().try_for_each(|entry| entry.encode(encoder))
    }
}

impl<C> Decode<C> for ClientIds {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let (hour, used) = (u64::decode(decoder)?, Hashed::decode(decoder)?);
        let generations = Generations::decode(decoder)?;
        let mut ids = Self { hour, used, ..Self::default() };
        for (at, entry) in generations.iter() {
            if ids.index.find(entry.name, &generations).is_some() {
                return Err(DecodeError::Other("a name that is remembered twice"));
            }
            ids.index.insert(entry.name, at, &generations);
        }
        ids.generations = generations;
        let mut last = None;
        for _ in 0..u64::decode(decoder)? {
            let entry = ClientIdEntry::decode(decoder)?;
            let Meaning::Order(order) = entry.meaning else {
                return Err(DecodeError::Other("an old name that is no order's"));
            };
            let is_next = last.is_none_or(|last| last < entry.name);
            if !is_next || ids.old_orders.contains_key(&order) {
                return Err(DecodeError::Other("old names that are out of order or twice of one order"));
            }
            ids.keep_old(order, entry);
            last = Some(entry.name);
        }
        Ok(ids)
    }
}

impl<'de, C> BorrowDecode<'de, C> for ClientIds {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Decode::decode(decoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = CLIENT_ID_GENERATION_MS;

    fn name(client_id: u128) -> RequestName {
        RequestName { account: AccountId(1), market: None, client_id: ClientId(client_id) }
    }

    fn known(ids: &ClientIds, client_id: u128) -> bool {
        ids.get(name(client_id)).is_some()
    }

    fn advance(ids: &mut ClientIds, time: u64) {
        ids.advance(Timestamp(time), |_| false);
    }

    fn bytes(ids: &ClientIds) -> Vec<u8> {
        let mut bytes = Vec::new();
        schemas::codec::encode_into(ids, &mut bytes);
        bytes
    }

    fn restored(ids: &ClientIds) -> ClientIds {
        schemas::codec::decode_exact(&bytes(ids)).unwrap()
    }

    #[test]
    fn a_name_is_kept_for_a_day_and_forgotten_within_the_next_hour() {
        let mut ids = ClientIds::default();
        advance(&mut ids, HOUR - 1);
        ids.remember(name(1), Meaning::Movement, 7);
        advance(&mut ids, HOUR);
        ids.remember(name(2), Meaning::Movement, 7);
        advance(&mut ids, 25 * HOUR - 1);
        assert!(known(&ids, 1) && known(&ids, 2), "the first is a day old");
        advance(&mut ids, 25 * HOUR);
        assert!(!known(&ids, 1) && known(&ids, 2), "its hour is over for a day");
        advance(&mut ids, 26 * HOUR);
        assert_eq!(ids.len(), 0);
    }

    #[test]
    fn what_is_given_up_with_a_command_is_bounded_and_the_same_after_a_restart() {
        let mut ids = ClientIds::default();
        let many = 3 * GIVEN_UP_MAX as u128;
        (0..many).for_each(|id| ids.remember(name(id), Meaning::Movement, 0));
        for left in (0..3).rev() {
            let mut again = restored(&ids);
            advance(&mut ids, 25 * HOUR);
            advance(&mut again, 25 * HOUR);
            assert_eq!(ids.len(), left * GIVEN_UP_MAX);
            assert_eq!(bytes(&ids), bytes(&again));
            assert!((0..many).all(|id| known(&ids, id) == known(&again, id)));
        }
    }

    #[test]
    fn the_name_of_an_order_is_known_as_long_as_it_rests_and_a_day_more() {
        let mut ids = ClientIds::default();
        let order = OrderId(5);
        ids.remember(name(1), Meaning::Order(order), 7);
        for weeks in 1..5 {
            ids.advance(Timestamp(weeks * 7 * 24 * HOUR), |id| id == order);
            ids = restored(&ids);
            assert_eq!(ids.get_first(name(1), || 7), Some((Meaning::Order(order), true)));
        }
        ids.order_ended(order);
        advance(&mut ids, (4 * 7 * 24 + 24) * HOUR);
        assert!(known(&ids, 1));
        advance(&mut ids, (4 * 7 * 24 + 25) * HOUR);
        assert_eq!((known(&ids, 1), ids.len(), ids.old_orders.len()), (false, 0, 0));
    }

    #[test]
    fn an_account_has_so_many_names_an_hour() {
        let mut ids = ClientIds::default();
        let other = RequestName { account: AccountId(2), ..name(0) };
        for id in 0..u128::from(CLIENT_IDS_AN_HOUR_MAX) {
            assert!(!ids.are_used_up(AccountId(1)));
            ids.remember(name(id), Meaning::Movement, 0);
        }
        assert!(ids.are_used_up(AccountId(1)) && restored(&ids).are_used_up(AccountId(1)));
        assert_eq!(ids.left(other.account), CLIENT_IDS_AN_HOUR_MAX);
        advance(&mut ids, HOUR);
        assert!(!ids.are_used_up(AccountId(1)), "the next hour");
    }

    #[test]
    fn a_name_stands_for_its_first_request_only() {
        let mut ids = ClientIds::default();
        let refused = Meaning::Refused(OrderId(9), schemas::Rejection::MarketNotOpen);
        ids.remember(name(1), refused, 3 << 100);
        ids.remember(name(1), Meaning::Movement, 4 << 100);
        assert_eq!(ids.get_first(name(1), || 3 << 100), Some((refused, true)));
        assert_eq!(ids.get_first(name(1), || 4 << 100), Some((refused, false)));
        let elsewhere = RequestName { market: Some(MarketId(1)), ..name(1) };
        assert_eq!((ids.get(elsewhere), ids.len()), (None, 1));
    }
}
