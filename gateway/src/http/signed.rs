//! Verifies signed requests: `LFG-Signature`, and the same for a WebSocket's message.
//!
//!   gate (receive ─▶ *signed* ─▶ admission) ─▶ route ─▶ extract
//!
//! | step                               | refused as                                     |
//! |------------------------------------|------------------------------------------------|
//! | three headers, each once, in form  | `unauthenticated`                              |
//! | no `Authorization` beside them     | `unauthenticated`                              |
//! | in time                            | `timestamp-out-of-window`                      |
//! | the signature is by a live key     | `unauthenticated`                              |
//! | the key's home is followed         | `shard-halted`                                 |
//! | it was not accepted before         | `signature-used`, `signature-limit`            |
//!
//! An unknown key is indistinguishable from a wrong signature, so scopes are checked after the
//! signature, where those of all keys are checked (`auth`). Requests without the headers pass
//! unchanged.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use schemas::ApiKeyId;
use service::clock::now;

use crate::http::fields::Fields;
use crate::http::parse::{self, ValueFault};
use crate::http::problem::{Problem, kinds};
use crate::replays::NotAccepted;
use crate::signing::{self, NOBODYS, Stamp, WEBSOCKET_METHOD};
use crate::state::Shared;
use crate::view::keys::KeyHolder;

const KEY: HeaderName = HeaderName::from_static("lfg-key");
const TIMESTAMP: HeaderName = HeaderName::from_static("lfg-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("lfg-signature");

/// The path of WebSockets, in the text that their messages sign.
const WEBSOCKET_PATH: &str = "/v1/ws";

/// The signer of the request: an extension of verified requests.
#[derive(Clone)]
struct SignedBy(KeyHolder);

/// Returns the signer of the request; `None` if it is not signed.
pub fn signer(parts: &Parts) -> Option<&KeyHolder> {
    parts.extensions.get().map(|SignedBy(holder)| holder)
}

/// An unsigned request, for routes whose answer is a stream: a stranger could replay a signed one
/// at another gateway.
pub struct Unsigned;

impl<S: Sync> FromRequestParts<S> for Unsigned {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if signer(parts).is_none() {
            return Ok(Self);
        }
        let detail = "a WebSocket is not opened by a signed request: sign its challenge in an auth message";
        Err(Problem::new(kinds::UNAUTHENTICATED).detail(detail))
    }
}

/// Whether the request is signed. If so, an order or a transfer in it needs a client id, so that
/// the log applies it once, whichever gateways receive it.
#[derive(Clone, Copy)]
pub struct MustName(pub bool);

impl<S: Sync> FromRequestParts<S> for MustName {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(signer(parts).is_some()))
    }
}

impl MustName {
    /// Notes that the client id is missing where it is required.
    pub fn check(self, fields: &mut Fields) {
        if self.0 && !fields.has("client_id") {
            fields.fault("client_id", ValueFault::missing("must be given in a signed request"));
        }
    }
}

/// Returns the key that a request claims to be signed by, if there is such a key that signs. It
/// proves nothing: anybody can name a key.
pub fn claimed(state: &Shared, headers: &HeaderMap) -> Option<ApiKeyId> {
    let key = stamp(headers).ok()??.key;
    // A store that cannot be read is reported when the signature is verified.
    let keys = state.live.keys(key).ok()?;
    (!keys.signers(now()).is_empty()).then_some(key)
}

/// Verifies the signature over this body, if there is one.
pub fn verify(state: &Shared, parts: &mut Parts, body: &[u8]) -> Result<(), Problem> {
    let Some(stamp) = stamp(&parts.headers)? else { return Ok(()) };
    check_time(state, &stamp)?;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let text = stamp.text(parts.method.as_str(), target, body);
    let holder = accepted(state, &stamp, &text)?;
    parts.extensions.insert(SignedBy(holder));
    Ok(())
}

/// Returns whether there is any header of a signature, valid or not.
pub fn has_signature(headers: &HeaderMap) -> bool {
    [KEY, TIMESTAMP, SIGNATURE].iter().any(|name| headers.contains_key(name))
}

/// Parses the headers; `None` if none of them is present.
fn stamp(headers: &HeaderMap) -> Result<Option<Stamp>, Problem> {
    if !has_signature(headers) {
        return Ok(None);
    }
    let refused = |detail: &str| Problem::new(kinds::UNAUTHENTICATED).detail(detail);
    if headers.contains_key(header::AUTHORIZATION) {
        return Err(refused("give either an Authorization header or a signature"));
    }
    let text = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        value.to_str().ok()
    };
    let read = || {
        let key = parse::key_id(text(KEY)?).ok()?;
        let timestamp = signing::timestamp(text(TIMESTAMP)?)?;
        Some(Stamp { key, timestamp, signature: signing::signature(text(SIGNATURE)?)? })
    };
    let form = "a signed request has LFG-Key (16 hex digits), LFG-Timestamp (milliseconds) and LFG-Signature (base64)";
    read().map(Some).ok_or_else(|| refused(form))
}

/// Returns the signer of a WebSocket's `auth` message, with the challenge of its connection.
pub fn websocket_signer(state: &Shared, stamp: &Stamp, challenge: &str) -> Result<KeyHolder, Problem> {
    check_time(state, stamp)?;
    accepted(state, stamp, &stamp.text(WEBSOCKET_METHOD, WEBSOCKET_PATH, challenge.as_bytes()))
}

fn check_time(state: &Shared, stamp: &Stamp) -> Result<(), Problem> {
    let now = now().as_millis();
    if state.replays.is_in_time(stamp.timestamp, now) { Ok(()) } else { Err(out_of_window(now)) }
}

fn out_of_window(now: u64) -> Problem {
    let detail = format!("the gateway's time is {now}: a timestamp is at most 5,000 before it and 1,000 after it");
    Problem::new(kinds::TIMESTAMP_OUT_OF_WINDOW).detail(detail).gateway_time(now)
}

/// Returns the signer of the text, and accepts it this once.
fn accepted(state: &Shared, stamp: &Stamp, text: &str) -> Result<KeyHolder, Problem> {
    // The view is not locked while the signature is verified.
    let candidates = state.live.keys(stamp.key).map_err(|error| Problem::unstored(&error))?.signers(now());
    let is_by = |public_key: &[u8; 32]| signing::is_by(public_key, text, &stamp.signature);
    let Some((holder, _)) = candidates.iter().find(|(_, public_key)| is_by(public_key)) else {
        // An unknown key costs as much work as a known one; the result is ignored.
        if candidates.is_empty() {
            std::hint::black_box(is_by(&NOBODYS));
        }
        let detail = "the key is unknown, revoked or expired, or the signature is not by it over this request";
        return Err(Problem::new(kinds::UNAUTHENTICATED).detail(detail));
    };
    let home = state.map.of_account(holder.account);
    if state.halted.is_left_behind(home) {
        return Err(Problem::shard_halted(home));
    }
    let now = now().as_millis();
    state.replays.accept(stamp.key, stamp.timestamp, text, now).map_err(|why| match why {
        NotAccepted::OutOfWindow => out_of_window(now),
        NotAccepted::Used => Problem::new(kinds::SIGNATURE_USED),
        NotAccepted::KeyIsFull => Problem::new(kinds::SIGNATURE_LIMIT),
        NotAccepted::Full => Problem::new(kinds::OVERLOADED),
    })?;
    Ok(holder.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 3] = [
        ("lfg-key", "00000000000000ab"),
        ("lfg-timestamp", "1764288000123"),
        ("lfg-signature", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ=="),
    ];

    fn read(pairs: &[(&'static str, &'static str)]) -> Result<Option<Stamp>, &'static str> {
        let mut headers = HeaderMap::new();
        for &(name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        stamp(&headers).map_err(|problem| problem.kind().code)
    }

    #[test]
    fn a_signed_request_has_three_headers_each_once_and_nothing_beside() {
        let stamp = Stamp { key: schemas::ApiKeyId(0xab), timestamp: 1_764_288_000_123, signature: [1; 64] };
        assert_eq!(read(&GOOD), Ok(Some(stamp)));
        assert_eq!((read(&[]), read(&[("authorization", "Bearer x")])), (Ok(None), Ok(None)));
        for left_out in 0..GOOD.len() {
            let mut pairs = GOOD.to_vec();
            let repeated = pairs.remove(left_out);
            assert_eq!(read(&pairs), Err("unauthenticated"), "without {}", repeated.0);
            pairs.extend([repeated, repeated]);
            assert_eq!(read(&pairs), Err("unauthenticated"), "{} twice", repeated.0);
        }
        let mut pairs = GOOD.to_vec();
        pairs.push(("authorization", "Bearer x"));
        assert_eq!(read(&pairs), Err("unauthenticated"));
        for (place, value) in [(0, "ab"), (0, "00000000000000AB"), (1, "now"), (1, "0"), (2, "AQ=="), (2, "")] {
            let mut pairs = GOOD.to_vec();
            pairs[place].1 = value;
            assert_eq!(read(&pairs), Err("unauthenticated"), "{value}");
        }
    }

    #[test]
    fn a_signed_request_must_name_what_it_places() {
        let code = |must: bool, body: &str| {
            let mut fields = Fields::parse(body.as_bytes()).unwrap();
            MustName(must).check(&mut fields);
            fields.skip::<()>(&["client_id"]);
            fields.finish(Some(())).map_err(|problem| problem.errors()[0].code)
        };
        assert_eq!((code(false, "{}"), code(true, r#"{"client_id": "x"}"#)), (Ok(()), Ok(())));
        assert_eq!((code(true, "{}"), code(true, r#"{"client_id": null}"#)), (Err("missing"), Err("missing")));
    }
}
