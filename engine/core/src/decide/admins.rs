//! Admins of the exchange: a part of the first shard's state (ADR 35).
//!
//! The gateway authenticates admins and enforces their roles. This module decides which admins
//! exist.
//!
//! | who may change admins                        | when                                       |
//! |----------------------------------------------|--------------------------------------------|
//! | an admin of the configuration                | as long as there is no admin on the log    |
//! | a valid admin with the right to manage admins| afterwards                                 |
//!
//! From the first admin on there is always one that may manage admins and never expires (I-15):
//! nobody can lock everybody out.

use schemas::limits::ADMINS_MAX;
use schemas::{ADMINS_HOME, Admin, AdminId, AdminRoles, Event, Rejection, WantedAdmin};

use super::CommandRun;
use crate::state::ShardState;

impl CommandRun<'_> {
    pub(super) fn set_admin(&mut self, wanted: &WantedAdmin, by: AdminId) {
        self.answer(|state| {
            check_asking(state, by)?;
            // The present proof is kept here, where nothing changes it meanwhile.
            let present = state.admin(wanted.id).map(|admin| admin.proof);
            let admin = wanted.with(wanted.proof.or(present).ok_or(Rejection::AdminUnknown)?);
            check_set(state, &admin)?;
            Ok(Event::AdminSet { admin: Box::new(admin), by })
        });
    }

    pub(super) fn revoke_admin(&mut self, admin: AdminId, by: AdminId) {
        self.answer(|state| {
            check_asking(state, by)?;
            if state.admin(admin).is_none() {
                return Err(Rejection::AdminUnknown);
            }
            check_kept(state, admin)?;
            Ok(Event::AdminRevoked { admin, by })
        });
    }
}

fn check_asking(state: &ShardState, by: AdminId) -> Result<(), Rejection> {
    if state.shard != ADMINS_HOME {
        return Err(Rejection::WrongShard);
    }
    let asks = state.admin(by).is_some_and(|admin| admin.may(AdminRoles::ADMINS, state.facts.time));
    if asks || state.facts.admins.is_empty() { Ok(()) } else { Err(Rejection::AdminsNotAllowed) }
}

fn check_set(state: &ShardState, admin: &Admin) -> Result<(), Rejection> {
    if !admin.is_live(state.facts.time) {
        return Err(Rejection::KeyExpiryInPast);
    }
    let mut others = state.admins().filter(|other| other.id != admin.id);
    if others.any(|other| other.proof == admin.proof) {
        return Err(Rejection::AdminProofTaken);
    }
    if !admin.keeps_admins() {
        check_kept(state, admin.id)?;
    }
    let full = state.facts.admins.len() >= ADMINS_MAX && state.admin(admin.id).is_none();
    if full { Err(Rejection::AdminsLimit) } else { Ok(()) }
}

/// Checks that without this admin there is still one that may always manage admins.
fn check_kept(state: &ShardState, without: AdminId) -> Result<(), Rejection> {
    let kept = state.admins().any(|other| other.id != without && other.keeps_admins());
    if kept { Ok(()) } else { Err(Rejection::LastAdmin) }
}
