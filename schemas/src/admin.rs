//! Admins as the log stores them: their roles, and how they are authenticated.
//!
//! They are in the state of the first shard; admins create and revoke them. Gateways enforce their
//! roles.

use crate::account::KeyProof;
use crate::ids::{AdminId, Shard};
use crate::text::KeyName;
use crate::time::Timestamp;

/// The shard that decides commands about admins.
pub const ADMINS_HOME: Shard = match Shard::new(0) {
    Some(shard) => shard,
    None => panic!("there is a first shard"),
};

bit_set! {
    /// The roles of an admin, as a set of bits. Bits that this build does not know are kept and
    /// have no effect here.
    AdminRoles {
        /// Create, describe, open, pause, limit and answer markets.
        MARKETS = 1;
        /// Deposit and withdraw; freeze and limit accounts.
        MONEY = 2;
        /// See what admins see. Every other role includes this.
        AUDITOR = 4;
        /// Manage admins, raise the vocabulary, quarantine records.
        ADMINS = 8;
    }
}

impl AdminRoles {
    /// Returns true if every role of `other` is in this set or implied by it: every role implies
    /// `AUDITOR`.
    pub const fn contains(self, other: Self) -> bool {
        let sees = if self.0 & Self::ALL.0 == 0 { 0 } else { Self::AUDITOR.0 };
        (self.0 | sees) & other.0 == other.0
    }
}

growing! {
    /// An admin of the exchange.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Admin {
        /// The id, chosen by the admin who sets it.
        pub id: AdminId,
        /// How it is authenticated. No two admins have the same proof.
        pub proof: KeyProof,
        /// Its roles.
        pub roles: AdminRoles,
        /// From this time on it has no rights; `None` means never.
        pub expires: Option<Timestamp>,
        /// Its name, for people.
        pub name: Option<KeyName>,
    }
}

growing! {
    /// The requested state of an admin.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct WantedAdmin {
        /// The admin.
        pub id: AdminId,
        /// How it is authenticated; `None` keeps the current proof.
        pub proof: Option<KeyProof>,
        /// Its roles.
        pub roles: AdminRoles,
        /// From this time on it has no rights; `None` means never.
        pub expires: Option<Timestamp>,
        /// Its name, for people.
        pub name: Option<KeyName>,
    }
}

impl WantedAdmin {
    /// Returns the admin with this proof.
    pub fn with(&self, proof: KeyProof) -> Admin {
        let Self { id, roles, expires, ref name, .. } = *self;
        Admin { id, proof, roles, expires, name: name.clone() }
    }
}

impl Admin {
    /// Returns true until it has expired.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// Returns true if it has these roles now.
    pub fn may(&self, roles: AdminRoles, now: Timestamp) -> bool {
        self.is_live(now) && self.roles.contains(roles)
    }

    /// Returns true if it may manage admins and never expires. There is always one such admin once
    /// there is any admin.
    pub fn keeps_admins(&self) -> bool {
        self.expires.is_none() && self.roles.contains(AdminRoles::ADMINS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_role_may_see_and_nothing_else_follows() {
        for bits in 1..=AdminRoles::ALL.bits() {
            let roles = AdminRoles::new(bits).expect("known");
            for other in [AdminRoles::MARKETS, AdminRoles::MONEY, AdminRoles::ADMINS] {
                assert_eq!(roles.contains(other), bits & other.bits() != 0, "{bits}");
            }
            assert!(roles.contains(AdminRoles::AUDITOR), "{bits}");
        }
        // An admin without roles has no rights, and no admin has a role here that only a later
        // build knows.
        for nobody in [AdminRoles::from_bits(0), AdminRoles::from_bits(16)] {
            assert!(!nobody.contains(AdminRoles::AUDITOR), "{nobody:?}");
        }
        assert_eq!(AdminRoles::new(16), None);
    }

    #[test]
    fn an_admin_ends_at_its_time_and_then_keeps_nothing() {
        let proof = KeyProof::Secret([0; 32]);
        let ends = |expires| Admin { id: AdminId(1), proof, roles: AdminRoles::ADMINS, expires, name: None };
        let admin = ends(Some(Timestamp(10)));
        assert!(admin.may(AdminRoles::ADMINS, Timestamp(9)) && !admin.may(AdminRoles::ADMINS, Timestamp(10)));
        assert!(!admin.keeps_admins() && ends(None).keeps_admins());
    }
}
