//! The first admin, from the configuration: `1=SHA-256`. Valid while the log has no admin.

use std::str::FromStr;

use schemas::AdminId;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::hex::from_hex;

/// The admin that is valid while the log has none, with the SHA-256 of its key.
#[derive(Clone)]
pub struct FirstAdmin {
    id: AdminId,
    hash: [u8; 32],
}

/// True if this is the SHA-256 of the key. Takes constant time.
pub fn is_key(hash: &[u8; 32], key: &str) -> bool {
    let found: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    found.ct_eq(hash).into()
}

/// The hash of a weak key can be guessed, so logs must not contain it.
impl std::fmt::Debug for FirstAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FirstAdmin").field(&self.id).finish()
    }
}

impl FirstAdmin {
    /// Returns the admin's id if this is its key. Takes constant time.
    pub fn holder(&self, key: &str) -> Option<AdminId> {
        is_key(&self.hash, key).then_some(self.id)
    }
}

impl FromStr for FirstAdmin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, hash) = text.trim().split_once('=').ok_or(FORM)?;
        // Ids on the log are positive and fit a signed column.
        let id: AdminId = id.parse().map_err(|_| FORM)?;
        if id.0 == 0 || i64::try_from(id.0).is_err() {
            return Err(FORM.to_owned());
        }
        let hash = from_hex(&hash.to_ascii_lowercase()).ok_or(FORM)?;
        Ok(Self { id, hash })
    }
}

const FORM: &str = "must be ID=SHA-256 in hex, an id from 1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::to_hex;

    fn first(id: &str, key: &str) -> Result<FirstAdmin, String> {
        format!("{id}={}", to_hex(&Sha256::digest(key))).parse()
    }

    #[test]
    fn the_admin_is_identified_by_the_hash_of_the_whole_key() {
        let first = first("7", "open sesame").unwrap();
        assert_eq!(first.holder("open sesame"), Some(AdminId(7)));
        assert_eq!((first.holder("open sesame "), first.holder("")), (None, None));
        assert_eq!(format!("{first:?}"), "FirstAdmin(AdminId(7))");
    }

    #[test]
    fn invalid_ids_and_hashes_are_refused() {
        for id in ["0", "", "-1", "+1", "01", "x", "9223372036854775808"] {
            assert!(first(id, "a").is_err(), "{id}");
        }
        for text in ["", "1", "1=", "1=00"] {
            assert!(text.parse::<FirstAdmin>().is_err(), "{text}");
        }
    }
}
