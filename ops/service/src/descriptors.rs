//! How many files and sockets the process may have open: as many as the system gives.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open descriptors to the highest that the system allows without privileges.
/// What it is then, or `u64::MAX` if there is none; a failure is told, and the lower limit counts.
pub fn raise() -> u64 {
    let before = getrlimit(Resource::Nofile);
    let (current, maximum) = (before.current.unwrap_or(u64::MAX), before.maximum.unwrap_or(u64::MAX));
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, current, maximum, "the limit of open descriptors cannot be raised");
            current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_what_counts_from_then_on() {
        let raised = raise();
        let now = getrlimit(Resource::Nofile);
        assert_eq!((now.current.unwrap_or(u64::MAX), raised), (now.maximum.unwrap_or(u64::MAX), raised));
        assert_eq!(raise(), raised);
    }
}
