//! The real program as a child process.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::stack::Stack;

/// `projections run` in its own process.
pub struct Worker {
    child: Child,
    log: PathBuf,
    /// Keeps the folder of the log file.
    _folder: tempfile::TempDir,
}

impl Worker {
    /// Starts the worker on the stack's log and stores.
    pub fn start(stack: &Stack) -> Self {
        Self::start_on(stack, &stack.database_url, &[])
    }

    /// Starts the worker on another database, with additional arguments.
    pub fn start_on(stack: &Stack, database_url: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_projections"))
            .arg("run")
            .args(arguments)
            .env("KAFKA_BROKERS", &stack.log.kafka.brokers)
            .env("DATABASE_URL", database_url)
            .env("REDIS_URL", &stack.redis_url)
            .env("LFG_TOPIC_PREFIX", &stack.log.topic_prefix)
            .env("LFG_SHARDS", stack.log.shards.to_string())
            .env("LFG_REPLICATION", "1")
            .env("LFG_MIN_IN_SYNC", "1")
            .env("LFG_ADMIN_LISTEN", "127.0.0.1:0")
            .env("LFG_LOG", "text")
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log, _folder: folder }
    }

    /// Returns the log output so far.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM and waits for the exit.
    pub fn terminate(mut self) -> ExitStatus {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        self.wait()
    }

    /// Waits until the process exits by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "still running:\n{}", self.logged());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns true while the process runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Returns the status and body of a request to the admin port.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let log = self.logged();
        let address = log.split("admin port listens address=").nth(1)?.split_whitespace().next()?;
        let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.ok()?;
        let status = answer.split_whitespace().nth(1)?.parse().ok()?;
        Some((status, answer))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // False if it has exited already; true if its test failed.
        if self.runs() {
            if std::thread::panicking() {
                eprintln!("the worker's log:\n{}", self.logged());
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
