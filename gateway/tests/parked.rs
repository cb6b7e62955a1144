//! Parked requests: they, and their repeats, are answered when they are decided, by whichever
//! command's outcome contains the decision.
//!
//! No engine runs here. A scribe reads the gateway's commands, and decides when to write outcomes.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::{Account, Answer, Api, limit};
use common::process::Process;
use common::scribe::{Scribe, key, listing};
use common::steps::{name, results, text, with};
use common::{ADMIN_KEY, Platform, eventually};
use reqwest::Method;
use schemas::event::{FirstOutcome, OrderPlaced};
use schemas::{
    AccountId, AccountLimits, BatchRequest, ClientId, Command, CommandId, CommandRecord, Credits, Event, MarketId,
    Need, NewOrder, OrderId, OrderRef, Parked, ParkedRequest, PurseInstruction, Quantity, Rejection, Room, Scopes,
    Shard, Status, Terms, Timestamp,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const ID: AccountId = AccountId(77);

/// A gateway, an account, and two markets on shards other than its home shard.
struct Stage {
    platform: Platform,
    scribe: Scribe,
    _gateway: Process,
    api: Api,
    account: Account,
    home: Shard,
    /// A market's ticker and its shard.
    near: (String, Shard),
    far: (String, Shard),
}

impl Stage {
    async fn set(test: &str) -> Self {
        let platform = Platform::create(test).await.impatient();
        let mut scribe = Scribe::new(&platform);
        let map = platform.map();
        let (text, api_key) = key(1, 0x11, Scopes::READ_TRADE);
        let home = map.of_account(ID);
        scribe.open_account(home, ID, api_key).await;
        let market = |not: &[Shard]| {
            let shard = |ticker: &str| map.of_market(MarketId::of(&ticker.parse().unwrap()));
            let all = (0..).map(|number| format!("RAIN-{number}"));
            all.map(|ticker| (ticker.clone(), shard(&ticker))).find(|(_, shard)| !not.contains(shard)).unwrap()
        };
        let near = market(&[home]);
        let far = market(&[home, near.1]);
        for (ticker, shard) in [&near, &far] {
            scribe.open_market(*shard, listing(ticker, 1)).await;
        }
        let (gateway, api) = platform.gateway().await;
        eventually("the gateway knows the markets", async || {
            let markets = api.get(None, "/v1/markets").await.expect(200);
            (markets["items"].as_array()?.len() == 2).then_some(())
        })
        .await;
        let account = Account { id: ID.to_string(), key: text };
        Self { platform, scribe, _gateway: gateway, api, account, home, near, far }
    }

    /// Sends a request; the answer comes when the scribe writes an outcome.
    fn send(&self, method: Method, path: &str, body: Value, key: &str) -> JoinHandle<Answer> {
        let (api, path, key) = (self.api.clone(), path.to_owned(), key.to_owned());
        tokio::spawn(async move { api.send_json(method, Some(&key), &path, &body).await })
    }

    fn trade(&self, method: Method, path: &str, body: Value) -> JoinHandle<Answer> {
        self.send(method, path, body, &self.account.key)
    }

    fn admin(&self, method: Method, path: &str, body: Value) -> JoinHandle<Answer> {
        self.send(method, path, body, ADMIN_KEY)
    }

    /// The home shard lends what was requested, in an outcome of its own command; `decided` follows
    /// in it.
    async fn fund(&mut self, shard: Shard, decided: Vec<Event>) -> String {
        let (account, from, credits, room, number) = (ID, self.home, Credits::whole(50), Room::ALL, 1);
        let mut events = vec![
            Event::Received { from, number },
            Event::PurseReceived { account, from, credits, room },
            Event::AskAnswered { account, refused: None },
        ];
        events.extend(decided);
        self.scribe.answer(shard, CommandId(u128::MAX), events).await
    }

    async fn remove(self) {
        drop(self._gateway);
        self.platform.remove().await;
    }
}

fn order_of(record: &CommandRecord) -> NewOrder {
    let Command::PlaceOrder(order) = &record.command else { panic!("{record:?}") };
    *order
}

/// Returns the requests of a batch in a shard's command.
fn requests_of(record: &CommandRecord) -> &[BatchRequest] {
    let Command::Batch { account, all_or_nothing, requests } = &record.command else { panic!("{record:?}") };
    assert_eq!((*account, *all_or_nothing), (ID, false));
    requests
}

fn parked(command: CommandId, index: Option<u16>, request: ParkedRequest) -> Event {
    let (account, ticket, deadline) = (ID, 1, Timestamp(u64::MAX));
    Event::Parked(Box::new(Parked { account, ticket, command, index, deadline, request }))
}

fn resumed(command: CommandId) -> Event {
    Event::Resumed { account: ID, ticket: 1, command }
}

fn placed(shard: Shard, counter: u64, order: NewOrder) -> Event {
    let Terms::Limit { price, quantity, .. } = order.terms else { panic!("{order:?}") };
    let (id, price, filled) = (OrderId::compose(shard, counter), order.entry.book_price(price), Quantity::ZERO);
    let (status, cancel_reason) = (Status::Active, None);
    Event::OrderPlaced(OrderPlaced { id, order, price, quantity, filled, status, cancel_reason })
}

fn id_of(name: &str) -> ClientId {
    ClientId(uuid::Uuid::parse_str(name).unwrap().as_u128())
}

fn repeats(name: &str, command: CommandId) -> Event {
    let first = FirstOutcome::Parked { command };
    Event::ClientIdRepeated { account: ID, client_id: id_of(name), first }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_order_is_answered_when_it_is_decided_and_so_is_its_repeat() {
    let mut stage = Stage::set("parked-order").await;
    let ((ticker, shard), client_id) = (stage.near.clone(), name());
    let body = with(limit(&ticker, "BUY YES 10 @ 0.50"), json!({"client_id": client_id}));
    let first = stage.trade(Method::POST, "/v1/orders", body.clone());
    let asked = stage.scribe.command(shard);
    let order = order_of(&asked);
    let (account, given_back, need) = (ID, Room::ZERO, Need::credits(order.hold()));
    let wait = vec![parked(asked.id, None, ParkedRequest::Place(order)), Event::Asked { account, need, given_back }];
    stage.scribe.answer(shard, asked.id, wait).await;

    let again = stage.trade(Method::POST, "/v1/orders", body);
    let repeat = stage.scribe.command(shard);
    assert_eq!(order_of(&repeat), order);
    assert_ne!(repeat.id, asked.id);
    stage.scribe.answer(shard, repeat.id, vec![repeats(&client_id, asked.id)]).await;
    let at = stage.fund(shard, vec![resumed(asked.id), placed(shard, 1, order)]).await;

    let (first, again) = (first.await.unwrap().expect(201), again.await.unwrap().expect(201));
    assert_eq!((&first["repeated"], &again["repeated"]), (&json!(false), &json!(true)));
    for answer in [&first, &again] {
        assert_eq!(answer["order_id"], OrderId::compose(shard, 1).to_string());
        assert_eq!((&answer["command_id"], &answer["position"]), (&json!(asked.id.to_string()), &json!(at)));
        assert_eq!((&answer["status"], &answer["ticker"]), (&json!("ACTIVE"), &json!(ticker)));
    }
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_parked_for_long_gets_202_and_one_funded_too_late_is_refused() {
    let mut stage = Stage::set("parked-long").await;
    let (ticker, shard) = stage.near.clone();
    let body = limit(&ticker, "BUY YES 10 @ 0.50");
    let (slow, late) =
        (stage.trade(Method::POST, "/v1/orders", body.clone()), stage.trade(Method::POST, "/v1/orders", body));
    let (one, other) = (stage.scribe.command(shard), stage.scribe.command(shard));
    for asked in [&one, &other] {
        let wait = parked(asked.id, None, ParkedRequest::Place(order_of(asked)));
        stage.scribe.answer(shard, asked.id, vec![wait]).await;
    }
    let (id, order, code) = (OrderId::compose(shard, 1), order_of(&other), Rejection::FundingTimeout);
    let refused = vec![resumed(other.id), Event::OrderRejected { id, order, code }];
    stage.scribe.answer(shard, CommandId(u128::MAX), refused).await;
    // The test does not know which of the two requests has which command.
    let (slow, late) = (slow.await.unwrap(), late.await.unwrap());
    let (slow, late) = if slow.status == 202 { (slow, late) } else { (late, slow) };
    late.problem(503, "funding-timeout");
    assert!(late.headers.contains_key("retry-after"));
    assert_eq!(
        (&late.body["order_id"], &late.body["command_id"]),
        (&json!(id.to_string()), &json!(other.id.to_string()))
    );
    let slow = slow.expect(202);
    assert_eq!(slow["look"], format!("/v1/orders?command_id={}", one.id));
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_order_is_cancelled_by_its_client_id_and_market() {
    let mut stage = Stage::set("parked-cancel").await;
    let ((ticker, shard), client_id) = (stage.near.clone(), name());
    let body = with(limit(&ticker, "BUY YES 10 @ 0.50"), json!({"client_id": client_id}));
    let order = stage.trade(Method::POST, "/v1/orders", body);
    let asked = stage.scribe.command(shard);
    let wanted = order_of(&asked);
    stage.scribe.answer(shard, asked.id, vec![parked(asked.id, None, ParkedRequest::Place(wanted))]).await;

    let path = format!("/v1/orders?client_id={client_id}&market={ticker}");
    let cancel = stage.trade(Method::DELETE, &path, json!({}));
    let command = stage.scribe.command(shard);
    let by_name = OrderRef::ClientId { market: wanted.market, client_id: id_of(&client_id) };
    assert_eq!(command.command, Command::CancelOrder { account: ID, order: by_name });
    let (id, code) = (OrderId::compose(shard, 1), Rejection::CancelledWhileParked);
    let events = vec![
        Event::ParkedCancelled { account: ID, ticket: 1, command: asked.id },
        resumed(asked.id),
        Event::OrderRejected { id, order: wanted, code },
    ];
    stage.scribe.answer(shard, command.id, events).await;
    order.await.unwrap().problem(409, "cancelled-while-parked");
    let cancelled = cancel.await.unwrap().expect(200);
    assert_eq!((&cancelled["order_id"], &cancelled["cancelled"]), (&json!(id.to_string()), &json!(10)));
    assert_eq!(
        (&cancelled["status"], &cancelled["market_id"]),
        (&json!("CANCELLED"), &json!(wanted.market.to_string()))
    );
    assert_eq!(cancelled["command_id"], command.id.to_string());
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_over_several_shards_is_answered_when_each_has_decided() {
    let mut stage = Stage::set("parked-batch").await;
    let ((near, here), (far, there)) = (stage.near.clone(), stage.far.clone());
    let [first, second] = [name(), name()];
    let place = |ticker: &str, words: &str, name: &str| json!({"place": with(limit(ticker, words), json!({"client_id": name}))});
    let requests = json!([
        place(&near, "BUY YES 1 @ 0.10", &first),
        place(&far, "BUY YES 2 @ 0.20", &second),
        {"cancel": {"order_id": OrderId::compose(here, 9).to_string()}},
    ]);
    let batch = stage.trade(Method::POST, "/v1/orders/batch", json!({"requests": requests}));
    let (at_near, at_far) = (stage.scribe.command(here), stage.scribe.command(there));
    assert_eq!(at_near.id, at_far.id);
    let [BatchRequest::Place(order), BatchRequest::Cancel(unknown)] = *requests_of(&at_near) else {
        panic!("{at_near:?}")
    };
    let [BatchRequest::Place(other)] = *requests_of(&at_far) else { panic!("{at_far:?}") };

    let code = Rejection::OrderUnknown;
    let at_once = vec![
        Event::BatchItem { index: 0 },
        placed(here, 1, order),
        Event::BatchItem { index: 1 },
        Event::CancelRejected { account: ID, order: unknown, code },
    ];
    stage.scribe.answer(here, at_near.id, at_once).await;
    let wait = parked(at_far.id, Some(0), ParkedRequest::Place(other));
    stage.scribe.answer(there, at_far.id, vec![Event::BatchItem { index: 0 }, wait]).await;
    // A repeat, alone, of an order of the batch gets the batch's answer for it.
    let alone = stage.trade(Method::POST, "/v1/orders", requests[1]["place"].clone());
    let repeat = stage.scribe.command(there);
    stage.scribe.answer(there, repeat.id, vec![repeats(&second, at_far.id)]).await;
    let decided = vec![resumed(at_far.id), Event::BatchItem { index: 0 }, placed(there, 1, other)];
    let at = stage.fund(there, decided).await;

    let done = batch.await.unwrap().expect(200);
    assert_eq!(results(&done), ["201", "201", "404 order-unknown"], "{done}");
    assert_eq!((&done["complete"], &done["command_id"]), (&json!(true), &json!(at_far.id.to_string())));
    let bodies = [0, 1].map(|index: usize| &done["results"][index]["body"]);
    assert_eq!((&bodies[0]["ticker"], &bodies[1]["ticker"]), (&json!(near), &json!(far)));
    assert_eq!((&bodies[1]["position"], done["positions"].as_object().unwrap().len()), (&json!(at), 2));
    let alone = alone.await.unwrap().expect(201);
    assert_eq!((&alone["order_id"], &alone["repeated"]), (&bodies[1]["order_id"], &json!(true)));
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_results_of_a_batch_say_where_to_look() {
    let mut stage = Stage::set("parked-partly").await;
    let ((near, here), (far, there)) = (stage.near.clone(), stage.far.clone());
    let requests = json!([
        {"place": limit(&near, "BUY YES 1 @ 0.10")},
        {"place": limit(&far, "BUY YES 2 @ 0.20")},
        {"cancel": {"order_id": OrderId::compose(there, 9).to_string()}},
    ]);
    let batch = stage.trade(Method::POST, "/v1/orders/batch", json!({"requests": requests}));
    let (at_near, at_far) = (stage.scribe.command(here), stage.scribe.command(there));
    let [BatchRequest::Place(order)] = *requests_of(&at_near) else { panic!("{at_near:?}") };
    stage.scribe.answer(here, at_near.id, vec![Event::BatchItem { index: 0 }, placed(here, 1, order)]).await;
    assert_eq!(requests_of(&at_far).len(), 2);
    let done = batch.await.unwrap().expect(202);
    assert_eq!((results(&done), &done["complete"]), (vec!["201".into(), "202".into(), "202".into()], &json!(false)));
    let look = format!("/v1/orders?command_id={}", at_far.id);
    assert_eq!((text(&done, "look"), text(&done["results"][1]["body"], "look")), (look.as_str(), look.as_str()));
    let cancel = &done["results"][2]["body"];
    assert_eq!(text(cancel, "look"), format!("/v1/orders/{}", OrderId::compose(there, 9)));
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instruction_is_answered_when_every_shard_has_applied_it() {
    let mut stage = Stage::set("instructions").await;
    let (home, (_, shard)) = (stage.home, stage.near.clone());
    let path = |act: &str| format!("/v1/accounts/{ID}/{act}");
    let limits = AccountLimits { live_orders: 5, held: Credits::whole(10) };
    let put = json!({"live_orders": 5, "held": "10"});
    let requests = [
        stage.admin(Method::POST, &path("freeze"), json!({})),
        stage.admin(Method::PUT, &path("limits"), put),
        stage.trade(Method::DELETE, "/v1/orders", json!({})),
    ];
    let mut at = Vec::new();
    for ticket in 1..=requests.len() as u64 {
        let asked = stage.scribe.command(home);
        let account = ID;
        let (known, instruction) = match asked.command {
            Command::FreezeAccount { by, .. } => {
                (Event::AccountFrozen { account, by }, PurseInstruction::Freeze { by })
            }
            Command::LimitAccount { limits, by, .. } => {
                (Event::AccountLimited { account, limits, by }, PurseInstruction::Limit { limits, by })
            }
            Command::MassCancel { market: None, .. } => {
                let reason = schemas::event::CancelReason::MassCancel;
                (Event::MassCancelRequested { account, market: None }, PurseInstruction::MassCancel(reason))
            }
            other => panic!("{other:?}"),
        };
        let told = Event::Instructed { account, ticket, instruction, shards: vec![shard] };
        stage.scribe.answer(home, asked.id, vec![known, told]).await;
        let resumed = Event::Resumed { account, ticket, command: asked.id };
        let events = vec![
            Event::Received { from: shard, number: ticket },
            Event::Obeyed { account, ticket, shard, more: false },
            resumed,
            Event::InstructionCompleted { account, instruction },
        ];
        at.push(stage.scribe.answer(home, CommandId(u128::MAX), events).await);
    }
    let mut answered = Vec::new();
    for request in requests {
        let answer = request.await.unwrap().expect(200);
        answered.push(answer["position"].as_str().unwrap().to_owned());
        if answer["limits"].is_object() {
            assert_eq!(answer["limits"], json!({"live_orders": limits.live_orders, "held": "10.000000"}));
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, at, "the answer has the position of each shard's last outcome, not of its first");
    stage.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_and_its_repeat_wait_for_recalled_credits() {
    let mut stage = Stage::set("parked-withdrawal").await;
    let (home, client_id) = (stage.home, name());
    let body = json!({"account_id": ID.to_string(), "amount": "10", "client_id": client_id});
    let first = stage.admin(Method::POST, "/v1/wallet/withdrawals", body.clone());
    let asked = stage.scribe.command(home);
    let Command::Withdraw { account, amount, client_id: named, by } = asked.command else { panic!("{asked:?}") };
    let claim = ParkedRequest::Withdraw { amount, client_id: named, by };
    stage.scribe.answer(home, asked.id, vec![parked(asked.id, None, claim)]).await;
    let again = stage.admin(Method::POST, "/v1/wallet/withdrawals", body);
    let repeat = stage.scribe.command(home);
    stage.scribe.answer(home, repeat.id, vec![repeats(&client_id, asked.id)]).await;
    let returned = vec![
        Event::Received { from: stage.near.1, number: 1 },
        resumed(asked.id),
        Event::Withdrawn { account, amount, client_id: named, by },
    ];
    stage.scribe.answer(home, CommandId(u128::MAX), returned).await;
    let (first, again) = (first.await.unwrap().expect(201), again.await.unwrap().expect(201));
    assert_eq!((&first["repeated"], &again["repeated"]), (&json!(false), &json!(true)));
    for answer in [first, again] {
        assert_eq!((&answer["amount"], &answer["command_id"]), (&json!("10.000000"), &json!(asked.id.to_string())));
    }
    stage.remove().await;
}
