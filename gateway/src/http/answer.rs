//! Successful answers: a body and its log position.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::ids::LogPosition;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::headers::POSITION_HEADER;
use crate::openapi::scalars::{
    AccountIdText, CommandIdText, KeyIdText, LogPositionText, OrderIdText, PublicKeyText, ScopeName,
};
use crate::shapes::positions::LogPositions;

/// A body and its log position.
pub struct Answer<T> {
    status: StatusCode,
    body: T,
    at: At,
}

enum At {
    One(LogPosition),
    Many(Vec<LogPosition>),
}

impl<T: Serialize> Answer<T> {
    /// As of one outcome or one shard.
    pub fn one(body: T, at: LogPosition) -> Self {
        Self { status: StatusCode::OK, body, at: At::One(at) }
    }

    /// As of several shards.
    pub fn many(body: T, at: Vec<LogPosition>) -> Self {
        Self { status: StatusCode::OK, body, at: At::Many(at) }
    }

    /// 201 instead of 200.
    #[must_use]
    pub fn created(self) -> Self {
        Self { status: StatusCode::CREATED, ..self }
    }

    /// 202 instead of 200: a part of the answer is still to come.
    #[must_use]
    pub fn accepted(self) -> Self {
        Self { status: StatusCode::ACCEPTED, ..self }
    }
}

/// A body with the position of one outcome or one shard.
#[derive(Serialize, ToSchema)]
pub struct AtPosition<T> {
    #[serde(flatten)]
    body: T,
    #[schema(value_type = LogPositionText)]
    position: String,
}

/// A body with the positions of several shards.
#[derive(Serialize, ToSchema)]
pub struct AtPositions<'a, T> {
    #[serde(flatten)]
    body: T,
    /// The sequence for each shard.
    #[schema(value_type = HashMap<String, u64>, example = json!({"0": 17, "2": 41}))]
    positions: LogPositions<'a>,
}

/// The answer to a command whose result did not arrive in time.
#[derive(ToSchema)]
#[schema(as = Accepted)]
#[expect(dead_code, reason = "it describes what commands answer with: `look` and what belongs to it")]
pub struct AcceptedAnswer {
    /// The path at which the result will be.
    look: String,
    #[schema(value_type = CommandIdText)]
    command_id: String,
    /// The order, if it is known already.
    #[schema(value_type = Option<OrderIdText>)]
    order_id: Option<String>,
    /// True if an earlier request with this client id placed the order.
    repeated: Option<bool>,
    /// The account of a new key.
    #[schema(value_type = Option<AccountIdText>)]
    account_id: Option<String>,
    /// A new key, which is valid once the command is decided.
    #[schema(value_type = Option<KeyIdText>)]
    key_id: Option<String>,
    /// The whole new key: no other answer shows it.
    api_key: Option<String>,
    #[schema(value_type = Option<PublicKeyText>)]
    public_key: Option<String>,
    /// The rights of the new key.
    #[schema(value_type = Option<Vec<ScopeName>>)]
    scopes: Option<Vec<String>>,
    /// The new key of an admin: no other answer shows it.
    admin_key: Option<String>,
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let (mut response, header) = match self.at {
            At::One(at) => {
                let position = at.to_string();
                let header = position.clone();
                ((self.status, Json(AtPosition { body: self.body, position })).into_response(), header)
            }
            At::Many(at) => {
                let header = at.iter().map(LogPosition::to_string).collect::<Vec<_>>().join(", ");
                let body = Json(AtPositions { body: self.body, positions: LogPositions(&at) });
                ((self.status, body).into_response(), header)
            }
        };
        if let Ok(value) = HeaderValue::from_str(&header) {
            response.headers_mut().insert(POSITION_HEADER, value);
        }
        response
    }
}

/// Like [`Answer`], with a body that is serialised already: the fields of an object, without its
/// braces.
pub struct PreparedAnswer {
    /// The fields.
    pub fields: String,
    /// Their log position.
    pub at: LogPosition,
}

impl IntoResponse for PreparedAnswer {
    fn into_response(self) -> Response {
        let Self { fields, at } = self;
        let position = at.to_string();
        let body = format!(r#"{{{fields},"position":"{position}"}}"#);
        let json = HeaderValue::from_static("application/json");
        let mut response = ([(header::CONTENT_TYPE, json)], body).into_response();
        if let Ok(value) = HeaderValue::from_str(&position) {
            response.headers_mut().insert(POSITION_HEADER, value);
        }
        response
    }
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub struct ListPage<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; null on the last.
    #[schema(required)]
    pub next: Option<String>,
}
