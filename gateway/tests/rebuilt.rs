//! Redis is rebuilt from the log: until the rebuild is complete, no old data is shown.
//!
//! No engine runs here: a scribe writes the outcomes.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::{Answer, Api};
use common::scribe::{Scribe, bid, key, listing};
use common::{Platform, connect, eventually};
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::Builder;
use fred::types::config::Config;
use schemas::{AccountId, AdminId, Credits, Event, MarketId, Scopes};
use serde_json::json;

const ACCOUNT: AccountId = AccountId(77);
const DEPOSITS: usize = 10_000;

/// All reads that use Redis.
struct Reads {
    key: String,
    market: MarketId,
}

impl Reads {
    async fn all(&self, api: &Api, query: &str) -> Vec<Answer> {
        let market = |what: &str| format!("/v1/markets/{}{what}{query}", self.market);
        let paths = [format!("/v1/wallet{query}"), format!("/v1/positions{query}"), market("")];
        let mut answers = Vec::new();
        for path in &paths {
            answers.push(api.get(Some(&self.key), path).await);
        }
        answers
    }

    /// Checks that each read is refused or shows current data; returns true if all show it.
    async fn are_present(&self, api: &Api) -> bool {
        let answers = self.all(api, "").await;
        for answer in &answers {
            if answer.status != 200 {
                is_refused(answer);
            }
        }
        if answers[0].status == 200 {
            let (total, held) = (format!("{DEPOSITS}.000000"), "3.000000");
            assert_eq!((&answers[0].body["total"], &answers[0].body["held"]), (&json!(total), &json!(held)));
        }
        if answers[2].status == 200 {
            assert_eq!(answers[2].body["ticker_data"]["best_bid"], "0.3000");
        }
        // Book and trades are in the gateway's memory, and need no Redis.
        let book = api.get(None, &format!("/v1/markets/{}/book", self.market)).await.expect(200);
        assert_eq!(book["bids"], json!([["0.3000", 10]]));
        api.get(None, &format!("/v1/markets/{}/trades", self.market)).await.expect(200);
        answers.iter().all(|answer| answer.status == 200)
    }
}

fn is_refused(answer: &Answer) {
    answer.problem(503, "read-model-unavailable");
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_rebuilt_nothing_of_the_past_is_answered() {
    let mut platform = Platform::create("rebuilt").await;
    // A rebuild takes seconds.
    platform.set("LFG_REDIS_INTERVAL_MS", "200");
    let (mut scribe, map) = (Scribe::new(&platform), platform.map());
    let (text, api_key) = key(1, 0x11, Scopes::READ_TRADE);
    let home = map.of_account(ACCOUNT);
    scribe.open_account(home, ACCOUNT, api_key).await;
    let deposit = || {
        vec![Event::Deposited {
            account: ACCOUNT,
            amount: Credits::whole(1),
            client_id: None,
            by: AdminId(1),
            seconded: None,
        }]
    };
    scribe.tell_all(home, (0..DEPOSITS).map(|_| deposit())).await;
    let mut listings = (0..).map(|number| listing(&format!("RAIN-{number}"), 1));
    let listing = listings.find(|listing| map.of_market(listing.market) == home).unwrap();
    let market = listing.market;
    scribe.open_market(home, listing).await;
    let last = scribe.tell(home, vec![bid(ACCOUNT, market, home)]).await;
    let mut projections = platform.program("projections").await;
    let (mut gateway, api) = platform.gateway().await;
    let reads = Reads { key: text, market };
    eventually("all reads are served", async || reads.are_present(&api).await.then_some(())).await;

    let redis = Builder::from_config(Config::from_url(&platform.redis_url()).unwrap()).build().unwrap();
    redis.init().await.unwrap();
    let progress = format!("{}:{{{home}}}:progress", platform.log.topic_prefix);
    let progress = async || -> Option<String> { redis.get(&progress).await.unwrap() };

    // The command deletes all shards' data; the projections are then killed in the middle of the
    // rebuild.
    platform.run("projections", &["rebuild", "redis"]).await;
    assert!(!reads.are_present(&api).await);
    eventually("the home shard is folded again", async || {
        assert!(!reads.are_present(&api).await);
        let text = progress().await?;
        assert!(text.starts_with("rebuilding:"), "{text}");
        text.split('/').nth(1)?.parse::<u64>().is_ok_and(|offset| offset > 0).then_some(())
    })
    .await;
    projections.kill();
    for answer in reads.all(&api, "").await {
        is_refused(&answer);
    }

    // Reads stay refused after any restart, and with any position.
    gateway.kill();
    let (_gateway, api) = platform.gateway().await;
    for query in ["", &format!("?min_position={home}:1"), &format!("?min_position={home}:{last}")] {
        for answer in reads.all(&api, query).await {
            is_refused(&answer);
        }
    }
    let done = eventually("all reads are served again", async || reads.are_present(&api).await.then_some(()));
    let (_projections, ()) = tokio::join!(platform.program("projections"), done);

    // Redis loses a shard's keys.
    let _: i64 = redis.del(format!("{}:{{{home}}}:progress", platform.log.topic_prefix)).await.unwrap();
    assert!(!reads.are_present(&api).await);
    eventually("all reads are served again", async || reads.are_present(&api).await.then_some(())).await;
    drop((_gateway, _projections));
    platform.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_older_than_already_shown_is_not_shown() {
    let platform = Platform::create("fell_back").await;
    let (mut scribe, map) = (Scribe::new(&platform), platform.map());
    let (text, api_key) = key(1, 0x11, Scopes::READ_TRADE);
    let home = map.of_account(ACCOUNT);
    scribe.open_account(home, ACCOUNT, api_key).await;
    let (account, amount, by) = (ACCOUNT, Credits::whole(1), AdminId(1));
    let deposited = Event::Deposited { account, amount, client_id: None, by, seconded: None };
    let last = scribe.tell(home, vec![deposited]).await;
    let mut projections = platform.program("projections").await;
    let (_gateway, api) = platform.gateway().await;
    let ask = async |path: &str| api.get(Some(&text), &format!("{path}?min_position={home}:{last}")).await;
    let shown = async |path: &str| ask(path).await.status == 200;
    eventually("all reads are served", async || (shown("/v1/wallet").await && shown("/v1/orders").await).then_some(()))
        .await;
    projections.kill();

    // The data as it is while a fold starts from old records.
    let redis = Builder::from_config(Config::from_url(&platform.redis_url()).unwrap()).build().unwrap();
    redis.init().await.unwrap();
    let name = format!("{}:{{{home}}}:progress", platform.log.topic_prefix);
    let progress: String = redis.get(&name).await.unwrap();
    let parts: Vec<&str> = progress.split(':').collect();
    let before = [&parts[..2], &["1"], &parts[3..]].concat().join(":");
    let _: () = redis.set(&name, before, None, None, false).await.unwrap();
    is_refused(&api.get(Some(&text), "/v1/wallet").await);
    assert!(shown("/v1/orders").await);
    let _: () = redis.set(&name, progress, None, None, false).await.unwrap();
    assert!(shown("/v1/wallet").await);

    let postgres = connect(&platform.database_url).await;
    let back = format!("UPDATE progress SET sequence = 1 WHERE projection = 'tables' AND shard = {}", home.number());
    postgres.batch_execute(&back).await.unwrap();
    is_refused(&api.get(Some(&text), "/v1/orders").await);
    assert!(shown("/v1/wallet").await);
    drop(_gateway);
    platform.remove().await;
}
