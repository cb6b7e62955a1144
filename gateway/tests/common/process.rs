//! Child processes: the test reads their logs, and they end with the test.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::PATIENCE;

pub struct Process {
    child: Child,
    lines: Receiver<String>,
    log: Arc<Mutex<Vec<String>>>,
    name: String,
}

impl Process {
    /// Starts `PROGRAM run`, with its settings in the environment.
    pub fn start(program: &str, env: &HashMap<String, String>) -> Self {
        let mut command = Command::new(program);
        command.arg("run").envs(env).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line.clone());
                // No test waits for a line any more, but all lines are kept.
                let _ = sender.send(line);
            }
        });
        Self { child, lines, log, name: program.to_owned() }
    }

    /// Waits for a log line with this message, and returns one of its fields.
    pub fn value_of(&mut self, message: &str, field: &str) -> String {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("{} never logged `{message}`:\n{}", self.name, self.log());
            };
            let Ok(entry) = serde_json::from_str::<Value>(&line) else { continue };
            if entry["message"] == message {
                return entry[field].as_str().unwrap().to_owned();
            }
        }
    }

    /// Returns a field of an earlier log line.
    pub fn logged(&self, message: &str, field: &str) -> String {
        let log = self.log();
        let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let entry = entries.into_iter().find(|entry| entry["message"] == message).expect("a logged line");
        entry[field].as_str().unwrap().to_owned()
    }

    /// Returns the answer of its admin port, if there is one.
    pub async fn admin(&self, path: &str) -> Option<(u16, String)> {
        let address = self.logged("admin port listens", "address");
        let answer = reqwest::get(format!("http://{address}/{path}")).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Returns the parts that it reports as degraded, if it is ready.
    pub async fn degraded(&self) -> Option<Value> {
        let (status, body) = self.admin("readyz").await?;
        let body: Value = serde_json::from_str(&body).ok()?;
        (status == 200).then(|| body["degraded"].clone())
    }

    /// Returns the values of a metric whose labels contain this text.
    pub async fn metric(&self, name: &str, label: &str) -> Vec<f64> {
        let Some((_, text)) = self.admin("metrics").await else { return Vec::new() };
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let ours = lines.filter(|rest| rest.starts_with('{') && rest.contains(label));
        ours.filter_map(|rest| rest.rsplit_once(' ')?.1.parse().ok()).collect()
    }

    /// Bounds the bytes of each file that it writes: as a full disk.
    pub fn bound_files(&self, bytes: &str) {
        let mut command = Command::new("prlimit");
        command.arg("--pid").arg(self.child.id().to_string()).arg(format!("--fsize={bytes}:unlimited"));
        assert!(command.status().expect("prlimit").success());
    }

    /// Returns its whole log.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Returns its current and its maximum memory, in MiB.
    pub fn memory(&self) -> [u64; 2] {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            line.trim().trim_end_matches(" kB").parse::<u64>().expect(name) / 1_024
        })
    }

    /// Kills the process, like a crash.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Sends it a signal, as TERM.
    pub fn signal(&self, name: &str) {
        let done =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().expect("kill");
        assert!(done.success());
    }

    /// True if it has ended without an error; `None` while it runs.
    pub fn ended(&mut self) -> Option<bool> {
        self.child.try_wait().expect("wait").map(|status| status.success())
    }

    /// Ends the process with SIGTERM; true if it ended without an error.
    pub fn stop(&mut self) -> bool {
        self.signal("TERM");
        self.child.wait().expect("wait").success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- the end of {}'s log", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}
