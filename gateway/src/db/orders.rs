//! An account's orders, with their market in the same query.

use std::cmp::Reverse;

use schemas::ids::LogPosition;
use schemas::{AccountId, ClientId, CommandId, GroupId, MarketId, OrderId, Rejection, Shard, Status, Timestamp};
use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Database, DbError, READ_WITHIN, Timed, positioned, rows};
use crate::openapi::scalars::{MarketStateName, TickerText};
use crate::shapes::{Fill, Order};

/// An order with the market's data that its owner wants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ListedOrder {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// The market's ticker; null while the projection has not seen the market yet, like the next
    /// two.
    #[schema(value_type = Option<TickerText>, required)]
    pub ticker: Option<String>,
    /// The market's question.
    #[schema(required)]
    pub market_question: Option<String>,
    /// The market's state.
    #[schema(value_type = Option<MarketStateName>, required)]
    pub market_state: Option<String>,
}

/// Some statuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StatusSet(u8);

impl StatusSet {
    /// ACTIVE and PARTIALLY_FILLED.
    pub const LIVE: Self = Self::of(Status::Active).or(Self::of(Status::PartiallyFilled));

    /// This status alone.
    pub const fn of(status: Status) -> Self {
        Self(1 << status as u8)
    }

    /// The statuses of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns true if it has the status.
    pub const fn has(self, status: Status) -> bool {
        self.0 & Self::of(status).0 != 0
    }

    /// Returns true if it has statuses of live orders alone.
    pub const fn is_live(self) -> bool {
        self.0 & !Self::LIVE.0 == 0
    }
}

/// A filter of orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OrderFilter {
    /// By status.
    pub statuses: Option<StatusSet>,
    /// By market.
    pub market: Option<MarketId>,
    /// By the command that placed it.
    pub command: Option<CommandId>,
    /// By client id.
    pub client_id: Option<ClientId>,
    /// By group; with [`StatusSet::LIVE`], because live orders are few.
    pub group: Option<GroupId>,
    /// By id.
    pub id: Option<OrderId>,
}

/// A page of an account's orders, newest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrdersWanted {
    /// The account.
    pub account: AccountId,
    /// The filter.
    pub filter: OrderFilter,
    /// The shard of all orders that the filter allows, if it is one.
    pub shard: Option<Shard>,
    /// The first moment of the range.
    pub since: Option<Timestamp>,
    /// The place before the page: the last order of the previous page.
    pub after: Option<(Timestamp, OrderId)>,
    /// The length of the page.
    pub limit: usize,
}

impl Database {
    /// Reads a page. Returns whether more follow, and the positions it is as of.
    pub async fn orders(&self, wanted: &OrdersWanted) -> Result<(Vec<ListedOrder>, bool, Vec<LogPosition>), DbError> {
        let _timed = Timed::start(&self.times.orders);
        let mut query = Query::new(wanted.account);
        query.filter(&wanted.filter);
        if let Some(since) = wanted.since {
            let since = query.bind(rows::to_time(since));
            query.and(&format!("o.created_at >= {since}"));
        }
        if let Some((time, id)) = wanted.after {
            let (time, id) = (query.bind(rows::to_time(time)), query.bind(rows::to_i64(id.0)));
            // The first is the cursor; the second excludes the months after it.
            query.and(&format!("(o.created_at, o.id) < ({time}, {id}) AND o.created_at <= {time}"));
        }
        // One more than wanted shows whether there is a next page.
        let limit = query.bind(i64::try_from(wanted.limit + 1).unwrap_or(i64::MAX));
        let sql = query.sql(&format!("ORDER BY o.created_at DESC, o.id DESC LIMIT {limit}"));
        let (found, at) = self.read(wanted.shard, &positioned(&sql), &query.parameters()).await?;
        let mut orders = found.iter().map(listed).collect::<Result<Vec<_>, _>>()?;
        orders.sort_by_key(|listed| Reverse((listed.order.created_at, listed.order.id)));
        let more = orders.len() > wanted.limit;
        orders.truncate(wanted.limit);
        Ok((orders, more, at))
    }

    /// Reads an order of an account.
    pub async fn order(
        &self,
        account: AccountId,
        id: OrderId,
    ) -> Result<(Option<ListedOrder>, Vec<LogPosition>), DbError> {
        let filter = OrderFilter { id: Some(id), ..OrderFilter::default() };
        let wanted = OrdersWanted { account, filter, shard: Some(id.shard()), since: None, after: None, limit: 1 };
        let (mut orders, _, at) = self.orders(&wanted).await?;
        Ok((orders.pop(), at))
    }

    /// Reads an order with its first fills, both within the time of one read.
    pub async fn order_with_fills(
        &self,
        account: AccountId,
        id: OrderId,
        fills: usize,
    ) -> Result<(Option<(ListedOrder, Vec<Fill>)>, Vec<LogPosition>), DbError> {
        let both = async {
            let (order, at) = self.order(account, id).await?;
            let Some(order) = order else { return Ok((None, at)) };
            let fills = self.fills_of(&order.order, fills).await?;
            Ok((Some((order, fills)), at))
        };
        tokio::time::timeout(READ_WITHIN, both).await.unwrap_or(Err(DbError::TooLong))
    }

    /// Reads the newest live orders of an account, like [`Database::orders`].
    pub async fn live_orders(
        &self,
        account: AccountId,
        limit: usize,
    ) -> Result<(Vec<ListedOrder>, bool, Vec<LogPosition>), DbError> {
        let filter = OrderFilter { statuses: Some(StatusSet::LIVE), ..OrderFilter::default() };
        self.orders(&OrdersWanted { account, filter, shard: None, since: None, after: None, limit }).await
    }
}

/// Rejection codes that do not use up the client id.
fn free_codes() -> Vec<i32> {
    let free = Rejection::ALL.iter().filter(|rejection| rejection.leaves_client_id_free());
    free.map(|rejection| i32::from(rejection.code())).collect()
}

fn listed(row: &Row) -> Result<ListedOrder, DbError> {
    Ok(ListedOrder {
        order: rows::order(row)?,
        ticker: row.get("ticker"),
        market_question: row.get("market_question"),
        market_state: row.get("market_state"),
    })
}

const LIVE: &str = "orders_live";
const ENDED: &str = "orders_ended";

/// Text and parameters of one query, built from fixed parts, never from a client's text.
struct Query {
    conditions: String,
    statuses: Option<StatusSet>,
    /// Whether each status of ended orders gets a page of its own although all are wanted: their
    /// index by market has the status before the time.
    by_status: bool,
    parameters: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Query {
    fn new(account: AccountId) -> Self {
        let mut query = Self { conditions: String::new(), statuses: None, by_status: false, parameters: Vec::new() };
        let account = query.bind(rows::to_i64(account.0));
        query.conditions = format!("o.account_id = {account}");
        query
    }

    fn filter(&mut self, filter: &OrderFilter) {
        self.statuses = filter.statuses;
        if let Some(market) = filter.market {
            self.equal("market_id", rows::to_i64(market.0));
            let has_index = filter.client_id.is_some() || filter.command.is_some() || filter.id.is_some();
            self.by_status = !has_index;
        }
        if let Some(command) = filter.command {
            self.equal("command_id", Uuid::from_u128(command.0));
        }
        if let Some(client_id) = filter.client_id {
            self.equal("client_id", Uuid::from_u128(client_id.0));
            // A rejection that left the id free is not what the id stands for.
            let free = self.bind(free_codes());
            self.and(&format!("(o.reject_code IS NULL OR o.reject_code <> ALL({free}))"));
        }
        if let Some(group) = filter.group {
            self.equal("group_id", i32::from(group.number()));
        }
        if let Some(id) = filter.id {
            self.equal("id", rows::to_i64(id.0));
        }
    }

    fn equal(&mut self, column: &'static str, value: impl ToSql + Sync + Send + 'static) {
        let place = self.bind(value);
        self.and(&format!("o.{column} = {place}"));
    }

    fn and(&mut self, condition: &str) {
        self.conditions.push_str(" AND ");
        self.conditions.push_str(condition);
    }

    fn bind(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.parameters.push(Box::new(value));
        format!("${}", self.parameters.len())
    }

    /// Reads a page of each table and merges them: for both together Postgres would start with
    /// every month. Each wanted status of ended orders has a page of its own, because the indexes
    /// by status have it before the time.
    fn sql(&self, end: &str) -> String {
        let (columns, conditions) = (rows::ORDER_COLUMNS, &self.conditions);
        let page =
            |table: &str, more: &str| format!("(SELECT {columns} FROM {table} o WHERE {conditions}{more} {end})");
        let pages = [(LIVE, true), (ENDED, false)].into_iter().flat_map(|(table, live)| {
            let all = Status::ALL.iter().filter(|status| status.is_live() == live);
            let wanted: Vec<Status> =
                all.clone().copied().filter(|status| self.statuses.is_none_or(|set| set.has(*status))).collect();
            let one_page = wanted.len() == all.count() && (live || !self.by_status);
            match one_page {
                true => vec![page(table, "")],
                false => {
                    let of = |status: &Status| page(table, &format!(" AND o.status = '{}'", status.name()));
                    wanted.iter().map(of).collect()
                }
            }
        });
        let pages = pages.collect::<Vec<_>>().join(" UNION ALL ");
        format!(
            "SELECT {columns}, m.ticker, m.question AS market_question, m.state AS market_state \
             FROM ({pages}) AS o LEFT JOIN markets m ON m.id = o.market_id {end}"
        )
    }

    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters.iter().map(|parameter| &**parameter as &(dyn ToSql + Sync)).collect()
    }
}
