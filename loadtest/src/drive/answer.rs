//! The gateway's responses, reduced to what can be verified later.

use schemas::{Contract, OrderId, Status};
use serde::Deserialize;
use uuid::Uuid;

use crate::api::{ApiError, ApiReply};

/// A request and its result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestResult {
    /// The request.
    pub asked: RequestKind,
    /// Index of the account.
    pub account: usize,
    /// Index of the market.
    pub market: usize,
    /// The result.
    pub result: RequestOutcome,
}

/// The kinds of request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestKind {
    /// An order with this client id, and the contract if it was a buy.
    Order {
        /// The client id.
        client_id: Uuid,
        /// The contract to buy.
        contract: Option<Contract>,
    },
    /// A cancel of this order.
    Cancel {
        /// The order's id.
        order: OrderId,
    },
}

/// The results of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestOutcome {
    /// 201: the order was accepted; its state follows.
    Placed {
        /// The order's id.
        order: OrderId,
        /// The order's status.
        status: Status,
        /// Contracts filled.
        filled: u32,
        /// Contracts resting.
        remaining: u32,
    },
    /// 200: cancelled, with this many contracts remaining.
    Cancelled {
        /// Number of contracts cancelled.
        cancelled: u32,
    },
    /// 202: written to the log, but the outcome was not known in time.
    Later,
    /// 4xx: refused, with the problem's code and the order's id if it received one.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The problem's code.
        code: String,
        /// The id of the refused order.
        order: Option<OrderId>,
    },
    /// Anything else: 429, 5xx, a broken connection, no response in time. Only the log shows
    /// whether the request was accepted.
    Failed {
        /// A short description.
        what: String,
    },
}

impl RequestOutcome {
    /// Returns true if the request was neither accepted nor refused.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }

    /// Returns true if the gateway had too many requests, and did nothing: 429 or 503.
    pub fn is_shed(&self) -> bool {
        matches!(self, Self::Failed { what } if what == "503 overloaded" || what == "429 rate-limited")
    }

    /// Returns the label in the table of responses.
    pub fn label(&self) -> String {
        match self {
            Self::Placed { .. } => "201".to_owned(),
            Self::Cancelled { .. } => "200".to_owned(),
            Self::Later => "202 outcome not known in time".to_owned(),
            Self::Refused { status, code, .. } => format!("{status} {code}"),
            Self::Failed { what } => format!("failed: {what}"),
        }
    }
}

#[derive(Deserialize)]
struct PlacedBody<'a> {
    order_id: &'a str,
    status: &'a str,
    filled: u32,
    remaining: u32,
}

#[derive(Deserialize)]
struct CancelledBody {
    cancelled: u32,
}

#[derive(Deserialize)]
struct ProblemBody<'a> {
    code: &'a str,
    order_id: Option<&'a str>,
}

impl RequestResult {
    /// Creates a result from a response of the connection.
    pub fn new(
        asked: RequestKind,
        account: usize,
        market: usize,
        reply: &std::result::Result<ApiReply, ApiError>,
    ) -> Self {
        let result = match reply {
            Ok(reply) => understood(&asked, reply).unwrap_or_else(|| RequestOutcome::Failed {
                what: format!("{} with an answer that is not understood", reply.status),
            }),
            Err(ApiError::Timeout) => RequestOutcome::Failed { what: "no answer in time".to_owned() },
            Err(ApiError::Connect { .. }) => RequestOutcome::Failed { what: "no connection".to_owned() },
            Err(_) => RequestOutcome::Failed { what: "the connection broke".to_owned() },
        };
        Self { asked, account, market, result }
    }
}

fn understood(asked: &RequestKind, reply: &ApiReply) -> Option<RequestOutcome> {
    match (asked, reply.status) {
        (RequestKind::Order { .. }, 201) => {
            let body: PlacedBody = serde_json::from_slice(&reply.body).ok()?;
            Some(RequestOutcome::Placed {
                order: body.order_id.parse().ok()?,
                status: body.status.parse().ok()?,
                filled: body.filled,
                remaining: body.remaining,
            })
        }
        (RequestKind::Cancel { .. }, 200) => {
            let body: CancelledBody = serde_json::from_slice(&reply.body).ok()?;
            Some(RequestOutcome::Cancelled { cancelled: body.cancelled })
        }
        (_, 202) => Some(RequestOutcome::Later),
        (_, 429 | 500..) => {
            let code = serde_json::from_slice::<ProblemBody>(&reply.body).map_or("", |body| body.code);
            Some(RequestOutcome::Failed { what: format!("{} {code}", reply.status).trim_end().to_owned() })
        }
        (_, status @ 400..=499) => {
            let body: ProblemBody = serde_json::from_slice(&reply.body).ok()?;
            let order = body.order_id.and_then(|id| id.parse().ok());
            Some(RequestOutcome::Refused { status, code: body.code.to_owned(), order })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(asked: RequestKind, status: u16, body: &str) -> RequestOutcome {
        let reply = Ok(ApiReply { status, body: body.to_owned().into() });
        RequestResult::new(asked, 0, 0, &reply).result
    }

    #[test]
    fn every_kind_of_answer_is_understood() {
        let order = RequestKind::Order { client_id: Uuid::nil(), contract: None };
        let cancel = RequestKind::Cancel { order: OrderId(1) };
        let body = r#"{"order_id":"12","status":"PARTIALLY_FILLED","filled":4,"remaining":6,"fills":[],"more":null}"#;
        let placed =
            RequestOutcome::Placed { order: OrderId(12), status: Status::PartiallyFilled, filled: 4, remaining: 6 };
        assert_eq!(answered(order, 201, body), placed);
        assert_eq!(
            answered(cancel, 200, r#"{"cancelled":3,"status":"CANCELLED"}"#),
            RequestOutcome::Cancelled { cancelled: 3 }
        );
        assert_eq!(answered(order, 202, r#"{"command_id":"x"}"#), RequestOutcome::Later);
        let refused =
            RequestOutcome::Refused { status: 409, code: "funds-insufficient".into(), order: Some(OrderId(12)) };
        assert_eq!(answered(order, 409, r#"{"code":"funds-insufficient","order_id":"12"}"#), refused);
        for (status, body) in [(201, "{}"), (200, "no JSON"), (302, "{}"), (400, "")] {
            assert!(answered(order, status, body).is_failure(), "{status}");
        }
        assert_eq!(
            answered(cancel, 503, r#"{"code":"overloaded"}"#),
            RequestOutcome::Failed { what: "503 overloaded".into() }
        );
        assert_eq!(answered(cancel, 429, ""), RequestOutcome::Failed { what: "429".into() });
    }
}
