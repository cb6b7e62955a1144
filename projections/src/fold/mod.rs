//! Folds outcomes into row changes: the last state of each row and the sum of each number. Pure.
//!
//!   events log ─▶ schemas::reading ─▶ *fold* ─▶ [`RowChanges`] ─▶ Postgres writer, Redis writer
//!
//! Both stores receive the same changes; each skips what it does not store. All sums come from
//! `schemas::effects`.
//!
//! Architecture invariant: a log gives the same rows however it is cut into batches. So nothing
//! here depends on what preceded the batch: a change holds the new value where an event contains
//! it, and a difference otherwise.

mod accounts;
mod admins;
mod fault;
mod groups;
mod last_change;
mod markets;
mod orders;
mod purses;

use std::collections::BTreeMap;

use schemas::{
    AccountId, AdminId, ApiKeyId, BookSide, CommandId, Event, GroupId, MarketEventId, MarketId, Outcome, Price,
    ProposalId, answers, effects,
};

pub use accounts::{AccountDelta, KeyChange};
pub use admins::{Act, ActSubject, AdminAct, AdminChange, Proposal, ProposalDelta, ProposalEnd};
pub use fault::FoldFault;
pub use groups::GroupDelta;
pub use last_change::LastChange;
pub use markets::{AboutDelta, Birth, ClarificationRow, MarketDelta, MarketEventDelta, PositionDelta};
pub use orders::{Number, OrderChange, OrderRow, Orders, TradeRow};
pub use purses::{LedgerEntry, LedgerKind, PurseDelta};

/// The changes that consecutive outcomes of one shard make. Sorted, because writes in key order are
/// cheaper for indexes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RowChanges {
    /// Accounts that were opened or changed.
    pub accounts: BTreeMap<AccountId, AccountDelta>,
    /// API keys that were added or revoked.
    pub api_keys: BTreeMap<(ApiKeyId, AccountId), KeyChange>,
    /// Groups of orders that were created, changed, triggered or deleted, as this shard records
    /// them.
    pub groups: BTreeMap<(AccountId, GroupId), GroupDelta>,
    /// Purses on this shard that were opened or changed.
    pub purses: BTreeMap<AccountId, PurseDelta>,
    /// All changes of the purses' credits, in order.
    pub ledger: Vec<LedgerEntry>,
    /// Admins that were set or revoked.
    pub admins: BTreeMap<AdminId, AdminChange>,
    /// All actions of admins, in order.
    pub admin_acts: Vec<AdminAct>,
    /// Deposits that were proposed to a second admin, or that ended.
    pub proposals: BTreeMap<ProposalId, ProposalDelta>,
    /// Orders that were created or changed.
    pub orders: Orders,
    /// Trades, in order.
    pub trades: Vec<TradeRow>,
    /// Markets that were created or changed.
    pub markets: BTreeMap<MarketId, MarketDelta>,
    /// Clarifications added to markets' rules, in order.
    pub clarifications: Vec<ClarificationRow>,
    /// Market events that were created, or whose YES holder changed.
    pub market_events: BTreeMap<MarketEventId, MarketEventDelta>,
    /// Positions that changed.
    pub positions: BTreeMap<(MarketId, AccountId), PositionDelta>,
    /// Changes of the books' price levels, in contracts; some may be 0.
    pub levels: BTreeMap<(MarketId, BookSide, Price), i64>,
}

impl RowChanges {
    /// Returns empty changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next outcome. On an error, nothing changes.
    pub fn fold(&mut self, outcome: &Outcome) -> Result<(), FoldFault> {
        orders::check(outcome)?;
        let at = LastChange { sequence: outcome.sequence, time: outcome.time };
        for part in answers::parts(outcome) {
            for (index, event) in (part.at..).zip(part.events) {
                self.fold_fact(at, part.command, event);
                self.fold_sums(at, index, event);
                self.fold_admins(at, index, part.command, event);
            }
        }
        Ok(())
    }

    /// Counts the rows to write, for metrics.
    pub fn rows(&self) -> usize {
        self.accounts.len()
            + self.api_keys.len()
            + self.groups.len()
            + self.purses.len()
            + self.ledger.len()
            + self.admins.len()
            + self.admin_acts.len()
            + self.proposals.len()
            + self.orders.born.len()
            + self.orders.changed.len()
            + self.trades.len()
            + self.markets.len()
            + self.clarifications.len()
            + self.market_events.len()
            + self.positions.len()
    }

    /// Applies the facts of an event that answers `command`: creations and states.
    fn fold_fact(&mut self, at: LastChange, command: CommandId, event: &Event) {
        match event {
            Event::AccountOpened { account } => self.account_opened(at, *account),
            Event::ApiKeyAdded { account, key, by } => self.api_key_added(at, *account, key, *by),
            Event::ApiKeyRevoked { account, key, by } => self.api_key_revoked(at, *account, *key, *by),
            Event::ApiKeyExpired { account, key } => self.api_key_revoked(at, *account, *key, None),
            Event::ApiKeyEnds { account, key, expires } => self.api_key_ends(at, *account, *key, *expires),
            Event::OrderPlaced(placed) => self.orders.placed(at, command, placed),
            Event::OrderRejected { id, order, code } => self.orders.rejected(at, command, *id, order, *code),
            Event::Traded(trade) => {
                self.orders.traded(at, trade);
                self.trades.push(TradeRow { trade: *trade, at });
                self.market(trade.market, at).last_trade = Some((trade.price, at.time));
            }
            Event::OrderCancelled { order, account, reason, .. } => {
                self.orders.cancelled(at, *order, *account, *reason);
            }
            Event::OrderAmended(amended) => self.orders.amended(at, amended),
            Event::OrderReduced { order, account, quantity, .. } => {
                self.orders.reduced(at, *order, *account, *quantity);
            }
            Event::AccountFrozen { account, .. } => self.account(*account, at).frozen = Some(true),
            Event::AccountUnfrozen { account, .. } => self.account(*account, at).frozen = Some(false),
            Event::AccountLimited { account, limits, .. } => self.account(*account, at).limits = Some(*limits),
            Event::DeadManSwitchSet { account, due } => self.account(*account, at).dead_man_due = Some(*due),
            Event::DeadManSwitchFired { account } => self.account(*account, at).dead_man_due = Some(None),
            Event::MarketLimited { market, limits, .. } => self.market(*market, at).limits = Some(*limits),
            Event::MarketCreated { listing, .. } => self.market_created(at, listing),
            Event::MarketChanged { market, state, resolution, .. } => {
                self.market_changed(at, *market, *state, *resolution);
            }
            Event::MarketEdited { market, edit, .. } => self.market_edited(at, *market, edit),
            Event::MarketAddedTo { market, addition, by } => self.market_added_to(at, *market, addition, *by),
            Event::MarketEventCreated { event, .. } => {
                self.market_event(event.id, at).born = Some((event.clone(), at));
            }
            Event::GroupSet { .. } | Event::GroupTriggered { .. } | Event::GroupDeleted { .. } => {
                self.fold_group(at, event);
            }
            Event::YesHeld { event, market } => self.market_event(*event, at).yes = Some(*market),
            Event::MarketSettled { market } => self.market(*market, at).settled = true,
            Event::MarketArchived { market, .. } => self.market(*market, at).archived = Some(at.time),
            // Covered by the sums, or by the folding of admins and their actions.
            Event::AdminSet { .. }
            | Event::AdminRevoked { .. }
            | Event::Deposited { .. }
            | Event::DepositProposed { .. }
            | Event::DepositDropped { .. }
            | Event::Withdrawn { .. }
            | Event::HoldRaised { .. }
            | Event::PurseSent { .. }
            | Event::PurseReceived { .. }
            | Event::TransferSent { .. }
            | Event::TransferReceived { .. }
            | Event::TransferReturned { .. }
            | Event::TransferCompleted { .. }
            | Event::Settled(_)
            | Event::PairsRedeemed { .. }
            | Event::PaidOut { .. } => {}
            // No row stores these: they concern a client and the gateway, two engines, or waiting
            // work; they repeat a known fact; or a later build wrote them and they change no row of
            // this build.
            Event::Unknown { .. }
            | Event::CameWith(_)
            | Event::Rejected { .. }
            | Event::CancelRejected { .. }
            | Event::AmendRejected { .. }
            | Event::BatchItem { .. }
            | Event::MassCancelRequested { .. }
            | Event::MassCancelOpened { .. }
            | Event::MassCancelClosed { .. }
            | Event::ClientIdRepeated { .. }
            | Event::Sent { .. }
            | Event::Received { .. }
            | Event::MessageSkipped { .. }
            | Event::Acknowledged { .. }
            | Event::Parked(_)
            | Event::Resumed { .. }
            | Event::ParkedCancelled { .. }
            | Event::Asked { .. }
            | Event::AskAnswered { .. }
            | Event::PurseFrozen { .. }
            | Event::PurseLimited { .. }
            | Event::Instructed { .. }
            | Event::Obeyed { .. }
            | Event::InstructionCompleted { .. }
            | Event::PartAnnounced { .. }
            | Event::PartLeft { .. }
            | Event::VocabularyRaised { .. }
            | Event::YesClaimed { .. }
            | Event::YesReleased { .. }
            | Event::YesAnswered { .. }
            | Event::GroupFilled { .. }
            | Event::GroupReported { .. }
            | Event::StateHashed { .. } => {}
        }
    }

    /// Applies the numeric effects of an event.
    fn fold_sums(&mut self, at: LastChange, index: usize, event: &Event) {
        if let Some(change) = effects::purse_change(event) {
            self.purse_changed(at, index, event, change);
        }
        for change in effects::position_changes(event) {
            self.position_changed(at, change);
        }
        if let Some(change) = effects::market_change(event) {
            self.market_summed(at, change);
        }
        for change in effects::book_changes(event) {
            *self.levels.entry((change.market, change.side, change.price)).or_default() += change.quantity;
        }
    }
}
