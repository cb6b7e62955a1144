//! Many requests of one account at once: `POST /v1/orders/batch`.

use axum::extract::State;
use axum::http::StatusCode;
use futures_util::{StreamExt, stream};
use schemas::ids::Coordinate;
use schemas::limits::BATCH_MAX;
use schemas::{AccountId, Command, CommandId, OrderRef, Request};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::batch::{Asked, Batch, Content, Item, Reply};
use crate::config::OUTCOME_WITHIN;
use crate::http::answer::Answer;
use crate::http::auth::Trader;
use crate::http::command::{Failure, look_at, unsettled};
use crate::http::extract::{Body, Query};
use crate::http::fields::Fields;
use crate::http::new_order::Wanted;
use crate::http::orders::{self, Change, Origin};
use crate::http::parse::{self, Fault};
use crate::http::problem::Problem;
use crate::state::Shared;
use crate::submit::Settled;
use crate::view::LiveView;

/// Repeated orders that are looked up at the same time: a small part of the pool.
const LOOKUPS: usize = 4;

/// A request of a batch, before its market is looked up.
enum Entry {
    Place(Wanted),
    Cancel(OrderRef),
    Amend(OrderRef, Change),
}

const KINDS: [&str; 3] = ["place", "cancel", "amend"];

impl Entry {
    /// One of `place`, `cancel` and `amend`.
    fn read(fields: &mut Fields) -> Option<Self> {
        let (given, absent): (Vec<&str>, Vec<&str>) = KINDS.into_iter().partition(|kind| fields.has(kind));
        fields.skip::<()>(&absent);
        match given[..] {
            ["place"] => fields.object("place", Wanted::read).map(Self::Place),
            ["cancel"] => fields.object("cancel", read_order).map(Self::Cancel),
            ["amend"] => fields.object("amend", |fields| {
                let (order, change) = (read_order(fields), Change::read(fields));
                Some(Self::Amend(order?, change?))
            }),
            _ => {
                let why = "give one of place, cancel, amend";
                fields.fault("place", if given.is_empty() { Fault::missing(why) } else { Fault::conflict(why) });
                fields.skip(&KINDS)
            }
        }
    }

    fn asked(&self) -> Asked {
        match self {
            Self::Place(_) => Asked::Place,
            Self::Cancel(_) => Asked::Cancel,
            Self::Amend(..) => Asked::Amend,
        }
    }

    /// The request, and the ticker of the market that an order is for.
    fn request(self, account: AccountId, view: &LiveView, index: usize) -> Result<(Request, String), Problem> {
        Ok(match self {
            Self::Place(wanted) => {
                let (order, listing) = wanted.order(account, view, &format!("/requests/{index}/place"))?;
                (Request::Place(order), listing.ticker.to_string())
            }
            Self::Cancel(order) => (Request::Cancel(order), String::new()),
            Self::Amend(order, Change { price, quantity }) => {
                (Request::Amend { order, price, quantity }, String::new())
            }
        })
    }
}

/// `order_id` or `client_id`, one of the two.
fn read_order(fields: &mut Fields) -> Option<OrderRef> {
    const WHY: &str = "give either order_id or client_id";
    if fields.has("client_id") {
        fields.refuse("order_id", WHY);
        return fields.text("client_id", parse::client_id).map(OrderRef::ClientId);
    }
    fields.refuse("client_id", WHY);
    fields.text("order_id", parse::order_id).map(OrderRef::Id)
}

/// The requests, and whether all or none are to be done.
fn read(mut fields: Fields) -> Result<(bool, Vec<Entry>), Problem> {
    let all_or_nothing = fields.flag("all_or_nothing");
    let entries = fields.objects("requests", 1..=BATCH_MAX, Entry::read);
    fields.finish(all_or_nothing.zip(entries))
}

/// What became of each request, in order.
#[derive(Serialize)]
pub struct BatchAnswer {
    /// False if some results are still to come.
    complete: bool,
    results: Vec<ResultItem>,
    command_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    look: Option<String>,
}

/// What the request would have been answered with, had it come alone.
#[derive(Serialize)]
struct ResultItem {
    status: u16,
    body: Value,
}

/// `POST /v1/orders/batch`
pub async fn batch(
    Trader(account): Trader,
    State(state): State<Shared>,
    query: Query,
    Body(fields): Body,
) -> Result<Answer<BatchAnswer>, Failure> {
    query.nothing_else()?;
    let (all_or_nothing, entries) = read(fields)?;
    let mut batch = Batch::new(entries.iter().map(Entry::asked));
    let (requests, tickers): (Vec<Request>, Vec<String>) = {
        let view = state.live.view();
        let requests = entries.into_iter().enumerate().map(|(index, entry)| entry.request(account, &view, index));
        requests.collect::<Result<Vec<_>, _>>()?.into_iter().unzip()
    };
    let command = Command::Batch { account, all_or_nothing, requests };
    let home = state.map.of_account(account);
    let followed = state.submitter.follow(home, command, |settled: Settled| batch.fold(settled)).await;
    let look = |id| format!("/v1/orders?command_id={id}");
    let (id, complete) = followed.map_err(|error| unsettled(error, |id| look_at(look(id))))?;
    let positions = batch.positions();
    let deadline = Instant::now() + OUTCOME_WITHIN;
    let results = stream::iter(batch.into_items()?.into_iter().zip(tickers))
        .map(|(item, ticker)| result(&state, account, id, item, ticker, deadline))
        .buffered(LOOKUPS)
        .collect()
        .await;
    let look = (!complete).then(|| look(id));
    let answer = Answer::many(BatchAnswer { complete, results, command_id: id.to_string(), look }, positions);
    Ok(if complete { answer } else { answer.accepted() })
}

async fn result(
    state: &Shared,
    account: AccountId,
    command: CommandId,
    item: Item,
    ticker: String,
    deadline: Instant,
) -> ResultItem {
    let Some(Reply { at, content }) = item.reply else {
        let order = item.order.map(|id| id.to_string());
        return ResultItem { status: StatusCode::ACCEPTED.as_u16(), body: json!({"order_id": order}) };
    };
    let answered = match content {
        Content::Order(outcome) => {
            let origin = Origin { at, command };
            let answer = orders::answered(state, account, outcome, ticker, origin, deadline).await;
            answer.map(|answer| (StatusCode::CREATED, shown(&answer, at)))
        }
        Content::Cancelled(answer) => Ok((StatusCode::OK, shown(&answer, at))),
        Content::Amended(answer) => Ok((StatusCode::OK, shown(&answer, at))),
        Content::Refused(problem) => Err(Failure::Problem(problem)),
    };
    let (status, body) = answered.unwrap_or_else(|failure| match failure {
        Failure::Problem(problem) => (problem.kind().status, problem.body()),
        Failure::Accepted(body) => (StatusCode::ACCEPTED, body),
    });
    ResultItem { status: status.as_u16(), body }
}

/// An answer with its position, as the single request's body.
fn shown(answer: &impl Serialize, at: Coordinate) -> Value {
    let mut body = serde_json::to_value(answer).expect("plain structs of texts and numbers");
    body["position"] = json!(at.to_string());
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{ClientId, OrderId, Quantity};

    fn faults(body: &Value) -> Vec<String> {
        let problem = read(Fields::parse(body.to_string().as_bytes()).unwrap()).err().unwrap();
        let errors = problem.body()["errors"].clone();
        errors.as_array().unwrap().iter().map(|e| format!("{} {}", e["pointer"], e["code"]).replace('"', "")).collect()
    }

    #[test]
    fn requests_are_one_of_three() {
        let client_id = "8f14e45f-ceea-467f-a8f8-6f6c3d3f7a11";
        let body = json!({"all_or_nothing": true, "requests": [
            {"cancel": {"order_id": "7"}, "amend": null},
            {"amend": {"client_id": client_id, "quantity": 3}},
        ]});
        let (all_or_nothing, entries) = read(Fields::parse(body.to_string().as_bytes()).unwrap()).unwrap();
        assert!(all_or_nothing);
        let (price, quantity) = (None, Quantity::new(3));
        assert!(matches!(entries[0], Entry::Cancel(OrderRef::Id(OrderId(7)))));
        let name = ClientId(0x8f14_e45f_ceea_467f_a8f8_6f6c_3d3f_7a11);
        assert!(matches!(entries[1], Entry::Amend(OrderRef::ClientId(found), change)
            if found == name && change == Change { price, quantity }));
    }

    #[test]
    fn each_fault_has_its_place() {
        assert_eq!(faults(&json!({})), ["/requests missing"]);
        assert_eq!(faults(&json!({"requests": []})), ["/requests out-of-range"]);
        assert_eq!(
            faults(&json!({"requests": vec![json!({"cancel": {"order_id": "1"}}); 101]})),
            ["/requests out-of-range"]
        );
        let requests = json!([
            {},
            {"cancel": {"order_id": "1"}, "amend": {"order_id": "1", "quantity": 1}},
            {"cancel": {"order_id": "1", "client_id": "x"}},
            {"amend": {"order_id": "1"}},
            {"place": {"side": "BUY"}},
            {"destroy": {}},
            "cancel",
        ]);
        assert_eq!(
            faults(&json!({"all_or_nothing": "yes", "requests": requests})),
            [
                "/all_or_nothing type",
                "/requests/0/place missing",
                "/requests/1/place conflict",
                "/requests/2/cancel/order_id conflict",
                "/requests/2/cancel/client_id form",
                "/requests/3/amend/price missing",
                "/requests/4/place/market_id missing",
                "/requests/4/place/contract missing",
                "/requests/4/place/type missing",
                "/requests/5/place missing",
                "/requests/5/destroy unknown",
                "/requests/6 type",
            ]
        );
    }
}
