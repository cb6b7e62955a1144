//! Candles of a market, and figures of markets over the last day.

use schemas::ids::LogPosition;
use schemas::read_models::CANDLE_INTERVALS_S;
use schemas::{MarketId, MarketState, Price, Shard, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{Database, DbError, Timed, positioned, rows};

/// Prices, in YES, and volume of one interval that has trades.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CandleRow {
    /// The start of the interval.
    pub start: Timestamp,
    /// The price of the first trade.
    pub open: Price,
    /// The highest price.
    pub high: Price,
    /// The lowest price.
    pub low: Price,
    /// The price of the last trade.
    pub close: Price,
    /// Contracts traded.
    pub volume: u64,
    /// Number of trades.
    pub trades: u64,
}

/// A page of a market's candles, newest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CandlesWanted {
    /// The market.
    pub market: MarketId,
    /// Its home.
    pub home: Shard,
    /// The length of an interval.
    pub interval_s: u32,
    /// Only those that start earlier.
    pub before: Timestamp,
    /// The length of the page.
    pub limit: usize,
}

/// A market's figures. Prices in YES.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DayFigures {
    /// The market.
    pub market: MarketId,
    /// The ticker.
    pub ticker: String,
    /// The state.
    pub state: MarketState,
    /// The price of the last trade.
    pub last_price: Option<Price>,
    /// The time of the last trade.
    pub last_time: Option<Timestamp>,
    /// Contracts traded since the beginning.
    pub volume: u64,
    /// YES contracts outstanding.
    pub open_interest: u64,
    /// Contracts traded within the day.
    pub day_volume: u64,
    /// Number of trades within the day.
    pub day_trades: u64,
    /// The highest price within the day.
    pub day_high: Option<Price>,
    /// The lowest price within the day.
    pub day_low: Option<Price>,
    /// The price at the beginning of the day: of the last trade before it, or of the first in it.
    pub day_open: Option<Price>,
}

/// The interval of the candles that a day's figures are made of: a day has 288 of them.
pub const DAY_STEP_S: u32 = CANDLE_INTERVALS_S[1];

const PAGE: &str = "SELECT market_id AS id, start_at, open, high, low, close, volume, trades FROM candles \
    WHERE market_id = $1 AND interval_s = $2 AND start_at < $3 ORDER BY start_at DESC LIMIT $4";

const DAYS: &str = "SELECT m.id, m.ticker, m.state, m.last_price, m.last_trade_at, m.volume, c.outstanding, \
        day.volume AS day_volume, day.trades AS day_trades, day.high AS day_high, day.low AS day_low, \
        COALESCE(earlier.close, day.open) AS day_open \
    FROM markets m JOIN contracts c ON c.market_id = m.id AND c.contract = 'YES' \
    CROSS JOIN LATERAL ( \
        SELECT COALESCE(sum(volume), 0)::bigint AS volume, COALESCE(sum(trades), 0)::bigint AS trades, max(high) AS high, \
            min(low) AS low, (array_agg(open ORDER BY start_at))[1] AS open \
        FROM candles WHERE market_id = m.id AND interval_s = $2 AND start_at >= $3 \
    ) AS day \
    LEFT JOIN LATERAL ( \
        SELECT close FROM candles WHERE market_id = m.id AND interval_s = $2 AND start_at < $3 \
        ORDER BY start_at DESC LIMIT 1 \
    ) AS earlier ON TRUE \
    WHERE m.id = ANY($1)";

impl Database {
    /// Reads a page of candles, and the position that it is as of. One more than wanted is read: it
    /// is the one before the page.
    pub async fn candles(&self, wanted: &CandlesWanted) -> Result<(Vec<CandleRow>, Vec<LogPosition>), DbError> {
        let _timed = Timed::start(&self.times.candles);
        let (market, before) = (rows::to_i64(wanted.market.0), rows::to_time(wanted.before));
        let (interval, limit) = (wanted.interval_s.cast_signed(), i64::try_from(wanted.limit + 1).unwrap_or(i64::MAX));
        let parameters: [&(dyn ToSql + Sync); 4] = [&market, &interval, &before, &limit];
        let (found, at) = self.read(Some(wanted.home), &positioned(PAGE), &parameters).await?;
        let mut candles = found.iter().map(candle).collect::<Result<Vec<_>, _>>()?;
        candles.sort_by_key(|candle| std::cmp::Reverse(candle.start));
        Ok((candles, at))
    }

    /// Reads figures of markets and of their trades since `since`, in any order. `of` is the shard of
    /// all these markets, if it is one: what others lack does not matter then.
    pub async fn days(
        &self,
        markets: &[MarketId],
        since: Timestamp,
        of: Option<Shard>,
    ) -> Result<(Vec<DayFigures>, Vec<LogPosition>), DbError> {
        let _timed = Timed::start(&self.times.days);
        let ids: Vec<i64> = markets.iter().map(|id| rows::to_i64(id.0)).collect();
        let (interval, since) = (DAY_STEP_S.cast_signed(), rows::to_time(since));
        let (found, at) = self.read(of, &positioned(DAYS), &[&ids, &interval, &since]).await?;
        Ok((found.iter().map(figures).collect::<Result<_, _>>()?, at))
    }
}

fn candle(row: &Row) -> Result<CandleRow, DbError> {
    let price = |column| rows::price(row.get(column));
    Ok(CandleRow {
        start: rows::timestamp(row.get("start_at"))?,
        open: price("open")?,
        high: price("high")?,
        low: price("low")?,
        close: price("close")?,
        volume: rows::unsigned(row.get("volume"), "volume")?,
        trades: rows::unsigned(row.get("trades"), "trades")?,
    })
}

fn figures(row: &Row) -> Result<DayFigures, DbError> {
    let price = |column| row.get::<_, Option<i32>>(column).map(rows::price).transpose();
    let unsigned = |column: &'static str| rows::unsigned(row.get(column), column);
    Ok(DayFigures {
        market: MarketId(unsigned("id")?),
        ticker: row.get("ticker"),
        state: rows::name(row.get("state"), "state")?,
        last_price: price("last_price")?,
        last_time: row.get::<_, Option<time::OffsetDateTime>>("last_trade_at").map(rows::timestamp).transpose()?,
        volume: unsigned("volume")?,
        open_interest: unsigned("outstanding")?,
        day_volume: unsigned("day_volume")?,
        day_trades: unsigned("day_trades")?,
        day_high: price("day_high")?,
        day_low: price("day_low")?,
        day_open: price("day_open")?,
    })
}
