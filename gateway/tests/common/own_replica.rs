//! A streaming replica of the tests' Postgres, that a test pauses, stops and kills.

use std::path::PathBuf;
use std::process::Command;

use super::connect;

/// A replica that ends with the test. By the folder's name and owner file, `ops/test` finds and ends
/// the replicas of killed runs.
pub struct OwnReplica {
    folder: PathBuf,
    /// Its URL, of the test's database.
    pub url: String,
    /// `host:port`, its name in metrics and probes.
    pub name: String,
}

const REPLICA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/replica");

impl OwnReplica {
    /// Copies the primary, and waits until the copy answers.
    pub fn start(database_url: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("lfg-test-run.replica-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir_all(folder.join("pids")).expect("a folder");
        let own = std::process::id();
        let stat = std::fs::read_to_string(format!("/proc/{own}/stat")).expect("the own process");
        // The 22nd field; the second is in brackets.
        let birth = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19)).expect("its time of birth");
        std::fs::write(folder.join("pids/owner"), format!("{own} {birth}\n")).expect("the owner's mark");
        let mut replica = Self { folder, url: String::new(), name: String::new() };
        replica.url = replica.run(database_url);
        let place = replica.url.split('@').nth(1).expect("a place");
        replica.name = place.split('/').next().expect("a place").to_owned();
        replica
    }

    /// Starts it again after [`OwnReplica::kill`].
    pub fn restart(&self, database_url: &str) {
        assert_eq!(self.run(database_url), self.url);
    }

    fn run(&self, database_url: &str) -> String {
        let mut command = Command::new(REPLICA);
        let done = command.arg("start").arg(&self.folder).env("DATABASE_URL", database_url).output().expect(REPLICA);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let printed = String::from_utf8(done.stdout).expect("UTF-8");
        let url = printed.trim().strip_prefix("export LFG_DATABASE_REPLICAS=").unwrap_or_else(|| panic!("{printed}"));
        url.to_owned()
    }

    /// Runs a command of the role that may pause and promote it.
    pub async fn command(&self, sql: &str) {
        let (_, rest) = self.url.split_once("lfg:").expect("the role lfg");
        connect(&format!("postgres://postgres:{rest}")).await.batch_execute(sql).await.expect(sql);
    }

    fn pid(&self) -> String {
        let noted = std::fs::read_to_string(self.folder.join("pids/postgres")).expect("the replica's pid");
        noted.split(' ').next().expect("the replica's pid").to_owned()
    }

    /// Returns all its processes.
    fn pids(&self) -> Vec<String> {
        let own = self.pid();
        let below = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        std::iter::once(own).chain(below.split_whitespace().map(str::to_owned)).collect()
    }

    /// Suspends it: the system still accepts connections and bytes, but it answers nothing.
    pub fn freeze(&self) {
        signal("-STOP", &self.pids());
    }

    /// Resumes it where it was suspended.
    pub fn thaw(&self) {
        signal("-CONT", &self.pids());
    }

    /// Kills it.
    pub fn kill(&self) {
        signal("-KILL", &self.pids());
    }
}

fn signal(what: &str, pids: &[String]) {
    // A process that has ended meanwhile is not missed.
    let _ = Command::new("kill").arg(what).args(pids).output().expect("kill");
}

impl Drop for OwnReplica {
    fn drop(&mut self) {
        // A suspended process does not receive a signal to end.
        self.thaw();
        let _ = Command::new(REPLICA).arg("remove").arg(&self.folder).output();
    }
}
