//! A wallet is the sum of an account's purses and of the credits on their way between them, at any
//! combination of positions.
//!
//! No engine runs here: a scribe writes the outcomes, so that credits stay in transit during the
//! test.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::scribe::{Scribe, bid, key, listing};
use common::steps::get_at;
use common::{Platform, eventually};
use schemas::{AccountId, AccountLimits, AdminId, CommandId, Credits, Event, Room, Scopes, Timestamp};
use serde_json::json;

const ACCOUNT: AccountId = AccountId(77);

#[tokio::test]
async fn a_wallet_is_the_sum_of_its_purses_and_of_credits_in_transit() {
    let platform = Platform::create("wallet").await;
    let (mut scribe, map, account) = (Scribe::new(&platform), platform.map(), ACCOUNT);
    let (text, api_key) = key(1, 0x11, Scopes::READ_TRADE);
    let home = map.of_account(account);
    scribe.open_account(home, account, api_key).await;
    let mut listings = (0..).map(|number| listing(&format!("RAIN-{number}"), 1));
    let listing = listings.find(|listing| map.of_market(listing.market) != home).unwrap();
    let (market, shard) = (listing.market, map.of_market(listing.market));
    scribe.open_market(shard, listing).await;
    let projections = platform.program("projections").await;
    let (gateway, api) = platform.gateway().await;
    let wallet = async |at: String| get_at(&api, Some(&text), "/v1/wallet", &json!(at)).await;
    eventually("the gateway knows the key", async || {
        api.get(Some(&text), "/v1/wallet").await.status.is_success().then_some(())
    })
    .await;

    let (amount, by) = (Credits::whole(100), AdminId(1));
    let limits = AccountLimits { live_orders: 5, held: Credits::whole(40) };
    let opened = vec![
        Event::Deposited { account, amount, client_id: None, by: AdminId(1), seconded: None },
        Event::AccountLimited { account, limits, by: AdminId(1) },
        Event::DeadManSwitchSet { account, due: Some(Timestamp(1_000)) },
    ];
    let alone = wallet(scribe.answer(home, CommandId(1), opened).await).await;
    let expected = json!({"account_id": "77", "available": "100.000000", "held": "0.000000", "in_transit": "0.000000",
        "total": "100.000000", "live_orders": 0, "frozen": false, "limits": {"live_orders": 5, "held": "40.000000"},
        "dead_man_due": "1970-01-01T00:00:01.000Z", "positions": alone["positions"]});
    assert_eq!(alone, expected);
    assert_eq!(alone["positions"].as_object().unwrap().len(), usize::from(common::SHARDS));

    let (credits, room) = (Credits::whole(30), Room { orders: 2, held: Credits::whole(10) });
    let lent = vec![
        Event::PurseSent { account, to: shard, credits, room },
        Event::AccountFrozen { account, by },
        Event::DeadManSwitchFired { account },
    ];
    let between = wallet(scribe.answer(home, CommandId(2), lent).await).await;
    assert_eq!((&between["available"], &between["in_transit"]), (&json!("70.000000"), &json!("30.000000")));
    assert_eq!((&between["total"], &between["frozen"]), (&json!("100.000000"), &json!(true)));
    assert_eq!(between["dead_man_due"], json!(null));

    let received = vec![Event::PurseReceived { account, from: home, credits, room }, bid(ACCOUNT, market, shard)];
    let there = wallet(scribe.answer(shard, CommandId(3), received).await).await;
    assert_eq!((&there["available"], &there["held"]), (&json!("97.000000"), &json!("3.000000")));
    assert_eq!((&there["in_transit"], &there["total"]), (&json!("0.000000"), &json!("100.000000")));
    assert_eq!(there["live_orders"], 1);

    // The home shard has received the returned credits, and is read before the shard that sent
    // them.
    let (credits, room) = (Credits::whole(5), Room::ZERO);
    let back = vec![Event::PurseReceived { account, from: shard, credits, room }];
    let ahead = wallet(scribe.answer(home, CommandId(4), back).await).await;
    assert_eq!((&ahead["in_transit"], &ahead["total"]), (&json!("-5.000000"), &json!("100.000000")));
    drop((gateway, projections));
    platform.remove().await;
}
