//! Engines as child processes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::{TestLog, wait_for};

/// A running engine. Killed when dropped.
pub struct Engine {
    pub child: Child,
    admin: SocketAddr,
    log_file: PathBuf,
}

impl Engine {
    /// Starts `engine run` with its snapshots and its log under `folder`.
    pub fn start(log: &TestLog, folder: &Path, extra: &[(&str, &str)]) -> Self {
        let admin = free_address();
        let log_file = folder.join("engine.log");
        std::fs::create_dir_all(folder).unwrap();
        let out = std::fs::File::options().create(true).append(true).open(&log_file).unwrap();
        let child = command(log, "run")
            .env("LFG_SNAPSHOTS", folder.join("snapshots"))
            .env("LFG_ADMIN_LISTEN", admin.to_string())
            .envs(extra.iter().copied())
            .stderr(out)
            .spawn()
            .unwrap();
        Self { child, admin, log_file }
    }

    pub fn start_ready(log: &TestLog, folder: &Path, extra: &[(&str, &str)]) -> Self {
        let mut engine = Self::start(log, folder, extra);
        engine.wait_ready();
        engine
    }

    pub fn wait_ready(&mut self) {
        let (start, limit) = (Instant::now(), Duration::from_secs(20));
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the engine ended with {status}:\n{}", self.log());
            }
            let answer = self.get("/readyz");
            if answer.as_ref().is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return;
            }
            assert!(start.elapsed() < limit, "not ready within {limit:?}: {answer:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills the process with `kill -9` and waits for its end.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Requests an orderly stop; does not wait.
    pub fn terminate(&self) {
        let asked = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
    }

    /// Waits for the end.
    pub fn ended(&mut self) -> ExitStatus {
        wait_for("the engine ends", Duration::from_secs(20), || self.child.try_wait().unwrap())
    }

    /// Requests an orderly stop, waits for it, and expects success.
    pub fn stop(&mut self) {
        self.terminate();
        let status = self.ended();
        assert!(status.success(), "{status}:\n{}", self.log());
    }

    /// Returns the engine's log output.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log_file).unwrap_or_default()
    }

    /// Returns an answer of the admin port, head and body; `None` if it does not listen.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.admin, Duration::from_millis(200)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Returns the value of a metric of a shard.
    pub fn metric(&self, name: &str, shard: u16) -> Option<f64> {
        let label = format!("shard=\"{shard}\"");
        let answer = self.get("/metrics")?;
        let line = answer.lines().find(|line| line.starts_with(name) && line.contains(&label))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Returns the shards that it leads.
    pub fn leads(&self) -> Vec<u16> {
        (0..super::SHARDS).filter(|&shard| self.metric(engine::metrics::ROLE, shard) == Some(3.0)).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the command `engine WHAT` for the test's log.
pub fn command(log: &TestLog, what: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    command
        .arg(what)
        .env("KAFKA_BROKERS", &log.args.kafka.brokers)
        .env("LFG_TOPIC_PREFIX", &log.args.topic_prefix)
        .env("LFG_SHARDS", log.args.shards.to_string())
        .env("LFG_REPLICATION", "1")
        .env("LFG_MIN_IN_SYNC", "1")
        .env("LFG_LOG", "text")
        .env("RUST_LOG", "info")
        .stdin(Stdio::null());
    command
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
