//! Processor time and context switches from `/proc`, of the watched processes and of this process:
//! a load test that needs the whole machine must know its own share.

use std::collections::HashMap;
use std::fs;
use std::ops::{AddAssign, Sub};
use std::path::Path;
use std::time::{Duration, Instant};

/// Clock ticks per second in `/proc`, fixed by Linux's user-space interface.
const TICKS: u64 = 100;

/// A process to watch, together with all its descendants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watched {
    /// The name in the report.
    pub name: String,
    pid: u32,
}

impl Watched {
    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

impl std::str::FromStr for Watched {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not of the form NAME=PID");
        let (name, pid) = text.split_once('=').ok_or_else(wrong)?;
        Ok(Self { name: name.to_owned(), pid: pid.parse().map_err(|_| wrong())? })
    }
}

/// The resources that a process and its descendants used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Processor time.
    pub cpu: Duration,
    /// Voluntary context switches of the threads: how often one waited. Threads that have ended are
    /// not counted.
    pub switches: u64,
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        let (cpu, switches) = (self.cpu.saturating_sub(before.cpu), self.switches.saturating_sub(before.switches));
        Self { cpu, switches }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.switches += other.switches;
    }
}

/// The resource counters of processes at a start time.
pub struct Processes {
    started: Instant,
    own: Option<Usage>,
    watched: Vec<(Watched, Option<Usage>)>,
}

impl Processes {
    /// Starts counting.
    pub fn start(watched: &[Watched]) -> Self {
        let processes = processes();
        let watched = watched.iter().map(|process| (process.clone(), used(&processes, process.pid))).collect();
        Self { started: Instant::now(), own: used(&processes, std::process::id()), watched }
    }

    /// Returns the average number of processors that this process kept busy since then; `None`
    /// without `/proc`.
    pub fn share(&self) -> Option<f64> {
        let used = used(&processes(), std::process::id())? - self.own?;
        Some(used.cpu.as_secs_f64() / self.started.elapsed().as_secs_f64())
    }

    /// Returns what each watched process used since then; `None` if it does not exist now or did
    /// not then.
    pub fn watched(&self) -> Vec<(String, Option<Usage>)> {
        let processes = processes();
        let since = |(process, before): &(Watched, Option<Usage>)| {
            let used = before.and_then(|before| Some(used(&processes, process.pid)? - before));
            (process.name.clone(), used)
        };
        self.watched.iter().map(since).collect()
    }
}

/// A process's parent, and its ticks including those of ended children.
type ProcessTicks = (u32, u64);

fn processes() -> HashMap<u32, ProcessTicks> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    let process = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        // A process may end during the scan.
        Some((pid, stat(&fs::read_to_string(entry.path().join("stat")).ok()?)?))
    };
    entries.filter_map(process).collect()
}

/// Parses `/proc/PID/stat`. The 4th field is the parent; the 14th to 17th are user and system time,
/// of the process and of its ended children. The 2nd is a name in brackets that may contain
/// anything.
fn stat(stat: &str) -> Option<ProcessTicks> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some((fields.get(1)?.parse().ok()?, ticks))
}

/// Returns the voluntary context switches of a process's threads.
fn switches(pid: u32) -> u64 {
    let Ok(threads) = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task")) else { return 0 };
    let of_thread = |thread: std::io::Result<fs::DirEntry>| {
        let status = fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
        status.lines().find_map(voluntary)
    };
    threads.filter_map(of_thread).sum()
}

fn voluntary(line: &str) -> Option<u64> {
    line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok()
}

/// Returns a process and all its descendants.
fn family(processes: &HashMap<u32, ProcessTicks>, pid: u32) -> impl Iterator<Item = (u32, u64)> {
    let is_of_it = move |mut of: u32| {
        while of != pid {
            match processes.get(&of) {
                Some((parent, _)) if *parent != of => of = *parent,
                _ => return false,
            }
        }
        true
    };
    processes.iter().map(|(of, (_, ticks))| (*of, *ticks)).filter(move |(of, _)| is_of_it(*of))
}

/// Returns the resources that a process and its descendants used.
fn used(processes: &HashMap<u32, ProcessTicks>, pid: u32) -> Option<Usage> {
    processes.get(&pid)?;
    let mut usage = Usage::default();
    for (of, ticks) in family(processes, pid) {
        usage += Usage { cpu: Duration::from_millis(ticks * 1_000 / TICKS), switches: switches(of) };
    }
    Some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        assert_eq!(stat("12 (a) b) S 7 2 3 4 5 6 7 8 9 10 300 45 20 1 0 20"), Some((7, 366)));
        assert_eq!(stat("12 (a) S 1 2 3"), None);
        assert_eq!(stat("nothing"), None);
    }

    #[test]
    fn what_descends_from_a_process_counts_with_it() {
        let processes = HashMap::from([(1, (0, 1_000)), (5, (1, 30)), (6, (5, 7)), (7, (6, 1)), (8, (1, 500))]);
        let mut found: Vec<_> = family(&processes, 5).collect();
        found.sort_unstable();
        assert_eq!(found, [(5, 30), (6, 7), (7, 1)]);
        assert_eq!(used(&processes, 9), None);
    }

    #[test]
    fn a_watched_process_is_a_name_and_a_number() {
        assert_eq!("kafka=12".parse(), Ok(Watched { name: "kafka".into(), pid: 12 }));
        for wrong in ["kafka", "kafka=", "kafka=x"] {
            assert!(wrong.parse::<Watched>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn waiting_is_seen_as_switches() {
        assert_eq!(voluntary("voluntary_ctxt_switches:\t153"), Some(153));
        assert_eq!(voluntary("nonvoluntary_ctxt_switches:\t153"), None);
        let processes = Processes::start(&[]);
        let before = switches(std::process::id());
        std::thread::sleep(Duration::from_millis(1));
        assert!(switches(std::process::id()) > before && processes.own.is_some());
    }
}
