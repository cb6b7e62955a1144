//! A Kafka for one test, for faults that must not affect other tests: it can be suspended and
//! resumed.

use std::path::PathBuf;
use std::process::Command;

/// A broker that ends with the test. By the folder's name and owner file, `ops/test` finds and ends
/// the brokers of killed runs.
pub struct OwnKafka {
    folder: PathBuf,
    pub brokers: String,
    pid: String,
}

const SERVERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/servers");

fn command(line: &[&str]) -> String {
    // Postgres and Redis are running, so only Kafka is started.
    let done = Command::new(line[0]).args(&line[1..]).env_remove("KAFKA_BROKERS").output().expect(line[0]);
    assert!(done.status.success(), "{line:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("UTF-8")
}

impl OwnKafka {
    /// Starts it, and waits until it answers.
    pub fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("lfg-test-run.kafka-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir_all(folder.join("pids")).expect("a folder");
        let own = std::process::id();
        let stat = std::fs::read_to_string(format!("/proc/{own}/stat")).expect("the own process");
        // The 22nd field; the second is in brackets.
        let birth = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19)).expect("its time of birth");
        std::fs::write(folder.join("pids/owner"), format!("{own} {birth}\n")).expect("the owner's mark");
        let printed = command(&[SERVERS, "start", folder.to_str().expect("UTF-8")]);
        let brokers = printed.lines().find_map(|line| line.strip_prefix("export KAFKA_BROKERS="));
        let brokers = brokers.unwrap_or_else(|| panic!("{printed}")).to_owned();
        let pid = std::fs::read_to_string(folder.join("pids/kafka")).expect("Kafka's pid");
        let pid = pid.split(' ').next().expect("Kafka's pid").to_owned();
        Self { folder, brokers, pid }
    }

    /// Suspends the broker: the system still accepts connections and bytes, but it answers nothing.
    pub fn freeze(&self) {
        command(&["kill", "-STOP", &self.pid]);
    }

    /// Resumes the broker where it was suspended.
    pub fn thaw(&self) {
        command(&["kill", "-CONT", &self.pid]);
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        // A suspended process does not receive SIGTERM. If the process is gone already, that is
        // fine.
        let _ = Command::new("kill").args(["-CONT", &self.pid]).status();
        let _ = Command::new(SERVERS).arg("remove").arg(&self.folder).env_remove("KAFKA_BROKERS").output();
    }
}
