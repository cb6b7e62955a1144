//! A new order as a client requests it, alone or in a batch: its fields, and the checks against its
//! market. Pure.

use schemas::{
    AccountId, ClientId, Contract, Entry, FeeRate, Instructions, Listing, MarketId, NewOrder, PostOnly, Price, Side,
    Terms, TimeInForce,
};

use crate::http::fields::Fields;
use crate::http::parse::{self, ValueFault};
use crate::http::problem::{FaultLocation, FieldError, Problem};
use crate::shapes::OrderType;
use crate::view::LiveView;

/// An order's fields, before its market is looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestedOrder {
    /// The market.
    pub market: MarketId,
    entry: Entry,
    terms: Terms,
    client_id: Option<ClientId>,
    instructions: Instructions,
}

/// Fields whose meaning depends on `side` and `type`.
const TERMS: [&str; 8] =
    ["price", "quantity", "time_in_force", "expires_at", "post_only", "cancel_on_pause", "budget", "worst_price"];

impl RequestedOrder {
    /// Reads the fields; `None` means that a fault was noted.
    pub fn read(fields: &mut Fields) -> Option<Self> {
        let market = read_market(fields);
        let contract = fields.text("contract", parse::name::<Contract>("YES, NO"));
        let side = fields.text("side", parse::name::<Side>("BUY, SELL"));
        let kind = fields.text("type", parse::name::<OrderType>("LIMIT, MARKET"));
        let client_id = fields.text_or("client_id", None, |text| parse::client_id(text).map(Some));
        const SELF_TRADE: &str = "ALLOW, CANCEL_NEWEST, CANCEL_OLDEST, CANCEL_BOTH, DECREMENT";
        let default = Instructions::default();
        let self_trade = fields.text_or("self_trade", default.self_trade, parse::name(SELF_TRADE));
        let deadline = fields.text_or("deadline", None, |text| parse::time(text).map(Some));
        let reduce_only = fields.flag("reduce_only");
        let group = fields.integer_or("group", None, |number| parse::group(number).map(Some));
        let terms = match side.zip(kind) {
            Some((side, kind)) => read_terms(fields, side, kind),
            // These fields cannot be checked, not even for being unknown.
            None => fields.skip(&TERMS),
        };
        let entry = Entry::of(contract?, side?);
        let (terms, cancel_on_pause) = terms?;
        let (self_trade, deadline, reduce_only, group) = (self_trade?, deadline?, reduce_only?, group?);
        let instructions = Instructions { self_trade, deadline, cancel_on_pause, reduce_only, group };
        Some(Self { market: market?, entry, terms, client_id: client_id?, instructions })
    }

    /// Makes the order for a known market, with the market's fee rates as the view has them. `path`
    /// is its location in the body.
    pub fn order(self, account: AccountId, view: &LiveView, path: &str) -> Result<(NewOrder, Listing), Problem> {
        let (order, listing) = self.order_to_judge(account, view, path)?;
        if let Terms::Limit { price, .. } = order.terms
            && !price.ticks().is_multiple_of(listing.tick)
        {
            return Err(off_tick(listing.tick, path));
        }
        Ok((order, listing))
    }

    /// The same, for a market that would reject the order.
    pub fn order_to_judge(
        self,
        account: AccountId,
        view: &LiveView,
        path: &str,
    ) -> Result<(NewOrder, Listing), Problem> {
        let Self { market, entry, terms, client_id, instructions } = self;
        let listing = view.market(market).map(|live| live.market.listing.clone());
        let listing = listing.ok_or_else(|| no_market(view, market, path))?;
        let fee_rate: FeeRate = listing.maker_fee.max(listing.taker_fee);
        Ok((NewOrder { account, market, entry, terms, fee_rate, client_id, instructions }, listing))
    }
}

/// The problem of a market that does not exist or is archived.
pub fn no_market(view: &LiveView, market: MarketId, path: &str) -> Problem {
    let problem = Problem::no_market(view.is_archived(market));
    if path.is_empty() {
        problem
    } else {
        problem.detail(format!("the market of {path} does not exist, or is archived"))
    }
}

/// Refuses what the market would reject anyway, before anything is written.
fn off_tick(tick: u16, path: &str) -> Problem {
    let problem = Problem::rejection(schemas::Rejection::PriceOffTick);
    let detail = format!("must be a multiple of {}", crate::shapes::Ticks(tick));
    let place = FaultLocation::Pointer(format!("{path}/price"));
    problem.detail(detail.clone()).error(FieldError { place, code: "out-of-range", detail })
}

/// Reads `market_id` or `ticker`, exactly one of them. A ticker's id follows from it.
pub fn read_market(fields: &mut Fields) -> Option<MarketId> {
    if fields.has("ticker") {
        fields.refuse("market_id", "give either market_id or ticker");
        return fields.text("ticker", parse::ticker).map(|ticker| MarketId::of(&ticker));
    }
    fields.refuse("ticker", "give either market_id or ticker");
    fields.text("market_id", parse::market_id)
}

/// The terms, and whether a pause cancels the order.
///
/// | type   | side      | required          | optional                                              |
/// |--------|-----------|-------------------|-------------------------------------------------------|
/// | LIMIT  | BUY, SELL | price, quantity   | time_in_force, expires_at, post_only, cancel_on_pause |
/// | MARKET | BUY       | budget            |                                                       |
/// | MARKET | BUY, SELL | quantity          | worst_price                                           |
fn read_terms(fields: &mut Fields, side: Side, kind: OrderType) -> Option<(Terms, bool)> {
    match kind {
        OrderType::Limit => {
            fields.refuse("budget", "only for a MARKET order");
            fields.refuse("worst_price", "only for a MARKET order; a LIMIT order has a price");
            let price = fields.text("price", parse::price);
            let quantity = fields.integer("quantity", parse::quantity);
            let time_in_force = read_time_in_force(fields);
            let (post_only, cancel_on_pause) = read_resting(fields, time_in_force);
            let (price, quantity, time_in_force, post_only) = (price?, quantity?, time_in_force?, post_only?);
            Some((Terms::Limit { price, quantity, time_in_force, post_only }, cancel_on_pause?))
        }
        OrderType::Market => {
            fields.refuse("price", "only for a LIMIT order; a MARKET order may have a worst_price");
            for name in ["time_in_force", "expires_at", "post_only", "cancel_on_pause"] {
                fields.refuse(name, "only for a LIMIT order");
            }
            let terms = if fields.has("budget") { read_budget(fields, side) } else { read_market_terms(fields, side) };
            terms.map(|terms| (terms, false))
        }
    }
}

/// Reads `time_in_force`, and `expires_at` for GTD.
fn read_time_in_force(fields: &mut Fields) -> Option<TimeInForce> {
    let known = |text: &str| {
        let name = TimeInForce::NAMES.into_iter().find(|name| *name == text);
        name.ok_or_else(|| ValueFault::form(&format!("one of {}", TimeInForce::NAMES.join(", "))))
    };
    match fields.text_or("time_in_force", TimeInForce::Gtc.name(), known) {
        None => fields.skip(&["expires_at"]),
        Some("GTD") => fields.text("expires_at", parse::time).map(|expires| TimeInForce::Gtd { expires }),
        Some(name) => {
            fields.refuse("expires_at", "only with time_in_force GTD");
            Some(match name {
                "IOC" => TimeInForce::Ioc,
                "FOK" => TimeInForce::Fok,
                _ => TimeInForce::Gtc,
            })
        }
    }
}

/// Refuses fields that only make sense for an order that may rest. An unknown `time_in_force` is
/// reported already.
fn read_resting(fields: &mut Fields, time_in_force: Option<TimeInForce>) -> (Option<PostOnly>, Option<bool>) {
    let post_only = fields.text_or("post_only", PostOnly::Off, parse::name("OFF, REJECT, REPRICE"));
    let cancel_on_pause = fields.flag("cancel_on_pause");
    if time_in_force.is_some_and(|time_in_force| !time_in_force.rests()) {
        const WHY: &str = "only for an order that may rest: GTC or GTD";
        if post_only.is_some_and(|post_only| post_only != PostOnly::Off) {
            fields.fault("post_only", ValueFault::conflict(WHY));
        }
        if cancel_on_pause == Some(true) {
            fields.fault("cancel_on_pause", ValueFault::conflict(WHY));
        }
    }
    (post_only, cancel_on_pause)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests::{SHARD, listing, outcome};
    use schemas::reading::Checkpoint;
    use schemas::{AdminId, Credits, Event, GroupId, Quantity, SelfTrade, Timestamp};
    use serde_json::json;

    fn read(body: serde_json::Value) -> Result<RequestedOrder, Vec<String>> {
        let mut fields = Fields::parse(body.to_string().as_bytes()).unwrap();
        let wanted = RequestedOrder::read(&mut fields);
        fields.finish(wanted).map_err(|problem| {
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
            Ok(Terms::Limit { price, quantity, time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off })
        );
        assert_eq!(
            terms(json!({"price": "0.55", "quantity": 10, "time_in_force": "IOC", "budget": null})),
            Ok(Terms::Limit { price, quantity, time_in_force: TimeInForce::Ioc, post_only: PostOnly::Off })
        );
        let expires = Timestamp(1_000);
        let gtd = json!({"price": "0.55", "quantity": 10, "time_in_force": "GTD", "expires_at": "1970-01-01T00:00:01Z",
            "post_only": "REPRICE"});
        let time_in_force = TimeInForce::Gtd { expires };
        assert_eq!(terms(gtd), Ok(Terms::Limit { price, quantity, time_in_force, post_only: PostOnly::Reprice }));
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
        refused(json!({"type": "MARKET", "quantity": 1, "post_only": "REJECT"}), &["/post_only conflict"]);
        let limit = |more: serde_json::Value| {
            let mut body = json!({"price": "0.5", "quantity": 1});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let time = "2030-01-01T00:00:00Z";
        refused(limit(json!({"time_in_force": "GTD"})), &["/expires_at missing"]);
        refused(limit(json!({"time_in_force": "DAY", "expires_at": time})), &["/time_in_force form"]);
        refused(limit(json!({"expires_at": time})), &["/expires_at conflict"]);
        refused(limit(json!({"time_in_force": "IOC", "expires_at": time})), &["/expires_at conflict"]);
        refused(limit(json!({"time_in_force": "FOK", "post_only": "REJECT"})), &["/post_only conflict"]);
        refused(limit(json!({"time_in_force": "IOC", "cancel_on_pause": true})), &["/cancel_on_pause conflict"]);
        refused(
            limit(json!({"post_only": true, "cancel_on_pause": "yes"})),
            &["/post_only type", "/cancel_on_pause type"],
        );
    }

    #[test]
    fn instructions_have_defaults() {
        let wanted = |more: serde_json::Value| {
            let mut body = order(json!({"price": "0.55", "quantity": 10}));
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            read(body).unwrap().instructions
        };
        assert_eq!(wanted(json!({"deadline": null})), Instructions::default());
        let asked = json!({"self_trade": "DECREMENT", "deadline": "1970-01-01T00:00:01Z", "cancel_on_pause": true,
            "reduce_only": true, "group": 65_535});
        let (self_trade, deadline, group) = (SelfTrade::Decrement, Some(Timestamp(1_000)), GroupId::new(65_535));
        assert_eq!(
            wanted(asked),
            Instructions { self_trade, deadline, cancel_on_pause: true, reduce_only: true, group }
        );
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
        let mut listed = listing("RAIN");
        listed.tick = 100;
        let mut view = LiveView::at(&[Checkpoint::default()]);
        view.apply(SHARD, &outcome(1, vec![Event::MarketCreated { listing: listed.clone(), by: AdminId(1) }])).unwrap();
        let wanted = |price: &str| read(order(json!({"price": price, "quantity": 1}))).unwrap();
        let (order, _) = wanted("0.55").order(AccountId(1), &view, "").unwrap();
        assert_eq!(order.fee_rate, listed.taker_fee);
        let problem = wanted("0.5501").order(AccountId(1), &view, "/requests/3/place").unwrap_err();
        assert_eq!(problem.kind().code, "price-off-tick");
        assert_eq!(problem.body()["errors"][0]["pointer"], "/requests/3/place/price");
        let nowhere = RequestedOrder { market: MarketId(1), ..wanted("0.55") };
        assert_eq!(nowhere.order(AccountId(1), &view, "").unwrap_err().kind().code, "market-unknown");
    }
}
