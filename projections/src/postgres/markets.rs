//! Rows written by a market's home shard: markets, contracts, positions.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;
use schemas::market::{Resolution, YesValue};
use schemas::money::TICKS_PER_CREDIT;
use schemas::text::{Label, Question, Rules, Source};
use schemas::{AccountId, Contract, MarketId, ResolutionAnswer, Shard};
use tokio_postgres::types::ToSql;

use super::arrays::{all, column, meet, prepared};
use super::error::classify;
use super::limit;
use super::moment::moment;
use super::progress::number;
use crate::fold::{AboutDelta, Birth, MarketDelta, PositionDelta, RowChanges};
use crate::sink::SinkError;

// A row is inserted empty, as before any outcome (sequence 0), and then changed like any other in
// the same transaction.
const CREATE_MARKETS: &str = "INSERT INTO markets (id, ticker, question, state, expiry, tick, maker_fee, taker_fee, yes_value, settled, \
        collateral, fees, volume, last_price, last_trade_at, created_at, updated_at, shard, sequence, answer, proposed_by, \
        confirmed_by, payout_at, dispute_window_ms, live_orders_max, notional_max, position_max, archived_at) \
    SELECT id, ticker, question, 'CREATED', expiry, tick, maker_fee, taker_fee, NULL, FALSE, 0, 0, 0, NULL, NULL, created_at, \
        created_at, $1, 0, NULL, NULL, NULL, NULL, dispute_window_ms, NULL, NULL, NULL, NULL \
    FROM unnest($2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::integer[], $7::integer[], $8::integer[], \
        $9::timestamptz[], $10::bigint[]) \
        AS u (id, ticker, question, expiry, tick, maker_fee, taker_fee, created_at, dispute_window_ms)";

// An answer's confirmation and a limit may be removed, so their NULL has a meaning: these columns
// are passed all together or not at all.
const CHANGE_MARKETS: &str = "UPDATE markets AS m \
    SET state = COALESCE(u.state, m.state), settled = m.settled OR u.settled, collateral = m.collateral + u.collateral, \
        fees = m.fees + u.fees, volume = m.volume + u.volume, last_price = COALESCE(u.last_price, m.last_price), \
        last_trade_at = COALESCE(u.last_trade_at, m.last_trade_at), updated_at = u.updated_at, sequence = u.sequence, \
        answer = COALESCE(u.answer, m.answer), yes_value = COALESCE(u.yes_value, m.yes_value), \
        proposed_by = COALESCE(u.proposed_by, m.proposed_by), \
        confirmed_by = CASE WHEN u.answer IS NULL THEN m.confirmed_by ELSE u.confirmed_by END, \
        payout_at = CASE WHEN u.answer IS NULL THEN m.payout_at ELSE u.payout_at END, \
        live_orders_max = CASE WHEN u.limited THEN u.live_orders_max ELSE m.live_orders_max END, \
        notional_max = CASE WHEN u.limited THEN u.notional_max ELSE m.notional_max END, \
        position_max = CASE WHEN u.limited THEN u.position_max ELSE m.position_max END, \
        archived_at = COALESCE(u.archived_at, m.archived_at) \
    FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::text[], $5::boolean[], $6::bigint[], $7::bigint[], $8::bigint[], \
        $9::integer[], $10::timestamptz[], $11::text[], $12::integer[], $13::bigint[], $14::bigint[], $15::timestamptz[], \
        $16::boolean[], $17::bigint[], $18::bigint[], $19::bigint[], $20::timestamptz[]) \
        AS u (id, updated_at, sequence, state, settled, collateral, fees, volume, last_price, last_trade_at, answer, yes_value, \
            proposed_by, confirmed_by, payout_at, limited, live_orders_max, notional_max, position_max, archived_at) \
    WHERE m.id = u.id AND m.sequence < u.sequence";

// Properties of markets rarely change, and their lists do not fit arrays of columns: one statement
// per market. It runs before other changes of the row, so that the row's sequence is still that of
// the previous batch.
const DESCRIBE_MARKET: &str = "UPDATE markets \
    SET question = COALESCE($2, question), rules = COALESCE($3, rules), sources = COALESCE($4, sources) || $5::text[], \
        category = COALESCE($6, category), tags = COALESCE($7, tags) || $8::text[], \
        event_id = CASE WHEN $9 THEN $10 ELSE event_id END, opens_at = CASE WHEN $11 THEN $12 ELSE opens_at END, \
        expiry = COALESCE($13, expiry) \
    WHERE id = $1 AND sequence < $14";

const CREATE_CONTRACTS: &str = "INSERT INTO contracts (market_id, contract, outstanding, payout, shard, sequence) \
    SELECT market_id, contract, 0, NULL, $1, 0 FROM unnest($2::bigint[]) AS u (market_id), \
        (VALUES ('YES'), ('NO')) AS both_of (contract)";

const CHANGE_CONTRACTS: &str = "UPDATE contracts AS c \
    SET outstanding = c.outstanding + u.outstanding, payout = COALESCE(u.payout, c.payout), sequence = u.sequence \
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::integer[], $5::bigint[]) \
        AS u (market_id, contract, outstanding, payout, sequence) \
    WHERE c.market_id = u.market_id AND c.contract = u.contract AND c.sequence < u.sequence";

const CHANGE_POSITIONS: &str = "UPDATE positions AS p \
    SET yes = p.yes + u.yes, no = p.no + u.no, yes_reserved = p.yes_reserved + u.yes_reserved, \
        no_reserved = p.no_reserved + u.no_reserved, sequence = u.sequence \
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) \
        AS u (market_id, account_id, yes, no, yes_reserved, no_reserved, sequence) \
    WHERE p.market_id = u.market_id AND p.account_id = u.account_id AND p.sequence < u.sequence \
    RETURNING p.market_id, p.account_id, p.yes + p.no = 0";

const DROP_POSITIONS: &str = "DELETE FROM positions AS p USING unnest($1::bigint[], $2::bigint[]) AS u (market_id, account_id) \
    WHERE p.market_id = u.market_id AND p.account_id = u.account_id";

const CREATE_POSITIONS: &str = "INSERT INTO positions (market_id, account_id, yes, no, yes_reserved, no_reserved, shard, sequence) \
    SELECT market_id, account_id, yes, no, yes_reserved, no_reserved, $8, sequence \
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) \
        AS u (market_id, account_id, yes, no, yes_reserved, no_reserved, sequence)";

/// Writes all changes recorded by the markets' home shard, except orders and trades.
pub async fn write(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    // Rows must exist before they are changed.
    create(tx, shard, changes.markets.values().filter_map(|market| market.born.as_deref()).collect()).await?;
    for (id, market) in &changes.markets {
        if let Some(about) = &market.about {
            describe(tx, *id, about, market.last.sequence).await?;
        }
    }
    let markets: Vec<(&MarketId, &MarketDelta)> = changes.markets.iter().collect();
    all([
        Box::pin(change(tx, &markets)),
        Box::pin(contracts(tx, &markets)),
        Box::pin(positions(tx, shard, changes.positions.iter().map(|(key, delta)| (*key, *delta)).collect())),
    ])
    .await
}

async fn create(tx: &Transaction<'_>, shard: Shard, born: Vec<&Birth>) -> Result<(), SinkError> {
    if born.is_empty() {
        return Ok(());
    }
    // At most 20 % in millionths and 5,000 ticks: both fit an i32.
    let rate = |rate: schemas::FeeRate| i32::try_from(rate.millionths()).unwrap_or(i32::MAX);
    let (ids, tickers, questions, expiries, ticks, maker_fees, taker_fees, times) = (
        column(&born, |birth| birth.listing.market.0.cast_signed()),
        column(&born, |birth| birth.listing.ticker.as_str()),
        column(&born, |birth| birth.listing.about.question.as_str()),
        column(&born, |birth| moment(birth.listing.expiry)),
        column(&born, |birth| i32::from(birth.listing.tick)),
        column(&born, |birth| rate(birth.listing.maker_fee)),
        column(&born, |birth| rate(birth.listing.taker_fee)),
        column(&born, |birth| moment(birth.at.time)),
    );
    // At most 30 days: fits an i64.
    let windows = column(&born, |birth| birth.listing.dispute_window_ms.cast_signed());
    meet(
        tx,
        CREATE_MARKETS,
        &[&number(shard), &ids, &tickers, &questions, &expiries, &ticks, &maker_fees, &taker_fees, &times, &windows],
        born.len(),
    )
    .await?;
    meet(tx, CREATE_CONTRACTS, &[&number(shard), &ids], 2 * born.len()).await
}

async fn describe(tx: &Transaction<'_>, id: MarketId, about: &AboutDelta, sequence: u64) -> Result<(), SinkError> {
    let AboutDelta { edit, sources, tags } = about;
    let texts = |sources: &[Source]| column(sources, |source| source.as_str().to_owned());
    let labels = |labels: &[Label]| column(labels, |label| label.as_str().to_owned());
    let (question, rules) = (edit.question.as_ref().map(Question::as_str), edit.rules.as_ref().map(Rules::as_str));
    let (all_sources, all_tags) = (edit.sources.as_deref().map(texts), edit.tags.as_deref().map(labels));
    let (sources, tags) = (texts(sources), labels(tags));
    let category = edit.category.as_ref().map(Label::as_str);
    let (moved, event) = (edit.event.is_some(), edit.event.flatten().map(|event| event.0.cast_signed()));
    let (timed, opens, expiry) = (edit.opens.is_some(), edit.opens.flatten().map(moment), edit.expiry.map(moment));
    let (id, sequence) = (id.0.cast_signed(), sequence.cast_signed());
    let params: [&(dyn ToSql + Sync); 14] = [
        &id,
        &question,
        &rules,
        &all_sources,
        &sources,
        &category,
        &all_tags,
        &tags,
        &moved,
        &event,
        &timed,
        &opens,
        &expiry,
        &sequence,
    ];
    meet(tx, DESCRIBE_MARKET, &params, 1).await
}

async fn change(tx: &Transaction<'_>, markets: &[(&MarketId, &MarketDelta)]) -> Result<(), SinkError> {
    if markets.is_empty() {
        return Ok(());
    }
    let (ids, times, sequences, states, settled) = (
        column(markets, |(id, _)| id.0.cast_signed()),
        column(markets, |(_, market)| moment(market.last.time)),
        column(markets, |(_, market)| market.last.sequence.cast_signed()),
        column(markets, |(_, market)| market.state.map(|state| state.name())),
        column(markets, |(_, market)| market.settled),
    );
    let (collateral, fees, volumes, prices, trade_times) = (
        column(markets, |(_, market)| market.collateral.micros()),
        column(markets, |(_, market)| market.fees.micros()),
        column(markets, |(_, market)| market.volume.cast_signed()),
        column(markets, |(_, market)| market.last_trade.map(|(price, _)| i32::from(price.ticks()))),
        column(markets, |(_, market)| market.last_trade.map(|(_, time)| moment(time))),
    );
    let sums: [&(dyn ToSql + Sync); 10] =
        [&ids, &times, &sequences, &states, &settled, &collateral, &fees, &volumes, &prices, &trade_times];
    let resolutions = column(markets, |(_, market)| market.resolution);
    let confirmed = |resolution: &Option<Resolution>| resolution.and_then(|resolution| resolution.confirmed);
    let (answers, yes_values, proposed_by, confirmed_by, payouts) = (
        column(&resolutions, |resolution| resolution.map(|resolution| answer_name(resolution.answer))),
        column(&resolutions, |resolution| {
            resolution.map(|resolution| i32::from(resolution.answer.yes_value().ticks()))
        }),
        column(&resolutions, |resolution| resolution.map(|resolution| resolution.proposed_by.0.cast_signed())),
        column(&resolutions, |resolution| confirmed(resolution).map(|confirmed| confirmed.by.0.cast_signed())),
        column(&resolutions, |resolution| confirmed(resolution).map(|confirmed| moment(confirmed.payout))),
    );
    let (limited, live_orders, notional, position) = (
        column(markets, |(_, market)| market.limits.is_some()),
        column(markets, |(_, market)| market.limits.and_then(|limits| limit::count(limits.live_orders))),
        column(markets, |(_, market)| market.limits.and_then(|limits| limit::credits(limits.notional))),
        column(markets, |(_, market)| market.limits.and_then(|limits| limit::contracts(limits.position))),
    );
    let archived = column(markets, |(_, market)| market.archived.map(moment));
    let life: [&(dyn ToSql + Sync); 10] = [
        &answers,
        &yes_values,
        &proposed_by,
        &confirmed_by,
        &payouts,
        &limited,
        &live_orders,
        &notional,
        &position,
        &archived,
    ];
    meet(tx, CHANGE_MARKETS, &[sums.as_slice(), life.as_slice()].concat(), markets.len()).await
}

/// Returns an answer's name in SQL; another column holds the payout of one YES contract.
fn answer_name(answer: ResolutionAnswer) -> &'static str {
    match answer {
        ResolutionAnswer::Value(_) => "VALUE",
        ResolutionAnswer::Void => "VOID",
    }
}

/// Market, contract, change of contracts outstanding, payout of one contract if it became known,
/// and the sequence.
type ContractChange = (i64, &'static str, i64, Option<i32>, i64);

async fn contracts(tx: &Transaction<'_>, markets: &[(&MarketId, &MarketDelta)]) -> Result<(), SinkError> {
    let rows: Vec<ContractChange> = markets.iter().flat_map(|(id, market)| contract_changes(**id, market)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let (ids, names, outstanding, payouts, sequences) = (
        column(&rows, |row| row.0),
        column(&rows, |row| row.1),
        column(&rows, |row| row.2),
        column(&rows, |row| row.3),
        column(&rows, |row| row.4),
    );
    meet(tx, CHANGE_CONTRACTS, &[&ids, &names, &outstanding, &payouts, &sequences], rows.len()).await
}

fn contract_changes(id: MarketId, market: &MarketDelta) -> impl Iterator<Item = ContractChange> + '_ {
    market.contracts.into_iter().flat_map(move |at| {
        [(Contract::Yes, market.yes), (Contract::No, market.no)].map(|(contract, outstanding)| {
            let payout = market.final_value().map(|value| pays(contract, value));
            (id.0.cast_signed(), contract.name(), outstanding, payout, at.sequence.cast_signed())
        })
    })
}

fn pays(contract: Contract, yes_value: YesValue) -> i32 {
    i32::from(match contract {
        Contract::Yes => yes_value.ticks(),
        Contract::No => TICKS_PER_CREDIT - yes_value.ticks(),
    })
}

type PositionRow = ((MarketId, AccountId), PositionDelta);

/// Writes positions. The log records neither creation nor end of a position: its row exists while
/// it has contracts. So: change existing rows, delete those without contracts left, and insert
/// those that did not match and have contracts.
async fn positions(tx: &Transaction<'_>, shard: Shard, mut rows: Vec<PositionRow>) -> Result<(), SinkError> {
    if rows.is_empty() {
        return Ok(());
    }
    let prepared = prepared(tx, CHANGE_POSITIONS).await?;
    let met = tx.query(&prepared, &PositionColumns::of(&rows).params()).await.map_err(classify)?;
    let changed: BTreeSet<(i64, i64)> = met.iter().map(|row| (row.get(0), row.get(1))).collect();
    let empty = met.iter().filter(|row| row.get(2));
    let (markets, accounts): (Vec<i64>, Vec<i64>) =
        empty.map(|row| (row.get::<_, i64>(0), row.get::<_, i64>(1))).unzip();
    if !markets.is_empty() {
        meet(tx, DROP_POSITIONS, &[&markets, &accounts], markets.len()).await?;
    }
    rows.retain(|((market, account), delta)| {
        // Contracts gained and lost again within the batch leave no row.
        let has_some = delta.yes != 0 || delta.no != 0;
        has_some && !changed.contains(&(market.0.cast_signed(), account.0.cast_signed()))
    });
    if rows.is_empty() {
        return Ok(());
    }
    let (columns, shard) = (PositionColumns::of(&rows), number(shard));
    let mut params = columns.params().to_vec();
    params.push(&shard);
    meet(tx, CREATE_POSITIONS, &params, rows.len()).await
}

/// Market, account, YES, NO, reserved YES, reserved NO, sequence.
struct PositionColumns([Vec<i64>; 7]);

impl PositionColumns {
    fn of(rows: &[PositionRow]) -> Self {
        Self([
            column(rows, |((market, _), _)| market.0.cast_signed()),
            column(rows, |((_, account), _)| account.0.cast_signed()),
            column(rows, |(_, delta)| delta.yes),
            column(rows, |(_, delta)| delta.no),
            column(rows, |(_, delta)| delta.yes_reserved),
            column(rows, |(_, delta)| delta.no_reserved),
            column(rows, |(_, delta)| delta.last.sequence.cast_signed()),
        ])
    }

    fn params(&self) -> [&(dyn ToSql + Sync); 7] {
        self.0.each_ref().map(|column| column as &(dyn ToSql + Sync))
    }
}
