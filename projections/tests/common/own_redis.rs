//! A Redis for one test, for settings and faults that other tests must not meet.

#![allow(dead_code, reason = "each test program uses its part")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fred::prelude::*;

/// A server that ends with the test and stores nothing on disk.
pub struct OwnRedis {
    process: Child,
    folder: PathBuf,
    arguments: Vec<String>,
    address: String,
    /// A connected client.
    pub client: Client,
}

impl OwnRedis {
    /// Starts `redis-server` with additional arguments.
    pub async fn start(arguments: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("lfg-redis-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&folder).unwrap();
        // Bound only to find a free port.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port_text = port.to_string();
        let arguments = ["--bind", "127.0.0.1", "--port", &port_text, "--save", "", "--appendonly", "no"]
            .iter()
            .chain(arguments)
            .map(|argument| (*argument).to_owned())
            .collect();
        let process = spawn(&folder, &arguments);
        let address = format!("127.0.0.1:{port}");
        // The server is not ready yet.
        let config = Config { fail_fast: false, ..Config::from_url(&format!("redis://{address}")).unwrap() };
        let mut builder = Builder::from_config(config);
        builder.set_policy(ReconnectPolicy::new_constant(600, 50));
        let client = builder.build().unwrap();
        tokio::time::timeout(Duration::from_secs(60), client.init()).await.expect("it starts in time").unwrap();
        Self { process, folder, arguments, address, client }
    }

    /// Kills the server. What it had is lost.
    pub fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again at the same address, empty.
    pub fn start_again(&mut self) {
        self.process = spawn(&self.folder, &self.arguments);
    }

    /// Returns the server's URL, for a scheme such as `redis`.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// Runs any command.
    pub async fn run(&self, command: &'static str, words: &[&str]) -> fred::types::Value {
        let command = fred::types::CustomCommand::new_static(command, None::<u16>, false);
        self.client.custom(command, words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).await.unwrap()
    }
}

fn spawn(folder: &Path, arguments: &Vec<String>) -> Child {
    let mut command = Command::new("redis-server");
    command.args(arguments).current_dir(folder).stdout(Stdio::null());
    command.spawn().expect("this test starts a redis-server of its own")
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
