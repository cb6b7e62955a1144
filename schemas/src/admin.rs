//! Admins as the log knows them: what each may do, and how it proves itself.
//!
//! They are facts of the first shard, set and revoked by admins. Gateways hold them to their roles.

use crate::account::KeyProof;
use crate::ids::{AdminId, Shard};
use crate::text::KeyName;
use crate::time::Timestamp;

/// The shard that decides which admins there are.
pub const ADMINS_HOME: Shard = match Shard::new(0) {
    Some(shard) => shard,
    None => panic!("there is a first shard"),
};

bit_set! {
    /// What an admin may do. A set of bits. Bits that this build does not know are carried and mean nothing here.
    AdminRoles {
        /// Create, describe, open, pause, limit and answer markets.
        MARKETS = 1;
        /// Deposit and withdraw; freeze and limit accounts.
        MONEY = 2;
        /// See what admins see. Whoever has another role may, too.
        AUDITOR = 4;
        /// Say who is an admin, raise the vocabulary, put records aside.
        ADMINS = 8;
    }
}

impl AdminRoles {
    /// True if every role of `other` is in this set, or follows from it: every admin may see.
    pub const fn contains(self, other: Self) -> bool {
        let sees = if self.0 & Self::ALL.0 == 0 { 0 } else { Self::AUDITOR.0 };
        (self.0 | sees) & other.0 == other.0
    }
}

growing! {
    /// An admin of the exchange.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Admin {
        /// Which. Chosen by the admin who sets it.
        pub id: AdminId,
        /// How it proves itself. No two admins prove themselves alike.
        pub proof: KeyProof,
        /// What it may do.
        pub roles: AdminRoles,
        /// From this time on it may do nothing; `None` means never.
        pub expires: Option<Timestamp>,
        /// What people call it.
        pub name: Option<KeyName>,
    }
}

growing! {
    /// An admin as somebody wants it to be.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct WantedAdmin {
        /// Which.
        pub id: AdminId,
        /// How it proves itself; `None`: as it does.
        pub proof: Option<KeyProof>,
        /// What it may do.
        pub roles: AdminRoles,
        /// From this time on it may do nothing; `None` means never.
        pub expires: Option<Timestamp>,
        /// What people call it.
        pub name: Option<KeyName>,
    }
}

impl WantedAdmin {
    /// The admin, with this proof.
    pub fn with(&self, proof: KeyProof) -> Admin {
        let Self { id, roles, expires, ref name, .. } = *self;
        Admin { id, proof, roles, expires, name: name.clone() }
    }
}

impl Admin {
    /// True as long as it has not expired.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// True if it may do this now.
    pub fn may(&self, roles: AdminRoles, now: Timestamp) -> bool {
        self.is_live(now) && self.roles.contains(roles)
    }

    /// True if it may always say who is an admin. There is one such as soon as there is any admin.
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
        // Nobody has no role, and what a later build knows is nobody's here.
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
