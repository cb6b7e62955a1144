//! Candles: prices and volume of markets by interval. A batch's trades are added up first, so that
//! a batch costs one statement, and a row for each candle that it touches.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use schemas::read_models::CANDLE_INTERVALS_S;
use schemas::{MarketId, Shard, Timestamp};

use super::arrays::{column, meet};
use super::moment::moment;
use super::progress::number;
use crate::fold::{RowChanges, TradeRow};
use crate::sink::SinkError;

/// The trades of a batch are later than those of the row, so its opening price stays.
const WRITE: &str = "INSERT INTO candles AS c \
        (market_id, interval_s, start_at, open, high, low, close, volume, trades, shard, sequence) \
    SELECT market_id, interval_s, start_at, open, high, low, close, volume, trades, $1, sequence \
    FROM unnest($2::bigint[], $3::integer[], $4::timestamptz[], $5::integer[], $6::integer[], $7::integer[], \
        $8::integer[], $9::bigint[], $10::bigint[], $11::bigint[]) \
        AS u (market_id, interval_s, start_at, open, high, low, close, volume, trades, sequence) \
    ON CONFLICT (market_id, interval_s, start_at) DO UPDATE \
    SET high = GREATEST(c.high, EXCLUDED.high), low = LEAST(c.low, EXCLUDED.low), close = EXCLUDED.close, \
        volume = c.volume + EXCLUDED.volume, trades = c.trades + EXCLUDED.trades, sequence = EXCLUDED.sequence \
    WHERE c.sequence < EXCLUDED.sequence";

/// Market, seconds of the interval, and start.
type CandleKey = (MarketId, u32, Timestamp);

/// What a batch adds to a candle. Prices are in ticks, in YES.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct CandleDelta {
    open: u16,
    high: u16,
    low: u16,
    close: u16,
    volume: u64,
    trades: u64,
    sequence: u64,
}

impl CandleDelta {
    fn of(row: &TradeRow) -> Self {
        let ticks = row.trade.price.ticks();
        let volume = u64::from(row.trade.quantity.contracts());
        let sequence = row.at.sequence;
        Self { open: ticks, high: ticks, low: ticks, close: ticks, volume, trades: 1, sequence }
    }

    /// Adds what comes after it.
    fn then(&mut self, later: &Self) {
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.volume += later.volume;
        self.trades += later.trades;
        self.sequence = later.sequence;
    }
}

/// Adds trades up, which are in order. Minutes first: the longer intervals consist of them.
fn candles_of(trades: &[TradeRow]) -> BTreeMap<CandleKey, CandleDelta> {
    let mut all = BTreeMap::new();
    let (first, longer) = CANDLE_INTERVALS_S.split_first().expect("there are intervals");
    for row in trades {
        add(&mut all, (row.trade.market, *first, row.at.time), &CandleDelta::of(row));
    }
    let minutes: Vec<(CandleKey, CandleDelta)> = all.iter().map(|(key, candle)| (*key, *candle)).collect();
    for ((market, _, start), minute) in &minutes {
        for interval in longer {
            add(&mut all, (*market, *interval, *start), minute);
        }
    }
    all
}

fn add(all: &mut BTreeMap<CandleKey, CandleDelta>, (market, interval, time): CandleKey, more: &CandleDelta) {
    let length = u64::from(interval) * 1_000;
    let start = Timestamp(time.as_millis() / length * length);
    all.entry((market, interval, start)).and_modify(|candle| candle.then(more)).or_insert(*more);
}

/// Writes the candles of the batch's trades.
pub async fn write(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    let rows = candles_of(&changes.trades);
    if rows.is_empty() {
        return Ok(());
    }
    let (markets, intervals, starts, sequences) = (
        column(&rows, |((market, ..), _)| market.0.cast_signed()),
        column(&rows, |((_, interval, _), _)| interval.cast_signed()),
        column(&rows, |((.., start), _)| moment(*start)),
        column(&rows, |(_, candle)| candle.sequence.cast_signed()),
    );
    let (opens, highs, lows, closes) = (
        column(&rows, |(_, candle)| i32::from(candle.open)),
        column(&rows, |(_, candle)| i32::from(candle.high)),
        column(&rows, |(_, candle)| i32::from(candle.low)),
        column(&rows, |(_, candle)| i32::from(candle.close)),
    );
    let (volumes, trades) = (
        column(&rows, |(_, candle)| candle.volume.cast_signed()),
        column(&rows, |(_, candle)| candle.trades.cast_signed()),
    );
    let shard = number(shard);
    meet(
        tx,
        WRITE,
        &[&shard, &markets, &intervals, &starts, &opens, &highs, &lows, &closes, &volumes, &trades, &sequences],
        rows.len(),
    )
    .await
}
