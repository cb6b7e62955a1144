//! A gateway gets SIGTERM under load, and another takes over: no request fails.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Request;
use common::api::{Account, Api};
use common::process::Process;
use common::raw::{ask, connect_from, header};
use common::socket::{Heard, Socket};
use common::{Platform, Whole, eventually};
use serde_json::json;
use tokio::net::TcpStream;

const CLIENTS: u8 = 6;
const MARKET: &str = "RAIN";

/// How often the balancer looks whether a gateway is ready, which is well within the notice.
const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// A load balancer: it gives each new connection to the next gateway that is ready.
#[derive(Default)]
struct Balancer {
    gateways: Vec<(String, AtomicBool)>,
    next: AtomicUsize,
    stop: AtomicBool,
    /// Requests that were answered by each.
    answered: [AtomicUsize; 2],
}

impl Balancer {
    fn pick(&self) -> usize {
        let from = self.next.fetch_add(1, Ordering::Relaxed);
        let all = (0..self.gateways.len()).map(|more| (from + more) % self.gateways.len());
        all.into_iter().find(|index| self.gateways[*index].1.load(Ordering::Relaxed)).expect("a ready gateway")
    }

    async fn look(self: Arc<Self>, admin_ports: [String; 2]) {
        while !self.stop.load(Ordering::Relaxed) {
            for ((_, is_ready), address) in self.gateways.iter().zip(&admin_ports) {
                let ready = reqwest::get(format!("http://{address}/readyz")).await;
                is_ready.store(ready.is_ok_and(|answer| answer.status().is_success()), Ordering::Relaxed);
            }
            tokio::time::sleep(LOOKS_EVERY).await;
        }
    }

    fn count(&self, index: usize) -> usize {
        self.answered[index].load(Ordering::Relaxed)
    }
}

/// Places orders and reads them over HTTP/1.1, on each connection until it is told that it ends.
async fn trades(balancer: Arc<Balancer>, account: Account, number: u8) {
    let mut open: Option<(TcpStream, usize)> = None;
    let order = json!({
        "ticker": MARKET, "contract": "YES", "side": "BUY", "type": "LIMIT", "price": "0.10", "quantity": 1,
        "cancel_on_pause": false,
    })
    .to_string();
    let common = format!("Host: lfg.example\r\nAuthorization: Bearer {}\r\n", account.key);
    let post = format!(
        "POST /v1/orders HTTP/1.1\r\n{common}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{order}",
        order.len()
    );
    let get = format!("GET /v1/markets/{MARKET}/book HTTP/1.1\r\n{common}\r\n");
    while !balancer.stop.load(Ordering::Relaxed) {
        for (request, status) in [(&post, "201"), (&get, "200")] {
            let (mut stream, index) = match open.take() {
                Some(open) => open,
                None => {
                    let index = balancer.pick();
                    (connect_from(10 + number, &balancer.gateways[index].0).await, index)
                }
            };
            let (head, body) = ask(&mut stream, request).await;
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}{}", String::from_utf8_lossy(&body));
            balancer.answered[index].fetch_add(1, Ordering::Relaxed);
            open = (header(&head, "connection") != Some("close")).then_some((stream, index));
        }
    }
}

/// Reads over HTTP/2, on each connection until it gets GOAWAY.
async fn reads(balancer: Arc<Balancer>) {
    while !balancer.stop.load(Ordering::Relaxed) {
        let index = balancer.pick();
        let address = &balancer.gateways[index].0;
        let stream = connect_from(9, address).await;
        let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
        let running = tokio::spawn(connection);
        while !balancer.stop.load(Ordering::Relaxed) {
            // After GOAWAY, no stream can be begun.
            let Ok(ready) = requests.ready().await else { break };
            requests = ready;
            let request = Request::get(format!("http://{address}/v1/markets")).body(()).unwrap();
            let Ok((answer, _)) = requests.send_request(request, true) else { break };
            match answer.await {
                Ok(answer) => assert_eq!(answer.status(), 200),
                // Not one that was served: HTTP/2 says that it may be repeated elsewhere.
                Err(error) => {
                    assert!(error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM), "{error}");
                    break;
                }
            }
            balancer.answered[index].fetch_add(1, Ordering::Relaxed);
        }
        running.abort();
    }
}

async fn ends(gateway: &mut Process) {
    gateway.signal("TERM");
    let sound = eventually("the gateway ends", async || gateway.ended()).await;
    assert!(sound, "{}", gateway.log());
}

#[tokio::test]
async fn no_request_fails_when_a_gateway_leaves_and_another_takes_over() {
    let mut platform = Platform::create("leaving").await;
    platform.set("LFG_NOTICE_WITHIN", "1");
    let Whole { platform, engine, projections, gateway, api } = platform.with_all().await;
    api.market(MARKET).await;
    let mut accounts = Vec::new();
    for _ in 0..CLIENTS {
        accounts.push(api.account("1000").await);
    }
    let (second, other): (Process, Api) = platform.gateway().await;
    let mut gateways = [gateway, second];
    eventually("the other gateway knows the accounts and the market", async || {
        let mut all = other.get(None, &format!("/v1/markets/{MARKET}")).await.status == 200;
        for account in &accounts {
            all &= other.get(Some(&account.key), "/v1/wallet").await.status == 200;
        }
        all.then_some(())
    })
    .await;
    let addresses = [&api, &other].map(|api| (api.address.clone(), AtomicBool::new(true)));
    let balancer = Arc::new(Balancer { gateways: addresses.into(), ..Balancer::default() });
    let admin_ports = [&gateways[0], &gateways[1]].map(|gateway| gateway.logged("admin port listens", "address"));
    let looking = tokio::spawn(Arc::clone(&balancer).look(admin_ports));
    let mut socket = Socket::anonymous(&api).await;
    assert_eq!(socket.subscribe("book", MARKET).await["type"], "snapshot");

    let mut clients = tokio::task::JoinSet::new();
    for (account, number) in accounts.iter().zip(0..) {
        clients.spawn(trades(Arc::clone(&balancer), account.clone(), number));
    }
    clients.spawn(reads(Arc::clone(&balancer)));
    eventually("both serve", async || (balancer.count(0) > 50 && balancer.count(1) > 50).then_some(())).await;
    ends(&mut gateways[0]).await;
    let before = balancer.count(1);
    eventually("the other goes on", async || (balancer.count(1) > before + 100).then_some(())).await;
    balancer.stop.store(true, Ordering::Relaxed);
    // A request that failed has ended its client with a panic.
    while let Some(client) = clients.join_next().await {
        client.expect("no request failed");
    }
    looking.await.unwrap();
    let code = loop {
        if let Heard::Closed(code) = socket.hear().await {
            break code;
        }
    };
    assert_eq!(code, 1001);
    drop((gateways, engine, projections));
    platform.remove().await;
}
