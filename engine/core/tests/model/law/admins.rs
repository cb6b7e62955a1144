//! The admins of the exchange. They are recorded on the first shard.

use schemas::limits::ADMINS_MAX;
use schemas::{Admin, AdminId, AdminRoles, Event, KeyProof, Rejection, WantedAdmin};

use super::Model;

/// The key of an admin that has none.
const NOBODYS: KeyProof = KeyProof::Secret([0xff; 32]);

impl Model {
    pub(super) fn set_admin(&mut self, wanted: &WantedAdmin, by: AdminId) {
        let mut after = self.admins.clone();
        let proof = match (wanted.proof, after.get(&wanted.id)) {
            (Some(proof), _) => Some(proof),
            (None, before) => before.map(|before| before.proof),
        };
        let admin = wanted.with(proof.unwrap_or(NOBODYS));
        after.insert(admin.id, admin.clone());
        let alike = after.values().filter(|other| other.proof == admin.proof).count();
        let answer = match self.refuses_to_ask(by) {
            Some(code) => Err(code),
            None if proof.is_none() => Err(Rejection::AdminUnknown),
            None if admin.expires.is_some_and(|expires| expires <= self.now) => Err(Rejection::KeyExpiryInPast),
            None if alike > 1 => Err(Rejection::AdminProofTaken),
            None if !after.values().any(lasts) => Err(Rejection::LastAdmin),
            None if after.len() > ADMINS_MAX => Err(Rejection::AdminsLimit),
            None => Ok(Event::AdminSet { admin: Box::new(admin), by }),
        };
        if self.answer(answer) {
            self.admins = after;
        }
    }

    pub(super) fn revoke_admin(&mut self, admin: AdminId, by: AdminId) {
        let mut after = self.admins.clone();
        let answer = match (self.refuses_to_ask(by), after.remove(&admin)) {
            (Some(code), _) => Err(code),
            (None, None) => Err(Rejection::AdminUnknown),
            (None, Some(_)) if !after.values().any(lasts) => Err(Rejection::LastAdmin),
            (None, Some(_)) => Ok(Event::AdminRevoked { admin, by }),
        };
        if self.answer(answer) {
            self.admins = after;
        }
    }

    fn refuses_to_ask(&self, by: AdminId) -> Option<Rejection> {
        if self.at.number() != 0 {
            return Some(Rejection::WrongShard);
        }
        let asks = self.admins.get(&by).filter(|admin| admin.expires.is_none_or(|expires| self.now < expires));
        let may = asks.is_some_and(says_who_is_one);
        (!may && !self.admins.is_empty()).then_some(Rejection::AdminsNotAllowed)
    }
}

fn says_who_is_one(admin: &Admin) -> bool {
    admin.roles.bits() & AdminRoles::ADMINS.bits() != 0
}

fn lasts(admin: &Admin) -> bool {
    admin.expires.is_none() && says_who_is_one(admin)
}
