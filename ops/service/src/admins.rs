//! The administrators, as configuration names them: `1=SHA-256,2=SHA-256`.
//!
//! Two of them settle a market's answer together, so one key can never stand for two.

use std::str::FromStr;

use schemas::AdminId;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::hex::from_hex;

/// Who may administer, by the SHA-256 of their keys. An admin may have several keys, so that one can be exchanged for another.
#[derive(Clone)]
pub struct Admins(Vec<(AdminId, [u8; 32])>);

/// A hash of a weak key can be guessed: not for logs either.
impl std::fmt::Debug for Admins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
    }
}

impl Admins {
    /// Whose key this is. Takes the same time whatever the key is.
    pub fn holder(&self, key: &str) -> Option<AdminId> {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let (mut holder, mut found) = (0, Choice::from(0));
        for (id, wanted) in &self.0 {
            let same = hash.ct_eq(wanted);
            holder.conditional_assign(&id.0, same);
            found |= same;
        }
        bool::from(found).then_some(AdminId(holder))
    }
}

impl FromStr for Admins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut admins: Vec<(AdminId, [u8; 32])> = Vec::new();
        for entry in text.split(',') {
            let (id, hash) = one(entry.trim()).ok_or("must be ID=SHA-256 in hex, comma-separated, ids from 1")?;
            if admins.iter().any(|(_, known)| *known == hash) {
                return Err(format!("the key of admin {id} is given twice"));
            }
            admins.push((id, hash));
        }
        Ok(Self(admins))
    }
}

fn one(entry: &str) -> Option<(AdminId, [u8; 32])> {
    let (id, hash) = entry.split_once('=')?;
    let digits = id.bytes().all(|byte| byte.is_ascii_digit());
    // As all ids of the log: positive, and fit for a signed column.
    let id = digits.then(|| id.parse().ok()).flatten().filter(|id| (1..=i64::MAX).contains(id))?;
    Some((AdminId(u64::try_from(id).ok()?), from_hex(&hash.to_ascii_lowercase())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::to_hex;

    fn hash(key: &str) -> String {
        to_hex(&Sha256::digest(key))
    }

    fn admins(entries: &[(&str, &str)]) -> Result<Admins, String> {
        let texts: Vec<String> = entries.iter().map(|(id, key)| format!("{id}={}", hash(key))).collect();
        texts.join(", ").parse()
    }

    #[test]
    fn each_is_known_by_the_hash_of_the_whole_key() {
        let admins = admins(&[("1", "open sesame"), ("7", "abracadabra"), ("1", "the new key of the first")]).unwrap();
        assert_eq!(admins.holder("open sesame"), Some(AdminId(1)));
        assert_eq!(admins.holder("the new key of the first"), Some(AdminId(1)));
        assert_eq!(admins.holder("abracadabra"), Some(AdminId(7)));
        assert_eq!((admins.holder("open sesame "), admins.holder("")), (None, None));
        assert_eq!(format!("{admins:?}"), "[AdminId(1), AdminId(7), AdminId(1)]");
    }

    #[test]
    fn one_key_is_one_admins_and_ids_are_ids() {
        assert!(admins(&[("1", "a"), ("2", "a")]).is_err());
        for id in ["0", "", "-1", "+1", "x", "9223372036854775808"] {
            assert!(admins(&[(id, "a")]).is_err(), "{id}");
        }
        for text in ["", "1", "1=", "1=00", ",", &hash("a"), &format!("1={},", hash("a"))] {
            assert!(text.parse::<Admins>().is_err(), "{text}");
        }
    }
}
