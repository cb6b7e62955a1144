//! Every limit of the log in one place, checked against each other at compile time.

use crate::time::Timestamp;

/// Shards that an order id can number (7 bits).
pub const SHARDS_MAX: u16 = 128;

/// Contracts in one order.
pub const QUANTITY_MAX: u32 = 1_000_000;

/// Credits (in micro-credits) in one deposit or withdrawal, and the budget of one market order: a
/// billion credits.
pub const AMOUNT_MAX: i64 = 1_000_000_000 * 1_000_000;

/// Credits (in micro-credits) that a deposit may bring an account to, as far as its home shard
/// knows: 10 billion credits.
pub const WALLET_MAX: i64 = 10 * AMOUNT_MAX;

/// Net deposits (in micro-credits) of all accounts of one shard, deposits minus withdrawals: 70
/// billion credits.
pub const SHARD_CREDITS_MAX: i64 = 70 * AMOUNT_MAX;

/// Orders that may rest on one shard: 64 million take about 7 GB. Far below what the books could
/// number.
pub const SHARD_ORDERS_MAX: usize = 1 << 26;

/// Markets that may be on one shard at a time, including those that are paid out and not yet
/// archived.
pub const SHARD_MARKETS_MAX: usize = 1 << 17;

/// Milliseconds of a day.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Credits (in micro-credits) in one deposit that an admin makes alone: a million credits. Larger
/// deposits need a second admin.
pub const DEPOSIT_ALONE_MAX: i64 = 1_000_000 * 1_000_000;

/// Credits (in micro-credits) that an admin deposits alone on one shard in one day (UTC) of the
/// log's time: two billion credits, so that ten thousand accounts can be given a hundred thousand
/// credits each. Further deposits need a second admin.
pub const DEPOSITS_ALONE_A_DAY_MAX: i64 = 2 * AMOUNT_MAX;

/// Admins whose deposits of a day are counted on one shard. Every deposit by any further admin
/// needs a second admin.
pub const DEPOSITING_ADMINS_MAX: usize = 64;

/// Proposed deposits of one shard that wait for a second admin.
pub const DEPOSIT_PROPOSALS_MAX: usize = 100;

/// How long, in milliseconds, a proposed deposit waits for a second admin: 8 hours, a working day.
pub const DEPOSIT_PROPOSAL_MS: u64 = 8 * 60 * 60 * 1_000;

/// The maximum fee rate, in millionths: 20 %.
pub const FEE_RATE_MAX: u32 = 200_000;

/// Requests of one account that may be parked on one shard, each request of a batch counted; also
/// withdrawals and transfers of one account on its home shard; also parked requests that one
/// command decides. The rest continue at the next `AdvanceTime`.
pub const PARKED_MAX: usize = 200;

/// Mass cancels of one account that may be pending everywhere; also pending instructions of admins
/// about it.
pub const INSTRUCTIONS_MAX: usize = 16;

/// How long, in milliseconds, a request may be parked.
pub const PARKED_MAX_MS: u64 = 10_000;

/// Milliseconds after which a pending recall delays only claims that need it.
pub const RECALL_PATIENCE_MS: u64 = 1_000;

/// Milliseconds without a change after which the free credits of a purse (an account's balance on
/// one shard) return to the home shard.
pub const PURSE_REST_MS: u64 = 10 * 60 * 1_000;

/// The resolution, in milliseconds, at which the time of a purse's last change is stored.
pub const PURSE_STEP_MS: u64 = 60 * 1_000;

/// Resting orders that one command may fill, cancel or reduce by matching. A remainder that would
/// match beyond this is cancelled; the client may send it again.
pub const ORDER_FILLS_MAX: usize = 10_000;

/// Reduce-only buys of one account that may rest in one market. Each may be reduced whenever the
/// account's position is.
pub const REDUCE_ONLY_MAX: usize = 20;

/// Groups of orders of one account.
pub const ACCOUNT_GROUPS_MAX: usize = 1_000;

/// Orders of one group that may rest on one shard. All of them end in the outcome of the fill that
/// triggers the group.
pub const GROUP_ORDERS_MAX: usize = 200;

/// The maximum limit of a group, in contracts.
pub const GROUP_CONTRACTS_MAX: u32 = 1_000_000_000;

/// The maximum window of a group, in seconds.
pub const GROUP_WINDOW_MAX_S: u8 = 60;

/// Parts into which a group's window is divided. A fill counts for the window, and for up to one
/// part longer.
pub const GROUP_WINDOW_PARTS: u64 = 50;

/// How much meeting an order of a group counts besides the order itself: its group's fill is
/// recorded, reported, and may trigger the group.
pub const GROUP_COUNTS: usize = 2;

/// Orders cancelled or positions paid out by one command; the rest continue at the next
/// `AdvanceTime`.
pub const SWEEP_MAX: usize = 1_000;

/// Placements, cancels and amendments in one batch.
pub const BATCH_MAX: usize = 100;

/// The maximum timeout of a dead-man switch, in seconds: a day.
pub const DEAD_MAN_MAX_S: u32 = 24 * 60 * 60;

/// The maximum dispute window, in milliseconds: 30 days.
pub const DISPUTE_WINDOW_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// How long, in milliseconds, a completely paid out market stays in the state: 7 days. Then it is
/// archived.
pub const MARKET_KEPT_MS: u64 = 7 * DAY_MS;

/// Messages that a shard keeps for each other shard before it refuses commands that would send
/// more. Answers, and messages of commands admitted earlier, are still sent: `decide/message.rs`
/// states what limits those.
pub const OUTBOX_MAX: usize = 10_000;

/// API keys of one account that are neither revoked nor expired. A rotation may add one more until
/// the old key ends.
pub const ACCOUNT_API_KEYS_MAX: usize = 20;

/// Admins that are not revoked.
pub const ADMINS_MAX: usize = 100;

/// Markets that one key may be restricted to.
pub const KEY_MARKETS_MAX: usize = 20;

/// Bytes of a key's name.
pub const KEY_NAME_BYTES_MAX: usize = 64;

/// How long, in milliseconds, a key may stay valid next to the one that replaces it: 7 days.
pub const KEY_GRACE_MAX_MS: u64 = 7 * DAY_MS;

/// The minimum time, in milliseconds, for which a client id is remembered.
pub const CLIENT_ID_WINDOW_MS: u64 = 24 * 60 * 60 * 1_000;

/// Client ids are kept and forgotten in generations of this many milliseconds of the log's time.
pub const CLIENT_ID_GENERATION_MS: u64 = 60 * 60 * 1_000;

/// Client ids that an account may use on one shard in an hour of the log's time. A parked request
/// uses its id when it is decided, and a proposed deposit when it is confirmed, so up to
/// [`PARKED_MAX`] and [`DEPOSIT_PROPOSALS_MAX`] may be added.
pub const CLIENT_IDS_AN_HOUR_MAX: u32 = 100_000;

/// Recently ended orders of a shard whose final status is kept. Up to twice as many are kept.
pub const ENDED_ORDERS_KEPT: usize = 1 << 17;

/// Components that may be announced to one shard.
pub const PARTS_MAX: usize = 1_000;

/// Milliseconds between two announcements of a component.
pub const PART_ANNOUNCES_MS: u64 = 5 * 60 * 1_000;

/// Milliseconds of the log's time for which an announcement counts.
pub const PART_COUNTS_MS: u64 = 15 * 60 * 1_000;

/// The latest time that a command may name: 9999-12-31T23:59:59.999Z. Later times have no text in
/// RFC 3339, so no reader of the log could show them.
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

/// Market events of one shard. They are never removed.
pub const MARKET_EVENTS_MAX: usize = 100_000;

/// Bytes of the reason of a quarantine, or of a halt.
pub const REASON_BYTES_MAX: usize = 1_000;

/// Bytes of an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// Bytes of one encoded record; the topics' `max.message.bytes`.
pub const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of the largest event that a fill can cause, with its frame; each event of a fill is
/// counted with this size (see `record::tests`).
pub const EVENT_BYTES_MAX: usize = 160;

/// Events that one fill can cause: the trade; the maker's settlement; and, if the maker now has
/// both contracts, the redemption of its pairs and the settlement of that.
pub const FILL_EVENTS_MAX: usize = 4;

// The worst outcome fits one Kafka record. Each request, of a batch or parked, may reduce its own
// account's reduce-only buys; reductions of other accounts' buys are counted among the fills. The
// two events of a reduction are no larger than the largest event of a fill.
const _: () = assert!(
    (ORDER_FILLS_MAX * FILL_EVENTS_MAX + SWEEP_MAX + (BATCH_MAX + PARKED_MAX) * REDUCE_ONLY_MAX) * EVENT_BYTES_MAX
        < RECORD_BYTES_MAX
);
// One fill may trigger two groups, its maker's and its taker's. All orders of both end, each of
// their sells may reduce reduce-only buys, and every other shard is notified. A command that has
// done nothing else may do this.
const _: () = assert!(
    2 * (GROUP_ORDERS_MAX * (1 + REDUCE_ONLY_MAX) + SHARDS_MAX as usize) + 1 + 2 * REDUCE_ONLY_MAX + GROUP_COUNTS
        < ORDER_FILLS_MAX
);
// A window's parts are whole milliseconds.
const _: () = assert!(1_000 % GROUP_WINDOW_PARTS == 0);
// The cancels that an account's command to a group causes fit in one sweep.
const _: () = assert!(GROUP_ORDERS_MAX <= SWEEP_MAX);
// While an order's client id is known, so is its market: a repeat gets the same answer before and
// after.
const _: () = assert!(MARKET_KEPT_MS > CLIENT_ID_WINDOW_MS + CLIENT_ID_GENERATION_MS);
// The length of a market's description takes 16 bits on the log: the texts, and the prefix of each.
const _: () = assert!(
    QUESTION_BYTES_MAX
        + RULES_BYTES_MAX
        + MARKET_SOURCES_MAX * (SOURCE_BYTES_MAX + 8)
        + (MARKET_TAGS_MAX + 1) * (LABEL_BYTES_MAX + 8)
        + 1_000
        < u16::MAX as usize
);
// The limit of one deposit is within that of a day.
const _: () = assert!(DEPOSIT_ALONE_MAX <= AMOUNT_MAX && DEPOSIT_ALONE_MAX <= DEPOSITS_ALONE_A_DAY_MAX);
// All proposals of a shard may end in one command.
const _: () = assert!(DEPOSIT_PROPOSALS_MAX < SWEEP_MAX);
// The worst fee fits u64 before the division: rate × quantity × p × (1 − p).
const _: () = assert!((FEE_RATE_MAX as u128) * (QUANTITY_MAX as u128) * 5_000 * 5_000 < u64::MAX as u128);
// Client ids are kept for a whole number of generations.
const _: () = assert!(CLIENT_ID_WINDOW_MS.is_multiple_of(CLIENT_ID_GENERATION_MS));
// Two announcements of a part may be lost.
const _: () = assert!(3 * PART_ANNOUNCES_MS <= PART_COUNTS_MS);
// A batch can be parked as a whole, or each request separately.
const _: () = assert!(BATCH_MAX <= PARKED_MAX);
// All credits of all shards fit one i64, so no sum of purses, collateral or fees overflows,
// wherever trading moves them.
const _: () = assert!(SHARD_CREDITS_MAX < i64::MAX / SHARDS_MAX as i64 && WALLET_MAX <= SHARD_CREDITS_MAX);

// Sums over the exchange's life (docs/sums.md). Totals that are never reset must not overflow in
// this much service:

/// Trades of all markets in ten years at 10,000 a second.
const LIFE_TRADES: u64 = 10_000 * 60 * 60 * 24 * 3_653;

/// The largest integer up to which JavaScript represents every integer exactly.
const JSON_NUMBER_MAX: i64 = (1 << 53) - 1;

// Contracts traded on one market: `volume`.
const _: () = assert!(LIFE_TRADES * (QUANTITY_MAX as u64) < i64::MAX as u64);
// Contracts outstanding and in positions, each backed by a credit: also as numbers in JSON.
const _: () = assert!(SHARD_CREDITS_MAX / 1_000_000 * (SHARDS_MAX as i64) < JSON_NUMBER_MAX);
// A level's contracts: a book numbers its orders with 32 bits. Also as numbers in JSON.
const _: () = assert!((u32::MAX as u64) * (QUANTITY_MAX as u64) < JSON_NUMBER_MAX as u64);
// What one order holds, with the highest fee; and what a whole batch needs, budgets included.
const _: () = assert!((QUANTITY_MAX as i64) * (1_000_000 + FEE_RATE_MAX as i64) < AMOUNT_MAX);
const _: () = assert!((BATCH_MAX as i64) < i64::MAX / AMOUNT_MAX);
// Outcomes of a shard in JSON, assuming one trade in each outcome and nine of ten commands without
// trades.
const _: () = assert!(LIFE_TRADES * 10 < JSON_NUMBER_MAX as u64);
