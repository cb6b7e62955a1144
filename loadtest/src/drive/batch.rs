//! Batches of orders: several due orders in one request of one account.
//!
//! A batch is due when the last of its orders is. The account of the first order sends all of it;
//! sells become their alternative buys, since the bought contracts belong to many accounts.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{RequestKind, RequestResult};
use super::state::{DriveState, client_id, keep};
use crate::api::{ApiConnection, ApiError, ApiReply};
use crate::plan::{self, Action, Intent};

#[derive(Deserialize)]
struct BatchBody {
    results: Vec<ResultBody>,
}

#[derive(Deserialize)]
struct ResultBody {
    status: u16,
    body: Value,
}

/// Removes cancels, which no batch contains.
pub fn orders_of(plan: Vec<Intent>) -> Vec<Intent> {
    plan.into_iter().filter(|intent| !matches!(intent.action, Action::Cancel(_))).collect()
}

/// Sends the batch whose first order is at `first` of the plan. `due` is the time since it was due.
pub async fn send(
    shared: &DriveState,
    connection: &mut ApiConnection,
    first: usize,
    due: impl Fn() -> Duration,
) -> Vec<RequestResult> {
    let orders: Vec<&Intent> = shared.plan[first..].iter().take(shared.stage.batch).collect();
    let account = orders.first().map_or(0, |intent| intent.account);
    let (mut asked, mut body) = (Vec::with_capacity(orders.len()), String::from(r#"{"requests":["#));
    for (index, intent) in orders.iter().enumerate() {
        let (Action::Buy(buy) | Action::Sell { otherwise: buy, .. }) = intent.action else { continue };
        let client_id = client_id(shared.stage.run, shared.first + first + index);
        let order = plan::buy_body(&shared.stage.markets[intent.market], &buy, client_id);
        body.push_str(if asked.is_empty() { "" } else { "," });
        body.push_str(&format!(r#"{{"place":{order}}}"#));
        asked.push((RequestKind::Order { client_id, contract: Some(buy.contract) }, intent.market));
    }
    body.push_str("]}");
    let key = &shared.stage.keys[account];
    let reply = connection.send(Method::POST, "/v1/orders/batch", Some(key), Some(body.into())).await;
    let latency = due();
    let replies = each(reply, asked.len());
    let answer =
        |((asked, market), reply): ((RequestKind, usize), &Arc<_>)| RequestResult::new(asked, account, market, reply);
    let answers: Vec<RequestResult> = asked.into_iter().zip(&replies).map(answer).collect();
    answers.iter().for_each(|answer| keep(shared, answer, latency));
    answers
}

/// Returns the answer to each order: its own, or the result of the whole batch.
fn each(reply: Result<ApiReply, ApiError>, count: usize) -> Vec<Arc<Result<ApiReply, ApiError>>> {
    if let Ok(ApiReply { status: 200 | 202, body }) = &reply
        && let Ok(batch) = serde_json::from_slice::<BatchBody>(body)
        && batch.results.len() == count
    {
        let own = |result: ResultBody| Ok(ApiReply { status: result.status, body: result.body.to_string().into() });
        return batch.results.into_iter().map(own).map(Arc::new).collect();
    }
    let of_all = Arc::new(reply);
    vec![of_all; count]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn statuses(status: u16, body: &str, count: usize) -> Vec<u16> {
        let replies = each(Ok(ApiReply { status, body: body.to_owned().into() }), count);
        replies.iter().map(|reply| reply.as_ref().as_ref().unwrap().status).collect()
    }

    #[test]
    fn each_order_has_its_own_answer_or_that_of_its_batch() {
        let two = r#"{"complete":true,"results":[{"status":201,"body":{}},{"status":409,"body":{"code":"x"}}]}"#;
        assert_eq!(statuses(200, two, 2), [201, 409]);
        assert_eq!(statuses(202, r#"{"command_id":"x"}"#, 2), [202, 202]);
        assert_eq!(statuses(503, "{}", 3), [503, 503, 503]);
        assert_eq!(statuses(200, two, 3), [200, 200, 200]);
    }

    #[test]
    fn the_failure_of_a_batch_is_the_result_of_each_of_its_orders() {
        let error = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let replies = each(Err(ApiError::Connect { url: "http://localhost".to_owned(), error }), 3);
        let asked = RequestKind::Order { client_id: uuid::Uuid::nil(), contract: None };
        let labels: Vec<_> =
            replies.iter().map(|reply| RequestResult::new(asked, 0, 0, reply).result.label()).collect();
        assert_eq!(labels, ["failed: no connection"; 3]);
    }
}
