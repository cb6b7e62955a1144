//! Clients that come, ask or are refused too fast, beside one that is served all the while.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::Platform;
use common::raw::{ask, connect_from, ended};

const GET: &str = "GET /v1/markets HTTP/1.1\r\nHost: lfg.example\r\n\r\n";

#[tokio::test]
async fn an_address_begins_so_many_connections_and_no_more() {
    let mut platform = Platform::create("comes-and-goes").await;
    platform.set("LFG_CONNECTIONS_PER_SECOND", "1");
    platform.set("LFG_CONNECTIONS_BURST", "20");
    let (gateway, api) = platform.gateway().await;
    let mut streams = Vec::new();
    for _ in 0..80 {
        streams.push(connect_from(2, &api.address).await);
    }
    let mut last = streams.pop().unwrap();
    ended(&mut last).await;
    // Those that were taken are served, and so is everybody else.
    let (head, _) = ask(&mut streams[0], GET).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    api.get(None, "/v1/markets").await.expect(200);
    drop(gateway);
    platform.remove().await;
}
