//! Actions of admins, and changes of deposits that need a second admin.

use schemas::{
    AccountId, Admin, AdminId, AdminRoles, ClientId, CommandId, Credits, Event, MarketEventId, MarketId, ProposalId,
    Timestamp,
};

use super::RowChanges;
use super::last_change::LastChange;

/// One action of one admin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AdminAct {
    /// What the admin did.
    pub act: Act,
    /// The admin.
    pub admin: AdminId,
    /// The subject of the action.
    pub about: ActSubject,
    /// The proposed deposit that the action concerns.
    pub proposal: Option<ProposalId>,
    /// The credits that the action moves or proposes to move.
    pub amount: Option<Credits>,
    /// The roles that the action grants.
    pub roles: Option<AdminRoles>,
    /// The command that caused the event.
    pub command: CommandId,
    /// The event's index in its outcome.
    pub index: usize,
    /// The outcome that contains the event.
    pub at: LastChange,
}

/// The subject of an admin's action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActSubject {
    /// An account.
    Account(AccountId),
    /// A market.
    Market(MarketId),
    /// A market event.
    MarketEvent(MarketEventId),
    /// An admin.
    Admin(AdminId),
}

/// The kinds of admin action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// One admin alone deposited credits.
    Deposit,
    /// A deposit was proposed and waits for a second admin.
    DepositProposed,
    /// A second admin confirmed a deposit; the credits were added.
    DepositConfirmed,
    /// A proposed deposit was dropped.
    DepositDropped,
    /// Credits were withdrawn.
    Withdrawal,
    /// An account was frozen: it can only cancel and receive credits.
    AccountFrozen,
    /// An account was unfrozen.
    AccountUnfrozen,
    /// An account's limits over all markets together were set.
    AccountLimited,
    /// A market was listed.
    MarketCreated,
    /// A market changed its state.
    MarketChanged,
    /// The limits of each account in a market were set.
    MarketLimited,
    /// A market event was created.
    MarketEventCreated,
    /// Properties of a market were replaced.
    MarketEdited,
    /// Something was added to a market's properties.
    MarketAddedTo,
    /// An admin was set.
    AdminSet,
    /// An admin was revoked.
    AdminRevoked,
}

impl Act {
    /// Returns the name used in SQL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deposit => "DEPOSIT",
            Self::DepositProposed => "DEPOSIT_PROPOSED",
            Self::DepositConfirmed => "DEPOSIT_CONFIRMED",
            Self::DepositDropped => "DEPOSIT_DROPPED",
            Self::Withdrawal => "WITHDRAWAL",
            Self::AccountFrozen => "ACCOUNT_FROZEN",
            Self::AccountUnfrozen => "ACCOUNT_UNFROZEN",
            Self::AccountLimited => "ACCOUNT_LIMITED",
            Self::MarketCreated => "MARKET_CREATED",
            Self::MarketChanged => "MARKET_CHANGED",
            Self::MarketLimited => "MARKET_LIMITED",
            Self::MarketEventCreated => "MARKET_EVENT_CREATED",
            Self::MarketEdited => "MARKET_EDITED",
            Self::MarketAddedTo => "MARKET_ADDED_TO",
            Self::AdminSet => "ADMIN_SET",
            Self::AdminRevoked => "ADMIN_REVOKED",
        }
    }
}

/// The changes of one admin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminChange {
    /// The admin's new data, when it was set and by whom, if in this batch.
    pub set: Option<(Admin, LastChange, AdminId)>,
    /// When the admin was revoked and by whom, if in this batch.
    pub revoked: Option<(LastChange, AdminId)>,
    /// The last change.
    pub last: LastChange,
}

/// The changes of one proposed deposit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProposalDelta {
    /// The proposal, if it was made in this batch.
    pub born: Option<Proposal>,
    /// How the proposal ended, if in this batch.
    pub end: Option<ProposalEnd>,
    /// The last change.
    pub last: LastChange,
}

/// A deposit as proposed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// The account that would receive the credits.
    pub account: AccountId,
    /// The amount.
    pub amount: Credits,
    /// The client id of the deposit.
    pub client_id: Option<ClientId>,
    /// The admin who proposed it.
    pub by: AdminId,
    /// When the proposal expires.
    pub expires: Timestamp,
    /// When it was proposed.
    pub at: LastChange,
}

/// How a proposed deposit ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProposalEnd {
    /// Another admin confirmed it.
    Confirmed(AdminId),
    /// An admin dropped it.
    Dropped(AdminId),
    /// Nobody confirmed it in time.
    Expired,
}

impl ProposalEnd {
    /// Returns the name used in SQL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed(_) => "CONFIRMED",
            Self::Dropped(_) => "DROPPED",
            Self::Expired => "EXPIRED",
        }
    }

    /// Returns the admin who ended it, if one did.
    pub const fn by(self) -> Option<AdminId> {
        match self {
            Self::Confirmed(by) | Self::Dropped(by) => Some(by),
            Self::Expired => None,
        }
    }
}

impl RowChanges {
    pub(super) fn fold_admins(&mut self, at: LastChange, index: usize, command: CommandId, event: &Event) {
        if let Some((act, admin, about)) = act(event) {
            let (proposal, amount, roles) = (proposal(event), amount(event), roles(event));
            self.admin_acts.push(AdminAct { act, admin, about, proposal, amount, roles, command, index, at });
        }
        match event {
            Event::AdminSet { admin, by } => {
                let change = self.admin(admin.id, at);
                (change.set, change.revoked) = (Some(((**admin).clone(), at, *by)), None);
            }
            Event::AdminRevoked { admin, by } => self.admin(*admin, at).revoked = Some((at, *by)),
            Event::DepositProposed { proposal, account, amount, client_id, by, expires } => {
                let (account, amount, client_id, by, expires) = (*account, *amount, *client_id, *by, *expires);
                self.proposal(*proposal, at).born = Some(Proposal { account, amount, client_id, by, expires, at });
            }
            Event::Deposited { seconded: Some(seconded), .. } => {
                self.proposal(seconded.proposal, at).end = Some(ProposalEnd::Confirmed(seconded.by));
            }
            Event::DepositDropped { proposal, by, .. } => {
                self.proposal(*proposal, at).end = Some(by.map_or(ProposalEnd::Expired, ProposalEnd::Dropped));
            }
            _ => {}
        }
    }

    fn admin(&mut self, id: AdminId, at: LastChange) -> &mut AdminChange {
        let change = self.admins.entry(id).or_insert(AdminChange { set: None, revoked: None, last: at });
        change.last = at;
        change
    }

    fn proposal(&mut self, id: ProposalId, at: LastChange) -> &mut ProposalDelta {
        let delta = self.proposals.entry(id).or_insert(ProposalDelta { born: None, end: None, last: at });
        delta.last = at;
        delta
    }
}

/// Returns the admin's action that the event records, if it records one.
fn act(event: &Event) -> Option<(Act, AdminId, ActSubject)> {
    Some(match event {
        Event::Deposited { account, seconded: Some(second), .. } => {
            (Act::DepositConfirmed, second.by, ActSubject::Account(*account))
        }
        Event::Deposited { account, by, .. } => (Act::Deposit, *by, ActSubject::Account(*account)),
        Event::DepositProposed { account, by, .. } => (Act::DepositProposed, *by, ActSubject::Account(*account)),
        Event::DepositDropped { account, by, .. } => (Act::DepositDropped, (*by)?, ActSubject::Account(*account)),
        Event::Withdrawn { account, by, .. } => (Act::Withdrawal, *by, ActSubject::Account(*account)),
        Event::AccountFrozen { account, by } => (Act::AccountFrozen, *by, ActSubject::Account(*account)),
        Event::AccountUnfrozen { account, by } => (Act::AccountUnfrozen, *by, ActSubject::Account(*account)),
        Event::AccountLimited { account, by, .. } => (Act::AccountLimited, *by, ActSubject::Account(*account)),
        Event::MarketCreated { listing, by } => (Act::MarketCreated, *by, ActSubject::Market(listing.market)),
        Event::MarketChanged { market, by, .. } => (Act::MarketChanged, (*by)?, ActSubject::Market(*market)),
        Event::MarketLimited { market, by, .. } => (Act::MarketLimited, *by, ActSubject::Market(*market)),
        Event::MarketEventCreated { event, by } => (Act::MarketEventCreated, *by, ActSubject::MarketEvent(event.id)),
        Event::MarketEdited { market, by, .. } => (Act::MarketEdited, *by, ActSubject::Market(*market)),
        Event::MarketAddedTo { market, by, .. } => (Act::MarketAddedTo, *by, ActSubject::Market(*market)),
        Event::AdminSet { admin, by } => (Act::AdminSet, *by, ActSubject::Admin(admin.id)),
        Event::AdminRevoked { admin, by } => (Act::AdminRevoked, *by, ActSubject::Admin(*admin)),
        _ => return None,
    })
}

fn proposal(event: &Event) -> Option<ProposalId> {
    match event {
        Event::DepositProposed { proposal, .. } | Event::DepositDropped { proposal, .. } => Some(*proposal),
        Event::Deposited { seconded, .. } => seconded.map(|second| second.proposal),
        _ => None,
    }
}

fn roles(event: &Event) -> Option<AdminRoles> {
    match event {
        Event::AdminSet { admin, .. } => Some(admin.roles),
        _ => None,
    }
}

fn amount(event: &Event) -> Option<Credits> {
    match event {
        Event::Deposited { amount, .. } | Event::DepositProposed { amount, .. } | Event::Withdrawn { amount, .. } => {
            Some(*amount)
        }
        _ => None,
    }
}
