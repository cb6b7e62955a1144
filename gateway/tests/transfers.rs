//! A transfer that is repeated under its client id gets the first one's answer, on whichever shard
//! the receiver's home is, and whether it succeeded or not.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use common::api::{Account, Answer, Api};
use common::scribe::{Scribe, key};
use common::steps::{name, text, wallet_becomes, with};
use common::{Platform, eventually};
use futures_util::future::join_all;
use schemas::event::FirstOutcome;
use schemas::shard_map::ShardMap;
use schemas::{AccountId, Command, CommandRecord, Event, Rejection, Scopes, Shard};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

async fn send(api: &Api, from: &Account, body: &Value) -> Answer {
    api.post(Some(&from.key), "/v1/transfers", body).await
}

/// Returns an answer without the fields that differ between requests.
fn meaning(answer: &Answer) -> (u16, Value) {
    let mut body = answer.body.clone();
    for field in ["repeated", "position", "command_id", "request_id"] {
        body.as_object_mut().unwrap().remove(field);
    }
    (answer.status.as_u16(), body)
}

/// Returns ids without an account, one on this home shard and one on another.
fn nobodies(map: ShardMap, home: Shard) -> [String; 2] {
    let find = |here: bool| (1..).find(|id| (map.of_account(AccountId(*id)) == home) == here).unwrap().to_string();
    [find(true), find(false)]
}

async fn accounts_here_and_elsewhere(api: &Api, map: ShardMap, home: Shard) -> [Account; 2] {
    let (mut here, mut elsewhere) = (None, None);
    while here.is_none() || elsewhere.is_none() {
        let account = api.account("0").await;
        let is_here = map.of_account(account.id.parse().unwrap()) == home;
        *(if is_here { &mut here } else { &mut elsewhere }) = Some(account);
    }
    [here.unwrap(), elsewhere.unwrap()]
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_on_every_shard_of_the_receiver() {
    let whole = Platform::whole("transfer-again").await;
    let (api, map) = (&whole.api, whole.platform.map());
    let giver = api.account("100").await;
    let home = map.of_account(giver.id.parse().unwrap());
    let receivers = accounts_here_and_elsewhere(api, map, home).await;
    let received = receivers.iter().map(|account| (account.id.clone(), 201));
    let refused = nobodies(map, home).into_iter().map(|nobody| (nobody, 404));
    for (to, status) in received.chain(refused) {
        let body = json!({"to": to, "amount": "10", "client_id": name()});
        let first = send(api, &giver, &body).await;
        assert_eq!(first.status.as_u16(), status, "{}", first.body);
        assert_ne!(first.body["repeated"], true);
        if status == 404 {
            first.problem(404, "account-unknown");
        }
        for _ in 0..2 {
            let again = send(api, &giver, &body).await;
            assert_eq!(meaning(&again), meaning(&first));
            assert_eq!(again.body["repeated"], true, "{}", again.body);
        }
        for other in [json!({"amount": "11"}), json!({"to": receivers[0].id, "amount": "9"})] {
            send(api, &giver, &with(body.clone(), other)).await.problem(422, "client-id-reused");
        }
        // All at once, so that some arrive while the first is in progress.
        let body = with(body, json!({"amount": "1", "client_id": name()}));
        let all = join_all((0..20).map(|_| send(api, &giver, &body))).await;
        let repeated = all.iter().filter(|answer| answer.body["repeated"] == true).count();
        assert!(all.iter().all(|answer| meaning(answer) == meaning(&all[0])), "{all:?}");
        assert_eq!((all[0].status.as_u16(), repeated), (status, all.len() - 1));
    }
    wallet_becomes(api, &giver, "78.000000", "0.000000").await;
    for receiver in &receivers {
        wallet_becomes(api, receiver, "11.000000", "0.000000").await;
    }
    whole.remove().await;
}

/// A gateway without an engine, and an account whose transfer is on its way to another shard,
/// written by the scribe.
struct UnderWay {
    platform: Platform,
    scribe: Scribe,
    _gateway: common::process::Process,
    home: Shard,
    arrives_at: Shard,
    command: CommandRecord,
    first: JoinHandle<Answer>,
    again: JoinHandle<Answer>,
}

impl UnderWay {
    /// The outcome of the first sends the transfer; the outcome of the repeat says that it is in
    /// progress.
    async fn begin(test: &str, early: impl FnOnce(&Command) -> Option<Event>) -> Self {
        let platform = Platform::create(test).await;
        let (mut scribe, map, from) = (Scribe::new(&platform), platform.map(), AccountId(77));
        let (key, api_key) = key(1, 0x11, Scopes::ALL);
        let home = map.of_account(from);
        scribe.open_account(home, from, api_key).await;
        let [_, to] = nobodies(map, home);
        let arrives_at = map.of_account(AccountId(to.parse().unwrap()));
        scribe.tell(arrives_at, Vec::new()).await;
        let (gateway, api) = platform.gateway().await;
        let account = Account { id: from.to_string(), key };
        eventually("the gateway knows the key", async || {
            let answer = api.get(Some(&account.key), "/v1/orders").await;
            (answer.status.as_u16() != 401).then_some(())
        })
        .await;
        let body = json!({"to": to, "amount": "3", "client_id": name()});
        let ask = || {
            let (api, account, body) = (api.clone(), account.clone(), body.clone());
            tokio::spawn(async move { send(&api, &account, &body).await })
        };
        let first = ask();
        let command = scribe.command(home);
        let &Command::Transfer { from, to, amount, client_id } = &command.command else { panic!("{command:?}") };
        scribe.answer(home, command.id, vec![Event::TransferSent { from, to, amount, client_id }]).await;
        if let Some(event) = early(&command.command) {
            scribe.answer(arrives_at, command.id, vec![event]).await;
        }
        let again = ask();
        let repeat = scribe.command(home);
        assert_eq!(repeat.command, command.command);
        let repeated = FirstOutcome::Parked { command: command.id };
        let client_id = client_id.unwrap();
        scribe
            .answer(home, repeat.id, vec![Event::ClientIdRepeated { account: from, client_id, first: repeated }])
            .await;
        Self { platform, scribe, _gateway: gateway, home, arrives_at, command, first, again }
    }

    async fn end(self, [first, again]: [&Answer; 2]) {
        assert_eq!(meaning(first), meaning(again));
        assert_eq!(again.body["repeated"], true, "{}", again.body);
        for answer in [first, again] {
            assert_eq!(text(&answer.body, "command_id"), self.command.id.to_string());
        }
        drop(self._gateway);
        self.platform.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_that_missed_the_receivers_shard_is_answered_by_the_senders() {
    let received = |command: &Command| match *command {
        Command::Transfer { from, to, amount, client_id } => {
            Some(Event::TransferReceived { from, to, amount, client_id })
        }
        _ => None,
    };
    let mut stage = UnderWay::begin("transfer-received", received).await;
    let first = (&mut stage.first).await.unwrap();
    assert_eq!((first.status.as_u16(), &first.body["repeated"]), (201, &json!(false)), "{}", first.body);
    assert!(text(&first.body, "position").starts_with(&format!("{}:", stage.arrives_at)));
    let Command::Transfer { from, to, amount, client_id } = stage.command.command else { panic!("a transfer") };
    let client_id = client_id.unwrap();
    let completed = vec![Event::TransferCompleted { from, to, amount, client_id }];
    let at = stage.scribe.answer(stage.home, stage.command.id, completed).await;
    let again = (&mut stage.again).await.unwrap();
    assert_eq!(text(&again.body, "position"), at);
    stage.end([&first, &again]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_comes_back_refuses_the_first_and_its_repeat() {
    let mut stage = UnderWay::begin("transfer-returned", |_| None).await;
    let Command::Transfer { from, to, amount, client_id } = stage.command.command else { panic!("a transfer") };
    let code = Rejection::WalletLimit;
    let returned = vec![Event::TransferReturned { from, to, amount, client_id, code }];
    stage.scribe.answer(stage.home, stage.command.id, returned).await;
    let (first, again) = ((&mut stage.first).await.unwrap(), (&mut stage.again).await.unwrap());
    first.problem(409, "wallet-limit");
    assert_ne!(first.body["repeated"], true);
    stage.end([&first, &again]).await;
}
