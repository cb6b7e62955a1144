//! `POST /v1/orders/batch`: many requests of one account at once.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use futures_util::{StreamExt, stream};
use schemas::ids::LogPosition;
use schemas::limits::BATCH_MAX;
use schemas::shard_map::ShardMap;
use schemas::{AccountId, BatchRequest, Command, OrderRef, Rejection, Shard};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::asker;
use crate::batch::{Batch, BatchItem, Content, ItemReply};
use crate::http::answer::{AcceptedAnswer, Answer, AtPositions};
use crate::http::auth::TradeAccess;
use crate::http::command::{CommandFailure, unsettled};
use crate::http::extract::{JsonBody, QueryString};
use crate::http::fields::Fields;
use crate::http::new_order::{RequestedOrder, no_market, read_market};
use crate::http::orders::{self, AnswerOrigin, RequestedAmendment};
use crate::http::parse::{self, ValueFault};
use crate::http::problem::{Problem, kinds};
use crate::http::signed::MustName;
use crate::openapi::requests::SubmitBatch;
use crate::openapi::scalars::CommandIdText;
use crate::rates::ItemCounts;
use crate::state::Shared;
use crate::submit::SubmitError;
use crate::view::LiveView;

/// Repeated orders that are looked up in Postgres at the same time: a small part of the pool.
const LOOKUPS: usize = 4;

/// A request of a batch, before its market is looked up.
enum Entry {
    Place(RequestedOrder),
    Cancel(OrderRef),
    Amend(OrderRef, RequestedAmendment),
}

const KINDS: [&str; 3] = ["place", "cancel", "amend"];

impl Entry {
    /// Reads one of `place`, `cancel` and `amend`.
    fn read(fields: &mut Fields, must_name: MustName) -> Option<Self> {
        let (given, absent): (Vec<&str>, Vec<&str>) = KINDS.into_iter().partition(|kind| fields.has(kind));
        fields.skip::<()>(&absent);
        match given[..] {
            ["place"] => {
                let wanted = fields.object("place", |fields| {
                    must_name.check(fields);
                    RequestedOrder::read(fields)
                });
                wanted.map(Self::Place)
            }
            ["cancel"] => fields.object("cancel", read_order).map(Self::Cancel),
            ["amend"] => fields.object("amend", |fields| {
                let (order, change) = (read_order(fields), RequestedAmendment::read(fields));
                Some(Self::Amend(order?, change?))
            }),
            _ => {
                let why = "give one of place, cancel, amend";
                fields.fault(
                    "place",
                    if given.is_empty() { ValueFault::missing(why) } else { ValueFault::conflict(why) },
                );
                fields.skip(&KINDS)
            }
        }
    }

    /// Returns the request and the shard of its market, which must exist.
    fn sound(self, account: AccountId, view: &LiveView, map: ShardMap, index: usize) -> Result<Sound, Problem> {
        let path = |kind: &str| format!("/requests/{index}/{kind}");
        Ok(match self {
            Self::Place(wanted) => {
                let (order, listing) = wanted.order(account, view, &path("place"))?;
                let name = order.client_id.map(|client_id| (order.market, client_id));
                let (shard, ticker) = (map.of_market(order.market), listing.ticker.to_string());
                Sound { shard, request: BatchRequest::Place(order), asked: BatchItem::Place(name), ticker }
            }
            Self::Cancel(order) => {
                let shard = shard_of(order, view, map, &path("cancel"))?;
                Sound {
                    shard,
                    request: BatchRequest::Cancel(order),
                    asked: BatchItem::Cancel(order),
                    ticker: String::new(),
                }
            }
            Self::Amend(order, RequestedAmendment { price, quantity }) => {
                let shard = shard_of(order, view, map, &path("amend"))?;
                let request = BatchRequest::Amend { order, price, quantity };
                Sound { shard, request, asked: BatchItem::Amend(order), ticker: String::new() }
            }
        })
    }
}

/// A valid request.
struct Sound {
    shard: Shard,
    request: BatchRequest,
    asked: BatchItem,
    /// Returns the request for a known market.
    ticker: String,
}

/// Returns the shard of an order, if there can be one.
fn shard_of(order: OrderRef, view: &LiveView, map: ShardMap, path: &str) -> Result<Shard, Problem> {
    match order {
        // Orders of archived markets have answers too: how they ended.
        OrderRef::ClientId { market, .. } if view.market(market).is_none() && !view.is_archived(market) => {
            Err(no_market(view, market, path))
        }
        OrderRef::Id(id) if id.shard().number() >= map.shards() => {
            Err(Problem::new(kinds::ORDER_UNKNOWN).detail(format!("no order can have the id of {path}")))
        }
        _ => Ok(order.shard(map)),
    }
}

/// Reads `order_id`, or `client_id` with the market in which it names an order.
fn read_order(fields: &mut Fields) -> Option<OrderRef> {
    const WHY: &str = "give either order_id or client_id";
    if fields.has("client_id") {
        fields.refuse("order_id", WHY);
        let client_id = fields.text("client_id", parse::client_id);
        let market = read_market(fields);
        return Some(OrderRef::ClientId { market: market?, client_id: client_id? });
    }
    fields.refuse("client_id", WHY);
    for name in ["market_id", "ticker"] {
        fields.refuse(name, "only with client_id");
    }
    fields.text("order_id", parse::order_id).map(OrderRef::Id)
}

/// Reads the requests and whether all or none are to be done.
fn read(mut fields: Fields, must_name: MustName) -> Result<(bool, Vec<Entry>), Problem> {
    let all_or_nothing = fields.flag("all_or_nothing");
    let entries = fields.objects("requests", 1..=BATCH_MAX, |entry| Entry::read(entry, must_name));
    fields.finish(all_or_nothing.zip(entries))
}

/// Makes one command for each shard, with its requests in order.
fn split(account: AccountId, all_or_nothing: bool, requests: &[Sound]) -> Result<Vec<(Shard, Command)>, Problem> {
    let mut shards: BTreeMap<Shard, Vec<BatchRequest>> = BTreeMap::new();
    for Sound { shard, request, .. } in requests {
        shards.entry(*shard).or_default().push(*request);
    }
    if all_or_nothing && shards.len() > 1 {
        // No shard can promise for another one.
        let detail = format!("all_or_nothing needs markets of one shard; these are of {}", shards.len());
        return Err(Problem::rejection(Rejection::BatchConflict).detail(detail));
    }
    let command = |requests| Command::Batch { account, all_or_nothing, requests };
    Ok(shards.into_iter().map(|(shard, requests)| (shard, command(requests))).collect())
}

fn counts(requests: &[Sound]) -> ItemCounts {
    let mut counts = ItemCounts::default();
    for Sound { request, .. } in requests {
        match request {
            BatchRequest::Place(_) => counts.places += 1,
            BatchRequest::Amend { .. } => counts.amends += 1,
            BatchRequest::Cancel(_) => counts.cancels += 1,
        }
    }
    counts
}

/// The result of each request, in order.
#[derive(Serialize, ToSchema)]
pub struct BatchAnswer {
    /// False if some results are still missing.
    complete: bool,
    results: Vec<ResultItem>,
    #[schema(value_type = CommandIdText)]
    command_id: String,
    /// The path at which the missing results will be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    look: Option<Value>,
}

/// What a batch answers of which some results, or all, are still to come.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes the two answers")]
enum BatchToCome {
    Some(AtPositions<'static, BatchAnswer>),
    None(AcceptedAnswer),
}

/// The answer that the request would have received alone.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchResult)]
struct ResultItem {
    /// The status of the answer that the request alone would get.
    #[schema(minimum = 200, maximum = 504, example = 201)]
    status: u16,
    /// The body of that answer.
    body: Value,
}

/// Places, cancels and amends many orders.
#[utoipa::path(
    post,
    path = "/v1/orders/batch",
    operation_id = "submit_batch",
    tag = "orders",
    request_body = SubmitBatch,
    responses(
        (status = 200, description = "The result of each request, in order", body = AtPositions<BatchAnswer>),
        (status = 202, description = "The same; some results, or all, are still to come", body = BatchToCome),
    ),
    security(("account" = ["TRADE"])),
)]
pub async fn batch(
    TradeAccess(account): TradeAccess,
    must_name: MustName,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(fields): JsonBody,
) -> Result<Answer<BatchAnswer>, CommandFailure> {
    query.nothing_else()?;
    let (all_or_nothing, entries) = read(fields, must_name)?;
    let requests: Vec<Sound> = {
        let view = state.live.view();
        let sound = |(index, entry): (usize, Entry)| entry.sound(account, &view, state.map, index);
        entries.into_iter().enumerate().map(sound).collect::<Result<_, _>>()?
    };
    let commands = split(account, all_or_nothing, &requests)?;
    state.rates.admit_items(asker::asker(), counts(&requests)).map_err(Problem::rate_limited)?;
    let mut batch = Batch::new(requests.iter().map(|sound| (sound.shard, sound.asked)));
    let id = state.submitter.ask_all(commands, &mut batch).await;
    let positions = batch.positions();
    let replies = batch.into_replies()?;
    if let Some(error) = lost_alike(&replies) {
        return Err(unsettled(error, orders::look_by_command));
    }
    let complete = !replies.iter().any(is_to_come);
    let deadline = Instant::now() + state.submitter.within();
    let results = stream::iter(replies.into_iter().zip(requests))
        .map(|(reply, sound)| result(&state, account, reply, sound, deadline))
        .buffered(LOOKUPS)
        .collect()
        .await;
    let look = (!complete).then(|| orders::look_by_command(id).remove("look")).flatten();
    let answer = Answer::many(BatchAnswer { complete, results, command_id: id.to_string(), look }, positions);
    Ok(if complete { answer } else { answer.accepted() })
}

/// Returns why nothing is known of any request, if the reason is the same for all.
fn lost_alike(replies: &[ItemReply]) -> Option<SubmitError> {
    let mut errors = replies.iter().map(|reply| match reply {
        ItemReply::Lost(error) => Some(error),
        ItemReply::Told(..) => None,
    });
    let first = errors.next()??;
    errors.all(|error| error == Some(first)).then(|| first.clone())
}

fn is_to_come(reply: &ItemReply) -> bool {
    matches!(reply, ItemReply::Lost(SubmitError::Accepted(_) | SubmitError::OutcomeUnknown(_)))
}

async fn result(state: &Shared, account: AccountId, reply: ItemReply, sound: Sound, deadline: Instant) -> ResultItem {
    let answered = match reply {
        ItemReply::Lost(error) => Err(unsettled(error, |id| match sound.asked {
            BatchItem::Place(_) => orders::look_by_command(id),
            BatchItem::Cancel(order) | BatchItem::Amend(order) => orders::look(order),
        })),
        ItemReply::Told(Content::Order(outcome), at, command) => {
            let origin = AnswerOrigin { at, command };
            let answer = orders::answered(state, account, outcome, sound.ticker, origin, deadline).await;
            answer.map(|answer| (StatusCode::CREATED, shown(&answer, at)))
        }
        ItemReply::Told(Content::Cancelled(answer), at, _) => Ok((StatusCode::OK, shown(&answer, at))),
        ItemReply::Told(Content::Amended(answer), at, _) => Ok((StatusCode::OK, shown(&answer, at))),
        ItemReply::Told(Content::Refused(problem), ..) => Err(CommandFailure::Problem(problem)),
    };
    let (status, body) = answered.unwrap_or_else(|failure| match failure {
        CommandFailure::Problem(problem) => (problem.kind().status, problem.body_of_write()),
        CommandFailure::Accepted(body) => (StatusCode::ACCEPTED, body),
    });
    ResultItem { status: status.as_u16(), body }
}

/// An answer with its log position, with the body of the single request's answer.
fn shown(answer: &impl Serialize, at: LogPosition) -> Value {
    let mut body = serde_json::to_value(answer).expect("plain structs of texts and numbers");
    body["position"] = json!(at.to_string());
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{listing, outcome};
    use schemas::reading::Checkpoint;
    use schemas::{AdminId, ClientId, CommandId, Event, MarketId, OrderId, Quantity};

    const NAME: &str = "8f14e45f-ceea-467f-a8f8-6f6c3d3f7a11";

    fn faults(body: &Value) -> Vec<String> {
        let problem = read(Fields::parse(body.to_string().as_bytes()).unwrap(), MustName(false)).err().unwrap();
        let errors = problem.body()["errors"].clone();
        errors.as_array().unwrap().iter().map(|e| format!("{} {}", e["pointer"], e["code"]).replace('"', "")).collect()
    }

    #[test]
    fn requests_are_one_of_three() {
        let body = json!({"all_or_nothing": true, "requests": [
            {"cancel": {"order_id": "7"}, "amend": null},
            {"amend": {"client_id": NAME, "ticker": "RAIN", "quantity": 3}},
            {"cancel": {"client_id": NAME, "market_id": "7"}},
        ]});
        let (all_or_nothing, entries) =
            read(Fields::parse(body.to_string().as_bytes()).unwrap(), MustName(false)).unwrap();
        assert!(all_or_nothing);
        let (price, quantity) = (None, Quantity::new(3));
        assert!(matches!(entries[0], Entry::Cancel(OrderRef::Id(OrderId(7)))));
        let client_id = ClientId(0x8f14_e45f_ceea_467f_a8f8_6f6c_3d3f_7a11);
        let named = |market| OrderRef::ClientId { market, client_id };
        assert!(matches!(entries[1], Entry::Amend(found, change)
            if found == named(listing("RAIN").market) && change == RequestedAmendment { price, quantity }));
        assert!(matches!(entries[2], Entry::Cancel(found) if found == named(MarketId(7))));
    }

    /// A view of 4 shards with these markets, each on its own.
    fn view(map: ShardMap, tickers: &[&str]) -> LiveView {
        let mut view = LiveView::at(&[Checkpoint::default(); 4]);
        for ticker in tickers {
            let listing = listing(ticker);
            let created = outcome(1, vec![Event::MarketCreated { listing: listing.clone(), by: AdminId(1) }]);
            view.apply(map.of_market(listing.market), &created).unwrap();
        }
        view
    }

    fn sound(view: &LiveView, map: ShardMap, requests: &Value) -> Result<Vec<Sound>, String> {
        let body = json!({"requests": requests});
        let (_, entries) = read(Fields::parse(body.to_string().as_bytes()).unwrap(), MustName(false)).unwrap();
        let sound = |(index, entry): (usize, Entry)| entry.sound(AccountId(1), view, map, index);
        let all = entries.into_iter().enumerate().map(sound).collect::<Result<_, _>>();
        all.map_err(|problem: Problem| format!("{}: {}", problem.kind().code, problem.text()))
    }

    #[test]
    fn each_request_goes_to_its_markets_shard_and_all_or_nothing_to_one() {
        let map = ShardMap::new(4).unwrap();
        let shard = |ticker: &str| map.of_market(listing(ticker).market);
        let (here, there) = ("A", ["B", "C", "D", "E"].into_iter().find(|other| shard(other) != shard("A")).unwrap());
        let view = view(map, &[here, there]);
        let place = |ticker: &str| json!({"place": {"ticker": ticker, "contract": "YES", "side": "BUY", "type": "LIMIT", "price": "0.5", "quantity": 1}});
        let by_id = OrderId::compose(shard(there), 5);
        let requests = json!([
            place(here),
            {"cancel": {"order_id": by_id.to_string()}},
            place(there),
            {"cancel": {"client_id": NAME, "ticker": here}},
        ]);
        let requests = sound(&view, map, &requests).unwrap();
        assert_eq!(counts(&requests), ItemCounts { places: 2, amends: 0, cancels: 2 });
        let commands = split(AccountId(1), false, &requests).unwrap();
        let shown: Vec<_> = commands
            .iter()
            .map(|(shard, command)| {
                let Command::Batch { requests, .. } = command else { panic!("{command:?}") };
                let places = requests.iter().filter(|request| matches!(request, BatchRequest::Place(_))).count();
                (*shard, requests.len(), places, matches!(requests[0], BatchRequest::Place(_)))
            })
            .collect();
        let mut wanted = vec![(shard(here), 2, 1, true), (shard(there), 2, 1, false)];
        wanted.sort_unstable();
        assert_eq!(shown, wanted);
        assert_eq!(split(AccountId(1), true, &requests).unwrap_err().kind().code, "batch-conflict");
        assert_eq!(split(AccountId(1), true, &requests[..1]).unwrap().len(), 1);
    }

    #[test]
    fn what_no_shard_can_have_is_refused_before_anything_is_written() {
        let map = ShardMap::new(4).unwrap();
        let view = view(map, &["A"]);
        let refused =
            |request: Value| sound(&view, map, &json!([{"cancel": {"order_id": "1"}}, request])).err().unwrap();
        let nowhere = refused(json!({"cancel": {"client_id": NAME, "ticker": "NOBODY"}}));
        assert_eq!(nowhere, "market-unknown: the market of /requests/1/cancel does not exist, or is archived");
        let beyond = refused(json!({"amend": {"order_id": i64::MAX.to_string(), "quantity": 1}}));
        assert_eq!(beyond, "order-unknown: no order can have the id of /requests/1/amend");
    }

    #[test]
    fn a_batch_of_which_nothing_is_known_is_answered_like_any_command() {
        let (id, lost) = (CommandId(7), |error: &SubmitError| ItemReply::Lost(error.clone()));
        let (accepted, overloaded) = (SubmitError::Accepted(id), SubmitError::Overloaded);
        assert_eq!(lost_alike(&[lost(&accepted), lost(&accepted)]), Some(accepted.clone()));
        assert_eq!(lost_alike(&[lost(&accepted), lost(&overloaded)]), None);
        assert_eq!((is_to_come(&lost(&accepted)), is_to_come(&lost(&overloaded))), (true, false));
        let refused = Content::Refused(Problem::rejection(Rejection::OrderUnknown));
        let told = ItemReply::Told(refused, "0:7".parse().unwrap(), id);
        assert_eq!((is_to_come(&told), lost_alike(&[told])), (false, None));
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
            {"cancel": {"client_id": NAME}},
            {"cancel": {"order_id": "1", "ticker": "RAIN"}},
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
                "/requests/2/cancel/market_id missing",
                "/requests/3/cancel/market_id missing",
                "/requests/4/cancel/ticker conflict",
                "/requests/5/amend/price missing",
                "/requests/6/place/market_id missing",
                "/requests/6/place/contract missing",
                "/requests/6/place/type missing",
                "/requests/7/place missing",
                "/requests/7/destroy unknown",
                "/requests/8 type",
            ]
        );
    }
}
