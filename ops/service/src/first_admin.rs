//! The first admin, as the configuration names it: `1=SHA-256`. It counts as long as there is no
//! admin on the log.

use std::str::FromStr;

use schemas::AdminId;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::hex::from_hex;

/// Who is an admin as long as there is none on the log, by the SHA-256 of its key.
#[derive(Clone)]
pub struct FirstAdmin {
    id: AdminId,
    hash: [u8; 32],
}

/// True if this is the SHA-256 of the key. Takes the same time whatever the key is.
pub fn is_key(hash: &[u8; 32], key: &str) -> bool {
    let found: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    found.ct_eq(hash).into()
}

/// A hash of a weak key can be guessed: not for logs either.
impl std::fmt::Debug for FirstAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FirstAdmin").field(&self.id).finish()
    }
}

impl FirstAdmin {
    /// Its id, if this is its key. Takes the same time whatever the key is.
    pub fn holder(&self, key: &str) -> Option<AdminId> {
        is_key(&self.hash, key).then_some(self.id)
    }
}

impl FromStr for FirstAdmin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, hash) = text.trim().split_once('=').ok_or(FORM)?;
        // As all ids of the log: positive, and fit for a signed column.
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
    fn it_is_known_by_the_hash_of_the_whole_key() {
        let first = first("7", "open sesame").unwrap();
        assert_eq!(first.holder("open sesame"), Some(AdminId(7)));
        assert_eq!((first.holder("open sesame "), first.holder("")), (None, None));
        assert_eq!(format!("{first:?}"), "FirstAdmin(AdminId(7))");
    }

    #[test]
    fn ids_are_ids_and_hashes_are_hashes() {
        for id in ["0", "", "-1", "+1", "01", "x", "9223372036854775808"] {
            assert!(first(id, "a").is_err(), "{id}");
        }
        for text in ["", "1", "1=", "1=00"] {
            assert!(text.parse::<FirstAdmin>().is_err(), "{text}");
        }
    }
}
