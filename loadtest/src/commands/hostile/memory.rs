//! Memory of a process.

use std::fmt;

/// Resident memory before, during and after an attack, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    pub before: u64,
    pub during: u64,
    pub after: u64,
}

impl Memory {
    /// Returns the ratio of the memory after an attack to that before.
    pub fn factor(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^52")]
        let [after, before] = [self.after as f64, self.before as f64];
        after / before.max(1.0)
    }

    /// Returns the memory that an attack took and the process did not return.
    pub fn stays(&self) -> u64 {
        self.after.saturating_sub(self.before)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.before >> 20, self.during >> 20, self.after >> 20)
    }
}

/// Returns the resident memory in bytes; `None` if the process does not exist.
pub fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    parse(&status)
}

fn parse(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read() {
        assert_eq!(parse("Name:\tx\nVmRSS:\t    2048 kB\nVmData:\t1 kB\n"), Some(2 << 20));
        assert_eq!(parse("Name:\tx\n"), None);
        assert!(resident(std::process::id()).is_some_and(|bytes| bytes > 0));
    }
}
