//! The origin of a request: its trace context and idempotency key are written to the log with its
//! commands.

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use schemas::{IdempotencyKey, Origin};

tokio::task_local! {
    /// The origin of the request that the current task serves.
    static ORIGIN: Option<Box<Origin>>;
}

/// The middleware.
pub async fn carry(request: Request, next: Next) -> Response {
    let origin = of(request.headers());
    ORIGIN.scope(origin, next.run(request)).await
}

/// Returns the origin of the request that the current task serves; empty if there is none.
pub fn current() -> Option<Box<Origin>> {
    ORIGIN.try_with(Clone::clone).ok().flatten()
}

/// Ignores malformed headers: W3C demands it for `traceparent`.
fn of(headers: &HeaderMap) -> Option<Box<Origin>> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let trace = text("traceparent").and_then(|text| text.trim().parse().ok());
    let idempotency_key = text("idempotency-key").and_then(|text| IdempotencyKey::new(unquoted(text).to_owned()));
    let origin = Origin { trace, idempotency_key };
    (origin != Origin::default()).then(|| Box::new(origin))
}

/// The draft demands quotes; many clients send the key without them.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn came_with(headers: &[(&'static str, &'static str)]) -> Option<(Option<String>, Option<String>)> {
        let headers = headers.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let origin = of(&headers)?;
        let key = origin.idempotency_key.as_ref().map(|key| key.as_str().to_owned());
        Some((origin.trace.map(|trace| trace.to_string()), key))
    }

    #[test]
    fn both_headers_are_taken_and_what_makes_no_sense_is_not() {
        let (trace, key) = (Some(TRACE.to_owned()), Some("k-1".to_owned()));
        assert_eq!(came_with(&[]), None);
        assert_eq!(came_with(&[("traceparent", TRACE)]), Some((trace.clone(), None)));
        assert_eq!(came_with(&[("traceparent", TRACE), ("idempotency-key", "\"k-1\"")]), Some((trace, key.clone())));
        assert_eq!(came_with(&[("traceparent", "00-0-0-0"), ("idempotency-key", " k-1 ")]), Some((None, key)));
        assert_eq!(came_with(&[("traceparent", "00-0-0-0"), ("idempotency-key", "a key")]), None);
    }
}
