//! WebSocket: streams of events.
//!
//!   tail ─▶ hub ─▶ session ─▶ socket

pub mod budget;
pub mod changes;
pub mod hub;
pub mod orders;
pub mod protocol;
pub mod queue;
pub mod session;
pub mod snapshot_rate;
pub mod subject;
pub mod subjects;
pub mod turns;

use std::collections::HashSet;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{Extensions, HeaderMap, header};
use axum::response::Response;

use crate::http::auth::{bearer, holder, via};
use crate::http::extract::QueryString;
use crate::http::problem::{Problem, kinds};
use crate::http::signed::Unsigned;
use crate::shares::Asker;
use crate::state::Shared;

/// The most bytes of a client's message.
pub const MESSAGE_MAX: usize = 4 * 1024;

/// The size of a connection's buffers. With the library's default of 128 KiB, 10,000 connections
/// would take gigabytes.
const BUFFER: usize = 8 * 1024;

/// Opens a WebSocket: streams of books, trades and orders.
///
/// Messages are described in the reference (`/docs/api.md`, WebSocket). The stream of orders needs a
/// key with the scope READ, here or in a message later. An upgrade cannot be signed; a message can.
#[utoipa::path(
    get,
    path = "/v1/ws",
    operation_id = "open_websocket",
    tag = "streams",
    responses((status = 101, description = "The connection is a WebSocket (RFC 6455) from here on")),
    security((), ("unsigned" = ["READ"])),
)]
pub async fn upgrade(
    State(state): State<Shared>,
    _: Unsigned,
    query: QueryString,
    headers: HeaderMap,
    extensions: Extensions,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    query.nothing_else()?;
    check_origin(&headers, &state.allowed_origins)?;
    let presents = headers.contains_key(header::AUTHORIZATION);
    let key = presents.then(|| holder(bearer(&headers)?, &state)).transpose()?;
    let upgrade = upgrade.map_err(|rejection| Problem::new(kinds::UPGRADE_REQUIRED).detail(rejection.body_text()))?;
    let via = via(&extensions, &state);
    let asker = key.as_ref().map_or_else(|| Asker::anonymous(via), |key| Asker::account(key.account, via));
    let place = state.websockets.take(asker, 1).ok_or_else(Problem::too_many_sockets)?;
    let upgrade = upgrade
        .max_message_size(MESSAGE_MAX)
        .max_frame_size(MESSAGE_MAX)
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER);
    Ok(upgrade.on_upgrade(move |socket| async move {
        session::run(socket, state, key, place).await;
    }))
}

/// Browsers send the origin of the page that opens the connection; only configured origins are
/// allowed. Programs send none.
fn check_origin(headers: &HeaderMap, allowed: &HashSet<String>) -> Result<(), Problem> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let fine = origins.all(|origin| origin.to_str().is_ok_and(|origin| allowed.contains(origin)));
    if fine { Ok(()) } else { Err(Problem::new(kinds::ORIGIN_FORBIDDEN)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_checked_when_there_is_one() {
        let allowed = HashSet::from(["https://lfg.example".to_owned()]);
        let check = |origins: &[&str]| {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(header::ORIGIN, origin.parse().unwrap());
            }
            check_origin(&headers, &allowed).is_ok()
        };
        assert!(check(&[]));
        assert!(check(&["https://lfg.example"]));
        for origins in [&["https://evil.example"][..], &["null"], &["https://lfg.example", "https://evil.example"]] {
            assert!(!check(origins), "{origins:?}");
        }
    }
}
