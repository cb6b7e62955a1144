//! The tables and books in memory: a straightforward implementation of what the writers must do
//! with changes.

use std::collections::BTreeMap;

use projections::fold::{
    AboutDelta, AccountDelta, AdminAct, ClarificationRow, GroupDelta, LastChange, LedgerEntry, MarketDelta,
    MarketEventDelta, OrderRow, ProposalDelta, RowChanges, TradeRow,
};
use schemas::*;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Model {
    pub accounts: BTreeMap<AccountId, AccountDelta>,
    /// The home shard of each account.
    pub homes: BTreeMap<AccountId, Shard>,
    /// Groups as each shard records them.
    pub groups: BTreeMap<(Shard, AccountId, GroupId), GroupDelta>,
    /// The key, when it was added, when it was revoked, the last change.
    pub keys: BTreeMap<(ApiKeyId, AccountId), Key>,
    /// Available, held, live orders, sent, received.
    pub purses: BTreeMap<(AccountId, Shard), ([i64; 5], LastChange)>,
    pub ledger: Vec<(Shard, LedgerEntry)>,
    pub admin_acts: Vec<(Shard, AdminAct)>,
    pub proposals: BTreeMap<ProposalId, ProposalDelta>,
    pub orders: BTreeMap<OrderId, OrderRow>,
    pub trades: Vec<TradeRow>,
    pub markets: BTreeMap<MarketId, MarketDelta>,
    pub clarifications: Vec<(Shard, ClarificationRow)>,
    pub market_events: BTreeMap<MarketEventId, MarketEventDelta>,
    pub positions: BTreeMap<(MarketId, AccountId), ([i64; 4], LastChange)>,
    pub levels: BTreeMap<(MarketId, BookSide, Price), i64>,
}

type Key = (ApiKey, LastChange, Option<LastChange>, LastChange);

impl Model {
    /// Applies the row changes of the log of `shard`.
    pub fn apply(&mut self, shard: Shard, changes: &RowChanges) {
        for (account, delta) in &changes.accounts {
            if delta.opened.is_some() {
                self.homes.insert(*account, shard);
            }
            self.apply_account(*account, delta);
        }
        for (id, change) in &changes.api_keys {
            match &change.added {
                Some((key, at, _)) => {
                    let key = ApiKey { expires: change.ends.or(key.expires), ..key.clone() };
                    let row = (key, *at, change.revoked.map(|(at, _)| at), change.last);
                    let before = self.keys.insert(*id, row);
                    // A key that ended in this batch no longer shows its end: all one can check is
                    // that the new key is later.
                    assert!(before.is_none_or(|(_, added, ..)| added.sequence < at.sequence), "{id:?} twice");
                }
                None => {
                    let key = self.keys.get_mut(id).unwrap();
                    key.0.expires = change.ends.or(key.0.expires);
                    (key.2, key.3) = (change.revoked.map(|(at, _)| at).or(key.2), later(key.3, change.last));
                }
            }
        }
        self.apply_groups(shard, changes);
        for (account, delta) in &changes.purses {
            let before = LastChange { sequence: 0, ..delta.last };
            let purse = self.purses.entry((*account, shard)).or_insert(([0; 5], before));
            let [available, held, sent, received] =
                [delta.available, delta.held, delta.sent, delta.received].map(Credits::micros);
            let parts = [available, held, delta.live_orders, sent, received];
            purse.0.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
            purse.1 = later(purse.1, delta.last);
        }
        self.ledger.extend(changes.ledger.iter().map(|entry| (shard, *entry)));
        self.admin_acts.extend(changes.admin_acts.iter().map(|act| (shard, *act)));
        self.apply_proposals(changes);
        self.trades.extend(&changes.trades);
        self.apply_orders(changes);
        for (id, delta) in &changes.markets {
            self.apply_market(*id, delta);
        }
        self.clarifications.extend(changes.clarifications.iter().map(|row| (shard, row.clone())));
        self.apply_market_events(changes);
        for (key, delta) in &changes.positions {
            let before = LastChange { sequence: 0, ..delta.last };
            let position = self.positions.entry(*key).or_insert(([0; 4], before));
            let parts = [delta.yes, delta.no, delta.yes_reserved, delta.no_reserved];
            position.0.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
            position.1 = later(position.1, delta.last);
        }
        for (level, quantity) in &changes.levels {
            *self.levels.entry(*level).or_default() += quantity;
        }
        self.levels.retain(|_, quantity| *quantity != 0);
    }

    fn apply_groups(&mut self, shard: Shard, changes: &RowChanges) {
        for (&(account, id), delta) in &changes.groups {
            let key = (shard, account, id);
            if delta.deleted {
                self.groups.remove(&key);
            } else if delta.anew.is_some() {
                self.groups.insert(key, *delta);
            } else {
                let group = self.groups.get_mut(&key).unwrap();
                group.limits = delta.limits.or(group.limits);
                group.triggered = group.triggered.or(delta.triggered);
                group.last = later(group.last, delta.last);
            }
        }
    }

    /// Returns the rows of groups, as recorded by their accounts' home shards.
    #[allow(dead_code, reason = "who compares two models needs no rows")]
    pub fn group_rows(&self) -> impl Iterator<Item = (AccountId, GroupId, &GroupDelta)> {
        let home = |shard, account| self.homes.get(&account) == Some(&shard);
        let rows = self.groups.iter().filter(move |((shard, account, _), _)| home(*shard, *account));
        rows.map(|((_, account, id), group)| (*account, *id, group))
    }

    fn apply_orders(&mut self, changes: &RowChanges) {
        for (id, row) in &changes.orders.born {
            assert_eq!(self.orders.insert(*id, *row), None);
        }
        for (id, change) in &changes.orders.changed {
            let row = self.orders.get_mut(id).unwrap();
            assert!(change.last.sequence > row.last.sequence);
            row.change(change);
        }
    }

    fn apply_proposals(&mut self, changes: &RowChanges) {
        for (id, delta) in &changes.proposals {
            let Some(proposal) = self.proposals.get_mut(id) else {
                assert!(delta.born.is_some());
                self.proposals.insert(*id, *delta);
                continue;
            };
            assert!(delta.born.is_none() && proposal.end.is_none() && delta.end.is_some());
            (proposal.end, proposal.last) = (delta.end, later(proposal.last, delta.last));
        }
    }

    fn apply_market_events(&mut self, changes: &RowChanges) {
        for (id, delta) in &changes.market_events {
            let Some(event) = self.market_events.get_mut(id) else {
                assert!(delta.born.is_some());
                self.market_events.insert(*id, delta.clone());
                continue;
            };
            assert!(delta.born.is_none());
            (event.yes, event.last) = (delta.yes.or(event.yes), later(event.last, delta.last));
        }
    }

    fn apply_account(&mut self, id: AccountId, delta: &AccountDelta) {
        let Some(account) = self.accounts.get_mut(&id) else {
            assert!(delta.opened.is_some());
            self.accounts.insert(id, *delta);
            return;
        };
        assert!(delta.opened.is_none());
        account.frozen = delta.frozen.or(account.frozen);
        account.limits = delta.limits.or(account.limits);
        account.dead_man_due = delta.dead_man_due.or(account.dead_man_due);
        account.last = later(account.last, delta.last);
    }

    fn apply_market(&mut self, id: MarketId, delta: &MarketDelta) {
        let Some(market) = self.markets.get_mut(&id) else {
            assert!(delta.born.is_some());
            let about = delta.about.as_ref().map(|about| Box::new(whole(AboutDelta::default(), about)));
            self.markets.insert(id, MarketDelta { about, ..delta.clone() });
            return;
        };
        assert!(delta.born.is_none());
        market.state = delta.state.or(market.state);
        market.resolution = delta.resolution.or(market.resolution);
        market.limits = delta.limits.or(market.limits);
        if let Some(delta) = &delta.about {
            let before = market.about.take().unwrap();
            market.about = Some(Box::new(whole(*before, delta)));
        }
        market.settled |= delta.settled;
        assert!(market.archived.is_none(), "nothing changes market {id} after its archive");
        market.archived = delta.archived;
        market.collateral += delta.collateral;
        market.fees += delta.fees;
        market.yes += delta.yes;
        market.no += delta.no;
        market.volume += delta.volume;
        market.last_trade = delta.last_trade.or(market.last_trade);
        market.contracts = delta.contracts.or(market.contracts);
        market.last = later(market.last, delta.last);
    }
}

/// Returns a market's properties after the batch, independent of how its history was cut.
fn whole(before: AboutDelta, delta: &AboutDelta) -> AboutDelta {
    let mut edit = before.edit.then(&delta.edit);
    edit.sources = edit.sources.and_then(|all| all.with(&Sources::new(delta.sources.clone())?));
    edit.tags = edit.tags.and_then(|all| all.with(&Tags::new(delta.tags.clone())?));
    AboutDelta { edit, ..AboutDelta::default() }
}

fn later(before: LastChange, after: LastChange) -> LastChange {
    assert!(after.sequence > before.sequence);
    after
}
