//! The answer for a path without a route: it says what to do.

use axum::http::Uri;

use crate::http::problem::{Problem, kinds};

/// Bytes of a path that is repeated to the client.
const SHOWN_MAX: usize = 200;

/// The fallback of all routes.
pub async fn route(uri: Uri) -> Problem {
    Problem::new(kinds::ROUTE_UNKNOWN).detail(advice(uri.path()))
}

fn advice(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    let has_version = |path: &str| path == "/v1" || path.starts_with("/v1/");
    if trimmed.is_empty() || trimmed.eq_ignore_ascii_case("/v1") {
        return "routes begin with /v1; GET /v1/markets lists the markets".to_owned();
    }
    if path.len() > SHOWN_MAX {
        return "routes begin with /v1, are in lower case and have no slash at the end".to_owned();
    }
    let lower = trimmed.to_ascii_lowercase();
    if !has_version(&lower) {
        return format!("routes begin with /v1: perhaps /v1{trimmed}");
    }
    if !has_version(trimmed) {
        return format!("routes are in lower case: perhaps {lower}");
    }
    if trimmed != path {
        return format!("routes have no slash at the end: perhaps {trimmed}");
    }
    "no route has this path; the documentation of the API lists all".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_a_route_is_told_which_it_may_have_meant() {
        for (path, said) in [
            ("/", "GET /v1/markets"),
            ("/v1", "GET /v1/markets"),
            ("/v1/", "GET /v1/markets"),
            ("/markets", "perhaps /v1/markets"),
            ("/v1/markets/", "perhaps /v1/markets"),
            ("/V1/Markets", "perhaps /v1/markets"),
            ("/v1/nothing", "no route"),
        ] {
            assert!(advice(path).ends_with(said) || advice(path).contains(said), "{path}: {}", advice(path));
        }
        assert!(advice(&format!("/{}", "x".repeat(SHOWN_MAX))).len() < SHOWN_MAX);
    }
}
