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
pub mod candles;
pub mod coding;
pub mod command;
pub mod cors;
pub mod costs;
pub mod deposits;
pub mod documents;
pub mod extract;
pub mod fields;
pub mod gate;
pub mod groups;
pub mod headers;
pub mod history;
pub mod json;
pub mod market_changed;
pub mod market_events;
pub mod market_filter;
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
pub mod range;
pub mod receive;
pub mod safety;
pub mod signed;
pub mod tickers;
pub mod trades;
pub mod transfers;
pub mod unavailable;
pub mod unknown;
pub mod vocabulary;
pub mod wallet;

use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::openapi::document::document;
use crate::state::Shared;
use crate::ws;
use problem::{Problem, kinds};

/// All routes, and what describes them.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(accounts::open))
        .routes(routes!(costs::costs))
        .routes(routes!(accounts::list_keys, accounts::add_key))
        .routes(routes!(accounts::rotate_key))
        .routes(routes!(accounts::revoke_key))
        .routes(routes!(queries::wallet))
        .routes(routes!(queries::positions))
        .routes(routes!(queries::markets, markets::create))
        .routes(routes!(queries::market, about::edit))
        .routes(routes!(queries::book))
        .routes(routes!(trades::list))
        .routes(routes!(candles::list))
        .routes(routes!(tickers::one))
        .routes(routes!(tickers::list))
        .routes(routes!(tickers::books))
        .routes(routes!(markets::pause))
        .routes(routes!(markets::resolve))
        .routes(routes!(markets::confirm))
        .routes(routes!(about::add))
        .routes(routes!(market_events::create, market_events::list))
        .routes(routes!(market_events::one))
        .routes(routes!(oversight::freeze))
        .routes(routes!(oversight::unfreeze))
        .routes(routes!(oversight::limit_account))
        .routes(routes!(oversight::limit_market))
        .routes(routes!(deposits::deposit))
        .routes(routes!(deposits::confirm))
        .routes(routes!(deposits::drop))
        .routes(routes!(deposits::proposals))
        .routes(routes!(wallet::withdraw))
        .routes(routes!(transfers::transfer))
        .routes(routes!(history::orders, orders::place, orders::amend_by_name, safety::cancel))
        .routes(routes!(history::order, orders::cancel, orders::amend))
        .routes(routes!(history::fills))
        .routes(routes!(safety::set_switch, safety::unset_switch))
        .routes(routes!(batch::batch))
        .routes(routes!(preview::preview))
        .routes(routes!(queue::queues))
        .routes(routes!(queue::queue))
        .routes(routes!(groups::list, groups::make))
        .routes(routes!(groups::one, groups::change, groups::delete))
        .routes(routes!(groups::trigger))
        .routes(routes!(groups::reset))
        .routes(routes!(admins::list))
        .routes(routes!(admins::set, admins::revoke))
        .routes(routes!(vocabulary::parts))
        .routes(routes!(vocabulary::raise))
        .routes(routes!(markets::open))
        .routes(routes!(markets::resume))
        .routes(routes!(markets::close))
        .routes(routes!(ws::upgrade))
        .routes(routes!(documents::openapi))
        .routes(routes!(documents::llms))
        .routes(routes!(documents::docs))
        .routes(routes!(documents::index))
        .routes(routes!(documents::file))
}

/// The whole service.
pub fn router(state: Shared) -> Router {
    let (routes, described) = routes().split_for_parts();
    let document = documents::OpenApiText(document(described).to_string().into());
    let routes = routes
        .method_not_allowed_fallback(async || Problem::new(kinds::METHOD_NOT_ALLOWED))
        .fallback(unknown::route)
        .layer(Extension(document))
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
