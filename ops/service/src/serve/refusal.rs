//! What a port refuses before its routes see the request, each as a problem (RFC 9457).
//!
//! | the request                                    | who finds it                        | answer |
//! |------------------------------------------------|-------------------------------------|--------|
//! | is not HTTP/1                                  | hyper, which answers without a body | 400    |
//! | has a target of more than [`URI_MAX`] bytes    | [`PortRefusal::of`]                 | 414    |
//! | has a head of more than `HEAD_MAX` over HTTP/1 | hyper, which answers without a body | 431    |
//! | has a head of more than `HEAD_MAX_HTTP2`       | [`PortRefusal::of`]                 | 431    |
//!
//! hyper offers no hook for its own answers. [`replace`] recognises their bytes on the way to the
//! socket (`stream`) and returns those of the problem. Over HTTP/2 a malformed head ends its stream
//! or the connection, as the protocol demands; a head of more than `HEAD_MAX` is answered by h2,
//! with 431 and no body.

use std::fmt::Write;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::headers::SECURITY;
use super::limits::HEAD_MAX_HTTP2;
use super::request_id::{REQUEST_ID_HEADER, RequestId};

/// The media type of problems.
const PROBLEM: &str = "application/problem+json";

/// Bytes of a request's target: its path and query.
pub const URI_MAX: usize = 16 * 1024;

/// Bytes that HTTP/2 counts for each header besides its name and value.
const HEADER_OVERHEAD: usize = 32;

/// A refusal. `code` is public and never changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortRefusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable code; also the end of the problem's type.
    pub code: &'static str,
    /// What is wrong.
    pub title: &'static str,
}

const fn refusal(status: StatusCode, code: &'static str, title: &'static str) -> PortRefusal {
    PortRefusal { status, code, title }
}

/// The request cannot be parsed.
pub const MALFORMED: PortRefusal = refusal(StatusCode::BAD_REQUEST, "malformed-http", "The request is not HTTP");
/// The target is too long.
pub const URI_TOO_LONG: PortRefusal =
    refusal(StatusCode::URI_TOO_LONG, "uri-too-long", "The request's target is longer than 16 KiB");
/// The head is too large.
pub const HEAD_TOO_LARGE: PortRefusal = refusal(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "head-too-large",
    "The request's head is larger than 64 KiB (16 KiB over HTTP/2), or has more than 100 headers",
);
/// There is no `Host` header, or more than one.
pub const HOST: PortRefusal = refusal(StatusCode::BAD_REQUEST, "invalid-request", "A request has one Host header");
/// There is no such route.
pub const ROUTE_UNKNOWN: PortRefusal = refusal(StatusCode::NOT_FOUND, "route-unknown", "There is no such route");
/// The route has other methods.
pub const METHOD_NOT_ALLOWED: PortRefusal =
    refusal(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The route does not take this method");

/// Every refusal of a port with routes of its own, for documents.
pub const OF_ALL_PORTS: [PortRefusal; 3] = [MALFORMED, URI_TOO_LONG, HEAD_TOO_LARGE];

impl PortRefusal {
    /// What is wrong with a head that could be parsed.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if target > URI_MAX {
            return Some(URI_TOO_LONG);
        }
        // Over HTTP/1, hyper has checked it.
        let head = || {
            let headers = request.headers().iter();
            let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD);
            target + headers.sum::<usize>()
        };
        let is_too_large = request.version() == Version::HTTP_2 && head() > HEAD_MAX_HTTP2;
        is_too_large.then_some(HEAD_TOO_LARGE)
    }

    /// The answer to a request whose body is not read. Over HTTP/1 that ends the connection.
    pub(super) fn answer(self, version: Version) -> Response {
        let mut response = self.into_response();
        if version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn body(self, id: Option<&RequestId>) -> String {
        let Self { status, code, title } = self;
        let kind = format!("urn:lfg:problem:{code}");
        let mut body = json!({ "type": kind, "code": code, "title": title, "status": status.as_u16() });
        if let Some(id) = id {
            body["request_id"] = json!(id.as_str());
        }
        body.to_string()
    }
}

impl IntoResponse for PortRefusal {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE, PROBLEM), (header::CACHE_CONTROL, "no-store")];
        (self.status, headers, self.body(RequestId::current().as_ref())).into_response()
    }
}

/// The problem in place of an answer that hyper gave by itself; `None` if the bytes are anything
/// else.
///
/// hyper writes such an answer alone, as the last one of a connection. It consists of the status,
/// a length of 0, the end of the connection, and the date.
pub(super) fn replace(bytes: &[u8]) -> Option<Bytes> {
    let line = |refusal: &&PortRefusal| {
        let rest = bytes.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..)).unwrap_or_default();
        rest.starts_with(refusal.status.as_str().as_bytes())
    };
    let refusal = OF_ALL_PORTS.iter().find(line)?;
    let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let (mut ours, mut is_empty) = (String::new(), false);
    for (number, line) in head.split("\r\n").enumerate() {
        match line.split_once(": ") {
            None if number == 0 => {}
            Some(("content-length", "0")) => {
                is_empty = true;
                continue;
            }
            Some(("connection", "close") | ("date", _)) => {}
            _ => return None,
        }
        ours.push_str(line);
        ours.push_str("\r\n");
    }
    if !is_empty {
        return None;
    }
    // hyper has not said what the client's own id is.
    let id = RequestId::make();
    for (name, value) in SECURITY.iter().chain([&(REQUEST_ID_HEADER, id.to_header())]) {
        write!(ours, "{name}: {}\r\n", value.to_str().ok()?).ok()?;
    }
    let body = refusal.body(Some(&id));
    let length = body.len();
    write!(ours, "content-type: {PROBLEM}\r\ncache-control: no-store\r\ncontent-length: {length}\r\n\r\n{body}")
        .ok()?;
    Some(ours.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str) -> Option<String> {
        replace(text.as_bytes()).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn an_answer_without_a_body_gets_one_and_all_else_stays() {
        let rest = "connection: close\r\ncontent-length: 0\r\ndate: Sat, 28 Nov 2026 16:00:00 GMT\r\n\r\n";
        for (status, refusal) in [
            ("400 Bad Request", MALFORMED),
            ("414 URI Too Long", URI_TOO_LONG),
            ("431 Request Header Fields Too Large", HEAD_TOO_LARGE),
        ] {
            for version in ["1.0", "1.1"] {
                let told = replaced(&format!("HTTP/{version} {status}\r\n{rest}")).unwrap();
                let (head, body) = told.split_once("\r\n\r\n").unwrap();
                assert!(head.starts_with(&format!("HTTP/{version} {status}\r\nconnection: close\r\ndate: ")), "{head}");
                assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
                let body: serde_json::Value = serde_json::from_str(body).unwrap();
                assert_eq!((&body["code"], &body["status"]), (&json!(refusal.code), &json!(refusal.status.as_u16())));
                assert!(
                    head.contains(&format!("x-request-id: {}\r\n", body["request_id"].as_str().unwrap())),
                    "{head}"
                );
                assert!(head.contains("x-content-type-options: nosniff\r\n"), "{head}");
            }
        }
        let bad = "HTTP/1.1 400 Bad Request\r\n";
        for other in [
            String::new(),
            "HTTP/1.1".to_owned(),
            format!("HTTP/1.1 200 OK\r\n{rest}"),
            format!("{bad}{rest}more"),
            format!("{bad}{}", rest.replace(": 0", ": 7")),
            format!("{bad}{}", rest.replace("content-length: 0\r\n", "")),
            format!("{bad}content-type: text/plain\r\n{rest}"),
        ] {
            assert_eq!(replaced(&other), None, "{other}");
        }
    }

    #[test]
    fn a_head_is_bounded_by_its_target_and_over_http2_as_a_whole() {
        let of = |version, target: usize, header: usize| {
            let uri = format!("/{}", "x".repeat(target - 1));
            let builder = Request::builder().version(version).uri(uri).header("x", "y".repeat(header));
            PortRefusal::of(&builder.body(()).unwrap())
        };
        let (one, two) = (Version::HTTP_11, Version::HTTP_2);
        assert_eq!((of(one, URI_MAX, 40_000), of(one, URI_MAX + 1, 1)), (None, Some(URI_TOO_LONG)));
        assert_eq!((of(two, 1, HEAD_MAX_HTTP2 - 34), of(two, 1, HEAD_MAX_HTTP2 - 33)), (None, Some(HEAD_TOO_LARGE)));
        assert_eq!(of(two, URI_MAX + 1, 1), Some(URI_TOO_LONG));
    }
}
