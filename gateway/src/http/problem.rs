//! Errors as clients see them: RFC 9457 problems with a stable code.
//!
//! Only this module maps a reason to a status. The code that finds a reason reports it.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::ids::LogPosition;
use schemas::{CommandId, OrderId, Rejection, Shard};
use serde::Serialize;
use serde_json::{Map, Value, json};
use service::serve::RequestId;
use utoipa::ToSchema;

use crate::http::headers::POSITION_HEADER;
use crate::http::outcome;
use crate::openapi::scalars::{
    AccountIdText, CommandIdText, KeyIdText, LogPositionText, OrderIdText, PublicKeyText, ScopeName,
};
use crate::rates::TooFast;
use crate::rates::told::Violated;
use crate::seldom::Seldom;
use crate::store::StoreError;

/// The most faults of one request that are listed. More would not help a client, and would cost the
/// gateway more than the request itself.
pub const ERRORS_MAX: usize = 100;

/// A kind of problem. `code` and `status` are public and never change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProblemKind {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable code; also the end of the problem's type.
    pub code: &'static str,
    /// The title, the same for every occurrence.
    pub title: &'static str,
}

impl ProblemKind {
    /// What became of a write that ended with it.
    pub fn outcome(self) -> &'static str {
        if [kinds::OUTCOME_UNKNOWN, kinds::INTERNAL].contains(&self) { "unknown" } else { "rejected" }
    }
}

/// Kinds of problems that the gateway finds. Those of the engine are in [`rejection_kind`].
pub mod kinds {
    use super::{ProblemKind, StatusCode};

    const fn kind(status: StatusCode, code: &'static str, title: &'static str) -> ProblemKind {
        ProblemKind { status, code, title }
    }

    pub const MALFORMED_JSON: ProblemKind = kind(StatusCode::BAD_REQUEST, "malformed-json", "The body is not JSON");
    pub const INVALID_REQUEST: ProblemKind =
        kind(StatusCode::BAD_REQUEST, "invalid-request", "The request is not valid");
    pub const UNAUTHENTICATED: ProblemKind = kind(
        StatusCode::UNAUTHORIZED,
        "unauthenticated",
        "The request needs a valid API key, as a bearer token or as a signature",
    );
    pub const TIMESTAMP_OUT_OF_WINDOW: ProblemKind = kind(
        StatusCode::UNAUTHORIZED,
        "timestamp-out-of-window",
        "The request's timestamp is too old, or too far in the future",
    );
    pub const SIGNATURE_USED: ProblemKind =
        kind(StatusCode::UNAUTHORIZED, "signature-used", "A request with this signature was accepted before");
    pub const SIGNATURE_LIMIT: ProblemKind = kind(
        StatusCode::TOO_MANY_REQUESTS,
        "signature-limit",
        "The key has signed too many requests in the last seconds",
    );
    pub const ACCOUNTS_LIMIT: ProblemKind = kind(
        StatusCode::TOO_MANY_REQUESTS,
        "accounts-limit",
        "The address has opened as many accounts lately as it may",
    );
    pub const RATE_LIMITED: ProblemKind =
        kind(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests in too short a time; nothing was done");
    pub const SCOPE_MISSING: ProblemKind = kind(StatusCode::FORBIDDEN, "scope-missing", "The key may not do this");
    pub const KEY_BOUND: ProblemKind =
        kind(StatusCode::FORBIDDEN, "key-bound", "The key is bound to other markets, or to smaller orders");
    pub const ADMIN_ONLY: ProblemKind = kind(StatusCode::FORBIDDEN, "admin-only", "Only an admin may do this");
    pub const ROLE_MISSING: ProblemKind =
        kind(StatusCode::FORBIDDEN, "role-missing", "The admin does not have the role for this");
    pub const ACCOUNT_ONLY: ProblemKind = kind(StatusCode::FORBIDDEN, "account-only", "Only an account may do this");
    pub const ACCOUNTS_CLOSED: ProblemKind =
        kind(StatusCode::FORBIDDEN, "accounts-closed", "No accounts are opened at this gateway");
    pub const ORIGIN_FORBIDDEN: ProblemKind =
        kind(StatusCode::FORBIDDEN, "origin-forbidden", "Pages of this origin may not connect");
    pub const ROUTE_UNKNOWN: ProblemKind = kind(StatusCode::NOT_FOUND, "route-unknown", "There is no such route");
    pub const API_KEY_UNKNOWN: ProblemKind =
        kind(StatusCode::NOT_FOUND, "api-key-unknown", "The account has no such key");
    pub const ACCOUNT_UNKNOWN: ProblemKind = kind(StatusCode::NOT_FOUND, "account-unknown", "There is no such account");
    pub const MARKET_UNKNOWN: ProblemKind = kind(StatusCode::NOT_FOUND, "market-unknown", "There is no such market");
    pub const EVENT_UNKNOWN: ProblemKind =
        kind(StatusCode::NOT_FOUND, "event-unknown", "There is no such market event");
    pub const ORDER_UNKNOWN: ProblemKind =
        kind(StatusCode::NOT_FOUND, "order-unknown", "The account has no such order");
    pub const GROUP_UNKNOWN: ProblemKind =
        kind(StatusCode::NOT_FOUND, "group-unknown", "The account has no such group");
    pub const METHOD_NOT_ALLOWED: ProblemKind =
        kind(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The route does not accept this method");
    pub const REQUEST_TIMEOUT: ProblemKind =
        kind(StatusCode::REQUEST_TIMEOUT, "request-timeout", "The request did not arrive in time");
    pub const BODY_TOO_LARGE: ProblemKind =
        kind(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is larger than 64 KiB");
    pub const UNSUPPORTED_MEDIA_TYPE: ProblemKind =
        kind(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body must be application/json");
    pub const UPGRADE_REQUIRED: ProblemKind =
        kind(StatusCode::BAD_REQUEST, "invalid-upgrade", "The request is not a valid WebSocket upgrade");
    pub const OVERLOADED: ProblemKind =
        kind(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Too many requests at once; nothing was written");
    pub const LOG_UNAVAILABLE: ProblemKind =
        kind(StatusCode::SERVICE_UNAVAILABLE, "log-unavailable", "The log cannot be written; nothing was written");
    pub const SHARD_HALTED: ProblemKind =
        kind(StatusCode::SERVICE_UNAVAILABLE, "shard-halted", "The shard has halted; nothing was written");
    pub const READ_MODEL_UNAVAILABLE: ProblemKind =
        kind(StatusCode::SERVICE_UNAVAILABLE, "read-model-unavailable", "The data cannot be read now");
    pub const FOLLOWER_UNAVAILABLE: ProblemKind = kind(
        StatusCode::SERVICE_UNAVAILABLE,
        "follower-unavailable",
        "This gateway does not follow the books, or not yet",
    );
    pub const POSITION_NOT_REACHED: ProblemKind = kind(
        StatusCode::SERVICE_UNAVAILABLE,
        "position-not-reached",
        "The data has not reached the requested position",
    );
    pub const OUTCOME_UNKNOWN: ProblemKind = kind(
        StatusCode::GATEWAY_TIMEOUT,
        "outcome-unknown",
        "It is not known yet whether the command was written; it may still be carried out",
    );
    pub const INTERNAL: ProblemKind = kind(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The gateway failed");
}

/// Returns the status and title of an engine's rejection; the code is the rejection's name, or
/// `unknown` if this build does not know it.
///
/// 404: something does not exist. 409: the request may succeed later. 422: the same request never
/// succeeds. 429 and 503: the request may be repeated unchanged.
pub fn rejection_kind(rejection: Rejection) -> ProblemKind {
    const NOT_FOUND: StatusCode = StatusCode::NOT_FOUND;
    const CONFLICT: StatusCode = StatusCode::CONFLICT;
    const NEVER: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
    const BROKEN: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
    const SLOWER: StatusCode = StatusCode::TOO_MANY_REQUESTS;
    const LATER: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    const UNKNOWN: &str = "The engine refused this for a reason that this gateway does not know";
    let (status, title) = match rejection {
        Rejection::Undecodable => (NEVER, "The engine does not know this command"),
        Rejection::WrongShard => (NEVER, "The command came to the wrong shard"),
        Rejection::QuantityIsZero => (NEVER, "An order needs a quantity"),
        Rejection::AmountOutOfRange => (NEVER, "The amount is not positive, or is above the limit"),
        Rejection::BudgetOnSell => (NEVER, "Only a buy can have a budget"),
        Rejection::MarketIdMismatch => (NEVER, "The market's id does not match its ticker"),
        Rejection::TickSizeInvalid => (NEVER, "The tick size does not divide one credit"),
        Rejection::ExpiryInPast => (NEVER, "The expiry is not in the future"),
        Rejection::AccountIdInvalid => (NEVER, "The id is not valid for an account"),
        Rejection::MessageInvalid => (NEVER, "The message between shards is not valid"),
        Rejection::PostOnlyImmediate => (NEVER, "A post-only order must be able to rest"),
        Rejection::BatchSizeInvalid => (NEVER, "The batch is empty, or has too many requests"),
        Rejection::AccountMismatch => (NEVER, "The batch has a request of another account"),
        Rejection::TimeoutOutOfRange => (NEVER, "The time of the dead-man switch is out of range"),
        Rejection::TransferToSelf => (NEVER, "An account cannot send credits to itself"),
        Rejection::AmendmentEmpty => (NEVER, "The amendment changes nothing"),
        Rejection::DisputeWindowInvalid => (NEVER, "The dispute window is too long"),
        Rejection::OpeningInvalid => (NEVER, "The opening time is not in the future, or not before the expiry"),
        Rejection::EditEmpty => (NEVER, "The request would change nothing"),
        Rejection::MarketEventIdMismatch => (NEVER, "The market event's id does not match its name"),
        Rejection::NameInvalid => (NEVER, "The name has no letter, so it looks like an id"),
        Rejection::TimeOutOfRange => (NEVER, "A time is after the year 9999"),
        Rejection::Quarantined => (BROKEN, "The engine failed at this command, and admins quarantined it"),
        Rejection::AccountUnknown => (NOT_FOUND, kinds::ACCOUNT_UNKNOWN.title),
        Rejection::AccountExists => (CONFLICT, "The account exists already"),
        Rejection::MarketUnknown => (NOT_FOUND, kinds::MARKET_UNKNOWN.title),
        Rejection::MarketExists => (CONFLICT, "The ticker is taken"),
        Rejection::MarketNotOpen => (CONFLICT, "The market does not accept this now"),
        Rejection::PriceOffTick => (NEVER, "The price is not a multiple of the market's tick size"),
        Rejection::FeeRateTooLow => (CONFLICT, "The market's fee is above what the order accepts"),
        Rejection::OrderUnknown => (NOT_FOUND, "The account has no such live order"),
        Rejection::TransitionInvalid => (CONFLICT, "The market cannot change from its state to that one"),
        Rejection::ApiKeyUnknown => (NOT_FOUND, kinds::API_KEY_UNKNOWN.title),
        Rejection::ApiKeyExists => (CONFLICT, "The key exists already"),
        Rejection::AccountFrozen => (CONFLICT, "The account is frozen"),
        Rejection::MarketSweeping => (CONFLICT, "The market is still cancelling orders"),
        Rejection::SecondAdminRequired => (CONFLICT, "A second admin must confirm, not the one who proposed"),
        Rejection::VocabularyNotHigher => (CONFLICT, "The shard already has this vocabulary, or a higher one"),
        Rejection::VocabularyUnread => (CONFLICT, "A part that reads the log does not know this vocabulary"),
        Rejection::PartsLimit => (SLOWER, "Too many parts have announced themselves"),
        Rejection::AnswerMismatch => (CONFLICT, "The answer differs from the proposed one"),
        Rejection::DepositUnknown => (NOT_FOUND, "No such deposit was proposed"),
        Rejection::DepositEnded => (CONFLICT, "The proposed deposit was confirmed or dropped, or has expired"),
        Rejection::DepositMismatch => (CONFLICT, "The account or the amount differs from the proposed deposit"),
        Rejection::MarketArchived => (CONFLICT, "The market is archived"),
        Rejection::MarketTraded => (CONFLICT, "The market has traded, so its description can only be added to"),
        Rejection::MarketEnded => (CONFLICT, "The market has ended, so its description cannot change"),
        Rejection::MarketOpened => (CONFLICT, "The market is open or was open, so its opening time cannot change"),
        Rejection::MarketEventExists => (CONFLICT, "The name is taken"),
        Rejection::YesTaken => (CONFLICT, "Another market of the exclusive market event is YES, or is proposed as YES"),
        Rejection::GroupUnknown => (NOT_FOUND, kinds::GROUP_UNKNOWN.title),
        Rejection::GroupExists => (CONFLICT, "The account has this group already"),
        Rejection::GroupTriggered => {
            (CONFLICT, "The order's group was triggered, and accepts no orders until it is reset")
        }
        Rejection::GroupsLimit => (CONFLICT, "The account has the maximum number of groups"),
        Rejection::GroupOrdersLimit => (CONFLICT, "The group has the maximum number of orders on the shard"),
        Rejection::KeyExpiryInPast => (NEVER, "The key's expiry is not in the future"),
        Rejection::AskingKeyEnded => (CONFLICT, "The key that made the request was revoked or has expired"),
        Rejection::KeyRightsExceeded => {
            (CONFLICT, "The key that made the request does not have all rights of the other key")
        }
        Rejection::GraceTooLong => (NEVER, "The replaced key would stay valid for too long"),
        Rejection::AdminUnknown => (NOT_FOUND, "There is no such admin"),
        Rejection::AdminsNotAllowed => (CONFLICT, "The admin does not have the role ADMINS, or is no longer an admin"),
        Rejection::LastAdmin => (CONFLICT, "No admin with the role ADMINS and without expiry would remain"),
        Rejection::AdminProofTaken => (CONFLICT, "Another admin has this key"),
        Rejection::AdminsLimit => (CONFLICT, "There is the maximum number of admins"),
        Rejection::YesPending => (LATER, "The market event's shard has not decided yet whether the market can be YES"),
        Rejection::MarketTextsLimit => (CONFLICT, "The market would have too many sources, tags or clarifications"),
        Rejection::AdditionRepeated => (CONFLICT, "The market has this source or tag already"),
        Rejection::MarketEventsLimit => (CONFLICT, "There is the maximum number of market events"),
        Rejection::BooksFull => (CONFLICT, "The shard has the maximum number of orders or markets"),
        Rejection::DepositProposalLimit => (SLOWER, "Too many proposed deposits wait for a second admin"),
        Rejection::FundsInsufficient => (CONFLICT, "The account does not have enough available credits"),
        Rejection::PositionInsufficient => (CONFLICT, "The account does not have enough unreserved contracts"),
        Rejection::ClientIdReused => (NEVER, "The client id belongs to a different request"),
        Rejection::WalletLimit => (CONFLICT, "The account's credits would exceed their limit"),
        Rejection::ShardCreditsLimit => (CONFLICT, "The shard has the maximum amount of credits"),
        Rejection::ApiKeyLimit => (CONFLICT, "The account has the maximum number of keys"),
        Rejection::DeadlinePassed => (CONFLICT, "The order arrived after its deadline"),
        Rejection::PostOnlyWouldTake => (CONFLICT, "The post-only order would take"),
        Rejection::LiveOrderLimit => (CONFLICT, "The account has the maximum number of live orders"),
        Rejection::NotionalLimit => (CONFLICT, "The account's live orders have the maximum worth"),
        Rejection::PositionLimit => (CONFLICT, "The account would hold or buy too many contracts"),
        Rejection::NothingToReduce => (CONFLICT, "The order is reduce-only, and there is nothing to reduce"),
        Rejection::ReduceOnlyLimit => {
            (CONFLICT, "The account has the maximum number of resting reduce-only buys in the market")
        }
        Rejection::CancelledWhileParked => (CONFLICT, "The account cancelled the request before it was decided"),
        Rejection::QuantityFilled => (CONFLICT, "The new quantity is already filled"),
        Rejection::BatchRefused => (CONFLICT, "Another request of the batch was refused"),
        Rejection::BatchConflict => (CONFLICT, "The requests of the batch depend on one another"),
        Rejection::ShardUnavailable => (LATER, "The request needs a shard that does not answer; nothing was done"),
        Rejection::FundingTimeout => (
            LATER,
            "The credits or the order allowance that the request lacks did not arrive in time; nothing was done",
        ),
        Rejection::ParkedLimit => (SLOWER, "Too many requests of the account are waiting"),
        Rejection::OrderFilled => (CONFLICT, "The order is filled"),
        Rejection::OrderCancelled => (CONFLICT, "The order was cancelled"),
        Rejection::OrderExpired => (CONFLICT, "The order has expired"),
        Rejection::ClientIdLimit => (SLOWER, "The account has used too many client ids in this hour"),
        // A rejection of a later build. Codes of 1xx depend on the command alone.
        Rejection::Unknown(100..200) => (NEVER, UNKNOWN),
        Rejection::Unknown(_) => (CONFLICT, UNKNOWN),
    };
    // An unknown rejection has its number as its code, which no kind can have: see
    // `Problem::rejection`.
    let code = match rejection.name() {
        Cow::Borrowed(name) => name,
        Cow::Owned(_) => "unknown",
    };
    ProblemKind { status, code, title }
}

/// The location of a fault in the request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultLocation {
    /// A JSON pointer into the body.
    Pointer(String),
    /// A query parameter.
    Parameter(String),
}

/// A problem in JSON.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it describes what `Problem::body` makes")]
pub struct DescribedProblem {
    /// A URN that ends with the code.
    #[schema(example = "urn:lfg:problem:invalid-request")]
    r#type: String,
    /// The stable code. A refusal by an engine of a later version is `unknown-` and a number.
    #[schema(example = "invalid-request")]
    code: String,
    /// The title of the code.
    title: String,
    /// The HTTP status.
    status: u16,
    /// A description of this occurrence, for people.
    detail: Option<String>,
    /// Faults of the request, at most 100.
    errors: Option<Vec<FieldError>>,
    /// The outcome that contains the refusal.
    #[schema(value_type = Option<LogPositionText>)]
    position: Option<String>,
    /// The refused command.
    #[schema(value_type = Option<CommandIdText>)]
    command_id: Option<String>,
    /// The refused order.
    #[schema(value_type = Option<OrderIdText>)]
    order_id: Option<String>,
    /// True if an earlier request with this client id was refused.
    repeated: Option<bool>,
    /// What became of a write: `rejected` (nothing changed) or `unknown`. Absent for a read.
    #[schema(example = "rejected")]
    outcome: Option<String>,
    /// Where to look for the result of a command whose outcome is unknown.
    look: Option<String>,
    /// The account of a new key whose outcome is unknown.
    #[schema(value_type = Option<AccountIdText>)]
    account_id: Option<String>,
    /// Such a new key.
    #[schema(value_type = Option<KeyIdText>)]
    key_id: Option<String>,
    /// The whole of it: no other answer shows it.
    api_key: Option<String>,
    #[schema(value_type = Option<PublicKeyText>)]
    public_key: Option<String>,
    /// Its rights.
    #[schema(value_type = Option<Vec<ScopeName>>)]
    scopes: Option<Vec<String>>,
    /// The new key of an admin whose outcome is unknown: no other answer shows it.
    admin_key: Option<String>,
    /// The policy of `RateLimit` that refused the request.
    #[serde(rename = "violated-policies")]
    violated_policies: Option<Vec<String>>,
    /// The id of the request, as in the header `X-Request-Id`.
    #[schema(example = "0199c2a4-6f0e-7c3a-9d55-0b7f3c1de001")]
    request_id: String,
    /// The gateway's clock, in milliseconds since 1970-01-01 UTC.
    gateway_time_ms: Option<u64>,
}

/// One fault of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// Its location.
    #[serde(flatten)]
    pub place: FaultLocation,
    /// Its code: `missing`, `unknown`, `repeated`, `type`, `form`, `out-of-range` or `conflict`.
    pub code: &'static str,
    /// Its description.
    pub detail: String,
}

/// One occurrence of a problem.
#[derive(Clone, Debug)]
pub struct Problem(Box<Occurrence>);

#[derive(Clone, Debug)]
struct Occurrence {
    kind: ProblemKind,
    /// The kind's code; for an unknown rejection, `unknown-` and its number.
    code: Cow<'static, str>,
    detail: Option<String>,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    position: Option<LogPosition>,
    headers: Vec<(HeaderName, HeaderValue)>,
    violated: Option<Violated>,
}

/// Seconds after which a retry may succeed.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The same in seconds, where an operator must act first.
const RETRY_LATER: HeaderValue = HeaderValue::from_static("60");

impl Problem {
    /// The problem of a market that is not in the view.
    pub fn no_market(is_archived: bool) -> Self {
        if is_archived { Self::rejection(Rejection::MarketArchived) } else { Self::new(kinds::MARKET_UNKNOWN) }
    }

    /// Creates the problem of a failed read of the gateway's own store, and logs the error.
    pub fn unstored(error: &StoreError) -> Self {
        static LINE: Seldom = Seldom::new();
        if let Some(kept_back) = LINE.pass() {
            tracing::error!(%error, kept_back, "the store cannot be read");
        }
        Self::new(kinds::READ_MODEL_UNAVAILABLE)
    }

    /// Creates an occurrence of `kind`.
    pub fn new(kind: ProblemKind) -> Self {
        let mut headers = Vec::new();
        if matches!(kind.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let after = if kind == kinds::SHARD_HALTED { RETRY_LATER } else { RETRY_AFTER };
            headers.push((header::RETRY_AFTER, after));
        }
        if kind.status == StatusCode::UNAUTHORIZED {
            headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lfg\"")));
        }
        let (detail, errors, members, position, violated) = (None, Vec::new(), Map::new(), None, None);
        let code = Cow::Borrowed(kind.code);
        Self(Box::new(Occurrence { kind, code, detail, errors, members, position, headers, violated }))
    }

    /// Creates the problem of a rejection by the engine.
    pub fn rejection(rejection: Rejection) -> Self {
        let mut problem = Self::new(rejection_kind(rejection));
        problem.0.code = rejection.name();
        problem
    }

    /// Creates the problem of a shard that has halted, or whose log must be read further first.
    pub fn shard_halted(shard: Shard) -> Self {
        Self::new(kinds::SHARD_HALTED).detail(format!("shard {shard} has halted; the others continue"))
    }

    /// Creates the problem of a client that has as many WebSockets as it may have.
    pub fn too_many_sockets() -> Self {
        Self::new(kinds::OVERLOADED).detail("too many WebSockets of this client, or in all")
    }

    /// Creates the problem of a client that asks too fast, with the policy that refused it.
    pub fn rate_limited(TooFast { policy, wait }: TooFast) -> Self {
        let mut problem = Self::new(kinds::RATE_LIMITED).retry_after(wait);
        problem.0.members.insert("violated-policies".to_owned(), json!([policy.name()]));
        problem.0.violated = Some(Violated(policy));
        problem
    }

    /// Creates the problem of a request with these faults.
    pub fn invalid(mut errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => one.detail.clone(),
            many if many.len() > ERRORS_MAX => {
                format!("more than {ERRORS_MAX} fields are not valid; the first {ERRORS_MAX} are named")
            }
            many => format!("{} fields are not valid", many.len()),
        };
        let mut problem = Self::new(kinds::INVALID_REQUEST).detail(detail);
        errors.truncate(ERRORS_MAX);
        problem.0.errors = errors;
        problem
    }

    /// Adds the description of this occurrence.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Sets the time after which a retry may succeed, in whole seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.0.headers.retain(|(name, _)| *name != header::RETRY_AFTER);
        self.0.headers.push((header::RETRY_AFTER, HeaderValue::from(seconds.max(1))));
        self
    }

    /// Adds the location of the cause in the request.
    #[must_use]
    pub fn error(mut self, error: FieldError) -> Self {
        self.0.errors.push(error);
        self
    }

    /// Adds the outcome that contains the rejection.
    #[must_use]
    pub fn at(mut self, position: LogPosition) -> Self {
        self.0.members.insert("position".to_owned(), json!(position.to_string()));
        self.0.position = Some(position);
        self
    }

    /// Adds the command.
    #[must_use]
    pub fn command(mut self, id: CommandId) -> Self {
        self.0.members.insert("command_id".to_owned(), json!(id.to_string()));
        self
    }

    /// Adds the order.
    #[must_use]
    pub fn order(mut self, id: OrderId) -> Self {
        self.0.members.insert("order_id".to_owned(), json!(id.to_string()));
        self
    }

    /// Marks the rejection as that of an earlier request.
    #[must_use]
    pub fn repeated(mut self) -> Self {
        self.0.members.insert("repeated".to_owned(), json!(true));
        self
    }

    /// Adds members such as `look`, which a client needs to find the result.
    #[must_use]
    pub fn members(mut self, members: Map<String, Value>) -> Self {
        self.0.members.extend(members);
        self
    }

    /// Adds the gateway's time, in milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn gateway_time(mut self, now: u64) -> Self {
        self.0.members.insert("gateway_time_ms".to_owned(), json!(now));
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ProblemKind {
        self.0.kind
    }

    /// Returns the stable code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// Returns the detail, or the title if there is none.
    pub fn text(&self) -> &str {
        self.0.detail.as_deref().unwrap_or(self.0.kind.title)
    }

    /// Returns the faults of the request.
    #[cfg(test)]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// Returns the JSON of an answer's part, as a result within a batch: of a write, with the
    /// outcome.
    pub fn body_of_write(&self) -> Value {
        let mut body = self.body();
        body["outcome"] = json!(self.0.kind.outcome());
        body
    }

    /// Returns the JSON without what belongs to a request.
    pub fn body(&self) -> Value {
        let Occurrence { kind, code, detail, errors, members, .. } = &*self.0;
        let mut body = members.clone();
        body.insert("type".to_owned(), json!(format!("urn:lfg:problem:{code}")));
        body.insert("code".to_owned(), json!(code));
        body.insert("title".to_owned(), json!(kind.title));
        body.insert("status".to_owned(), json!(kind.status.as_u16()));
        if let Some(detail) = detail {
            body.insert("detail".to_owned(), json!(detail));
        }
        if !errors.is_empty() {
            body.insert("errors".to_owned(), json!(errors));
        }
        Value::Object(body)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = self.body();
        if let Value::Object(members) = &mut body {
            outcome::add(self.0.kind.outcome(), members);
            if let Some(id) = RequestId::current() {
                members.insert("request_id".to_owned(), json!(id.as_str()));
            }
        }
        let mut response = (self.0.kind.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.0.headers);
        if let Some(Ok(position)) = self.0.position.map(|at| HeaderValue::from_str(&at.to_string())) {
            headers.insert(POSITION_HEADER, position);
        }
        self.0.violated.map(|violated| response.extensions_mut().insert(violated));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rates::costs::Policy;

    #[test]
    fn every_rejection_is_the_clients_or_passes_and_has_its_own_name() {
        for &rejection in Rejection::ALL {
            let kind = rejection_kind(rejection);
            match rejection {
                Rejection::FundingTimeout | Rejection::ShardUnavailable | Rejection::YesPending => {
                    assert_eq!(kind.status, 503, "{rejection}");
                }
                // A bug of the gateway; a retry does not help.
                Rejection::Quarantined => assert_eq!(kind.status, 500),
                _ => assert!(kind.status.is_client_error(), "{rejection}"),
            }
            assert_eq!(kind.code, rejection.name());
            assert!(!kind.title.is_empty());
        }
    }

    #[test]
    fn who_asks_too_fast_is_told_for_how_many_whole_seconds_to_wait() {
        let after = |millis| {
            let too_fast = TooFast { policy: Policy::Write, wait: Duration::from_millis(millis) };
            let problem = Problem::rate_limited(too_fast);
            assert_eq!(problem.body()["violated-policies"], json!(["write"]));
            let response = problem.into_response();
            assert_eq!(response.extensions().get(), Some(&Violated(Policy::Write)));
            let told: Vec<_> = response.headers().get_all(header::RETRY_AFTER).iter().cloned().collect();
            (response.status().as_u16(), told)
        };
        for (millis, seconds) in [(0, "1"), (20, "1"), (1_000, "1"), (1_001, "2"), (90_000, "90")] {
            assert_eq!(after(millis), (429, vec![HeaderValue::from_static(seconds)]));
        }
    }

    #[test]
    fn only_what_the_gateway_cannot_know_is_unknown() {
        assert_eq!((kinds::OUTCOME_UNKNOWN.outcome(), kinds::INTERNAL.outcome()), ("unknown", "unknown"));
        assert_eq!(kinds::OVERLOADED.outcome(), "rejected");
        assert!(Rejection::ALL.iter().all(|rejection| rejection_kind(*rejection).outcome() == "rejected"));
    }

    #[test]
    fn a_refusal_of_a_later_build_has_its_number() {
        for (code, status) in [(177, 422), (399, 409), (9_999, 409)] {
            let body = Problem::rejection(Rejection::from_code(code)).body();
            assert_eq!((&body["code"], &body["status"]), (&json!(format!("unknown-{code}")), &json!(status)));
            assert_eq!(body["type"], json!(format!("urn:lfg:problem:unknown-{code}")));
        }
    }

    #[test]
    fn a_problem_has_the_members_of_rfc_9457() {
        let place = FaultLocation::Pointer("/price".to_owned());
        let error = FieldError { place, code: "type", detail: "must be a string".to_owned() };
        assert_eq!(
            Problem::invalid(vec![error]).body(),
            json!({
                "type": "urn:lfg:problem:invalid-request", "code": "invalid-request", "status": 400,
                "title": "The request is not valid", "detail": "must be a string",
                "errors": [{"pointer": "/price", "code": "type", "detail": "must be a string"}],
            })
        );
    }

    #[test]
    fn a_problem_names_its_place_on_the_log() {
        let at = "2:41".parse().unwrap();
        let response = Problem::rejection(Rejection::FundsInsufficient).at(at).into_response();
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert_eq!(response.headers()[&POSITION_HEADER], "2:41");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn what_may_be_tried_again_says_when() {
        let later = [Problem::new(kinds::OVERLOADED)];
        let refused =
            [Rejection::FundingTimeout, Rejection::ParkedLimit, Rejection::ClientIdLimit, Rejection::ShardUnavailable];
        for problem in later.into_iter().chain(refused.map(Problem::rejection)) {
            assert!(problem.into_response().headers().contains_key(header::RETRY_AFTER));
        }
        assert!(Problem::new(kinds::UNAUTHENTICATED).into_response().headers().contains_key(header::WWW_AUTHENTICATE));
    }
}
