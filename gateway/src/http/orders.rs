//! Placing and cancelling orders.

use std::time::Duration;

use axum::extract::State;
use schemas::event::FirstOutcome;
use schemas::{
    AccountId, ClientId, Command, Contract, Entry, FeeRate, Listing, MarketId, NewOrder, OrderId, Price, Side, Terms,
    TimeInForce,
};
use serde_json::json;
use tokio::time::Instant;

use crate::answers::{self, CancelAnswer, FILLS_SHOWN, OrderAnswer, OrderOutcome, refusal};
use crate::config::OUTCOME_WITHIN;
use crate::db::{DbError, ListedOrder};
use crate::http::answer::Answer;
use crate::http::auth::Trader;
use crate::http::command::{Failure, look_at, submit};
use crate::http::extract::{Body, Query, Segment};
use crate::http::fields::Fields;
use crate::http::history::unreadable;
use crate::http::parse;
use crate::http::problem::{FieldError, Place, Problem, kinds};
use crate::shapes::OrderType;
use crate::state::Shared;
use crate::submit::Settled;

/// A body of `POST /v1/orders`, before its market is looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Wanted {
    market: MarketId,
    entry: Entry,
    terms: Terms,
    client_id: Option<ClientId>,
}

/// Fields whose meaning hangs on `side` and `type`.
const TERMS: [&str; 5] = ["price", "quantity", "time_in_force", "budget", "worst_price"];

impl Wanted {
    fn read(mut fields: Fields) -> Result<Self, Problem> {
        let market = read_market(&mut fields);
        let contract = fields.text("contract", parse::name::<Contract>("YES, NO"));
        let side = fields.text("side", parse::name::<Side>("BUY, SELL"));
        let kind = fields.text("type", parse::name::<OrderType>("LIMIT, MARKET"));
        let client_id = fields.text_or("client_id", None, |text| parse::client_id(text).map(Some));
        let terms = match side.zip(kind) {
            Some((side, kind)) => read_terms(&mut fields, side, kind),
            // Nothing can be said about them, not even that they are unknown.
            None => fields.skip(&TERMS),
        };
        let built = (|| {
            let entry = Entry::of(contract?, side?);
            Some(Self { market: market?, entry, terms: terms?, client_id: client_id? })
        })();
        fields.finish(built)
    }

    /// The order for a market with this listing. It accepts the market's fees as they are known here.
    fn order(self, account: AccountId, listing: &Listing) -> Result<NewOrder, Problem> {
        let Self { market, entry, terms, client_id } = self;
        if let Terms::Limit { price, .. } = terms
            && !price.ticks().is_multiple_of(listing.tick)
        {
            return Err(off_tick(listing.tick));
        }
        let fee_rate: FeeRate = listing.maker_fee.max(listing.taker_fee);
        Ok(NewOrder { account, market, entry, terms, fee_rate, client_id })
    }
}

/// What the market would refuse anyway, told before anything is written.
fn off_tick(tick: u16) -> Problem {
    let problem = Problem::rejection(schemas::Rejection::PriceOffTick);
    let detail = format!("must be a multiple of {}", crate::shapes::Ticks(tick));
    let place = Place::Pointer("/price".to_owned());
    problem.detail(detail.clone()).error(FieldError { place, code: "out-of-range", detail })
}

/// `market_id` or `ticker`, one of the two. A ticker's id follows from it.
fn read_market(fields: &mut Fields) -> Option<MarketId> {
    if fields.has("ticker") {
        fields.refuse("market_id", "give either market_id or ticker");
        return fields.text("ticker", parse::ticker).map(|ticker| MarketId::of(&ticker));
    }
    fields.refuse("ticker", "give either market_id or ticker");
    fields.text("market_id", parse::market_id)
}

/// | type   | side      | required          | optional      |
/// |--------|-----------|-------------------|---------------|
/// | LIMIT  | BUY, SELL | price, quantity   | time_in_force |
/// | MARKET | BUY       | budget            |               |
/// | MARKET | BUY, SELL | quantity          | worst_price   |
fn read_terms(fields: &mut Fields, side: Side, kind: OrderType) -> Option<Terms> {
    match kind {
        OrderType::Limit => {
            fields.refuse("budget", "only for a MARKET order");
            fields.refuse("worst_price", "only for a MARKET order; a LIMIT order has a price");
            let price = fields.text("price", parse::price);
            let quantity = fields.integer("quantity", parse::quantity);
            let name = parse::name::<TimeInForce>("GTC, IOC");
            let time_in_force = fields.text_or("time_in_force", TimeInForce::Gtc, name);
            Some(Terms::Limit { price: price?, quantity: quantity?, time_in_force: time_in_force? })
        }
        OrderType::Market => {
            fields.refuse("price", "only for a LIMIT order; a MARKET order may have a worst_price");
            fields.refuse("time_in_force", "only for a LIMIT order");
            if fields.has("budget") { read_budget(fields, side) } else { read_market_terms(fields, side) }
        }
    }
}

fn read_budget(fields: &mut Fields, side: Side) -> Option<Terms> {
    fields.refuse("quantity", "give either quantity or budget");
    fields.refuse("worst_price", "only with a quantity");
    if side == Side::Sell {
        fields.refuse("budget", "only for a BUY order");
        return None;
    }
    fields.text("budget", parse::amount).map(|budget| Terms::Budget { budget })
}

fn read_market_terms(fields: &mut Fields, side: Side) -> Option<Terms> {
    fields.refuse("budget", "only for a BUY order");
    let any = match side {
        Side::Buy => Price::MAX,
        Side::Sell => Price::MIN,
    };
    let quantity = fields.integer("quantity", parse::quantity);
    let worst_price = fields.text_or("worst_price", any, parse::price);
    Some(Terms::Market { quantity: quantity?, worst_price: worst_price? })
}

/// `POST /v1/orders`
pub async fn place(
    Trader(account): Trader,
    State(state): State<Shared>,
    query: Query,
    Body(fields): Body,
) -> Result<Answer<OrderAnswer>, Failure> {
    query.nothing_else()?;
    let wanted = Wanted::read(fields)?;
    let listing = state.live.view().market(wanted.market).map(|live| live.market.listing.clone());
    let listing = listing.ok_or_else(|| Problem::new(kinds::MARKET_UNKNOWN))?;
    let order = wanted.order(account, &listing)?;
    let shard = match order.entry.side() {
        Side::Buy => state.map.of_account(account),
        Side::Sell => state.map.of_market(order.market),
    };
    let look = |id| look_at(format!("/v1/orders?command_id={id}"));
    let settled = submit(&state, shard, Command::PlaceOrder(order), look).await?;
    let at = settled.at();
    match answers::order(&settled) {
        Some(OrderOutcome::Placed(order, fills)) => {
            let answer = OrderAnswer::new(*order, Some(listing.ticker.to_string()), fills, false);
            Ok(Answer::one(answer, at).created())
        }
        Some(OrderOutcome::Refused(id, _)) => Err(refusal(&settled).order(id).into()),
        Some(OrderOutcome::Repeated(first)) => repeated(&state, account, first, &settled).await,
        None => Err(refusal(&settled).into()),
    }
}

/// The same request again: the first one's outcome, as it stands now.
async fn repeated(
    state: &Shared,
    account: AccountId,
    first: FirstOutcome,
    settled: &Settled,
) -> Result<Answer<OrderAnswer>, Failure> {
    let id = match first {
        FirstOutcome::Order { id } => id,
        FirstOutcome::OrderRejected { id, code } => {
            let problem = Problem::rejection(code).at(settled.at()).command(settled.outcome.cause.id);
            return Err(problem.order(id).repeated().into());
        }
        FirstOutcome::Deposit { .. } | FirstOutcome::Withdrawal { .. } => return Err(refusal(settled).into()),
    };
    let found = find(state, account, id).await.map_err(unreadable)?;
    let Some(ListedOrder { order, ticker, .. }) = found else {
        let mut body = look_at(format!("/v1/orders/{id}"));
        body.insert("order_id".to_owned(), json!(id.to_string()));
        body.insert("repeated".to_owned(), json!(true));
        return Err(Failure::Accepted(body.into()));
    };
    if let Some(code) = order.rejection {
        let problem = Problem::rejection(code).at(settled.at()).command(order.command);
        return Err(problem.order(id).repeated().into());
    }
    let fills = state.database.fills_of(&order, FILLS_SHOWN).await.map_err(unreadable)?;
    Ok(Answer::one(OrderAnswer::new(order, ticker, fills, true), settled.at()).created())
}

/// The order's birth may be on another shard's log and still on its way: looks for it a bounded time.
async fn find(state: &Shared, account: AccountId, id: OrderId) -> Result<Option<ListedOrder>, DbError> {
    const PAUSE: Duration = Duration::from_millis(20);
    let deadline = Instant::now() + OUTCOME_WITHIN;
    loop {
        let (found, _) = state.database.order(account, id).await?;
        if found.is_some() || Instant::now() >= deadline {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// `DELETE /v1/orders/{id}`
pub async fn cancel(
    Trader(account): Trader,
    State(state): State<Shared>,
    query: Query,
    Segment(id): Segment,
    Body(fields): Body,
) -> Result<Answer<CancelAnswer>, Failure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    let order = parse::order_id(&id).ok().filter(|order| order.market_shard().number() < state.map.shards());
    let order = order.ok_or_else(|| Problem::new(kinds::ORDER_UNKNOWN))?;
    let command = Command::CancelOrder { account, order };
    let look = |_| look_at(format!("/v1/orders/{order}"));
    let settled = submit(&state, order.market_shard(), command, look).await?;
    match answers::cancelled(&settled) {
        Some(answer) => Ok(Answer::one(answer, settled.at())),
        None => Err(refusal(&settled).order(order).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{Credits, Quantity};

    fn read(body: serde_json::Value) -> Result<Wanted, Vec<String>> {
        Wanted::read(Fields::parse(body.to_string().as_bytes()).unwrap()).map_err(|problem| {
            let body = problem.body();
            let errors = body["errors"].as_array().unwrap();
            errors.iter().map(|e| format!("{} {}", e["pointer"], e["code"]).replace('"', "")).collect()
        })
    }

    fn order(more: serde_json::Value) -> serde_json::Value {
        let mut body = json!({"ticker": "RAIN", "contract": "YES", "side": "BUY", "type": "LIMIT"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    fn terms(more: serde_json::Value) -> Result<Terms, Vec<String>> {
        read(order(more)).map(|wanted| wanted.terms)
    }

    #[test]
    fn each_type_has_its_own_terms() {
        let quantity = Quantity::new(10).unwrap();
        let price = Price::new(5_500).unwrap();
        assert_eq!(
            terms(json!({"price": "0.55", "quantity": 10})),
            Ok(Terms::Limit { price, quantity, time_in_force: TimeInForce::Gtc })
        );
        assert_eq!(
            terms(json!({"price": "0.55", "quantity": 10, "time_in_force": "IOC", "budget": null})),
            Ok(Terms::Limit { price, quantity, time_in_force: TimeInForce::Ioc })
        );
        assert_eq!(
            terms(json!({"type": "MARKET", "quantity": 10})),
            Ok(Terms::Market { quantity, worst_price: Price::MAX })
        );
        assert_eq!(
            terms(json!({"type": "MARKET", "side": "SELL", "quantity": 10})),
            Ok(Terms::Market { quantity, worst_price: Price::MIN })
        );
        assert_eq!(
            terms(json!({"type": "MARKET", "quantity": 10, "worst_price": "0.55"})),
            Ok(Terms::Market { quantity, worst_price: price })
        );
        let budget = Credits::whole(5);
        assert_eq!(terms(json!({"type": "MARKET", "budget": "5"})), Ok(Terms::Budget { budget }));
    }

    #[test]
    fn terms_of_another_type_are_refused() {
        let refused = |more, expected: &[&str]| assert_eq!(terms(more).unwrap_err(), expected);
        refused(json!({}), &["/price missing", "/quantity missing"]);
        refused(json!({"price": "0.5", "quantity": 1, "budget": "1"}), &["/budget conflict"]);
        refused(json!({"price": "0.5", "quantity": 1, "worst_price": "0.5"}), &["/worst_price conflict"]);
        refused(json!({"type": "MARKET"}), &["/quantity missing"]);
        refused(json!({"type": "MARKET", "quantity": 1, "price": "0.5"}), &["/price conflict"]);
        refused(json!({"type": "MARKET", "quantity": 1, "budget": "1"}), &["/quantity conflict"]);
        refused(json!({"type": "MARKET", "side": "SELL", "budget": "1"}), &["/budget conflict"]);
        refused(json!({"type": "MARKET", "quantity": 1, "time_in_force": "IOC"}), &["/time_in_force conflict"]);
        refused(json!({"type": "STOP", "price": "0.5", "quantity": 1}), &["/type form"]);
    }

    #[test]
    fn a_market_is_named_once() {
        let base = json!({"contract": "NO", "side": "SELL", "type": "LIMIT", "price": "0.5", "quantity": 1});
        let with = |more: serde_json::Value| {
            let mut body = base.clone();
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            read(body)
        };
        assert_eq!(with(json!({"market_id": "7"})).unwrap().market, MarketId(7));
        assert_eq!(with(json!({"ticker": "RAIN"})).unwrap().market, MarketId::of(&"RAIN".parse().unwrap()));
        assert_eq!(with(json!({})).unwrap_err(), ["/market_id missing"]);
        assert_eq!(with(json!({"ticker": "RAIN", "market_id": "7"})).unwrap_err(), ["/market_id conflict"]);
    }

    #[test]
    fn a_limit_price_is_on_the_markets_tick_and_the_fee_is_its_highest() {
        let mut listing = crate::view::tests::listing("RAIN");
        listing.tick = 100;
        let wanted = |price: &str| read(order(json!({"price": price, "quantity": 1}))).unwrap();
        let order = wanted("0.55").order(AccountId(1), &listing).unwrap();
        assert_eq!(order.fee_rate, listing.taker_fee);
        let problem = wanted("0.5501").order(AccountId(1), &listing).unwrap_err();
        assert_eq!(problem.kind().code, "price-off-tick");
    }
}
