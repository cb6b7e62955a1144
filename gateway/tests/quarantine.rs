//! Two admins quarantine a record or a command that halts a shard: all programs continue. And a
//! leader that halts records that on the log.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::limit;
use common::process::Process;
use common::scribe::{Scribe, key, listing};
use common::steps::text;
use common::{ADMIN_KEY, Platform, SECOND_ADMIN_KEY, SHARDS, Whole, eventually};
use rdkafka::consumer::{BaseConsumer, Consumer};
use schemas::text::Reason;
use schemas::{AccountId, EngineId, LeaderHalted, MarketId, Scopes, Shard, Term};
use serde_json::{Value, json};
use service::kafka::{ConsumerProfile, consumer_config};

/// `engine quarantine SHARD …` with these admins' keys.
async fn quarantine(whole: &Whole, shard: Shard, what: [&str; 2], keys: [&str; 2]) -> Result<String, String> {
    let shard = shard.to_string();
    let arguments = ["quarantine", &shard, what[0], what[1], "--reason", "a test"];
    let keys = [("LFG_ADMIN_KEY", keys[0]), ("LFG_SECOND_ADMIN_KEY", keys[1])];
    whole.platform.asked("engine", &arguments, &keys).await
}

async fn halts(process: &Process) {
    let address = process.logged("admin port listens", "address");
    eventually("the shard halts", async || {
        let body: Value = reqwest::get(format!("http://{address}/readyz")).await.ok()?.json().await.ok()?;
        (!body["halted"].as_object()?.is_empty()).then_some(())
    })
    .await;
}

async fn market(whole: &Whole) -> Shard {
    whole.api.market("RAIN").await;
    whole.platform.map().of_market(MarketId::of(&"RAIN".parse().unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_two_admins_quarantined_is_skipped_by_all() {
    let mut whole = Platform::with_two_admins("aside").await;
    let shard = market(&whole).await;
    let account = whole.api.account("100").await;
    let order = limit("RAIN", "BUY YES 1 @ 0.40");
    whole.api.order(&account, &order).await.expect(201);
    let offset = Scribe::new(&whole.platform).append(shard, b"\xff\xff nobody can read this").await;
    for process in [&whole.engine, &whole.gateway, &whole.projections] {
        halts(process).await;
    }
    let at = offset.to_string();
    let both = [ADMIN_KEY, SECOND_ADMIN_KEY];
    for (what, keys, why) in [
        (["--record", &at], [ADMIN_KEY, ADMIN_KEY], "another admin must agree"),
        (["--record", &at], [ADMIN_KEY, "a guess"], "LFG_SECOND_ADMIN_KEY is no key of an admin"),
        (["--record", "0"], both, "do not halt at record 0: events log of shard"),
        (["--command", "7777"], both, "readers halt before the end of the events"),
    ] {
        let refused = quarantine(&whole, shard, what, keys).await.unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
    let told = quarantine(&whole, shard, ["--record", &at], both).await.unwrap();
    assert!(told.contains("is quarantined by admins 1 and 2"), "{told}");
    // It helps once.
    let again = quarantine(&whole, shard, ["--record", &at], both).await.unwrap_err();
    assert!(again.contains("they read all of it"), "{again}");

    for process in [&mut whole.gateway, &mut whole.projections, &mut whole.engine] {
        assert!(process.stop(), "{}", process.log());
    }
    whole.engine = whole.platform.program("engine").await;
    whole.projections = whole.platform.program("projections").await;
    (whole.gateway, whole.api) = whole.platform.gateway().await;
    let placed = whole.api.order(&account, &order).await.expect(201);
    // The gateway starts from Postgres.
    let path = format!("/v1/orders/{}?min_position={}", text(&placed, "order_id"), text(&placed, "position"));
    whole.api.get(Some(&account.key), &path).await.expect(200);
    let verified = whole.platform.asked("engine", &["verify"], &[]).await.unwrap();
    assert!(verified.contains("purses"), "{verified}");
    // A reader that starts from a snapshot skips it, too.
    assert!(whole.engine.stop());
    whole.engine = whole.platform.program("engine").await;
    whole.api.order(&account, &order).await.expect(201);
    whole.remove().await;
}

/// Returns the end offset of a shard's commands.
fn commands_end(platform: &Platform, shard: Shard) -> i64 {
    let consumer: BaseConsumer = consumer_config(&platform.log.kafka, "test", ConsumerProfile::Live).create().unwrap();
    consumer.fetch_watermarks(&platform.log.topics().commands, shard.partition(), common::PATIENCE).unwrap().1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_two_admins_quarantined_is_refused_and_the_next_is_decided() {
    let mut whole = Platform::create("command").await.impatient().with_all().await;
    whole.api.two_admins().await;
    let shard = market(&whole).await;
    let account = whole.api.account("100").await;
    whole.api.order(&account, &limit("RAIN", "BUY YES 1 @ 0.40")).await.expect(201);
    eventually("all is decided", async || {
        for shard in Shard::all(SHARDS) {
            let refused = quarantine(&whole, shard, ["--command", "999999"], [ADMIN_KEY, SECOND_ADMIN_KEY]).await;
            let next = format!("that is {}", commands_end(&whole.platform, shard));
            refused.unwrap_err().contains(&next).then_some(())?;
        }
        Some(())
    })
    .await;
    whole.engine.kill();
    let suspect = whole.api.order(&account, &limit("RAIN", "BUY YES 2 @ 0.40")).await.expect(202);
    let command = commands_end(&whole.platform, shard) - 1;
    let next = whole.api.order(&account, &limit("RAIN", "BUY YES 3 @ 0.40")).await.expect(202);

    let both = [ADMIN_KEY, SECOND_ADMIN_KEY];
    let late = quarantine(&whole, shard, ["--command", &(command + 1).to_string()], both).await.unwrap_err();
    assert!(late.contains(&format!("that is {command}")), "{late}");
    quarantine(&whole, shard, ["--command", &command.to_string()], both).await.unwrap();
    whole.engine = whole.platform.program("engine").await;

    let placed = async |command: &Value| whole.api.get(Some(&account.key), text(command, "look")).await.expect(200);
    eventually("the next command is decided", async || {
        (placed(&next).await["items"].as_array()?.len() == 1).then_some(())
    })
    .await;
    assert_eq!(placed(&suspect).await["items"], json!([]));
    let log = whole.platform.asked("engine", &["inspect", &shard.to_string(), "--max", "1000"], &[]).await.unwrap();
    assert_eq!(log.matches("Rejected { code: Quarantined }").count(), 1, "{log}");
    whole.api.order(&account, &limit("RAIN", "BUY YES 1 @ 0.40")).await.expect(201);
    whole.remove().await;
}

/// Reading continues, and no command is accepted that no leader would decide.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_refused_between_a_leaders_halt_and_the_next_leader() {
    let platform = Platform::create("leaderless").await;
    let map = platform.map();
    let (account, ticker) = (AccountId(9), "RAIN");
    let shard = map.of_market(MarketId::of(&ticker.parse().unwrap()));
    let mut scribe = Scribe::new(&platform);
    let (text, api_key) = key(1, 0x11, Scopes::READ_TRADE);
    scribe.open_market(shard, listing(ticker, 1)).await;
    scribe.open_account(map.of_account(account), account, api_key).await;
    let projections = platform.program("projections").await;
    let (gateway, api) = platform.gateway().await;
    let order = limit(ticker, "BUY YES 1 @ 0.40");
    let place = async || api.post(Some(&text), "/v1/orders", &order).await;
    let accepted = place().await;
    assert_eq!(accepted.status, 202, "{}", accepted.body);

    let reason = Reason::of("panicked");
    let halted = LeaderHalted { shard, term: scribe.term(shard), engine: EngineId(1), reason };
    scribe.append(shard, &halted.encode()).await;
    eventually("the command is refused", async || {
        let answer = place().await;
        (answer.status == 503).then(|| answer.problem(503, "shard-halted"))
    })
    .await;
    api.get(None, &format!("/v1/markets/{ticker}/book")).await.expect(200);

    // A `Halted` record of an earlier leader does not count.
    scribe.append(shard, &Term::new(shard, SHARDS, EngineId(2), 1).encode()).await;
    scribe.append(shard, &halted.encode()).await;
    eventually("commands are accepted again", async || (place().await.status == 202).then_some(())).await;
    drop((gateway, projections));
    platform.remove().await;
}
