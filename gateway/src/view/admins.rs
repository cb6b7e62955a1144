//! Admins as the log has them, and the check of presented keys. Pure.

use std::collections::BTreeMap;

use schemas::{Admin, AdminId, AdminRoles, KeyProof, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// All admins that are not revoked.
#[derive(Clone, Debug, Default)]
pub struct Admins(BTreeMap<AdminId, Admin>);

impl Admins {
    /// Adds or replaces an admin.
    pub fn set(&mut self, admin: Admin) {
        self.0.insert(admin.id, admin);
    }

    /// Removes an admin.
    pub fn revoke(&mut self, admin: AdminId) {
        self.0.remove(&admin);
    }

    /// Returns true if there is no admin.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all admins by id, expired ones included.
    pub fn iter(&self) -> impl Iterator<Item = &Admin> {
        self.0.values()
    }

    /// Returns the admin who holds a key, and its roles, unless it has expired. Takes the same time
    /// for every key.
    pub fn holder(&self, key: &str, now: Timestamp) -> Option<(AdminId, AdminRoles)> {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut holder = None;
        for admin in self.0.values() {
            let known = match &admin.proof {
                KeyProof::Secret(known) => known,
                // A public key is never presented.
                KeyProof::Ed25519(_) => continue,
            };
            if bool::from(known.ct_eq(&hash)) {
                holder = admin.is_live(now).then_some((admin.id, admin.roles));
            }
        }
        holder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin(id: u64, key: &str, expires: Option<Timestamp>) -> Admin {
        let proof = KeyProof::Secret(Sha256::digest(key).into());
        Admin { id: AdminId(id), proof, roles: AdminRoles::MONEY, expires, name: None }
    }

    #[test]
    fn an_admin_is_known_by_its_key_until_it_expires_or_is_revoked() {
        let mut admins = Admins::default();
        admins.set(admin(1, "open sesame", None));
        admins.set(admin(2, "abracadabra", Some(Timestamp(10))));
        let holder = |admins: &Admins, key, now| admins.holder(key, Timestamp(now)).map(|(id, _)| id.0);
        assert_eq!(holder(&admins, "open sesame", 0), Some(1));
        assert_eq!((holder(&admins, "abracadabra", 9), holder(&admins, "abracadabra", 10)), (Some(2), None));
        assert_eq!(holder(&admins, "open sesame ", 0), None);
        admins.set(admin(1, "another", None));
        assert_eq!((holder(&admins, "open sesame", 0), holder(&admins, "another", 0)), (None, Some(1)));
        admins.revoke(AdminId(1));
        assert_eq!(holder(&admins, "another", 0), None);
    }

    #[test]
    fn a_public_key_is_nothing_to_present() {
        let mut admins = Admins::default();
        let hash: [u8; 32] = Sha256::digest("open sesame").into();
        admins.set(Admin { proof: KeyProof::Ed25519(hash), ..admin(1, "", None) });
        assert_eq!(admins.holder("open sesame", Timestamp(0)), None);
    }
}
