//! Clients that open as many WebSockets as they can, beside others that open theirs.
//!
//! No engine runs here.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::Api;
use common::process::Process;
use common::scribe::{Scribe, key};
use common::socket::{Heard, Socket};
use common::{Platform, eventually};
use schemas::{AccountId, Event, Scopes};
use serde_json::json;

/// WebSockets of the gateway: a quarter for each client, a half for each address and for all
/// without a key.
const ALL: usize = 16;

struct Crowd {
    platform: Platform,
    api: Api,
    /// Keys of three accounts.
    keys: [String; 3],
    _gateway: Process,
}

async fn crowd(name: &str) -> Crowd {
    let mut platform = Platform::create(name).await;
    platform.set("LFG_WEBSOCKETS_MAX", &ALL.to_string());
    let mut scribe = Scribe::new(&platform);
    let mut keys = Vec::new();
    for number in 1..=3_u8 {
        let account = AccountId(80 + u64::from(number));
        let (text, key) = key(u64::from(number), number, Scopes::ALL);
        let events = vec![Event::AccountOpened { account }, Event::ApiKeyAdded { account, key, by: None }];
        scribe.tell(platform.map().of_account(account), events).await;
        keys.push(text);
    }
    let (gateway, api) = platform.gateway().await;
    Crowd { platform, api, keys: keys.try_into().unwrap(), _gateway: gateway }
}

/// Opens sockets from an address until one is refused.
async fn as_many_as_may_be(last: u8, api: &Api, key: Option<&str>) -> Vec<Socket> {
    let mut sockets = Vec::new();
    while sockets.len() <= ALL {
        match Socket::open_from(last, api, key).await {
            Ok(socket) => sockets.push(socket),
            Err(status) => {
                assert_eq!(status, 503);
                break;
            }
        }
    }
    sockets
}

#[tokio::test]
async fn who_opens_all_the_sockets_it_can_leaves_others_theirs() {
    let crowd = crowd("crowded-sockets").await;
    let Crowd { api, keys: [one, other, victim], .. } = &crowd;
    let anonymous = as_many_as_may_be(2, api, None).await;
    assert_eq!(anonymous.len(), ALL / 4, "a client without a key");
    let known = as_many_as_may_be(2, api, Some(one)).await;
    assert_eq!(known.len(), ALL / 4, "an account");
    let more = as_many_as_may_be(2, api, Some(other)).await;
    assert!(more.is_empty(), "one address has a half, whatever keys it shows");

    let mut apart = as_many_as_may_be(3, api, None).await;
    assert_eq!(apart.len(), ALL / 4, "another address without a key");
    assert!(as_many_as_may_be(4, api, None).await.is_empty(), "a half is for those without a key");
    let mut own = Socket::open_from(4, api, Some(victim)).await.expect("an account that has none");
    assert_eq!(own.next().await["type"], "authenticated");
    assert_eq!(own.ask(json!({"op": "ping"})).await["type"], "pong");

    // An account has no more by authenticating later, and what it says is said before the end.
    let mut late = apart.pop().unwrap();
    let refused = late.ask(json!({"op": "auth", "api_key": one})).await;
    assert_eq!((&refused["code"], &refused["op"]), (&json!("overloaded"), &json!("auth")));
    assert!(matches!(late.hear().await, Heard::Closed(4007)));
    // Who authenticates no longer counts as a client without a key.
    let mut moved = apart.pop().unwrap();
    assert_eq!(moved.ask(json!({"op": "auth", "api_key": victim})).await["type"], "authenticated");
    let opened = eventually("their places", async || Socket::open_from(4, api, None).await.ok()).await;

    // A place comes back with its socket's end.
    drop((anonymous, known, apart, moved, opened, own));
    eventually("all places", async || {
        let half = [as_many_as_may_be(5, api, None).await, as_many_as_may_be(6, api, None).await];
        (half[0].len() + half[1].len() == ALL / 2).then_some(())
    })
    .await;
    crowd.platform.remove().await;
}
