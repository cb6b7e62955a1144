//! The hash of a state. It covers the state's meaning, not its memory layout in this build.
//!
//! ```text
//! entity ─fields in a fixed order─▶ 64-bit hash ─┐
//! entity ───────────────────────────────────────▶ + ─▶ state hash
//! ```
//!
//! Every entity (a purse, a market, an order …) has a hash of its kind, its id and its fields; the
//! state's hash is their sum, modulo 2^64. `apply` notes which entities change, and only these are
//! hashed again. So a hash costs what has changed since the last one, however large the state is.
//!
//! A *way* of hashing, with a number ([`WAY`]), defines which fields of which entities count, and
//! how. An event records the way of its hash, and a build checks the ways that it knows. A later
//! build may keep more in its state: as long as the older way does not include it, the older way's
//! hash does not change.
//!
//! The hash detects accidents, and 64 bits are enough for that. It does not protect against a
//! malicious writer of the log, who needs no collision. Queue positions and the order of tables are
//! not hashed: a follower asserts the queue positions with each trade (I-6), and only the leader
//! depends on the table order.

mod slots;
mod way1;

use schemas::StateHash;

use crate::state::ShardState;
pub use slots::SlotHashes;
pub use way1::{FieldBuffer, archived_market, client_id, client_ids_used, ended_order, old_client_id};

/// The way in which this build hashes.
pub const WAY: u16 = 1;

/// Number of events after which changed entities are hashed, so that they never become many.
const UNHASHED_MAX: u32 = 1_024;

/// The lowest hash of an entity: smaller numbers mean that there is none.
const LEAST: u64 = 2;

impl ShardState {
    /// Returns the state's hash. Hashes what has changed since the last one.
    pub fn hash(&mut self) -> StateHash {
        self.hash_changed();
        let mut fields = FieldBuffer::default();
        let facts = &self.facts;
        let mut sum = fields.shard(self.shard, facts);
        let mut add = |hash: u64| sum = sum.wrapping_add(hash);
        add(facts.purses.sum());
        add(facts.accounts.sum());
        add(facts.markets.sum());
        add(facts.market_events.sum());
        add(facts.groups.sum());
        add(self.lookup.order_hashes.sum());
        add(facts.client_ids.sum());
        add(facts.ended_orders.sum());
        add(facts.transfers.sum());
        add(fields.deposits(&facts.deposits));
        add(fields.archive(&facts.archive));
        // There are few of these.
        facts.waiting.iter().for_each(|(account, waiting)| add(fields.waiting(*account, waiting)));
        facts.instructions.iter().for_each(|(id, pending)| add(fields.instruction(*id, pending)));
        facts.outboxes.iter().for_each(|(to, outbox)| add(fields.outbox(*to, outbox.last, outbox.sum())));
        facts.inboxes.iter().for_each(|(from, inbox)| add(fields.inbox(*from, inbox.last)));
        facts.mass_cancels.iter().for_each(|(id, rest)| add(fields.mass_cancel(*id, rest)));
        facts.admins.values().for_each(|admin| add(fields.admin(admin)));
        facts.parts.all().for_each(|announced| add(fields.part(announced)));
        StateHash { way: WAY, sum }
    }

    /// Hashes changed entities once there are many, so that no later hash has much left to do.
    #[inline]
    pub(crate) fn hash_some(&mut self) {
        if self.unhashed >= UNHASHED_MAX {
            self.hash_changed();
        }
    }

    /// Hashes the entities that have changed since they were hashed.
    pub(crate) fn hash_changed(&mut self) {
        let mut fields = FieldBuffer::default();
        let facts = &mut self.facts;
        facts.purses.hash_changed(|id, purse| way1::purse(id, purse));
        facts.accounts.hash_changed(|id, account| fields.account(id, account));
        facts.markets.hash_changed(|id, market| {
            market.positions.hash_changed(|account, position| way1::position(id, account, position));
            let positions = market.positions.sum();
            fields.market(id, market, positions)
        });
        facts.market_events.hash_changed(|id, event| fields.market_event(id, event));
        facts.groups.hash_changed(|account, groups| fields.groups(account, groups));
        let (books, markets, places) = (&facts.books, &facts.markets, &self.lookup.market_places);
        self.lookup.order_hashes.hash_changed(|slot| {
            let (book, order) = books.at(slot);
            let market = markets.nth(places.place(book)).expect("a book with orders has its market").listing.market;
            way1::order(market, &order)
        });
        facts.client_ids.hash_changed();
        self.unhashed = 0;
    }
}
