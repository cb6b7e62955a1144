//! The problems that each operation can answer with, beside those that every operation can.

use axum::http::StatusCode;
use schemas::Rejection;
use serde_json::{Value, json};

use crate::http::problem::{ProblemKind, kinds, rejection_kind};

/// What the operation does, which decides what it can answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Without a key.
    Public,
    /// With an account's key.
    Account,
    /// With an admin's key.
    Admin,
}

/// One kind of problem in the document.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ListedProblem {
    /// The status.
    pub status: u16,
    /// The code.
    pub code: &'static str,
    /// The title.
    pub title: &'static str,
}

impl From<ProblemKind> for ListedProblem {
    fn from(kind: ProblemKind) -> Self {
        Self { status: kind.status.as_u16(), code: kind.code, title: kind.title }
    }
}

impl ListedProblem {
    /// Returns what the document says of the code.
    pub fn shown(&self) -> Value {
        json!({"status": self.status, "title": self.title})
    }
}

/// The connection layer answers with these before a route is known (`service::serve::refusal`).
const OF_CONNECTIONS: [ListedProblem; 3] = [
    ListedProblem { status: 400, code: "malformed-http", title: "The request is not HTTP" },
    ListedProblem { status: 414, code: "uri-too-long", title: "The request's target is too long" },
    ListedProblem { status: 431, code: "head-too-large", title: "The request's head is too large" },
];

/// What every request can get.
const OF_ALL: [ProblemKind; 9] = [
    kinds::INVALID_REQUEST,
    kinds::MALFORMED_JSON,
    kinds::REQUEST_TIMEOUT,
    kinds::BODY_TOO_LARGE,
    kinds::UNSUPPORTED_MEDIA_TYPE,
    kinds::RATE_LIMITED,
    kinds::INTERNAL,
    kinds::OVERLOADED,
    kinds::POSITION_NOT_REACHED,
];

/// What every request with a key can get. A key that is not needed is verified, too.
const OF_KEYS: [ProblemKind; 4] =
    [kinds::UNAUTHENTICATED, kinds::TIMESTAMP_OUT_OF_WINDOW, kinds::SIGNATURE_USED, kinds::SIGNATURE_LIMIT];

const OF_ACCOUNTS: [ProblemKind; 2] = [kinds::SCOPE_MISSING, kinds::ACCOUNT_ONLY];

const OF_ADMINS: [ProblemKind; 2] = [kinds::ADMIN_ONLY, kinds::ROLE_MISSING];

const OF_READS: [ProblemKind; 2] = [kinds::READ_MODEL_UNAVAILABLE, kinds::SHARD_HALTED];

const OF_WRITES: [ProblemKind; 4] =
    [kinds::LOG_UNAVAILABLE, kinds::SHARD_HALTED, kinds::OUTCOME_UNKNOWN, kinds::READ_MODEL_UNAVAILABLE];

/// Rejections of every command of an account or admin.
const OF_COMMANDS: [Rejection; 3] = [Rejection::Quarantined, Rejection::ShardUnavailable, Rejection::AccountUnknown];

/// What the engine can answer to an order.
const OF_ORDERS: &[Rejection] = &[
    Rejection::AccountFrozen,
    Rejection::BooksFull,
    Rejection::CancelledWhileParked,
    Rejection::ClientIdLimit,
    Rejection::ClientIdReused,
    Rejection::DeadlinePassed,
    Rejection::FeeRateTooLow,
    Rejection::FundingTimeout,
    Rejection::FundsInsufficient,
    Rejection::GroupOrdersLimit,
    Rejection::GroupTriggered,
    Rejection::GroupUnknown,
    Rejection::LiveOrderLimit,
    Rejection::MarketArchived,
    Rejection::MarketNotOpen,
    Rejection::MarketSweeping,
    Rejection::MarketUnknown,
    Rejection::NothingToReduce,
    Rejection::NotionalLimit,
    Rejection::ParkedLimit,
    Rejection::PositionInsufficient,
    Rejection::PositionLimit,
    Rejection::PostOnlyWouldTake,
    Rejection::PriceOffTick,
    Rejection::ReduceOnlyLimit,
];

const OF_CANCELS: &[Rejection] = &[
    Rejection::MarketArchived,
    Rejection::MarketUnknown,
    Rejection::OrderCancelled,
    Rejection::OrderExpired,
    Rejection::OrderFilled,
    Rejection::OrderUnknown,
];

const OF_AMENDMENTS: &[Rejection] = &[
    Rejection::AmendmentEmpty,
    Rejection::BudgetOnSell,
    Rejection::FundingTimeout,
    Rejection::FundsInsufficient,
    Rejection::MarketNotOpen,
    Rejection::MarketSweeping,
    Rejection::NotionalLimit,
    Rejection::ParkedLimit,
    Rejection::PositionInsufficient,
    Rejection::PositionLimit,
    Rejection::PostOnlyWouldTake,
    Rejection::PriceOffTick,
    Rejection::QuantityFilled,
    Rejection::ReduceOnlyLimit,
    Rejection::AccountFrozen,
    Rejection::LiveOrderLimit,
    Rejection::NothingToReduce,
    Rejection::GroupTriggered,
];

const OF_CREDITS: &[Rejection] = &[
    Rejection::AccountFrozen,
    Rejection::AmountOutOfRange,
    Rejection::ClientIdLimit,
    Rejection::ClientIdReused,
    Rejection::FundsInsufficient,
    Rejection::ShardCreditsLimit,
    Rejection::WalletLimit,
    Rejection::FundingTimeout,
    Rejection::ParkedLimit,
];

const OF_DEPOSITS: &[Rejection] = &[
    Rejection::DepositEnded,
    Rejection::DepositMismatch,
    Rejection::DepositProposalLimit,
    Rejection::DepositUnknown,
    Rejection::SecondAdminRequired,
];

const OF_KEY_CHANGES: &[Rejection] = &[
    Rejection::ApiKeyExists,
    Rejection::ApiKeyLimit,
    Rejection::ApiKeyUnknown,
    Rejection::AskingKeyEnded,
    Rejection::GraceTooLong,
    Rejection::KeyExpiryInPast,
    Rejection::KeyRightsExceeded,
    Rejection::MarketUnknown,
];

const OF_MARKETS: &[Rejection] = &[Rejection::MarketUnknown, Rejection::MarketArchived];

const OF_TRANSITIONS: &[Rejection] = &[
    Rejection::AnswerMismatch,
    Rejection::MarketSweeping,
    Rejection::SecondAdminRequired,
    Rejection::TransitionInvalid,
    Rejection::YesPending,
    Rejection::YesTaken,
];

const OF_DESCRIPTIONS: &[Rejection] = &[
    Rejection::AdditionRepeated,
    Rejection::BooksFull,
    Rejection::DisputeWindowInvalid,
    Rejection::EditEmpty,
    Rejection::ExpiryInPast,
    Rejection::MarketEnded,
    Rejection::MarketEventExists,
    Rejection::MarketEventIdMismatch,
    Rejection::MarketEventsLimit,
    Rejection::MarketExists,
    Rejection::MarketIdMismatch,
    Rejection::MarketOpened,
    Rejection::MarketTextsLimit,
    Rejection::MarketTraded,
    Rejection::NameInvalid,
    Rejection::OpeningInvalid,
    Rejection::TickSizeInvalid,
    Rejection::TimeOutOfRange,
];

const OF_GROUPS: &[Rejection] =
    &[Rejection::AccountFrozen, Rejection::GroupExists, Rejection::GroupUnknown, Rejection::GroupsLimit];

const OF_ADMIN_CHANGES: &[Rejection] = &[
    Rejection::AdminProofTaken,
    Rejection::AdminUnknown,
    Rejection::AdminsLimit,
    Rejection::AdminsNotAllowed,
    Rejection::KeyExpiryInPast,
    Rejection::LastAdmin,
];

const OF_BATCHES: &[Rejection] =
    &[Rejection::AccountMismatch, Rejection::BatchConflict, Rejection::BatchRefused, Rejection::BatchSizeInvalid];

/// What one operation can answer with, beside what all can.
struct OfOperation {
    operations: &'static [&'static str],
    kinds: &'static [ProblemKind],
    rejections: &'static [&'static [Rejection]],
}

const OPERATIONS: &[OfOperation] = &[
    OfOperation {
        operations: &["place_order"],
        kinds: &[kinds::KEY_BOUND, kinds::MARKET_UNKNOWN],
        rejections: &[OF_ORDERS],
    },
    OfOperation {
        operations: &["preview_order"],
        kinds: &[kinds::KEY_BOUND, kinds::MARKET_UNKNOWN, kinds::FOLLOWER_UNAVAILABLE],
        rejections: &[&[Rejection::MarketArchived]],
    },
    OfOperation {
        operations: &["get_queue_position", "list_queue_positions"],
        kinds: &[kinds::ORDER_UNKNOWN, kinds::MARKET_UNKNOWN, kinds::FOLLOWER_UNAVAILABLE],
        rejections: &[],
    },
    OfOperation {
        operations: &["amend_order", "amend_order_by_client_id"],
        kinds: &[kinds::KEY_BOUND, kinds::ORDER_UNKNOWN, kinds::MARKET_UNKNOWN],
        rejections: &[OF_CANCELS, OF_AMENDMENTS],
    },
    OfOperation {
        operations: &["cancel_order", "cancel_orders"],
        kinds: &[kinds::KEY_BOUND, kinds::ORDER_UNKNOWN, kinds::MARKET_UNKNOWN],
        rejections: &[OF_CANCELS],
    },
    OfOperation {
        operations: &["submit_batch"],
        kinds: &[kinds::KEY_BOUND, kinds::MARKET_UNKNOWN, kinds::ORDER_UNKNOWN],
        rejections: &[OF_BATCHES, OF_ORDERS, OF_CANCELS, OF_AMENDMENTS],
    },
    OfOperation { operations: &["list_orders", "list_fills"], kinds: &[kinds::MARKET_UNKNOWN], rejections: &[] },
    OfOperation { operations: &["get_order"], kinds: &[kinds::ORDER_UNKNOWN], rejections: &[] },
    OfOperation {
        operations: &["get_group"],
        kinds: &[kinds::GROUP_UNKNOWN, kinds::FOLLOWER_UNAVAILABLE],
        rejections: &[],
    },
    OfOperation { operations: &["list_groups"], kinds: &[kinds::FOLLOWER_UNAVAILABLE], rejections: &[] },
    OfOperation {
        operations: &["create_group", "change_group", "delete_group", "trigger_group", "reset_group"],
        kinds: &[kinds::KEY_BOUND, kinds::GROUP_UNKNOWN],
        rejections: &[OF_GROUPS],
    },
    OfOperation {
        operations: &["set_dead_man_switch", "unset_dead_man_switch"],
        kinds: &[kinds::KEY_BOUND],
        rejections: &[&[Rejection::TimeoutOutOfRange]],
    },
    OfOperation { operations: &["transfer"], kinds: &[], rejections: &[OF_CREDITS, &[Rejection::TransferToSelf]] },
    OfOperation { operations: &["withdraw"], kinds: &[], rejections: &[OF_CREDITS] },
    OfOperation {
        operations: &["deposit", "confirm_deposit", "drop_deposit_proposal"],
        kinds: &[],
        rejections: &[OF_CREDITS, OF_DEPOSITS],
    },
    OfOperation {
        operations: &["open_account"],
        kinds: &[kinds::ACCOUNTS_CLOSED, kinds::ACCOUNTS_LIMIT],
        rejections: &[&[Rejection::AccountExists, Rejection::AccountIdInvalid, Rejection::BooksFull]],
    },
    OfOperation {
        operations: &["create_api_key", "rotate_api_key", "revoke_api_key"],
        kinds: &[kinds::API_KEY_UNKNOWN],
        rejections: &[OF_KEY_CHANGES],
    },
    OfOperation {
        operations: &[
            "get_market",
            "get_book",
            "list_trades",
            "list_candles",
            "get_ticker",
            "list_tickers",
            "list_books",
        ],
        kinds: &[kinds::MARKET_UNKNOWN],
        rejections: &[],
    },
    OfOperation { operations: &["list_markets", "get_event"], kinds: &[kinds::EVENT_UNKNOWN], rejections: &[] },
    OfOperation {
        operations: &["create_market", "edit_market", "add_to_market", "create_event"],
        kinds: &[kinds::MARKET_UNKNOWN, kinds::EVENT_UNKNOWN],
        rejections: &[OF_MARKETS, OF_DESCRIPTIONS],
    },
    OfOperation {
        operations: &[
            "open_market",
            "pause_market",
            "resume_market",
            "close_market",
            "resolve_market",
            "confirm_market",
        ],
        kinds: &[kinds::MARKET_UNKNOWN],
        rejections: &[OF_MARKETS, OF_TRANSITIONS],
    },
    OfOperation { operations: &["limit_market"], kinds: &[kinds::MARKET_UNKNOWN], rejections: &[OF_MARKETS] },
    OfOperation {
        operations: &["freeze_account", "unfreeze_account", "limit_account"],
        kinds: &[kinds::ACCOUNT_UNKNOWN],
        rejections: &[],
    },
    OfOperation { operations: &["set_admin", "revoke_admin"], kinds: &[], rejections: &[OF_ADMIN_CHANGES] },
    OfOperation {
        operations: &["raise_vocabulary"],
        kinds: &[],
        rejections: &[&[Rejection::VocabularyNotHigher, Rejection::VocabularyUnread, Rejection::PartsLimit]],
    },
    OfOperation { operations: &["get_document"], kinds: &[kinds::ROUTE_UNKNOWN], rejections: &[] },
    OfOperation {
        operations: &["open_websocket"],
        kinds: &[kinds::UPGRADE_REQUIRED, kinds::ORIGIN_FORBIDDEN],
        rejections: &[],
    },
];

/// Returns all problems of an operation, in order of status and code. `is_write` means that it puts
/// a command on the log.
pub fn of(operation: &str, access: Access, is_write: bool) -> Vec<ListedProblem> {
    let own = || OPERATIONS.iter().filter(|of| of.operations.contains(&operation));
    let mut all: Vec<ListedProblem> = OF_CONNECTIONS.to_vec();
    let mut add = |kinds: &[ProblemKind]| all.extend(kinds.iter().copied().map(ListedProblem::from));
    add(&OF_ALL);
    add(&OF_KEYS);
    match access {
        Access::Public => {}
        Access::Account => add(&OF_ACCOUNTS),
        Access::Admin => add(&OF_ADMINS),
    }
    if is_write {
        add(&OF_WRITES);
        add(&OF_COMMANDS.map(rejection_kind));
    } else {
        add(&OF_READS);
    }
    for of in own() {
        add(of.kinds);
        for rejections in of.rejections {
            add(&rejections.iter().copied().map(rejection_kind).collect::<Vec<_>>());
        }
    }
    all.sort_unstable();
    all.dedup_by_key(|problem| (problem.status, problem.code));
    all
}

/// Operations of the table.
#[cfg(test)]
pub fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().flat_map(|of| of.operations).copied()
}

/// Returns the reason phrase of a status.
pub fn phrase(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Problem")
}
