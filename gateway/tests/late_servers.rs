//! Servers that are not there yet when the programs start: each waits, is alive and not ready, and goes on by itself.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::Api;
use common::process::Process;
use common::{Platform, eventually};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// A server's place, where nobody listens until it opens.
struct Door {
    address: String,
    server: String,
}

impl Door {
    /// Behind which the server at `server` (`host:port`) is.
    async fn closed(server: &str) -> Self {
        // Bound for its port alone.
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        Self { address, server: server.to_owned() }
    }

    async fn open(self) {
        let Self { address, server } = self;
        let listener = eventually("the port is free still", async || TcpListener::bind(&address).await.ok()).await;
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
    }
}

/// `host:port` of a URL.
fn place(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap();
    authority.rsplit('@').next().unwrap().to_owned()
}

async fn status(address: &str, path: &str) -> Option<u16> {
    Some(reqwest::get(format!("http://{address}/{path}")).await.ok()?.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_wait_for_servers_that_are_not_there_yet() {
    let mut platform = Platform::create("late").await;
    let (kafka, postgres) = (platform.log.kafka.brokers.clone(), platform.database_url.clone());
    let redis = platform.redis_url();
    let doors = [Door::closed(&kafka).await, Door::closed(&place(&postgres)).await, Door::closed(&place(&redis)).await];
    platform.set("KAFKA_BROKERS", &doors[0].address);
    platform.set("DATABASE_URL", &postgres.replace(&place(&postgres), &doors[1].address));
    platform.set("REDIS_URL", &redis.replace(&place(&redis), &doors[2].address));
    let mut programs: Vec<(Process, String)> = Vec::new();
    for name in ["engine", "projections", "gateway"] {
        let mut process = platform.start(name);
        let address = process.value_of("admin port listens", "address");
        programs.push((process, address));
    }
    for (nth, door) in doors.into_iter().enumerate() {
        for (which, (process, address)) in programs.iter().enumerate() {
            assert_eq!(status(address, "livez").await, Some(200), "{}", process.log());
            // An engine, the first, needs Kafka alone.
            if nth == 0 || which > 0 {
                assert_eq!(status(address, "readyz").await, Some(503), "{}", process.log());
            }
        }
        door.open().await;
    }
    for (_, address) in &programs {
        eventually("it is ready", async || (status(address, "readyz").await == Some(200)).then_some(())).await;
    }
    let api = Api::new(&programs[2].0.value_of("the gateway listens", "address"));
    api.account("1").await;
    drop(programs);
    platform.remove().await;
}
