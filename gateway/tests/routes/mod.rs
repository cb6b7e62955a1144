//! Every route with a body, and the faults of bad bodies.

pub mod described;

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::ADMIN_KEY;
use crate::{ACCOUNT, NAME, TICKER};

/// A route, a valid body, and for each field the bad values with their codes.
pub struct Route {
    /// The key; by default the account's.
    pub key: Option<&'static str>,
    pub method: Method,
    pub path: String,
    pub good: Value,
    pub required: &'static [&'static str],
    pub bad: Vec<(&'static str, Value, &'static str)>,
}

/// Values that no string field accepts.
pub fn not_texts() -> [Value; 5] {
    [json!(1), json!(0.5), json!(true), json!([]), json!({})]
}

pub fn routes() -> Vec<Route> {
    let account = ACCOUNT.to_string();
    let long = "9".repeat(5_000);
    let order =
        json!({"ticker": TICKER, "contract": "YES", "side": "BUY", "type": "LIMIT", "price": "0.55", "quantity": 1});
    let with = |more: Value| {
        let mut body = order.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let gtd = with(json!({"time_in_force": "GTD", "expires_at": "2099-01-01T00:00:00Z"}));
    let fok = with(json!({"time_in_force": "FOK"}));
    let preview = order.clone();
    let market = json!({"ticker": "NEW-1", "question": "New?", "rules": "YES if it is.\nElse NO.", "category": "tests",
        "expiry": "2099-01-01T00:00:00Z"});
    let transfer = json!({"account_id": account, "amount": "1.5"});
    let bad_transfer = || {
        vec![
            ("account_id", json!("0"), "form"),
            ("account_id", json!("abc"), "form"),
            ("account_id", json!(long), "form"),
            ("account_id", json!("9223372036854775808"), "form"),
            ("amount", json!("0"), "out-of-range"),
            ("amount", json!("-1"), "form"),
            ("amount", json!("1e9"), "form"),
            ("amount", json!("0.0000001"), "form"),
            ("amount", json!("1000000001"), "out-of-range"),
            ("amount", json!(long), "out-of-range"),
            ("amount", json!(""), "form"),
            ("client_id", json!("not-a-uuid"), "form"),
        ]
    };
    let transfer_route = |path: &str| Route {
        key: Some(ADMIN_KEY),
        method: Method::POST,
        path: path.to_owned(),
        good: transfer.clone(),
        required: &["account_id", "amount"],
        bad: bad_transfer(),
    };
    vec![
        Route {
            key: None,
            method: Method::POST,
            path: "/v1/orders".to_owned(),
            good: order,
            required: &["contract", "side", "type", "price", "quantity"],
            bad: vec![
                ("ticker", json!("rain"), "form"),
                ("ticker", json!(long), "form"),
                ("contract", json!("MAYBE"), "form"),
                ("contract", json!("yes"), "form"),
                ("side", json!("HOLD"), "form"),
                ("type", json!("STOP"), "form"),
                ("price", json!("0"), "out-of-range"),
                ("price", json!("1"), "out-of-range"),
                ("price", json!("0.55555"), "form"),
                ("price", json!("-0.5"), "form"),
                ("price", json!("NaN"), "form"),
                ("price", json!(long), "out-of-range"),
                ("quantity", json!(0), "out-of-range"),
                ("quantity", json!(-1), "out-of-range"),
                ("quantity", json!(1_000_001), "out-of-range"),
                ("quantity", json!(1.5), "type"),
                ("quantity", json!("1"), "type"),
                ("quantity", json!(1e300), "type"),
                ("time_in_force", json!("FOREVER"), "form"),
                ("time_in_force", json!("gtc"), "form"),
                ("expires_at", json!("2099-01-01T00:00:00Z"), "conflict"),
                ("post_only", json!("MAYBE"), "form"),
                ("post_only", json!(true), "type"),
                ("self_trade", json!("FORBID"), "form"),
                ("deadline", json!("now"), "form"),
                ("deadline", json!("1969-01-01T00:00:00Z"), "out-of-range"),
                ("deadline", json!(1), "type"),
                ("cancel_on_pause", json!("yes"), "type"),
                ("cancel_on_pause", json!(1), "type"),
                ("reduce_only", json!("yes"), "type"),
                ("group", json!(0), "out-of-range"),
                ("group", json!(65_536), "out-of-range"),
                ("group", json!("7"), "type"),
                ("client_id", json!("1234"), "form"),
                ("market_id", json!("1"), "conflict"),
                ("budget", json!("1"), "conflict"),
                ("worst_price", json!("0.5"), "conflict"),
            ],
        },
        Route {
            key: None,
            method: Method::POST,
            path: "/v1/orders".to_owned(),
            good: gtd,
            required: &["expires_at"],
            bad: vec![
                ("expires_at", json!("tomorrow"), "form"),
                ("expires_at", json!(4_070_908_800_u64), "type"),
                ("expires_at", json!("1969-01-01T00:00:00Z"), "out-of-range"),
            ],
        },
        Route {
            key: None,
            method: Method::POST,
            path: "/v1/orders".to_owned(),
            good: fok,
            required: &["price"],
            bad: vec![
                ("post_only", json!("REJECT"), "conflict"),
                ("cancel_on_pause", json!(true), "conflict"),
                ("expires_at", json!("2099-01-01T00:00:00Z"), "conflict"),
            ],
        },
        Route {
            key: None,
            method: Method::POST,
            path: "/v1/orders/preview".to_owned(),
            good: preview,
            required: &["contract", "side", "type", "price", "quantity"],
            bad: vec![
                ("price", json!("1"), "out-of-range"),
                ("quantity", json!(0), "out-of-range"),
                ("budget", json!("1"), "conflict"),
            ],
        },
        amend_route("/v1/orders/1"),
        amend_route(&format!("/v1/orders?client_id={NAME}&market={TICKER}")),
        Route {
            key: None,
            method: Method::PUT,
            path: "/v1/dead-man-switch".to_owned(),
            good: json!({"timeout_s": 5}),
            required: &["timeout_s"],
            bad: vec![
                ("timeout_s", json!(0), "out-of-range"),
                ("timeout_s", json!(86_401), "out-of-range"),
                ("timeout_s", json!(-1), "out-of-range"),
                ("timeout_s", json!("5"), "type"),
                ("timeout_s", json!(1.5), "type"),
                ("timeout_s", json!(null), "type"),
            ],
        },
        group_route(Method::POST, "/v1/groups", json!({"group": 7, "contracts": 10, "window_s": 15}), &["group"]),
        group_route(Method::PUT, "/v1/groups/7", json!({"contracts": 10, "window_s": 15}), &[]),
        Route {
            key: None,
            method: Method::POST,
            path: "/v1/transfers".to_owned(),
            good: json!({"to": "78", "amount": "1.5", "client_id": NAME}),
            required: &["to", "amount"],
            bad: vec![
                ("to", json!("0"), "form"),
                ("to", json!("bob"), "form"),
                ("amount", json!("0"), "out-of-range"),
                ("amount", json!("-1"), "form"),
                ("amount", json!("1000000001"), "out-of-range"),
                ("client_id", json!("x"), "form"),
                // The account of the key is the sender.
                ("from", json!("78"), "unknown"),
            ],
        },
        Route {
            key: Some(ADMIN_KEY),
            method: Method::PUT,
            path: format!("/v1/accounts/{ACCOUNT}/limits"),
            good: json!({"live_orders": 5, "held": "10"}),
            required: &[],
            bad: vec![
                ("live_orders", json!(1_u64 << 32), "out-of-range"),
                ("live_orders", json!(-1), "out-of-range"),
                ("live_orders", json!("5"), "type"),
                ("held", json!("10000000001"), "out-of-range"),
                ("held", json!("-1"), "form"),
            ],
        },
        Route {
            key: Some(ADMIN_KEY),
            method: Method::PUT,
            path: format!("/v1/markets/{TICKER}/limits"),
            good: json!({"live_orders": 5, "notional": "10", "position": 7}),
            required: &[],
            bad: vec![
                ("live_orders", json!(0.5), "type"),
                ("notional", json!("x"), "form"),
                ("position", json!(u64::MAX), "out-of-range"),
                ("position", json!("7"), "type"),
            ],
        },
        Route {
            key: Some(ADMIN_KEY),
            method: Method::POST,
            path: format!("/v1/markets/{TICKER}/pause"),
            good: json!({"cancel_only": true}),
            required: &[],
            bad: vec![("cancel_only", json!("true"), "type"), ("cancel_only", json!(0), "type")],
        },
        Route {
            key: None,
            method: Method::POST,
            path: "/v1/api-keys".to_owned(),
            good: json!({"scopes": ["READ"]}),
            required: &[],
            bad: vec![
                ("public_key", json!("AAAA"), "form"),
                ("scopes", json!([]), "form"),
                ("scopes", json!(["ROOT"]), "form"),
                ("scopes", json!(["READ", "READ"]), "form"),
                ("scopes", json!("READ"), "type"),
                ("scopes", json!([1]), "type"),
                ("expires_at", json!("soon"), "form"),
                ("name", json!("a\nb"), "form"),
                ("markets", json!([]), "form"),
                ("markets", json!(["1", "1"]), "form"),
                ("notional", json!("0"), "out-of-range"),
            ],
        },
        transfer_route("/v1/wallet/deposits"),
        transfer_route("/v1/wallet/withdrawals"),
        Route {
            key: Some(ADMIN_KEY),
            method: Method::POST,
            path: "/v1/wallet/deposits/proposals/1/confirm".to_owned(),
            good: json!({"account_id": account, "amount": "1.5"}),
            required: &["account_id", "amount"],
            bad: vec![("account_id", json!("0"), "form"), ("amount", json!("0"), "out-of-range")],
        },
        Route {
            key: Some(ADMIN_KEY),
            method: Method::POST,
            path: "/v1/markets".to_owned(),
            good: market,
            required: &["ticker", "question", "rules", "category", "expiry"],
            bad: vec![
                ("ticker", json!(""), "form"),
                ("ticker", json!("new 1"), "form"),
                ("ticker", json!("A".repeat(33)), "form"),
                ("question", json!(""), "form"),
                ("question", json!("   "), "form"),
                ("question", json!("a\u{0}b"), "form"),
                ("question", json!("é".repeat(251)), "form"),
                ("rules", json!("\n "), "form"),
                ("rules", json!("a\rb"), "form"),
                ("rules", json!("é".repeat(5_001)), "form"),
                ("category", json!("Tests"), "form"),
                ("category", json!("a".repeat(33)), "form"),
                ("sources", json!("https://a.example"), "type"),
                ("sources", json!(["a\nb"]), "form"),
                ("sources", json!(["a", "a"]), "form"),
                ("tags", json!(["Rain"]), "form"),
                ("tags", json!(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]), "form"),
                ("tags", json!([1]), "type"),
                ("event", json!(7), "type"),
                ("opens_at", json!("soon"), "form"),
                ("expiry", json!("soon"), "form"),
                ("expiry", json!("1969-01-01T00:00:00Z"), "out-of-range"),
                ("expiry", json!("2099-13-01T00:00:00Z"), "form"),
                ("tick_size", json!("0"), "out-of-range"),
                ("tick_size", json!("0.0003"), "out-of-range"),
                ("maker_fee", json!("0.21"), "out-of-range"),
                ("taker_fee", json!("-0.1"), "form"),
                ("dispute_window_ms", json!(2_592_000_001_u64), "out-of-range"),
                ("dispute_window_ms", json!("5"), "type"),
                ("limits", json!([]), "type"),
            ],
        },
        Route {
            key: Some(ADMIN_KEY),
            method: Method::PATCH,
            path: format!("/v1/markets/{TICKER}"),
            good: json!({"question": "New?", "rules": "None.", "opens_at": "2098-01-01T00:00:00Z"}),
            required: &[],
            bad: vec![
                ("question", json!(""), "form"),
                ("rules", json!("a\u{7}"), "form"),
                ("category", json!("a b"), "form"),
                ("tags", json!(["a", "a"]), "form"),
                ("sources", json!([""]), "form"),
                ("event", json!(["a"]), "type"),
                ("opens_at", json!("now"), "form"),
                ("expiry", json!("1969-01-01T00:00:00Z"), "out-of-range"),
                ("ticker", json!("NEW-2"), "unknown"),
                ("tick_size", json!("0.01"), "unknown"),
            ],
        },
        Route {
            key: Some(ADMIN_KEY),
            method: Method::POST,
            path: format!("/v1/markets/{TICKER}/additions"),
            good: json!({"clarification": "Hail is no rain."}),
            required: &[],
            bad: vec![
                ("clarification", json!("x".repeat(2_001)), "form"),
                ("tags", json!(["A"]), "form"),
                ("sources", json!("a"), "type"),
                ("rules", json!("Others."), "unknown"),
            ],
        },
        Route {
            key: Some(ADMIN_KEY),
            method: Method::POST,
            path: "/v1/events".to_owned(),
            good: json!({"name": "cup-final", "title": "Who wins the cup?"}),
            required: &["name", "title"],
            bad: vec![
                ("name", json!("Cup"), "form"),
                ("title", json!("a\nb"), "form"),
                ("exclusive", json!("yes"), "type"),
            ],
        },
        Route {
            key: Some(ADMIN_KEY),
            method: Method::PUT,
            path: "/v1/admin/admins/7".to_owned(),
            good: json!({"roles": ["MONEY"]}),
            required: &["roles"],
            bad: vec![
                ("roles", json!([]), "form"),
                ("roles", json!(["READ"]), "form"),
                ("roles", json!(["MONEY", "MONEY"]), "form"),
                ("roles", json!("MONEY"), "type"),
                ("name", json!(""), "form"),
                ("expires_at", json!("soon"), "form"),
                ("key_hash", json!("abc"), "form"),
                ("new_key", json!(1), "type"),
                ("admin_id", json!("7"), "unknown"),
            ],
        },
        answer_route("resolve"),
        answer_route("confirm"),
    ]
}

fn amend_route(path: &str) -> Route {
    Route {
        key: None,
        method: Method::PATCH,
        path: path.to_owned(),
        good: json!({"price": "0.55"}),
        required: &["price"],
        bad: vec![
            ("price", json!("1"), "out-of-range"),
            ("price", json!("0.55555"), "form"),
            ("quantity", json!(0), "out-of-range"),
            ("quantity", json!(1_000_001), "out-of-range"),
            ("quantity", json!("5"), "type"),
        ],
    }
}

fn group_route(method: Method, path: &str, good: Value, required: &'static [&'static str]) -> Route {
    let group = if required.is_empty() { "unknown" } else { "out-of-range" };
    Route {
        key: None,
        method,
        path: path.to_owned(),
        good,
        required,
        bad: vec![
            ("group", json!(0), group),
            ("contracts", json!(0), "out-of-range"),
            ("contracts", json!(1_000_000_001), "out-of-range"),
            ("contracts", json!("10"), "type"),
            ("contracts", json!(null), "type"),
            ("window_s", json!(0), "out-of-range"),
            ("window_s", json!(61), "out-of-range"),
            ("window_s", json!(-1), "out-of-range"),
            ("window_s", json!(1.5), "type"),
        ],
    }
}

fn answer_route(act: &str) -> Route {
    Route {
        key: Some(ADMIN_KEY),
        method: Method::POST,
        path: format!("/v1/markets/{TICKER}/{act}"),
        good: json!({"answer": "YES"}),
        required: &["answer"],
        bad: vec![
            ("answer", json!("MAYBE"), "form"),
            ("answer", json!("yes"), "form"),
            ("answer", json!("1.1"), "out-of-range"),
            ("answer", json!("0.00001"), "form"),
            ("answer", json!("-1"), "form"),
        ],
    }
}

/// Bodies of a batch or of a listing with a nested fault: its pointer and its code.
pub fn inside() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let batch = |request: Value| json!({"requests": [{"cancel": {"order_id": "1"}}, request]});
    let place = |more: Value| {
        let mut order = json!({"ticker": TICKER, "contract": "YES", "side": "BUY", "type": "LIMIT", "price": "0.55", "quantity": 1});
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        batch(json!({"place": order}))
    };
    let listing = |limits: Value| {
        json!({"ticker": "NEW-1", "question": "New?", "rules": "None.", "category": "tests",
            "expiry": "2099-01-01T00:00:00Z", "limits": limits})
    };
    const BATCH: &str = "/v1/orders/batch";
    vec![
        (BATCH, json!({}), "/requests", "missing"),
        (BATCH, json!({"requests": []}), "/requests", "out-of-range"),
        (BATCH, json!({"requests": vec![json!({"cancel": {"order_id": "1"}}); 101]}), "/requests", "out-of-range"),
        (BATCH, json!({"requests": {"0": {}}}), "/requests", "type"),
        (BATCH, json!({"requests": [1], "all_or_nothing": 1}), "/all_or_nothing", "type"),
        (BATCH, batch(json!("cancel")), "/requests/1", "type"),
        (BATCH, batch(json!({})), "/requests/1/place", "missing"),
        (BATCH, batch(json!({"cancel": {"order_id": "1"}, "amend": {}})), "/requests/1/place", "conflict"),
        (BATCH, batch(json!({"cancel": {}})), "/requests/1/cancel/order_id", "missing"),
        (BATCH, batch(json!({"cancel": {"order_id": "x"}})), "/requests/1/cancel/order_id", "form"),
        (BATCH, batch(json!({"cancel": {"client_id": "x"}})), "/requests/1/cancel/client_id", "form"),
        (BATCH, batch(json!({"cancel": {"client_id": NAME}})), "/requests/1/cancel/market_id", "missing"),
        (BATCH, batch(json!({"cancel": {"client_id": NAME, "ticker": 1}})), "/requests/1/cancel/ticker", "type"),
        (BATCH, batch(json!({"cancel": {"order_id": "1", "ticker": TICKER}})), "/requests/1/cancel/ticker", "conflict"),
        (BATCH, batch(json!({"amend": {"client_id": NAME, "quantity": 1}})), "/requests/1/amend/market_id", "missing"),
        (BATCH, batch(json!({"amend": {"order_id": "1"}})), "/requests/1/amend/price", "missing"),
        (BATCH, batch(json!({"amend": {"order_id": "1", "price": 1}})), "/requests/1/amend/price", "type"),
        (BATCH, batch(json!({"destroy": {}})), "/requests/1/destroy", "unknown"),
        (BATCH, place(json!({"quantity": 0})), "/requests/1/place/quantity", "out-of-range"),
        (BATCH, place(json!({"account_id": "78"})), "/requests/1/place/account_id", "unknown"),
        (BATCH, place(json!({"time_in_force": "GTD"})), "/requests/1/place/expires_at", "missing"),
        ("/v1/markets", listing(json!({"position": "7"})), "/limits/position", "type"),
        ("/v1/markets", listing(json!({"colour": 1})), "/limits/colour", "unknown"),
    ]
}
