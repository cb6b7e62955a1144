//! A Redis for one test, for settings that other tests must not meet.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fred::prelude::*;

/// A server that ends with the test and stores nothing on disk.
pub struct OwnRedis {
    process: Child,
    folder: PathBuf,
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
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .args(arguments)
            .current_dir(&folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("this test starts a redis-server of its own");
        let address = format!("127.0.0.1:{port}");
        // The server is not ready yet.
        let config = Config { fail_fast: false, ..Config::from_url(&format!("redis://{address}")).unwrap() };
        let mut builder = Builder::from_config(config);
        builder.set_policy(ReconnectPolicy::new_constant(600, 50));
        let client = builder.build().unwrap();
        tokio::time::timeout(Duration::from_secs(60), client.init()).await.expect("it starts in time").unwrap();
        Self { process, folder, address, client }
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

impl Drop for OwnRedis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
