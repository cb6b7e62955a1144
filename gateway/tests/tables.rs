//! A gateway does not read tables of another version.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::scribe::{Scribe, key};
use common::{Platform, connect, eventually};
use schemas::{AccountId, Scopes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_version_are_refused_at_the_start_and_by_each_new_connection() {
    let mut platform = Platform::create("tables").await;
    let postgres = connect(&platform.database_url).await;
    let newer = "INSERT INTO refinery_schema_history SELECT version + 1, 'later', applied_on, checksum \
        FROM refinery_schema_history ORDER BY version DESC LIMIT 1";
    let drop_last =
        "DELETE FROM refinery_schema_history WHERE version = (SELECT max(version) FROM refinery_schema_history)";
    let later = "a later build has migrated Postgres's tables to version";
    postgres.batch_execute(newer).await.unwrap();
    let said = platform.fails_at_its_start().await;
    assert!(said.contains(later), "{said}");
    postgres.batch_execute(drop_last).await.unwrap();

    let account = AccountId(77);
    let (mut scribe, (text, api_key)) = (Scribe::new(&platform), key(1, 0x11, Scopes::READ_TRADE));
    scribe.open_account(platform.map().of_account(account), account, api_key).await;
    let (gateway, api) = platform.gateway().await;
    let orders = async || api.get(Some(&text), "/v1/orders").await;
    eventually("orders are listed", async || (orders().await.status == 200).then_some(())).await;
    postgres.batch_execute(newer).await.unwrap();
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'lfg-gateway'";
    postgres.query_one(cut, &[]).await.unwrap();
    // Before the next check of the tables, requests fail by the lost connection.
    let refused = async || (orders().await.status == 503 && gateway.log().contains(later)).then_some(());
    eventually("the tables are refused", refused).await;
    orders().await.problem(503, "read-model-unavailable");
    postgres.batch_execute(drop_last).await.unwrap();
    eventually("the tables are of this build again", async || (orders().await.status == 200).then_some(())).await;

    drop(gateway);

    // With a store, a gateway starts anyway, and its reads are refused with the same message.
    let state = tempfile::tempdir().unwrap();
    platform.set("LFG_GATEWAY_STATE", &state.path().display().to_string());
    let (mut gateway, _) = platform.gateway().await;
    assert!(gateway.stop());
    postgres.batch_execute(newer).await.unwrap();
    let (gateway, api) = platform.gateway().await;
    api.get(Some(&text), "/v1/orders").await.problem(503, "read-model-unavailable");
    assert!(gateway.log().contains(later), "{}", gateway.log());
    drop(gateway);
    platform.unset("LFG_GATEWAY_STATE");
    postgres.batch_execute(drop_last).await.unwrap();

    postgres.batch_execute(drop_last).await.unwrap();
    let said = platform.fails_at_its_start().await;
    assert!(said.contains("run `projections migrate`"), "{said}");
    platform.remove().await;
}
