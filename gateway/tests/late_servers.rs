//! Servers that start after the programs: each program waits, is alive and not ready, and continues
//! by itself.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::Api;
use common::door::{Door, place};
use common::process::Process;
use common::{Platform, eventually};

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
            // The first program, the engine, needs only Kafka. The last, the gateway, starts from
            // Postgres and needs no Redis.
            if nth == 0 || which == 1 || (which == 2 && nth == 1) {
                assert_eq!(status(address, "readyz").await, Some(503), "{}", process.log());
            }
        }
        door.open().await;
    }
    for (_, address) in &programs {
        eventually("the process is ready", async || (status(address, "readyz").await == Some(200)).then_some(())).await;
    }
    let api = Api::new(&programs[2].0.value_of("the gateway listens", "address"));
    api.account("1").await;
    drop(programs);
    platform.remove().await;
}
