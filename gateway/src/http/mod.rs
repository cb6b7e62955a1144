//! HTTP: the routes, and the middleware of every request.
//!
//!   socket ─▶ (service::serve) ─▶ *gate* (receive, signed, admission) ─▶ route ─▶ extract ─▶ handler ─▶ answer or problem

pub mod about;
pub mod accounts;
pub mod admins;
pub mod admission;
pub mod answer;
pub mod auth;
pub mod batch;
pub mod coding;
pub mod command;
pub mod cors;
pub mod deposits;
pub mod extract;
pub mod fields;
pub mod gate;
pub mod groups;
pub mod headers;
pub mod history;
pub mod json;
pub mod market_changed;
pub mod market_events;
pub mod markets;
pub mod missing;
pub mod new_key;
pub mod new_order;
pub mod orders;
pub mod origin;
pub mod outcome;
pub mod oversight;
pub mod parse;
pub mod preview;
pub mod problem;
pub mod public;
pub mod queries;
pub mod queue;
pub mod receive;
pub mod safety;
pub mod signed;
pub mod transfers;
pub mod unavailable;
pub mod unknown;
pub mod vocabulary;
pub mod wallet;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post, put};

use crate::state::Shared;
use crate::ws;
use problem::{Problem, kinds};

/// All routes.
pub fn router(state: Shared) -> Router {
    let routes = Router::new()
        .route("/v1/accounts", post(accounts::open))
        .route("/v1/accounts/{id}/freeze", post(oversight::freeze))
        .route("/v1/accounts/{id}/unfreeze", post(oversight::unfreeze))
        .route("/v1/accounts/{id}/limits", put(oversight::limit_account))
        .route("/v1/api-keys", get(accounts::list_keys).post(accounts::add_key))
        .route("/v1/api-keys/{id}", delete(accounts::revoke_key))
        .route("/v1/api-keys/{id}/rotate", post(accounts::rotate_key))
        .route("/v1/wallet", get(queries::wallet))
        .route("/v1/wallet/deposits", post(deposits::deposit))
        .route("/v1/wallet/deposits/proposals", get(deposits::proposals))
        .route("/v1/wallet/deposits/proposals/{id}", delete(deposits::drop))
        .route("/v1/wallet/deposits/proposals/{id}/confirm", post(deposits::confirm))
        .route("/v1/wallet/withdrawals", post(wallet::withdraw))
        .route("/v1/transfers", post(transfers::transfer))
        .route("/v1/positions", get(queries::positions))
        .route("/v1/markets", get(queries::markets).post(markets::create))
        .route("/v1/markets/{market}", get(queries::market).patch(about::edit))
        .route("/v1/markets/{market}/additions", post(about::add))
        .route("/v1/events", get(market_events::list).post(market_events::create))
        .route("/v1/events/{event}", get(market_events::one))
        .route("/v1/markets/{market}/book", get(queries::book))
        .route("/v1/markets/{market}/trades", get(queries::trades))
        .route("/v1/markets/{market}/open", post(markets::open))
        .route("/v1/markets/{market}/pause", post(markets::pause))
        .route("/v1/markets/{market}/resume", post(markets::resume))
        .route("/v1/markets/{market}/close", post(markets::close))
        .route("/v1/markets/{market}/resolve", post(markets::resolve))
        .route("/v1/markets/{market}/confirm", post(markets::confirm))
        .route("/v1/markets/{market}/limits", put(oversight::limit_market))
        .route(
            "/v1/orders",
            get(history::orders).post(orders::place).patch(orders::amend_by_name).delete(safety::cancel),
        )
        .route("/v1/orders/batch", post(batch::batch))
        .route("/v1/orders/preview", post(preview::preview))
        .route("/v1/orders/queue", get(queue::queues))
        .route("/v1/orders/{id}/queue", get(queue::queue))
        .route("/v1/orders/{id}", get(history::order).patch(orders::amend).delete(orders::cancel))
        .route("/v1/groups", get(groups::list).post(groups::make))
        .route("/v1/groups/{group}", get(groups::one).put(groups::change).delete(groups::delete))
        .route("/v1/groups/{group}/trigger", post(groups::trigger))
        .route("/v1/groups/{group}/reset", post(groups::reset))
        .route("/v1/dead-man-switch", put(safety::set_switch).delete(safety::unset_switch))
        .route("/v1/fills", get(history::fills))
        .route("/v1/admin/admins", get(admins::list))
        .route("/v1/admin/admins/{id}", put(admins::set).delete(admins::revoke))
        .route("/v1/admin/parts", get(vocabulary::parts))
        .route("/v1/admin/vocabulary", post(vocabulary::raise))
        .route("/v1/ws", get(ws::upgrade))
        .method_not_allowed_fallback(async || Problem::new(kinds::METHOD_NOT_ALLOWED))
        .fallback(unknown::route)
        .layer(from_fn(origin::carry))
        .layer(from_fn(public::represent))
        .layer(from_fn_with_state(state.clone(), gate::pass));
    // A preflight has no key, and is answered before one is needed.
    let routes = match cors::layer(&state.allowed_origins) {
        Some(cors) => routes.layer(cors),
        None => routes,
    };
    routes.with_state(state)
}
