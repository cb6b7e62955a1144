//! Checks the head and reads the body, before the request takes a place among those in progress.
//!
//! A refusal keeps the connection in step: the rest of the body is read and discarded, or the
//! answer announces that the connection ends.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Version, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use service::serve::names_host;
use tokio::time::timeout;

use crate::config::{BODY_MAX, BODY_WITHIN};
use crate::http::problem::{Problem, kinds};
use crate::shares::Asker;
use crate::state::Shared;

/// Bytes beyond the limit that are read and discarded, so that a client that is still sending sees
/// the answer.
const DISCARD_MAX: usize = 4 * 1024 * 1024;

/// How long discarding may take.
const DISCARD_WITHIN: Duration = Duration::from_secs(2);

/// Reads the body of a request with a valid head. It has a place among incoming bodies only while
/// it is read.
pub async fn receive(state: &Shared, asker: Asker, parts: &Parts, body: Body) -> Result<Bytes, Response> {
    if let Err(problem) = check(parts) {
        return Err(refuse_unread(problem, parts.version, body).await);
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let Some(_place) = state.bodies.take(asker, 1) else {
        return Err(refuse_unread(Problem::new(kinds::OVERLOADED), parts.version, body).await);
    };
    match timeout(BODY_WITHIN, read(body)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err((problem, whole))) => Err(refused(problem, parts.version, whole)),
        Err(_) => Err(refused(Problem::new(kinds::REQUEST_TIMEOUT), parts.version, false)),
    }
}

/// Refuses a request whose body was not read.
pub async fn refuse_unread(problem: Problem, version: Version, body: Body) -> Response {
    refused(problem, version, discard(body).await)
}

fn check(parts: &Parts) -> Result<(), Problem> {
    if !names_host(parts) {
        let detail = "a request has one Host header";
        return Err(Problem::new(kinds::INVALID_REQUEST).detail(detail));
    }
    if is_encoded(&parts.headers) {
        return Err(Problem::new(kinds::UNSUPPORTED_MEDIA_TYPE).detail("the body must not have a Content-Encoding"));
    }
    Ok(())
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    !values.all(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// Reads a bounded body. An error says whether the whole body was read.
async fn read(body: Body) -> Result<Bytes, (Problem, bool)> {
    let (mut kept, mut seen, mut chunks) = (Vec::new(), 0, body.into_data_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            let problem = Problem::new(kinds::MALFORMED_JSON);
            (problem.detail(format!("the body could not be read: {error}")), false)
        })?;
        seen += chunk.len();
        if seen > DISCARD_MAX {
            return Err((Problem::new(kinds::BODY_TOO_LARGE), false));
        }
        if seen <= BODY_MAX {
            kept.extend_from_slice(&chunk);
        }
    }
    if seen <= BODY_MAX { Ok(kept.into()) } else { Err((Problem::new(kinds::BODY_TOO_LARGE), true)) }
}

/// Discards a body. Returns true if it was read to its end.
async fn discard(body: Body) -> bool {
    let mut chunks = body.into_data_stream();
    let all = async {
        let mut seen = 0;
        while let Some(chunk) = chunks.next().await {
            seen += chunk.map_or(DISCARD_MAX, |chunk| chunk.len());
            if seen >= DISCARD_MAX {
                return false;
            }
        }
        true
    };
    timeout(DISCARD_WITHIN, all).await.unwrap_or(false)
}

/// Makes a refusal. HTTP/2 ends the stream by itself.
fn refused(problem: Problem, version: Version, whole: bool) -> Response {
    let mut response = problem.into_response();
    if !whole && version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_bounded() {
        assert_eq!(read(Body::from(vec![b' '; BODY_MAX])).await.unwrap().len(), BODY_MAX);
        let (problem, whole) = read(Body::from(vec![b' '; BODY_MAX + 1])).await.unwrap_err();
        assert_eq!((problem.kind(), whole), (kinds::BODY_TOO_LARGE, true));
        let (problem, whole) = read(Body::from(vec![b' '; DISCARD_MAX + 1])).await.unwrap_err();
        assert_eq!((problem.kind(), whole), (kinds::BODY_TOO_LARGE, false));
    }

    #[test]
    fn only_identity_is_no_encoding() {
        let with = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            is_encoded(&headers)
        };
        assert!(!with(&[]) && !with(&["identity"]) && !with(&[" Identity "]));
        assert!(with(&["gzip"]) && with(&["identity", "br"]) && with(&["identity, gzip"]) && with(&[""]));
    }
}
