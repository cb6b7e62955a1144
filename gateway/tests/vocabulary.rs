//! Parts announce themselves on every shard, admins list them, and cannot raise a vocabulary that a
//! part cannot read.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::{ADMIN_KEY, Platform, SHARDS, eventually};
use schemas::VOCABULARY;
use serde_json::{Value, json};

const KINDS: [&str; 3] = ["ENGINE", "GATEWAY", "PROJECTIONS"];

fn kinds(shard: &Value) -> Vec<&str> {
    let mut kinds: Vec<_> =
        shard["parts"].as_array().unwrap().iter().map(|part| part["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    kinds
}

#[tokio::test]
async fn all_parts_announce_themselves_and_no_unread_vocabulary_is_raised() {
    let whole = Platform::whole("vocabulary").await;
    let api = &whole.api;
    let parts = async || api.get(Some(ADMIN_KEY), "/v1/admin/parts").await.expect(200);
    let all = eventually("all parts have announced themselves", async || {
        let shards = parts().await["shards"].as_array().unwrap().clone();
        // The core knows parts that started before the gateway at once; the gateway reads them when
        // they announce themselves again.
        shards.iter().all(|shard| kinds(shard).contains(&"GATEWAY")).then_some(shards)
    })
    .await;
    assert_eq!(all.len(), usize::from(SHARDS));
    for shard in &all {
        assert_eq!(shard["vocabulary"], json!(VOCABULARY));
        assert!(kinds(shard).iter().all(|kind| KINDS.contains(kind)), "{shard}");
        let part = &shard["parts"][0];
        assert_eq!((&part["reads"], &part["build"]), (&json!(VOCABULARY), &json!(schemas::Build::THIS.to_string())));
    }

    let raise = async |to: u16| api.admin("/v1/admin/vocabulary", &json!({"to": to})).await.expect(200);
    let codes = |answer: &Value| {
        let shards = answer["shards"].as_array().unwrap();
        shards.iter().map(|shard| (shard["raised"].clone(), shard["code"].clone())).collect::<Vec<_>>()
    };
    let unread = raise(VOCABULARY + 1).await;
    assert_eq!(
        (&unread["to"], &unread["by"], &unread["complete"]),
        (&json!(VOCABULARY + 1), &json!("1"), &json!(false))
    );
    assert!(codes(&unread).iter().all(|code| *code == (json!(false), json!("vocabulary-unread"))), "{unread}");
    // Repeating a complete raise is harmless.
    let done = raise(VOCABULARY).await;
    assert_eq!(done["complete"], json!(true));
    assert!(codes(&done).iter().all(|code| *code == (json!(false), json!("vocabulary-not-higher"))), "{done}");

    api.get(None, "/v1/admin/parts").await.problem(401, "unauthenticated");
    let account = api.account("1").await;
    let body = json!({"to": VOCABULARY + 1});
    api.post(Some(&account.key), "/v1/admin/vocabulary", &body).await.problem(403, "admin-only");
    for body in [json!({}), json!({"to": 0}), json!({"to": 65_536}), json!({"to": "2"}), json!({"to": 2, "x": 1})] {
        api.admin("/v1/admin/vocabulary", &body).await.problem(400, "invalid-request");
    }
    whole.remove().await;
}
