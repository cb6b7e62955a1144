//! Which web pages may read answers (CORS): those of the configured origins, and by default none.
//! Nothing is allowed by cookies: a page sends a key like any other client.

use std::collections::HashSet;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use service::serve::REQUEST_ID_HEADER;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::http::headers::POSITION_HEADER;

/// How long a browser need not ask again what a page may send.
const PREFLIGHT_HOLDS: Duration = Duration::from_secs(600);

const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What a page may send.
fn sent() -> [HeaderName; 9] {
    let own = ["lfg-key", "lfg-timestamp", "lfg-signature", "idempotency-key", "traceparent"];
    let [key, timestamp, signature, idempotency_key, trace] = own.map(HeaderName::from_static);
    let known = [header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_NONE_MATCH, REQUEST_ID_HEADER];
    let [authorization, content_type, tags, id] = known;
    [authorization, content_type, tags, id, key, timestamp, signature, idempotency_key, trace]
}

/// What a page may see.
fn seen() -> [HeaderName; 6] {
    let limits = ["ratelimit", "ratelimit-policy"].map(HeaderName::from_static);
    let [limit, policy] = limits;
    [POSITION_HEADER, REQUEST_ID_HEADER, header::ETAG, header::RETRY_AFTER, limit, policy]
}

/// Checks that a text is an origin, as browsers send it.
pub fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_host = |host: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte);
        !host.is_empty() && host.bytes().all(is_allowed)
    };
    match host.is_some_and(is_host) {
        true => Ok(text.to_owned()),
        false => Err("must be http:// or https:// and a host in lower case, without a path".to_owned()),
    }
}

/// The middleware; none without an origin.
pub fn layer(origins: &HashSet<String>) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods(METHODS)
            .allow_headers(sent())
            .expose_headers(seen())
            .max_age(PREFLIGHT_HOLDS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for sound in ["https://lfg.example", "http://localhost:3000", "http://[::1]:80"] {
            assert_eq!(origin(sound).as_deref(), Ok(sound));
        }
        for other in ["", "*", "null", "lfg.example", "https://", "https://lfg.example/", "https://Lfg.example"] {
            assert!(origin(other).is_err(), "{other}");
        }
        assert!(layer(&HashSet::new()).is_none());
    }
}
