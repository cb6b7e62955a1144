//! Parts of requests: bodies, query strings and path segments. Each invalid part is refused with a
//! problem.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use schemas::ids::LogPosition;
use schemas::shard_map::ShardMap;

use crate::config::BODY_MAX;
use crate::http::fields::{Fields, Params};
use crate::http::parse::ValueFault;
use crate::http::problem::{Problem, kinds};
use crate::state::Shared;

/// A JSON body.
pub struct JsonBody(pub Fields);

impl FromRequest<Shared> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Shared) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        // The middleware received the body before this extractor runs.
        let bytes = to_bytes(body, BODY_MAX).await.map_err(|_| Problem::new(kinds::BODY_TOO_LARGE))?;
        // A request without a body needs no content type.
        if !bytes.is_empty() && !is_json(&parts.headers) {
            return Err(Problem::new(kinds::UNSUPPORTED_MEDIA_TYPE));
        }
        Fields::parse(&bytes).map(Self)
    }
}

/// Returns true for `application/json`, with or without parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|text| text.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json"))
}

/// A query string, with the position that it asks for.
pub struct QueryString {
    /// The parameters, without `min_position`.
    pub params: Params,
    /// Each shard at most once.
    pub at_least: Vec<LogPosition>,
}

impl FromRequestParts<Shared> for QueryString {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        Ok(Self::parse(&parts.uri, state.map))
    }
}

impl QueryString {
    /// Parses a query string; [`Params::finish`] reports faults.
    pub fn parse(uri: &Uri, map: ShardMap) -> Self {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
        let malformed = pairs.is_err();
        let mut params = Params::new(pairs.map(|axum::extract::Query(pairs)| pairs).unwrap_or_default());
        if malformed {
            params.fault("", ValueFault::form("a query string"));
        }
        let at_least = params.optional("min_position", |text| coordinates(text, map)).unwrap_or_default();
        Self { params, at_least }
    }

    /// Refuses every other parameter.
    pub fn nothing_else(self) -> Result<Vec<LogPosition>, Problem> {
        self.params.finish()?;
        Ok(self.at_least)
    }
}

fn coordinates(text: &str, map: ShardMap) -> Result<Vec<LogPosition>, ValueFault> {
    let form = || ValueFault::form("shard:sequence, or a comma-separated list of them");
    let parse = |part: &str| part.trim().parse::<LogPosition>().map_err(|_| form());
    let mut list = text.split(',').map(parse).collect::<Result<Vec<_>, _>>()?;
    list.sort_unstable_by_key(|at| at.shard);
    let repeated = list.windows(2).any(|pair| pair[0].shard == pair[1].shard);
    let unknown = list.iter().any(|at| at.shard.number() >= map.shards());
    match (repeated, unknown) {
        (false, false) => Ok(list),
        (_, true) => Err(ValueFault::range(&format!("of a shard below {}", map.shards()))),
        (true, _) => Err(form()),
    }
}

/// The one variable segment of a path.
pub struct Segment(pub String);

impl FromRequestParts<Shared> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(segment)| Self(segment)).map_err(|_| Problem::new(kinds::ROUTE_UNKNOWN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_of_known_shards_and_each_once() {
        let map = ShardMap::new(4).unwrap();
        let parse = |text: &str| coordinates(text, map).map(|list| list.len()).map_err(|fault| fault.code);
        assert_eq!(parse("0:7"), Ok(1));
        assert_eq!(parse("3:1, 0:7"), Ok(2));
        assert_eq!(parse("4:1"), Err("out-of-range"));
        for text in ["", "0", "0:x", "0:-1", "0:1,0:2", "0:1,", "a:1", "0:99999999999999999999"] {
            assert_eq!(parse(text), Err("form"), "{text}");
        }
    }

    #[test]
    fn only_json_is_json() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            is_json(&headers)
        };
        assert!(with("application/json") && with("Application/JSON; charset=utf-8"));
        assert!(!with("text/plain") && !with("application/jsonx") && !is_json(&HeaderMap::new()));
    }
}
