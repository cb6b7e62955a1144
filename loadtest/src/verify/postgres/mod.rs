//! Compares the Postgres tables with the fold: every row, in one snapshot.

mod accounts;
mod admins;
mod columns;
mod groups;
mod markets;

use schemas::event::{CancelReason, Party, Trade};
use schemas::money::TICKS_PER_CREDIT;
use schemas::{
    AccountId, ClientId, CommandId, Credits, MarketId, OrderId, Price, Quantity, Rejection, TimeInForce, TradeId,
};
use tokio_postgres::{Client, NoTls, Row, Transaction};
use uuid::Uuid;

use super::heads::Heads;
use super::read_model_error::ReadModelError;
use columns::{contracts, group_id, moment, natural, nonsense, optional, optional_moment, shard, small, table, word};

use super::{Check, exactly, with_defaults};
use crate::fold::{ExpectedOrder, ExpectedPosition, ExpectedTrade, Fold, Life};

/// An open database.
pub struct Postgres(Client);

impl Postgres {
    /// Connects. The connection closes when the value is dropped.
    pub async fn connect(url: &str) -> Result<Self, ReadModelError> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to Postgres ended");
            }
        });
        Ok(Self(client))
    }

    /// Returns the tables' position on each shard.
    pub async fn heads(&self) -> Result<Heads, ReadModelError> {
        let mut heads = Heads::new();
        for row in self.0.query(HEADS, &[]).await? {
            heads.insert(shard(&row, "shard")?, (natural(&row, "sequence")?, row.try_get("chain")?));
        }
        Ok(heads)
    }

    /// Returns the server's counters of this database: transactions committed; rows inserted,
    /// updated or deleted; rows updated; rows updated in place.
    pub async fn activity(&self) -> Result<[u64; 4], ReadModelError> {
        let row = self.0.query_one(ACTIVITY, &[]).await?;
        let count = |column: &str| natural(&row, column);
        Ok([count("commits")?, count("rows")?, count("updated")?, count("updated_hot")?])
    }

    /// Runs all checks. Returns `None` if the tables moved on from `heads` meanwhile.
    pub async fn check(&mut self, fold: &Fold, heads: &Heads) -> Result<Option<Vec<Check>>, ReadModelError> {
        let before = self.heads().await?;
        let builder = self.0.build_transaction().read_only(true);
        let tx = builder.isolation_level(tokio_postgres::IsolationLevel::RepeatableRead).start().await?;
        let checks = vec![
            orders(&tx, fold).await?,
            trades(&tx, fold).await?,
            accounts::purses(&tx, fold).await?,
            accounts::wallets(&tx, fold).await?,
            accounts::accounts(&tx, fold).await?,
            groups::groups(&tx, fold).await?,
            positions(&tx, fold).await?,
            figures(&tx, fold).await?,
            accounts::ledger(&tx, fold).await?,
            accounts::ledger_by_purse(&tx).await?,
            admins::acts(&tx, fold).await?,
            admins::proposals(&tx, fold).await?,
            markets::about(&tx, fold).await?,
            markets::events(&tx, fold).await?,
        ];
        tx.commit().await?;
        // Positions only move forward, so an unchanged one means that nothing was written in
        // between.
        Ok((before == *heads && self.heads().await? == *heads).then_some(checks))
    }
}

const HEADS: &str = "SELECT shard, sequence, chain FROM progress WHERE projection = 'tables'";

const ACTIVITY: &str = "SELECT xact_commit AS commits, tup_inserted + tup_updated + tup_deleted AS rows, \
     (SELECT coalesce(sum(n_tup_upd), 0)::bigint FROM pg_stat_user_tables) AS updated, \
     (SELECT coalesce(sum(n_tup_hot_upd), 0)::bigint FROM pg_stat_user_tables) AS updated_hot \
     FROM pg_stat_database WHERE datname = current_database()";

async fn orders(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    let found = table(tx, "SELECT * FROM orders", order).await?;
    Ok(exactly("Postgres: one row for each order, in its final state", &fold.orders, &found))
}

fn order(row: &Row) -> Result<(OrderId, ExpectedOrder), ReadModelError> {
    let kind: String = row.try_get("type")?;
    let limit: Option<i32> = row.try_get("limit_price")?;
    let rejection: Option<i32> = row.try_get("reject_code")?;
    let reason: Option<String> = row.try_get("cancel_reason")?;
    let order = ExpectedOrder {
        command: CommandId(row.try_get::<_, Uuid>("command_id")?.as_u128()),
        account: AccountId(natural(row, "account_id")?),
        market: MarketId(natural(row, "market_id")?),
        contract: word(row, "contract")?,
        side: word(row, "side")?,
        kind: if kind == "LIMIT" { "LIMIT" } else { "MARKET" },
        time_in_force: time_in_force(row.try_get("time_in_force")?)?,
        expires: optional_moment(row, "expires_at")?,
        post_only: word(row, "post_only")?,
        self_trade: word(row, "self_trade")?,
        cancel_on_pause: row.try_get("cancel_on_pause")?,
        reduce_only: row.try_get("reduce_only")?,
        group: row.try_get::<_, Option<i32>>("group_id")?.map(group_id).transpose()?,
        limit: limit.map(small).transpose()?,
        budget: row.try_get::<_, Option<i64>>("budget")?.map(Credits),
        quantity: contracts(row, "quantity")?,
        filled: contracts(row, "filled")?,
        notional: Credits(row.try_get("notional")?),
        fees: Credits(row.try_get("fees")?),
        status: word(row, "status")?,
        rejection: rejection.map(|code| code_of(code).ok_or_else(|| nonsense("reject_code", code))).transpose()?,
        cancel_reason: reason
            .map(|text| text.parse::<CancelReason>().map_err(|_| nonsense("cancel_reason", text)))
            .transpose()?,
        client_id: row.try_get::<_, Option<Uuid>>("client_id")?.map(|id| ClientId(id.as_u128())),
        created_at: moment(row, "created_at")?,
        shard: shard(row, "shard")?,
        sequence: natural(row, "sequence")?,
    };
    Ok((OrderId(natural(row, "id")?), order))
}

fn time_in_force(text: &str) -> Result<&'static str, ReadModelError> {
    TimeInForce::NAMES.into_iter().find(|name| *name == text).ok_or_else(|| nonsense("time_in_force", text))
}

fn code_of(code: i32) -> Option<Rejection> {
    u16::try_from(code).ok().map(Rejection::from_code)
}

async fn trades(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    // No column holds the maker's remainder, so it is taken from the fold.
    let left = |id: TradeId| fold.trades.get(&id).map_or(Quantity::ZERO, |row| row.trade.maker_remaining);
    let found = table(tx, "SELECT * FROM trades", |row| {
        let id = TradeId(natural(row, "id")?);
        let trade = Trade {
            id,
            market: MarketId(natural(row, "market_id")?),
            price: Price::new(small(row.try_get("price")?)?).ok_or_else(|| nonsense("price", id))?,
            quantity: Quantity::new(contracts(row, "quantity")?).ok_or_else(|| nonsense("quantity", id))?,
            maker: party(row, ["maker_order_id", "maker_account_id", "maker_entry", "maker_fee"])?,
            taker: party(row, ["taker_order_id", "taker_account_id", "taker_entry", "taker_fee"])?,
            maker_remaining: left(id),
        };
        let kind: String = row.try_get("kind")?;
        if kind != trade.kind().name() {
            return Err(ReadModelError::Nonsense(format!(
                "trade {id} is a {kind} by its row, {} by its parties",
                trade.kind()
            )));
        }
        let (time, shard, sequence) = (moment(row, "created_at")?, shard(row, "shard")?, natural(row, "sequence")?);
        Ok((id, ExpectedTrade { trade, time, shard, sequence }))
    })
    .await?;
    Ok(exactly("Postgres: one row for each trade", &fold.trades, &found))
}

fn party(row: &Row, [order, account, entry, fee]: [&str; 4]) -> Result<Party, ReadModelError> {
    Ok(Party {
        order: OrderId(natural(row, order)?),
        account: AccountId(natural(row, account)?),
        entry: word(row, entry)?,
        fee: Credits(row.try_get(fee)?),
    })
}

async fn positions(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    let found = table(tx, "SELECT * FROM positions", |row| {
        let key = (MarketId(natural(row, "market_id")?), AccountId(natural(row, "account_id")?));
        let (yes, no) = (row.try_get("yes")?, row.try_get("no")?);
        let (yes_reserved, no_reserved) = (row.try_get("yes_reserved")?, row.try_get("no_reserved")?);
        Ok((key, ExpectedPosition { yes, no, yes_reserved, no_reserved }))
    })
    .await?;
    Ok(with_defaults("Postgres: positions", &fold.positions, &found))
}

/// A market's figures in the tables `markets` and `contracts`.
#[derive(PartialEq, Eq, Debug)]
struct Figures {
    ticker: String,
    state: String,
    life: Life,
    yes_payout: Option<i32>,
    no_payout: Option<i32>,
    settled: bool,
    archived: bool,
    collateral: i64,
    fees: i64,
    volume: i64,
    last_price: Option<i32>,
    yes: i64,
    no: i64,
}

async fn figures(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    const SQL: &str = "SELECT m.*, yes.outstanding AS yes, no.outstanding AS no, yes.payout AS yes_payout, \
        no.payout AS no_payout FROM markets m \
        LEFT JOIN contracts yes ON yes.market_id = m.id AND yes.contract = 'YES' \
        LEFT JOIN contracts no ON no.market_id = m.id AND no.contract = 'NO'";
    let found = table(tx, SQL, |row| {
        let figures = Figures {
            ticker: row.try_get("ticker")?,
            state: row.try_get("state")?,
            life: life(row)?,
            yes_payout: row.try_get("yes_payout")?,
            no_payout: row.try_get("no_payout")?,
            settled: row.try_get("settled")?,
            archived: optional_moment(row, "archived_at")?.is_some(),
            collateral: row.try_get("collateral")?,
            fees: row.try_get("fees")?,
            volume: row.try_get("volume")?,
            last_price: row.try_get("last_price")?,
            yes: row.try_get("yes")?,
            no: row.try_get("no")?,
        };
        Ok((MarketId(natural(row, "id")?), figures))
    })
    .await?;
    let expected = fold.markets.iter().map(|(id, market)| {
        let figures = Figures {
            ticker: market.ticker.clone(),
            state: market.state.to_string(),
            life: Life::of(market),
            yes_payout: market.yes_value().map(i32::from),
            no_payout: market.yes_value().map(|yes| i32::from(TICKS_PER_CREDIT - yes)),
            settled: market.settled,
            archived: market.archived,
            collateral: market.collateral.micros(),
            fees: market.fees.micros(),
            volume: market.volume.cast_signed(),
            last_price: market.last_price.map(i32::from),
            yes: market.yes,
            no: market.no,
        };
        (*id, figures)
    });
    Ok(exactly("Postgres: markets and contracts", &expected.collect(), &found))
}

fn life(row: &Row) -> Result<Life, ReadModelError> {
    let yes_value: Option<i32> = row.try_get("yes_value")?;
    Ok(Life {
        answer: row.try_get("answer")?,
        yes_value: yes_value.map(|ticks| u64::try_from(ticks).map_err(|_| nonsense("yes_value", ticks))).transpose()?,
        proposed_by: optional(row, "proposed_by")?,
        confirmed_by: optional(row, "confirmed_by")?,
        payout_at: optional_moment(row, "payout_at")?,
        dispute_window_ms: natural(row, "dispute_window_ms")?,
        live_orders_max: optional(row, "live_orders_max")?,
        notional_max: optional(row, "notional_max")?,
        position_max: optional(row, "position_max")?,
    })
}
