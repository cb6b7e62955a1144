//! Each account's live orders: market by market in the order of their books, oldest first in each.
//! A mass cancel uses them, so its cost follows the number of orders that it ends.
//!
//! ```text
//! account ─▶ its markets, in order ─▶ oldest order ─▶ next ─▶ … ─▶ newest order
//! ```
//!
//! The orders of an account in a market are a list through their slots in the books. A new order is
//! last in its list, because its id is the highest of its shard, and keeps its place when it is
//! amended.

use std::collections::BTreeMap;

use crate::book::{BookKey, NIL};
use crate::pages::{BySlot, Paged};

/// Number of markets of one account up to which they are in an array; more are kept in a tree, so
/// that each stays cheap however many there are.
const FEW_MAX: usize = 32;

/// The live orders of every account of a shard.
#[derive(Clone, Debug, Default)]
pub struct OwnOrders {
    /// By the account's slot among the purses.
    accounts: Paged<Markets>,
    /// By the order's slot in the books.
    links: BySlot<Link>,
}

/// Neighbours in a list, or [`NIL`].
#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
}

/// Both ends of a list, which is never empty.
#[derive(Clone, Copy, Debug)]
struct Ends {
    oldest: u32,
    newest: u32,
}

/// The markets where an account has live orders.
#[derive(Clone, Debug)]
enum Markets {
    Few(Vec<(BookKey, Ends)>),
    Many(BTreeMap<BookKey, Ends>),
}

impl OwnOrders {
    /// Adds an order that came to rest and is younger than all others of its shard.
    #[inline]
    pub fn append(&mut self, account: usize, book: BookKey, slot: u32) {
        self.accounts.extend_to(account + 1, Markets::default);
        let before = self.accounts[account].push(book, slot);
        if before != NIL {
            self.links[before].after = slot;
        }
        self.links.comes(slot, Link { before, after: NIL }, Link { before: NIL, after: NIL });
    }

    /// Removes an order.
    #[inline]
    pub fn remove(&mut self, account: usize, book: BookKey, slot: u32) {
        let Link { before, after } = self.links[slot];
        self.links.goes(slot);
        if before != NIL {
            self.links[before].after = after;
        }
        if after != NIL {
            self.links[after].before = before;
        }
        match (before, after) {
            (NIL, NIL) => self.accounts[account].remove(book),
            (NIL, _) => self.accounts[account].ends_mut(book).oldest = after,
            (_, NIL) => self.accounts[account].ends_mut(book).newest = before,
            _ => {}
        }
    }

    /// Returns the markets where an account has live orders, in the order of their books, with the
    /// slot of its oldest order in each.
    pub fn markets(&self, account: usize) -> impl Iterator<Item = (BookKey, u32)> {
        self.accounts.get(account).into_iter().flat_map(Markets::iter)
    }

    /// Returns the slot of an account's oldest order in a market.
    pub fn market(&self, account: usize, book: BookKey) -> Option<(BookKey, u32)> {
        Some((book, self.accounts.get(account)?.get(book)?.oldest))
    }

    /// Returns an order's slot and those after it in its list.
    pub fn from(&self, oldest: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(oldest), |slot| Some(self.links[*slot].after).filter(|after| *after != NIL))
    }
}

impl Default for Markets {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Markets {
    /// Makes an order the newest of its list. Returns the previous newest one, or [`NIL`].
    #[inline]
    fn push(&mut self, book: BookKey, slot: u32) -> u32 {
        let found = match self {
            Self::Few(few) => few.iter_mut().find(|(other, _)| *other == book).map(|(_, ends)| ends),
            Self::Many(many) => many.get_mut(&book),
        };
        match found {
            Some(ends) => std::mem::replace(&mut ends.newest, slot),
            None => {
                self.add(book, Ends { oldest: slot, newest: slot });
                NIL
            }
        }
    }

    fn add(&mut self, book: BookKey, ends: Ends) {
        match self {
            Self::Few(few) if few.len() < FEW_MAX => {
                if few.len() == few.capacity() {
                    // Most accounts have orders in one or two markets.
                    few.reserve_exact(few.len().max(1));
                }
                let at = few.iter().position(|(other, _)| *other > book).unwrap_or(few.len());
                few.insert(at, (book, ends));
            }
            Self::Few(few) => {
                let more = few.drain(..).chain([(book, ends)]).collect();
                *self = Self::Many(more);
            }
            Self::Many(many) => {
                many.insert(book, ends);
            }
        }
    }

    fn remove(&mut self, book: BookKey) {
        match self {
            Self::Few(few) => few.retain(|(other, _)| *other != book),
            Self::Many(many) => {
                many.remove(&book);
                // Half as many, so that an account at the bound does not move them all each time.
                if many.len() <= FEW_MAX / 2 {
                    *self = Self::Few(std::mem::take(many).into_iter().collect());
                }
            }
        }
    }

    fn ends_mut(&mut self, book: BookKey) -> &mut Ends {
        let found = match self {
            Self::Few(few) => few.iter_mut().find(|(other, _)| *other == book).map(|(_, ends)| ends),
            Self::Many(many) => many.get_mut(&book),
        };
        found.expect("a live order is in its account's list")
    }

    fn get(&self, book: BookKey) -> Option<Ends> {
        match self {
            Self::Few(few) => few.iter().find(|(other, _)| *other == book).map(|(_, ends)| *ends),
            Self::Many(many) => many.get(&book).copied(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = (BookKey, u32)> {
        let (few, many) = match self {
            Self::Few(few) => (Some(few), None),
            Self::Many(many) => (None, Some(many)),
        };
        let few = few.into_iter().flatten().map(|(book, ends)| (*book, ends.oldest));
        few.chain(many.into_iter().flatten().map(|(book, ends)| (*book, ends.oldest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Few accounts, and more markets than fit an array.
        #[test]
        fn agrees_with_lists(steps in prop::collection::vec((any::<bool>(), 0_usize..3, 0_u32..50, any::<prop::sample::Index>()), 0..600)) {
            let books: Vec<BookKey> = {
                let mut all = crate::book::Books::<u64>::new();
                (0..50).map(|_| all.add(1)).collect()
            };
            let mut own = OwnOrders::default();
            let mut naive: Vec<(usize, BookKey, u32)> = Vec::new();
            let mut free: Vec<u32> = (0..600).rev().collect();
            for (comes, account, book, pick) in steps {
                if comes {
                    let slot = free.pop().unwrap();
                    own.append(account, books[book as usize], slot);
                    naive.push((account, books[book as usize], slot));
                } else if !naive.is_empty() {
                    let (account, book, slot) = naive.remove(pick.index(naive.len()));
                    own.remove(account, book, slot);
                    free.push(slot);
                }
            }
            for account in 0..3 {
                let found: Vec<_> =
                    own.markets(account).flat_map(|(book, oldest)| own.from(oldest).map(move |slot| (book, slot))).collect();
                let mut expected: Vec<_> = naive.iter().filter(|(whose, ..)| *whose == account).map(|(_, book, slot)| (*book, *slot)).collect();
                expected.sort_by_key(|(book, _)| *book);
                prop_assert_eq!(&found, &expected);
                for book in &books {
                    let first = expected.iter().find(|(other, _)| other == book).copied();
                    prop_assert_eq!(own.market(account, *book), first);
                }
            }
        }
    }
}
