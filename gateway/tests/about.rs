//! Descriptions of markets, through all processes: listing, changes, additions, search, automatic
//! opening; and the YES of an exclusive market event.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::{Api, limit};
use common::{ADMIN_KEY, Platform, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

async fn patch(api: &Api, ticker: &str, body: Value) -> common::api::Answer {
    api.send_json(Method::PATCH, Some(ADMIN_KEY), &format!("/v1/markets/{ticker}"), &body).await
}

/// Returns the tickers of a list.
async fn listed(api: &Api, filter: &str) -> Vec<String> {
    let list = api.get(None, &format!("/v1/markets?{filter}")).await.expect(200);
    let items = list["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item.get("rules").is_none() && item["question"].is_string()), "{list}");
    items.iter().map(|item| item["ticker"].as_str().unwrap().to_owned()).collect()
}

fn soon(seconds: i64) -> String {
    (OffsetDateTime::now_utc() + time::Duration::seconds(seconds)).format(&Rfc3339).unwrap()
}

#[tokio::test]
async fn a_market_is_changed_until_it_trades_and_added_to_afterwards() {
    let whole = Platform::with_two_admins("about").await;
    let api = &whole.api;
    let weather = json!({"name": "weather", "title": "Which weather?", "exclusive": true});
    let event = api.admin("/v1/events", &weather).await.expect(201);
    assert_eq!((&event["exclusive"], &event["yes_market_id"], &event["by"]), (&json!(true), &json!(null), &json!("1")));
    api.admin("/v1/events", &weather).await.problem(409, "market-event-exists");
    let unknown = json!({"ticker": "X", "question": "?", "rules": "?", "category": "x", "event": "none",
        "expiry": "2099-01-01T00:00:00Z"});
    api.admin("/v1/markets", &unknown).await.problem(404, "event-unknown");
    let late = json!({"ticker": "X", "question": "?", "rules": "?", "category": "x", "opens_at": "2099-01-01T00:00:00Z",
        "expiry": "2099-01-01T00:00:00Z"});
    api.admin("/v1/markets", &late).await.problem(422, "opening-invalid");

    let more = json!({"tags": ["rain", "2030"], "sources": ["https://a.example"], "event": "weather"});
    api.market_with("WET", more).await;
    api.market_with("DRY", json!({"category": "deserts", "tags": ["sun"]})).await;
    let shown = api.get(None, "/v1/markets/WET").await.expect(200);
    assert_eq!((&shown["rules"], &shown["category"]), (&json!("YES if it does."), &json!("tests")));
    assert_eq!((&shown["tags"], &shown["sources"]), (&json!(["rain", "2030"]), &json!(["https://a.example"])));
    assert_eq!((&shown["event_id"], &shown["clarifications"]), (&event["event_id"], &json!([])));

    let edited = patch(api, "WET", json!({"rules": "NO if not.\nYES else.", "tags": ["rain"]})).await.expect(200);
    assert_eq!((&edited["rules"], &edited["tags"]), (&json!("NO if not.\nYES else."), &json!(["rain"])));
    patch(api, "WET", json!({})).await.problem(422, "edit-empty");
    patch(api, "WET", json!({"opens_at": "2098-01-01T00:00:00Z"})).await.problem(409, "market-opened");
    patch(api, "WET", json!({"event": "none"})).await.problem(404, "event-unknown");
    api.send_json(Method::PATCH, None, "/v1/markets/WET", &json!({"rules": "Mine."}))
        .await
        .problem(401, "unauthenticated");

    // Filters by category, by tag, by event, and by all of them together.
    assert_eq!(listed(api, "").await, ["DRY", "WET"]);
    assert_eq!(listed(api, "category=deserts").await, ["DRY"]);
    assert_eq!((listed(api, "tag=rain").await, listed(api, "tag=2030").await), (vec!["WET".to_owned()], vec![]));
    assert_eq!(listed(api, "event=weather&tag=rain&category=tests&state=OPEN").await, ["WET"]);
    assert_eq!(listed(api, "event=weather&tag=sun").await, Vec::<String>::new());
    let id = event["event_id"].as_str().unwrap();
    assert_eq!(listed(api, &format!("event={id}")).await, ["WET"]);
    api.get(None, "/v1/markets?event=none").await.problem(404, "event-unknown");
    api.get(None, "/v1/markets?tag=Rain").await.problem(400, "invalid-request");

    let (alice, bob) = (api.account("10").await, api.account("10").await);
    api.order(&alice, &limit("WET", "BUY YES 1 @ 0.50")).await.expect(201);
    patch(api, "WET", json!({"question": "Wet?"})).await.expect(200);
    api.order(&bob, &limit("WET", "BUY NO 1 @ 0.50")).await.expect(201);
    patch(api, "WET", json!({"question": "Dry?"})).await.problem(409, "market-traded");
    let addition = json!({"clarification": "Hail is\nno rain.", "sources": ["https://b.example"], "tags": ["hail"]});
    let added = api.second_admin("/v1/markets/WET/additions", &addition).await.expect(200);
    assert_eq!((&added["tags"], &added["by"]), (&json!(["rain", "hail"]), &json!("2")));
    assert_eq!(added["clarifications"][0]["text"], "Hail is\nno rain.");
    api.admin("/v1/markets/WET/additions", &addition).await.problem(409, "addition-repeated");
    assert_eq!(listed(api, "tag=hail").await, ["WET"]);

    // Another gateway, which starts from Postgres, shows the same.
    let (first, at) = (api.get(None, "/v1/markets/WET").await.expect(200), added["position"].as_str().unwrap());
    let behind = format!("/v1/markets/WET?min_position={at}");
    eventually("Postgres has the data", async || {
        let (_other, other) = whole.platform.gateway().await;
        let shown = other.get(None, &behind).await.expect(200);
        let same =
            ["question", "rules", "sources", "category", "tags", "event_id", "clarifications", "expiry", "opens_at"];
        let differs = same.iter().find(|field| shown[**field] != first[**field]);
        assert_eq!(differs, None, "{shown} and {first}");
        let events = other.get(None, "/v1/events").await.expect(200);
        (events["items"][0]["name"] == "weather").then_some(())
    })
    .await;
    whole.remove().await;
}

#[tokio::test]
async fn a_market_opens_by_itself() {
    let whole = Platform::whole("opens").await;
    let api = &whole.api;
    let body = json!({"ticker": "SOON", "question": "Soon?", "rules": "YES.", "category": "tests",
        "opens_at": soon(3_600), "expiry": "2099-01-01T00:00:00Z"});
    api.admin("/v1/markets", &body).await.expect(201);
    let account = api.account("10").await;
    api.order(&account, &limit("SOON", "BUY YES 1 @ 0.50")).await.problem(409, "market-not-open");
    patch(api, "SOON", json!({"opens_at": soon(2)})).await.expect(200);
    eventually("the market opens", async || {
        let state = api.get(None, "/v1/markets/SOON").await.expect(200)["state"].clone();
        (state == "OPEN").then_some(())
    })
    .await;
    api.order(&account, &limit("SOON", "BUY YES 1 @ 0.50")).await.expect(201);
    whole.remove().await;
}

/// The event's markets are on several shards, and its home shard may be any.
#[tokio::test]
async fn one_market_of_an_exclusive_event_is_yes() {
    let whole = Platform::with_two_admins("yes").await;
    let api = &whole.api;
    api.admin("/v1/events", &json!({"name": "cup", "title": "Who?", "exclusive": true})).await.expect(201);
    let teams = ["RED", "BLUE", "GREEN", "WHITE"];
    for team in teams {
        api.market_with(team, json!({"event": "cup", "dispute_window_ms": 3_600_000})).await;
        api.admin(&format!("/v1/markets/{team}/close"), &json!({})).await.expect(200);
    }
    let yes = json!({"answer": "YES"});
    let propose = async |team: &str, answer: &Value| api.admin(&format!("/v1/markets/{team}/resolve"), answer).await;
    let confirm = async |team: &str| api.second_admin(&format!("/v1/markets/{team}/confirm"), &yes).await;
    // The event's home shard answers within moments.
    let settled = async |team: &str| {
        eventually("the home shard answers", async || {
            Some(confirm(team).await).filter(|said| said.body["code"] != "yes-pending")
        })
        .await
    };
    for team in teams {
        propose(team, &yes).await.expect(200);
    }
    let mut winners = Vec::new();
    for team in teams {
        let said = settled(team).await;
        if said.status == 200 {
            winners.push(team);
        } else {
            said.problem(409, "yes-taken");
        }
    }
    let [winner] = winners[..] else { panic!("{winners:?}") };
    let holder = api.get(None, &format!("/v1/markets/{winner}")).await.expect(200)["market_id"].clone();
    eventually("the event has its YES market", async || {
        let event = api.get(None, "/v1/events/cup").await.expect(200);
        (event["yes_market_id"] == holder).then_some(())
    })
    .await;
    // Within the dispute window, an admin proposes YES for another market.
    propose(winner, &json!({"answer": "NO"})).await.expect(200);
    let other = *teams.iter().find(|team| **team != winner).unwrap();
    eventually("the other can be YES", async || {
        propose(other, &yes).await.expect(200);
        (settled(other).await.status == 200).then_some(())
    })
    .await;
    whole.remove().await;
}
