//! Every limit of the log in one place, checked against each other at compile time.

use crate::time::Timestamp;

/// Shards that an order id has room for.
pub const SHARDS_MAX: u16 = 128;

/// Contracts in one order.
pub const QUANTITY_MAX: u32 = 1_000_000;

/// Credits (in micro-credits) in one deposit or withdrawal, and the budget of one market order: a billion credits.
pub const AMOUNT_MAX: i64 = 1_000_000_000 * 1_000_000;

/// Credits (in micro-credits) that a deposit may lead an account to, as far as its home knows: 10 billion credits.
pub const WALLET_MAX: i64 = 10 * AMOUNT_MAX;

/// Credits (in micro-credits) that all accounts of one shard may have deposited, less what they withdrew: 70 billion credits.
pub const SHARD_CREDITS_MAX: i64 = 70 * AMOUNT_MAX;

/// Orders that may rest on one shard: 64 million take some 7 GB. Far below what the books could number.
pub const SHARD_ORDERS_MAX: usize = 1 << 26;

/// Markets that may be on one shard at a time, those that were paid out and are not archived yet with them.
pub const SHARD_MARKETS_MAX: usize = 1 << 17;

/// Milliseconds of a day.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Credits (in micro-credits) in one deposit that an admin makes alone: a million credits. What is above needs a second
/// admin.
pub const DEPOSIT_ALONE_MAX: i64 = 1_000_000 * 1_000_000;

/// Credits (in micro-credits) that an admin deposits alone on one shard in one day (UTC) of the log's time: two billion
/// credits, so that ten thousand accounts can be given a hundred thousand credits each. What is above needs a second
/// admin.
pub const DEPOSITS_ALONE_A_DAY_MAX: i64 = 2 * AMOUNT_MAX;

/// Admins whose deposits of a day are counted on one shard. Every deposit of any other one needs a second admin.
pub const DEPOSITING_ADMINS_MAX: usize = 64;

/// Proposed deposits of one shard that wait for a second admin.
pub const DEPOSIT_PROPOSALS_MAX: usize = 100;

/// How long, in milliseconds, a proposed deposit waits for a second admin: 8 hours, a working day.
pub const DEPOSIT_PROPOSAL_MS: u64 = 8 * 60 * 60 * 1_000;

/// Fee rates, in millionths: 20 %.
pub const FEE_RATE_MAX: u32 = 200_000;

/// Requests of one account that may be parked on one shard, each of a batch counted; as many withdrawals and transfers at its home;
/// and how many parked requests one command decides. The rest goes on at the next `AdvanceTime`.
pub const PARKED_MAX: usize = 200;

/// Mass cancels of one account that may be under way everywhere, and as many instructions of admins about it.
pub const INSTRUCTIONS_MAX: usize = 16;

/// How long, in milliseconds, a request may be parked.
pub const PARKED_MAX_MS: u64 = 10_000;

/// Milliseconds after which a recall that is under way holds up only claims that need it.
pub const RECALL_PATIENCE_MS: u64 = 1_000;

/// Milliseconds after which the free credits of a purse that nothing has changed go home.
pub const PURSE_REST_MS: u64 = 10 * 60 * 1_000;

/// Milliseconds to which a purse's last change is known.
pub const PURSE_STEP_MS: u64 = 60 * 1_000;

/// Resting orders that one command may fill, cancel or reduce by matching. What would match beyond is cancelled; the client may
/// send it again.
pub const ORDER_FILLS_MAX: usize = 10_000;

/// Buys of one account that only reduce and rest in one market. Each may shrink whenever the account's position does.
pub const REDUCE_ONLY_MAX: usize = 20;

/// Groups of orders of one account.
pub const ACCOUNT_GROUPS_MAX: usize = 1_000;

/// Orders of one group that rest on one shard. All of them end in the outcome of the fill that triggers it.
pub const GROUP_ORDERS_MAX: usize = 200;

/// Contracts that a group's limit may be.
pub const GROUP_CONTRACTS_MAX: u32 = 1_000_000_000;

/// Seconds of a group's window.
pub const GROUP_WINDOW_MAX_S: u8 = 60;

/// Parts into which a group's window is divided. A fill counts for the window, and for up to one part more.
pub const GROUP_WINDOW_PARTS: u64 = 50;

/// What meeting an order of a group counts for besides the order itself: that its group is told of, reported, and
/// perhaps triggered.
pub const GROUP_COUNTS: usize = 2;

/// Orders cancelled or positions paid out by one command; the rest goes on at the next `AdvanceTime`.
pub const SWEEP_MAX: usize = 1_000;

/// Places, cancels and amendments in one batch.
pub const BATCH_MAX: usize = 100;

/// Seconds after which a dead-man switch may be set to fire: a day.
pub const DEAD_MAN_MAX_S: u32 = 24 * 60 * 60;

/// Milliseconds of a dispute window: 30 days.
pub const DISPUTE_WINDOW_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// How long, in milliseconds, a market that has paid everything out stays in the state: 7 days. Then it is archived.
pub const MARKET_KEPT_MS: u64 = 7 * DAY_MS;

/// Messages that a shard keeps for each other one before it refuses what would send more. Answers go all the same, and
/// what was admitted before: `decide/message.rs` says what bounds those.
pub const OUTBOX_MAX: usize = 10_000;

/// API keys of one account that are neither revoked nor expired. A rotation may lead to one more until the old key
/// ends.
pub const ACCOUNT_API_KEYS_MAX: usize = 20;

/// Admins that were set and not revoked.
pub const ADMINS_MAX: usize = 100;

/// Markets that one key may be bound to.
pub const KEY_MARKETS_MAX: usize = 20;

/// Bytes of a key's name.
pub const KEY_NAME_BYTES_MAX: usize = 64;

/// How long, in milliseconds, a key may stay valid beside the one that replaces it: 7 days.
pub const KEY_GRACE_MAX_MS: u64 = 7 * DAY_MS;

/// How long a client id is remembered at least, in milliseconds.
pub const CLIENT_ID_WINDOW_MS: u64 = 24 * 60 * 60 * 1_000;

/// Client ids of so many milliseconds of the log's time are kept, and forgotten, together.
pub const CLIENT_ID_GENERATION_MS: u64 = 60 * 60 * 1_000;

/// Client ids that an account may use on one shard in an hour of the log's time. A request that is parked uses its id when it is
/// decided, and a proposed deposit when it is confirmed, so up to [`PARKED_MAX`] and [`DEPOSIT_PROPOSALS_MAX`] may come
/// on top.
pub const CLIENT_IDS_AN_HOUR_MAX: u32 = 100_000;

/// Orders of a shard that ended last, of which it is known how. Up to twice as many are.
pub const ENDED_ORDERS_KEPT: usize = 1 << 17;

/// Parts that may have announced themselves to one shard.
pub const PARTS_MAX: usize = 1_000;

/// Milliseconds from one announcement of a part to its next.
pub const PART_ANNOUNCES_MS: u64 = 5 * 60 * 1_000;

/// Milliseconds of the log's time for which an announcement counts.
pub const PART_COUNTS_MS: u64 = 15 * 60 * 1_000;

/// The last moment that a command may name: 9999-12-31T23:59:59.999Z. Later ones have no text in RFC 3339, and no reader of the
/// log could show them.
pub const TIME_MAX: Timestamp = Timestamp(253_402_300_799_999);

/// Bytes of a ticker.
pub const TICKER_BYTES_MAX: usize = 32;

/// Bytes of a market's question.
pub const QUESTION_BYTES_MAX: usize = 500;

/// Bytes of a market's rules.
pub const RULES_BYTES_MAX: usize = 10_000;

/// Bytes of one clarification of a market's rules.
pub const CLARIFICATION_BYTES_MAX: usize = 2_000;

/// Clarifications of one market.
pub const MARKET_CLARIFICATIONS_MAX: u8 = 20;

/// Bytes of one source of a market's answer.
pub const SOURCE_BYTES_MAX: usize = 500;

/// Sources of one market's answer.
pub const MARKET_SOURCES_MAX: usize = 10;

/// Bytes of a category, a tag, or the short name of a market event.
pub const LABEL_BYTES_MAX: usize = 32;

/// Tags of one market.
pub const MARKET_TAGS_MAX: usize = 10;

/// Market events of one shard. They are never forgotten.
pub const MARKET_EVENTS_MAX: usize = 100_000;

/// Bytes of the reason of a quarantine, or of a halt.
pub const REASON_BYTES_MAX: usize = 1_000;

/// Bytes of an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// Bytes of one encoded record; the topics' `max.message.bytes`.
pub const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of the largest event that a fill can cause, with its frame, counted once for each of them (see
/// `record::tests`).
pub const EVENT_BYTES_MAX: usize = 160;

/// Events that one fill can cause: the trade; the maker's settlement; and, if the maker now has both contracts, the redemption of its
/// pairs and the settlement of that.
pub const FILL_EVENTS_MAX: usize = 4;

// The worst outcome fits one Kafka record. Each request, of a batch or parked, may shrink its own account's buys that
// only reduce; what others' shrink by is counted among the fills. The two events of one that shrinks are no larger than
// the largest of a fill.
const _: () = assert!(
    (ORDER_FILLS_MAX * FILL_EVENTS_MAX + SWEEP_MAX + (BATCH_MAX + PARKED_MAX) * REDUCE_ONLY_MAX) * EVENT_BYTES_MAX
        < RECORD_BYTES_MAX
);
// One fill may trigger two groups, its maker's and its taker's: of each all orders end, each sell of them may shrink
// buys that only reduce, and every other shard is told. A command that has done nothing else may do it.
const _: () = assert!(
    2 * (GROUP_ORDERS_MAX * (1 + REDUCE_ONLY_MAX) + SHARDS_MAX as usize) + 1 + 2 * REDUCE_ONLY_MAX + GROUP_COUNTS
        < ORDER_FILLS_MAX
);
// A window's parts are whole milliseconds.
const _: () = assert!(1_000 % GROUP_WINDOW_PARTS == 0);
// What a command of an account does to a group is within a sweep.
const _: () = assert!(GROUP_ORDERS_MAX <= SWEEP_MAX);
// While an order's client id is known, so is its market: a repeat is told the same before and after.
const _: () = assert!(MARKET_KEPT_MS > CLIENT_ID_WINDOW_MS + CLIENT_ID_GENERATION_MS);
// What a market is about has its length in 16 bits on the log: texts, and what stands before each.
const _: () = assert!(
    QUESTION_BYTES_MAX
        + RULES_BYTES_MAX
        + MARKET_SOURCES_MAX * (SOURCE_BYTES_MAX + 8)
        + (MARKET_TAGS_MAX + 1) * (LABEL_BYTES_MAX + 8)
        + 1_000
        < u16::MAX as usize
);
// What one deposit may be alone is within what a day's may be.
const _: () = assert!(DEPOSIT_ALONE_MAX <= AMOUNT_MAX && DEPOSIT_ALONE_MAX <= DEPOSITS_ALONE_A_DAY_MAX);
// All proposals of a shard may end in one command.
const _: () = assert!(DEPOSIT_PROPOSALS_MAX < SWEEP_MAX);
// The worst fee fits u64 before it is divided: rate × quantity × p × (1 − p).
const _: () = assert!((FEE_RATE_MAX as u128) * (QUANTITY_MAX as u128) * 5_000 * 5_000 < u64::MAX as u128);
// Client ids are kept for a whole number of generations.
const _: () = assert!(CLIENT_ID_WINDOW_MS.is_multiple_of(CLIENT_ID_GENERATION_MS));
// Two announcements of a part may be lost.
const _: () = assert!(3 * PART_ANNOUNCES_MS <= PART_COUNTS_MS);
// A batch can be parked as a whole, or each request by itself.
const _: () = assert!(BATCH_MAX <= PARKED_MAX);
// All credits of all shards fit one i64, so no sum of purses, collateral or fees overflows, wherever trading takes them.
const _: () = assert!(SHARD_CREDITS_MAX < i64::MAX / SHARDS_MAX as i64 && WALLET_MAX <= SHARD_CREDITS_MAX);

// Sums over the exchange's life (docs/sums.md). What is counted for ever must not overflow in this much service:

/// Trades of all markets in ten years at 10,000 a second.
const LIFE_TRADES: u64 = 10_000 * 60 * 60 * 24 * 3_653;

/// The largest whole number up to which JavaScript knows every other one.
const JSON_NUMBER_MAX: i64 = (1 << 53) - 1;

// Contracts traded on one market: `volume`.
const _: () = assert!(LIFE_TRADES * (QUANTITY_MAX as u64) < i64::MAX as u64);
// Contracts in the world and in positions, each backed by a credit: also as numbers in JSON.
const _: () = assert!(SHARD_CREDITS_MAX / 1_000_000 * (SHARDS_MAX as i64) < JSON_NUMBER_MAX);
// A level's contracts: a book names its orders by 32 bits. Also as numbers in JSON.
const _: () = assert!((u32::MAX as u64) * (QUANTITY_MAX as u64) < JSON_NUMBER_MAX as u64);
// What one order holds, its highest fee included; and what a whole batch needs, budgets included.
const _: () = assert!((QUANTITY_MAX as i64) * (1_000_000 + FEE_RATE_MAX as i64) < AMOUNT_MAX);
const _: () = assert!((BATCH_MAX as i64) < i64::MAX / AMOUNT_MAX);
// Outcomes of a shard in JSON, should each trade be one of its own and nine of ten commands trade nothing.
const _: () = assert!(LIFE_TRADES * 10 < JSON_NUMBER_MAX as u64);
