//! An account sees what it was answered, in every read that follows, through any gateway, without asking for a position.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::Platform;
use common::api::limit;
use serde_json::{Value, json};

fn with_name(ticker: &str, words: &str, client_id: &str) -> Value {
    let mut order = limit(ticker, words);
    order["client_id"] = json!(client_id);
    order
}

fn sequence(position: &Value) -> u64 {
    position.as_str().unwrap().split_once(':').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_read() {
    let whole = Platform::with_two_admins("own-writes").await;
    let (api, platform) = (&whole.api, &whole.platform);
    api.market_with("OWN", json!({})).await;
    let alice = api.account("1000").await;
    let key = Some(alice.key.as_str());
    let (other_gateway, other) = platform.gateway().await;
    for round in 0..20 {
        let name = uuid::Uuid::now_v7().to_string();
        let body = with_name("OWN", "BUY YES 10 @ 0.30", &name);
        let placed = api.order(&alice, &body).await.expect(201);
        let path = format!("/v1/orders/{}", placed["order_id"].as_str().unwrap());
        let found = api.get(key, &path).await.expect(200);
        assert_eq!(found["status"], "ACTIVE", "{round}");
        let wallet = api.get(key, "/v1/wallet").await.expect(200);
        assert_eq!(wallet["held"], "3.000000", "{round}");
        let listed = api.get(key, "/v1/orders?status=live").await.expect(200);
        assert_eq!(listed["items"][0]["order_id"], placed["order_id"], "{round}");

        let cancelled = api.delete(key, &path).await.expect(200);
        // The other gateway reads the same log, and knows as well.
        let asked = format!("{path}?min_position={}", cancelled["position"].as_str().unwrap());
        assert_eq!(other.get(key, &asked).await.expect(200)["status"], "CANCELLED", "{round}");
        assert_eq!(api.get(key, &path).await.expect(200)["status"], "CANCELLED", "{round}");
        let wallet = api.get(key, "/v1/wallet").await.expect(200);
        assert_eq!(wallet["held"], "0.000000", "{round}");

        // A repeat is a later outcome than the cancel, and shows what is true then.
        let repeated = api.order(&alice, &body).await.expect(201);
        assert!(sequence(&repeated["position"]) > sequence(&cancelled["position"]), "{round}");
        assert_eq!((&repeated["status"], &repeated["repeated"]), (&json!("CANCELLED"), &json!(true)), "{round}");
    }
    drop(other_gateway);
    whole.remove().await;
}
