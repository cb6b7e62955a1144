//! Admins and their roles, through all processes: the first admin from the configuration, the
//! others from the log.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::Api;
use common::scribe::{Scribe, listing};
use common::steps::{text, with};
use common::{ADMIN_KEY, Platform, eventually, log};

use reqwest::Method;
use schemas::{ADMINS_HOME, MarketId};
use serde_json::{Value, json};

const PATH: &str = "/v1/admin/admins";

/// Routes for each role, with a body; `None` is a route for every admin.
fn routes() -> Vec<(Option<&'static str>, Method, &'static str, Value)> {
    let answer = json!({"answer": "YES"});
    vec![
        (None, Method::GET, PATH, json!(null)),
        (None, Method::GET, "/v1/admin/parts", json!(null)),
        (None, Method::GET, "/v1/wallet/deposits/proposals", json!(null)),
        (Some("MONEY"), Method::POST, "/v1/wallet/deposits", json!({})),
        (Some("MONEY"), Method::POST, "/v1/wallet/withdrawals", json!({})),
        (Some("MONEY"), Method::POST, "/v1/wallet/deposits/proposals/1/confirm", json!({})),
        (Some("MONEY"), Method::DELETE, "/v1/wallet/deposits/proposals/1", json!({})),
        (Some("MONEY"), Method::POST, "/v1/accounts/1/freeze", json!({})),
        (Some("MONEY"), Method::POST, "/v1/accounts/1/unfreeze", json!({})),
        (Some("MONEY"), Method::PUT, "/v1/accounts/1/limits", json!({})),
        (Some("MARKETS"), Method::POST, "/v1/markets", json!({})),
        (Some("MARKETS"), Method::PATCH, "/v1/markets/NOBODY", json!({})),
        (Some("MARKETS"), Method::POST, "/v1/markets/NOBODY/additions", json!({})),
        (Some("MARKETS"), Method::POST, "/v1/events", json!({})),
        (Some("MARKETS"), Method::POST, "/v1/markets/NOBODY/open", json!({})),
        (Some("MARKETS"), Method::POST, "/v1/markets/NOBODY/pause", json!({})),
        (Some("MARKETS"), Method::POST, "/v1/markets/NOBODY/resume", json!({})),
        (Some("MARKETS"), Method::POST, "/v1/markets/NOBODY/close", json!({})),
        (Some("MARKETS"), Method::POST, "/v1/markets/NOBODY/resolve", answer.clone()),
        (Some("MARKETS"), Method::POST, "/v1/markets/NOBODY/confirm", answer),
        (Some("MARKETS"), Method::PUT, "/v1/markets/NOBODY/limits", json!({})),
        (Some("ADMINS"), Method::PUT, "/v1/admin/admins/9", json!({})),
        (Some("ADMINS"), Method::DELETE, "/v1/admin/admins/9", json!({})),
        (Some("ADMINS"), Method::POST, "/v1/admin/vocabulary", json!({})),
    ]
}

/// Sets an admin and returns its new key.
async fn set(api: &Api, key: &str, id: u64, mut body: Value) -> String {
    body["new_key"] = json!(true);
    let set = api.send_json(Method::PUT, Some(key), &format!("{PATH}/{id}"), &body).await.expect(200);
    assert_eq!(set["admin_id"], id.to_string());
    text(&set, "admin_key").to_owned()
}

#[tokio::test]
async fn roles_limit_admins_and_the_configured_admin_counts_only_at_first() {
    let whole = Platform::whole("admins").await;
    let api = &whole.api;
    // As long as the log has no admin, the configured admin may do everything.
    assert_eq!(api.get(Some(ADMIN_KEY), PATH).await.expect(200)["items"], json!([]));
    let account = api.account("5").await;
    api.get(Some(&account.key), PATH).await.problem(403, "admin-only");
    let own = format!("{PATH}/1");
    let put = async |key: &str, body: Value| api.send_json(Method::PUT, Some(key), &own, &body).await;
    for body in [json!({"roles": ["MONEY"]}), json!({"roles": ["ADMINS"], "expires_at": "2098-01-01T00:00:00Z"})] {
        put(ADMIN_KEY, with(body, json!({"new_key": true}))).await.problem(409, "last-admin");
    }
    put(ADMIN_KEY, json!({"roles": ["ADMINS"]})).await.problem(404, "admin-unknown");
    let head = set(api, ADMIN_KEY, 1, json!({"roles": ["ADMINS"], "name": "head"})).await;
    // From then on, only admins on the log are admins.
    api.get(Some(ADMIN_KEY), PATH).await.problem(401, "unauthenticated");
    let keys = [
        ("ADMINS", head.clone()),
        ("MONEY", set(api, &head, 2, json!({"roles": ["MONEY"], "name": "cashier"})).await),
        ("MARKETS", set(api, &head, 3, json!({"roles": ["MARKETS"]})).await),
        ("AUDITOR", set(api, &head, 4, json!({"roles": ["AUDITOR"]})).await),
    ];
    every_route_and_role(api, &keys).await;
    api.get(Some(&keys[1].1), "/v1/wallet").await.problem(403, "account-only");
    changes(api, &head, &keys[1].1).await;

    let rows = "SELECT string_agg(act || ' ' || other_admin || coalesce(':' || roles, ''), ', ' ORDER BY sequence, index) FROM admin_acts \
        WHERE other_admin IS NOT NULL";
    let database = common::connect(&whole.platform.database_url).await;
    eventually("the acts are rows", async || {
        let row = database.query_one(rows, &[]).await.unwrap();
        let acts: String = row.get(0);
        let all = "ADMIN_SET 1:8, ADMIN_SET 2:2, ADMIN_SET 3:1, ADMIN_SET 4:4, ADMIN_SET 2:6, ADMIN_SET 5:8, \
            ADMIN_REVOKED 2, ADMIN_SET 1:8";
        (acts == all).then_some(())
    })
    .await;

    // Another gateway reads them from Postgres.
    let (gateway, fresh) = whole.platform.gateway().await;
    let listed = fresh.get(Some(&keys[3].1), PATH).await.expect(200);
    let ids: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|admin| text(admin, "admin_id")).collect();
    assert_eq!(ids, ["1", "3", "4", "5"], "{listed}");
    fresh.get(Some(&keys[1].1), PATH).await.problem(401, "unauthenticated");
    fresh.get(Some(ADMIN_KEY), PATH).await.problem(401, "unauthenticated");
    drop(gateway);
    whole.remove().await;
}

async fn every_route_and_role(api: &Api, keys: &[(&str, String)]) {
    for (role, method, path, body) in routes() {
        for (has, key) in keys {
            let answer = match method {
                Method::GET => api.get(Some(key), path).await,
                _ => api.send_json(method.clone(), Some(key), path, &body).await,
            };
            let refused = answer.body["code"] == "role-missing";
            assert_eq!(refused, role.is_some_and(|role| role != *has), "{has} at {method} {path}: {}", answer.body);
            assert!(answer.status != 401 && (!refused || answer.status == 403), "{has} at {method} {path}");
        }
    }
}

async fn changes(api: &Api, head: &str, cashier: &str) {
    // Other roles with the same key; no other admin can have that key.
    let path = format!("{PATH}/2");
    let body = json!({"roles": ["MONEY", "AUDITOR"], "expires_at": "2098-01-01T00:00:00Z"});
    let kept = api.send_json(Method::PUT, Some(head), &path, &body).await.expect(200);
    assert!(kept.get("admin_key").is_none() && kept["by"] == "1", "{kept}");
    assert_eq!(kept["roles"], json!(["MONEY", "AUDITOR"]));
    let list = api.get(Some(cashier), PATH).await.expect(200);
    let of_cashier = json!({
        "admin_id": "2", "name": null, "roles": ["MONEY", "AUDITOR"], "expires_at": "2098-01-01T00:00:00.000Z",
    });
    assert_eq!(list["items"][1], of_cashier);
    let alike = json!({"roles": ["MONEY"], "key_hash": sha256(cashier)});
    api.send_json(Method::PUT, Some(head), &format!("{PATH}/6"), &alike).await.problem(409, "admin-proof-taken");
    // An admin that expires.
    let soon = api_time(2);
    let key = set(api, head, 5, json!({"roles": ["ADMINS"], "expires_at": soon})).await;
    eventually("the admin has expired", async || {
        let answer = api.get(Some(&key), PATH).await;
        (answer.status == 401).then_some(())
    })
    .await;
    let past = json!({"roles": ["MONEY"], "expires_at": "2020-01-01T00:00:00Z"});
    api.send_json(Method::PUT, Some(head), &path, &past).await.problem(422, "key-expiry-in-past");
    // A revoked admin, and the last admin, which cannot be revoked.
    api.delete(Some(head), &path).await.expect(200);
    api.get(Some(cashier), PATH).await.problem(401, "unauthenticated");
    api.delete(Some(head), &path).await.problem(404, "admin-unknown");
    api.delete(Some(head), &format!("{PATH}/x")).await.problem(404, "admin-unknown");
    api.delete(Some(head), &format!("{PATH}/1")).await.problem(409, "last-admin");
    // A new key replaces the old one.
    let new = set(api, head, 1, json!({"roles": ["ADMINS"]})).await;
    api.get(Some(head), PATH).await.problem(401, "unauthenticated");
    api.get(Some(&new), PATH).await.expect(200);
}

fn sha256(key: &str) -> String {
    use sha2::Digest;
    service::hex::to_hex(&sha2::Sha256::digest(key))
}

/// Returns the time `seconds` from now.
fn api_time(seconds: i64) -> String {
    let time = time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    time.format(&time::format_description::well_known::Rfc3339).unwrap()
}

/// The record that halted the shard may be a revocation, or the first admin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_admins_are_refused_after_the_first_shard_has_halted() {
    let platform = Platform::create("admins-halted").await;
    let scribe = Scribe::new(&platform);
    scribe.append(ADMINS_HOME, b"\xff\xff nobody can read this").await;
    is_refused(&platform).await;

    // The deleted records are in no read model, because no projections run.
    let platform = {
        platform.remove().await;
        Platform::create("admins-cut").await
    };
    let mut scribe = Scribe::new(&platform);
    for number in (0..).map(|number| format!("RAIN-{number}")).filter(|ticker| home(&platform, ticker)).take(3) {
        scribe.open_market(ADMINS_HOME, listing(&number, 1)).await;
    }
    log::lose_beginning(&platform, ADMINS_HOME, 2).await;
    is_refused(&platform).await;
    platform.remove().await;
}

fn home(platform: &Platform, ticker: &str) -> bool {
    platform.map().of_market(MarketId::of(&ticker.parse().unwrap())) == ADMINS_HOME
}

async fn is_refused(platform: &Platform) {
    let (gateway, api) = platform.gateway().await;
    let answer = eventually("the shard halts", async || {
        let answer = api.get(Some(ADMIN_KEY), PATH).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    answer.problem(503, "shard-halted");
    // On another shard, too.
    let deposit = json!({"account_id": "1", "amount": "1"});
    api.admin("/v1/wallet/deposits", &deposit).await.problem(503, "shard-halted");
    api.get(Some("a guess"), PATH).await.problem(401, "unauthenticated");
    drop(gateway);
}
