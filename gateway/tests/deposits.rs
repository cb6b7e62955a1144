//! Deposits above a limit: one admin proposes, another confirms. The answers name the admins.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::steps::{name, text, wallet_becomes};
use common::{ADMIN_KEY, Platform};
use serde_json::{Value, json};

const PATH: &str = "/v1/wallet/deposits";
const PROPOSALS: &str = "/v1/wallet/deposits/proposals";

#[tokio::test]
async fn a_deposit_above_the_limit_needs_two_admins() {
    let whole = Platform::with_two_admins("deposits").await;
    let api = &whole.api;
    let account = api.account("1000000").await;
    let body = json!({"account_id": account.id, "amount": "1000000.000001", "client_id": name()});
    let proposed = api.admin(PATH, &body).await.expect(202);
    assert_eq!((&proposed["proposed_by"], &proposed["repeated"]), (&json!("1"), &json!(false)));
    assert_eq!((&proposed["amount"], &proposed["look"]), (&json!("1000000.000001"), &json!(PROPOSALS)));
    let again = api.second_admin(PATH, &body).await.expect(202);
    assert_eq!((&again["proposal_id"], &again["repeated"]), (&proposed["proposal_id"], &json!(true)));
    wallet_becomes(api, &account, "1000000.000000", "0.000000").await;

    let open = open_after(&whole, &proposed).await;
    let [waits] = open["items"].as_array().unwrap().as_slice() else { panic!("{open}") };
    assert_eq!((&waits["proposal_id"], &waits["proposed_by"]), (&proposed["proposal_id"], &json!("1")));
    assert_eq!((&waits["expires_at"], &open["next"]), (&proposed["expires_at"], &Value::Null));

    let confirm = format!("{PROPOSALS}/{}/confirm", text(&proposed, "proposal_id"));
    let seen = json!({"account_id": account.id, "amount": "1000000.000001"});
    api.admin(&confirm, &seen).await.problem(409, "second-admin-required");
    let other = json!({"account_id": account.id, "amount": "1000000.000002"});
    api.second_admin(&confirm, &other).await.problem(409, "deposit-mismatch");
    api.post(Some(&account.key), &confirm, &seen).await.problem(403, "admin-only");
    let made = api.second_admin(&confirm, &seen).await.expect(201);
    assert_eq!((&made["by"], &made["confirmed_by"]), (&json!("1"), &json!("2")));
    assert_eq!((&made["client_id"], &made["proposal_id"]), (&body["client_id"], &proposed["proposal_id"]));
    wallet_becomes(api, &account, "2000000.000001", "0.000000").await;
    api.second_admin(&confirm, &seen).await.problem(409, "deposit-ended");
    let repeated = api.admin(PATH, &body).await.expect(201);
    assert_eq!((&repeated["repeated"], &repeated["by"]), (&json!(true), &Value::Null));
    assert_eq!(open_after(&whole, &made).await["items"], json!([]));
    whole.remove().await;
}

#[tokio::test]
async fn a_dropped_deposit_proposal_credits_nothing() {
    let whole = Platform::with_two_admins("dropped").await;
    let api = &whole.api;
    let account = api.account("1").await;
    let body = json!({"account_id": account.id, "amount": "5000000"});
    let proposed = api.admin(PATH, &body).await.expect(202);
    let path = format!("{PROPOSALS}/{}", text(&proposed, "proposal_id"));
    let dropped = api.delete(Some(ADMIN_KEY), &path).await.expect(200);
    assert_eq!((&dropped["by"], &dropped["account_id"]), (&json!("1"), &json!(account.id)));
    api.delete(Some(ADMIN_KEY), &path).await.problem(409, "deposit-ended");
    let seen = json!({"account_id": account.id, "amount": "5000000"});
    api.second_admin(&format!("{path}/confirm"), &seen).await.problem(409, "deposit-ended");
    for unknown in ["999", "0", "x", "9000000000000000000"] {
        let path = format!("{PROPOSALS}/{unknown}");
        api.delete(Some(ADMIN_KEY), &path).await.problem(404, "deposit-unknown");
    }
    assert_eq!(open_after(&whole, &dropped).await["items"], json!([]));
    wallet_becomes(api, &account, "1.000000", "0.000000").await;
    api.get(Some(&account.key), PROPOSALS).await.problem(403, "admin-only");
    let withdrawal = json!({"account_id": account.id, "amount": "1"});
    let withdrawn = api.second_admin("/v1/wallet/withdrawals", &withdrawal).await.expect(201);
    assert_eq!(withdrawn["by"], "2");
    whole.remove().await;
}

/// Returns the pending proposals, at or after an answer's position.
async fn open_after(whole: &common::Whole, answer: &Value) -> Value {
    let path = format!("{PROPOSALS}?min_position={}", text(answer, "position"));
    whole.api.get(Some(ADMIN_KEY), &path).await.expect(200)
}
