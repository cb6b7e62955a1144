//! A client within its limits: at a fixed rate it places an order, cancels it, and reads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::body::Bytes;

use super::stage::AttackStage;
use super::watch;
use crate::api::{ApiConnection, ApiError, ApiReply, Credentials};
use crate::error::Error;
use crate::latency::Latencies;

/// Requests per second.
const RATE: u32 = 40;

/// Number of connections used in turn, so that one slow answer does not delay the next request.
const CONNECTIONS: usize = 16;

/// The victim.
pub struct Victim<'a> {
    stage: &'a AttackStage,
}

/// The victim's results.
pub struct VictimFigures {
    latencies: Latencies,
    /// Number of requests that were refused or had no answer.
    pub refused: u64,
    /// Refusals by their text.
    pub refusals: BTreeMap<String, u64>,
}

impl VictimFigures {
    pub fn median(&self) -> f64 {
        self.latencies.quantile_ms(0.5)
    }

    pub fn p99(&self) -> f64 {
        self.latencies.quantile_ms(0.99)
    }
}

impl<'a> Victim<'a> {
    pub fn new(stage: &'a AttackStage) -> Self {
        Self { stage }
    }

    /// Sends requests at their due times for the given duration.
    pub async fn live(&self, length: Duration) -> Result<VictimFigures, Error> {
        let mut seen = VictimFigures { latencies: Latencies::new(), refused: 0, refusals: BTreeMap::new() };
        // Before it trades, so that it is told of that.
        let kept = watch::opened(self.stage).await;
        let start = Instant::now() + Duration::from_millis(50);
        let turns = (0..CONNECTIONS).map(|turn| {
            let (endpoint, key, market) =
                (self.stage.endpoint.clone(), self.stage.victim.clone(), self.stage.market.market_id.clone());
            tokio::spawn(async move {
                let step = Duration::from_secs(1) / RATE;
                let (mut connection, mut answers) = (ApiConnection::new(endpoint), Vec::new());
                for number in (turn..).step_by(CONNECTIONS) {
                    let due = step * u32::try_from(number).unwrap_or(u32::MAX);
                    if due >= length {
                        break;
                    }
                    tokio::time::sleep_until((start + due).into()).await;
                    for reply in one(&mut connection, &key, &market, number).await {
                        answers.push((start.elapsed().saturating_sub(due), reply));
                    }
                }
                answers
            })
        });
        let turns = turns.collect::<Vec<_>>();
        let (kept, visits) = tokio::join!(watch::keep(kept, length), watch::visit(self.stage, length));
        for refusal in kept.into_iter().chain(visits) {
            seen.refused += 1;
            *seen.refusals.entry(refusal).or_default() += 1;
        }
        for turn in turns {
            for (latency, reply) in turn.await.expect("a request of the victim does not panic") {
                seen.latencies.record(latency);
                if let Some(refusal) = refusal(&reply) {
                    seen.refused += 1;
                    *seen.refusals.entry(refusal).or_default() += 1;
                }
            }
        }
        Ok(seen)
    }
}

/// Sends one request. An order is cancelled at once, so that there are two answers.
async fn one(
    connection: &mut ApiConnection,
    key: &Credentials,
    market: &str,
    number: usize,
) -> Vec<Result<ApiReply, ApiError>> {
    let path = match number % 4 {
        0 => {
            let body = format!(
                r#"{{"market_id":"{market}","contract":"YES","side":"BUY","type":"LIMIT","price":"0.1000","quantity":1}}"#
            );
            let placed = connection.send(Method::POST, "/v1/orders", Some(key), Some(Bytes::from(body))).await;
            return match order_of(&placed) {
                Some(order) => {
                    let path = format!("/v1/orders/{order}");
                    vec![placed, connection.send(Method::DELETE, &path, Some(key), None).await]
                }
                None => vec![placed],
            };
        }
        1 => "/v1/wallet".to_owned(),
        2 => "/v1/orders?status=live&limit=20".to_owned(),
        _ => format!("/v1/markets/{market}/book?depth=5"),
    };
    vec![connection.send(Method::GET, &path, Some(key), None).await]
}

fn order_of(placed: &Result<ApiReply, ApiError>) -> Option<String> {
    let reply = placed.as_ref().ok().filter(|reply| reply.status == 201)?;
    let body: serde_json::Value = serde_json::from_slice(&reply.body).ok()?;
    body["order_id"].as_str().map(str::to_owned)
}

/// Returns the text of a refusal, if it was one.
fn refusal(reply: &Result<ApiReply, ApiError>) -> Option<String> {
    match reply {
        Ok(reply) if (200..300).contains(&reply.status) => None,
        Ok(reply) => {
            let code = serde_json::from_slice::<serde_json::Value>(&reply.body).ok();
            let code = code.and_then(|body| body["code"].as_str().map(str::to_owned)).unwrap_or_default();
            Some(format!("{} {code}", reply.status))
        }
        Err(error) => Some(error.to_string()),
    }
}
