//! How much of a processor this process took: a load test that needs the machine for itself measures itself.

use std::time::{Duration, Instant};

/// Clock ticks a second in `/proc`, fixed by Linux's interface to user space.
const TICKS: u64 = 100;

/// Processor time since it was made.
pub struct Cpu {
    started: Instant,
    used: Option<Duration>,
}

impl Cpu {
    /// From now on.
    pub fn start() -> Self {
        Self { started: Instant::now(), used: used() }
    }

    /// Processors kept busy since then, on average; `None` where there is no `/proc`.
    pub fn share(&self) -> Option<f64> {
        let used = used()?.checked_sub(self.used?)?;
        Some(used.as_secs_f64() / self.started.elapsed().as_secs_f64())
    }
}

fn used() -> Option<Duration> {
    ticks(&std::fs::read_to_string("/proc/self/stat").ok()?).map(|ticks| Duration::from_millis(ticks * 1_000 / TICKS))
}

/// The 14th and 15th field, user and system time. The 2nd is a name in brackets that may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut field = || fields.next()?.parse::<u64>().ok();
    Some(field()? + field()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_any_name() {
        assert_eq!(ticks("12 (a) b) S 1 2 3 4 5 6 7 8 9 10 300 45 0 0 20"), Some(345));
        assert_eq!(ticks("nothing"), None);
    }
}
