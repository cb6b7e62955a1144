//! Raises the number of files and sockets that the process may open to the system's maximum.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open descriptors to the highest that the system allows without privileges.
/// Returns the limit afterwards, `u64::MAX` if there is none. A failure is logged, and the lower
/// limit remains.
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
    fn the_raised_limit_is_in_effect() {
        let raised = raise();
        let now = getrlimit(Resource::Nofile);
        assert_eq!((now.current.unwrap_or(u64::MAX), raised), (now.maximum.unwrap_or(u64::MAX), raised));
        assert_eq!(raise(), raised);
    }
}
