//! The headers that every answer of a port has, whoever made it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::request_id::{REQUEST_ID_HEADER, RequestId};

/// Browsers take an answer for what it is, load nothing on its behalf, show it in no frame, and
/// tell nobody where they were. A handler may allow more for its own answer.
pub(super) const SECURITY: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
];

/// For a year, browsers come over TLS alone.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds them to an answer.
pub(super) fn complete(headers: &mut HeaderMap, id: &RequestId, is_tls: bool) {
    headers.insert(REQUEST_ID_HEADER, id.to_header());
    for (name, value) in SECURITY {
        headers.entry(name).or_insert(value);
    }
    if is_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TLS_ONLY);
    }
}
