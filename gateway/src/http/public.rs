//! Answers that are the same for everybody: each has an entity tag, and is compressed for who wants
//! that. Answers to one client alone are never compressed: their length would betray what they have
//! in common with what the client sent.
//!
//! The body is whole by then, and compressed at once: its length is known, so its bytes are counted
//! (`admission`) and HEAD tells them.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use twox_hash::XxHash3_128;

use crate::config::ANSWERS_MAX;
use crate::http::coding::ContentCoding;
use crate::http::headers::POSITION_HEADER;
use crate::http::problem::{Problem, kinds};

/// The routes whose answers are the same for everybody.
pub const ROUTES: [&str; 14] = [
    "/v1/openapi.json",
    "/llms.txt",
    "/docs/",
    "/docs/{file}",
    "/v1/markets",
    "/v1/markets/{market}",
    "/v1/markets/{market}/book",
    "/v1/markets/{market}/trades",
    "/v1/markets/{market}/candles",
    "/v1/markets/{market}/ticker",
    "/v1/tickers",
    "/v1/books",
    "/v1/events",
    "/v1/events/{event}",
];

/// Answers of fewer bytes are not compressed.
pub const COMPRESS_FROM: usize = 1_024;

/// Answers that are compressed at the same time. Beyond that they go out as they are: compression
/// never takes the processor from orders.
pub const COMPRESSIONS_MAX: usize = 2;

static COMPRESSIONS: Semaphore = Semaphore::const_new(COMPRESSIONS_MAX);

/// Answers of more bytes are compressed by threads for long work.
const AT_ONCE: usize = 16 * 1_024;

/// May be kept by everybody, and is asked for again each time with its tag.
const CACHE: HeaderValue = HeaderValue::from_static("public, no-cache");

/// The middleware.
pub async fn represent(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read || !ROUTES.contains(&route) {
        return next.run(request).await;
    }
    let coding = ContentCoding::wanted(request.headers());
    let known = known(request.headers());
    let response = next.run(request).await;
    if response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, ANSWERS_MAX).await else {
        return Problem::new(kinds::INTERNAL).into_response();
    };
    let tag = tag(&body, parts.headers.contains_key(POSITION_HEADER));
    let is_known = known.iter().any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == &tag[2..]);
    parts.headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hexadecimal digits"));
    parts.headers.insert(header::CACHE_CONTROL, CACHE);
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_known {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    let body = match coding.filter(|_| body.len() >= COMPRESS_FROM) {
        None => body,
        Some(coding) => match compressed(coding, &body).await {
            None => body,
            Some(smaller) => {
                parts.headers.insert(header::CONTENT_ENCODING, coding.header());
                parts.headers.remove(header::CONTENT_LENGTH);
                smaller
            }
        },
    };
    Response::from_parts(parts, Body::from(body))
}

/// The tags that the client has.
fn known(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|one| one.trim().to_owned()).collect()
}

/// A weak tag: of what the answer says, not of the log position as of which it says so. Otherwise
/// each event of a shard would change the answers about all of its markets.
fn tag(body: &[u8], has_position: bool) -> String {
    let content = if has_position { before_position(body) } else { body };
    format!("W/\"{:032x}\"", XxHash3_128::oneshot(content))
}

/// The position is the last member of an answer that has one. A quote within a text is escaped, so
/// no text can look like it.
fn before_position(body: &[u8]) -> &[u8] {
    const NAME: &[u8] = br#","position"#;
    body.windows(NAME.len()).rposition(|bytes| bytes == NAME).map_or(body, |at| &body[..at])
}

/// Compressed bytes, if they are fewer and the processor has time.
async fn compressed(coding: ContentCoding, body: &Bytes) -> Option<Bytes> {
    let place = COMPRESSIONS.try_acquire().ok()?;
    let made = if body.len() <= AT_ONCE {
        coding.compress(body)
    } else {
        let whole = body.clone();
        let compress = move || {
            let _until_it_is_done = place;
            coding.compress(&whole)
        };
        tokio::task::spawn_blocking(compress).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
    };
    match made {
        Ok(smaller) => (smaller.len() < body.len()).then(|| smaller.into()),
        Err(error) => {
            tracing::warn!(%error, ?coding, "an answer cannot be compressed");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt;

    #[test]
    fn a_tag_is_of_what_an_answer_says_and_not_of_its_position() {
        let one = |body: &str| tag(body.as_bytes(), true);
        let first = one(r#"{"a":1,"position":"0:7"}"#);
        assert_eq!(first, one(r#"{"a":1,"position":"0:8"}"#));
        assert_eq!(first, one(r#"{"a":1,"positions":["0:8","1:9"]}"#));
        assert_ne!(first, one(r#"{"a":2,"position":"0:7"}"#));
        // Of an inner one, and of a text, all counts.
        assert_ne!(
            one(r#"[{"a":1,"position":"0:7"}],"position":"1:1""#),
            one(r#"[{"a":1,"position":"0:8"}],"position":"1:1""#)
        );
        assert_ne!(one(r#"{"a":",\"position","b":1}"#), one(r#"{"a":",\"position","b":2}"#));
        // Of an answer without a position, all counts.
        let document = |version: u8| tag(format!(r#"{{"a":1,"position":{version}}}"#).as_bytes(), false);
        assert_ne!(document(1), document(2));
    }

    async fn ask(method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let big =
            || async { ([(header::CONTENT_TYPE, "application/json")], format!(r#"{{"a":"{}"}}"#, "x".repeat(20_000))) };
        let routes = Router::new()
            .route("/v1/markets", get(big))
            .route("/v1/orders", get(big))
            .route("/v1/events", get(async || "small"))
            .route("/v1/events/{event}", get(async || (StatusCode::NOT_FOUND, "x".repeat(20_000))))
            .layer(from_fn(represent));
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        routes.oneshot(request).await.unwrap()
    }

    fn text(response: &Response, name: header::HeaderName) -> Option<&str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn only_large_public_answers_are_compressed_and_head_says_the_same() {
        let wanted = [("accept-encoding", "gzip, br, zstd")];
        let mut lengths = Vec::new();
        for method in [Method::GET, Method::HEAD] {
            let response = ask(method, "/v1/markets", &wanted).await;
            assert_eq!(text(&response, header::CONTENT_ENCODING), Some("zstd"));
            assert_eq!(text(&response, header::VARY), Some("accept-encoding"));
            lengths.push(text(&response, header::CONTENT_LENGTH).unwrap().parse::<usize>().unwrap());
        }
        assert!(lengths[0] < 1_000 && lengths[0] == lengths[1], "{lengths:?}");
        for path in ["/v1/orders", "/v1/events", "/v1/events/x"] {
            let response = ask(Method::GET, path, &wanted).await;
            assert_eq!(text(&response, header::CONTENT_ENCODING), None, "{path}");
        }
        for path in ["/v1/orders", "/v1/events/x"] {
            let response = ask(Method::GET, path, &wanted).await;
            assert_eq!((text(&response, header::ETAG), text(&response, header::CACHE_CONTROL)), (None, None), "{path}");
        }
    }

    #[tokio::test]
    async fn who_has_the_answer_is_told_so_however_it_was_compressed() {
        let first = ask(Method::GET, "/v1/markets", &[("accept-encoding", "br")]).await;
        let tag = text(&first, header::ETAG).unwrap();
        assert_eq!(text(&first, header::CACHE_CONTROL), Some("public, no-cache"));
        for value in [tag.to_owned(), format!("\"x\", {tag}"), "*".to_owned(), tag.replace("W/", "")] {
            let again = ask(Method::GET, "/v1/markets", &[("if-none-match", &value)]).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{value}");
            assert_eq!((text(&again, header::ETAG), text(&again, header::CONTENT_TYPE)), (Some(tag), None));
            assert!(to_bytes(again.into_body(), 1).await.unwrap().is_empty());
        }
        let other = ask(Method::GET, "/v1/markets", &[("if-none-match", "W/\"x\"")]).await;
        assert_eq!(other.status(), StatusCode::OK);
    }
}
