//! Headers of the API.

use axum::http::HeaderName;

/// The header with the log position of an answer.
pub const POSITION_HEADER: HeaderName = HeaderName::from_static("lfg-position");
