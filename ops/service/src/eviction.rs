//! Checks whether Redis may drop keys, by its eviction policy.
//!
//! | `maxmemory-policy`  | do                                                                                     |
//! |---------------------|----------------------------------------------------------------------------------------|
//! | `noeviction`        | continue                                                                               |
//! | another             | refuse, whatever `maxmemory` is: it can be set, or reached, at any later time          |
//! | unknown             | continue with a warning: a hosted Redis may hide it                                    |
//!
//! Dropped keys of a read model cannot be detected: sums restart at zero, and readers take missing
//! keys for empty ones.

/// Returns the policy in an answer to `INFO memory`. Needs no right to read the configuration.
pub fn policy_of(info: &str) -> Option<&str> {
    info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(str::trim)
}

/// Fails with a hint if Redis drops keys when its memory is full. Warns if the policy is unknown.
pub fn judge(policy: Option<&str>) -> Result<(), String> {
    match policy {
        Some("noeviction") => Ok(()),
        Some(policy) => Err(format!(
            "Redis drops keys when its memory is full (maxmemory-policy {policy}), and with them parts of the read models: set \
             maxmemory-policy to noeviction, run `projections rebuild redis` if keys may be gone, then start again"
        )),
        None => {
            tracing::warn!("Redis does not report its maxmemory-policy: make sure that it is noeviction");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_noeviction_is_accepted() {
        let info = |policy: &str| format!("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:{policy}\r\nallocator:x\r\n");
        assert_eq!(judge(policy_of(&info("noeviction"))), Ok(()));
        for policy in ["allkeys-lru", "volatile-lru", "volatile-ttl", "allkeys-random"] {
            let refused = judge(policy_of(&info(policy)));
            assert!(refused.is_err_and(|text| text.contains(policy) && text.contains("to noeviction")), "{policy}");
        }
        assert_eq!(policy_of("# Memory\r\n"), None);
        assert_eq!(judge(None), Ok(()));
    }
}
