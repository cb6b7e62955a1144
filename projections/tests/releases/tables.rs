//! The tables as text: one line per row, `table/key column=value column=value`, sorted like the
//! model. Names are those of the tables in `migrations/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display, Write};

use projections::fold::{
    AboutDelta, AccountDelta, AdminAct, GroupDelta, LastChange, LedgerEntry, MarketDelta, MarketEventDelta, OrderRow,
    ProposalDelta, TradeRow,
};
use schemas::{AccountId, GroupId, MarketEventId, MarketId, OrderId, ProposalId, Shard, Terms};

use super::model::Model;

/// Returns all rows of all tables.
pub fn dump(model: &Model) -> String {
    let mut rows = Rows(String::new());
    model.accounts.iter().for_each(|(id, account)| rows.account(*id, account));
    for ((id, account), (key, added, revoked, last)) in &model.keys {
        rows.row("api_keys", id.0).plain("account", account.0).debug("hash", hex(key.proof.bytes()));
        rows.debug("scopes", key.scopes)
            .option("expires", key.expires.map(|expires| expires.as_millis()))
            .stamp("added", *added)
            .option("revoked", revoked.map(stamp))
            .stamp("last", *last);
    }
    model.group_rows().for_each(|(account, id, group)| rows.group(account, id, group));
    for ((account, shard), ([available, held, live, sent, received], last)) in &model.purses {
        rows.row("purses", format!("{}/{shard}", account.0)).plain("available", available).plain("held", held);
        rows.plain("live_orders", live).plain("sent", sent).plain("received", received).stamp("last", *last);
    }
    model.ledger.iter().for_each(|(shard, entry)| rows.ledger(*shard, entry));
    model.admin_acts.iter().for_each(|(shard, act)| rows.admin_act(*shard, act));
    model.proposals.iter().for_each(|(id, proposal)| rows.proposal(*id, proposal));
    model.orders.iter().for_each(|(id, order)| rows.order(*id, order));
    model.trades.iter().for_each(|trade| rows.trade(trade));
    model.markets.iter().for_each(|(id, market)| rows.market(*id, market));
    for (shard, row) in &model.clarifications {
        rows.row("market_clarifications", format!("{}/{}", row.market.0, row.at.sequence)).plain("text", &row.text);
        rows.plain("by", row.by.0).plain("shard", shard);
    }
    model.market_events.iter().for_each(|(id, event)| rows.market_event(*id, event));
    for ((market, account), ([yes, no, yes_reserved, no_reserved], last)) in &model.positions {
        rows.row("positions", format!("{}/{}", market.0, account.0)).plain("yes", yes).plain("no", no);
        rows.plain("yes_reserved", yes_reserved).plain("no_reserved", no_reserved).stamp("last", *last);
    }
    for ((market, side, price), quantity) in &model.levels {
        rows.row("levels", format!("{}/{side}/{}", market.0, price.ticks())).plain("quantity", quantity);
    }
    rows.0 + "\n"
}

/// Checks that everything in a release's tables still exists. Tables or columns that the release
/// did not have may be added.
pub fn check(release: &str, then: &str, today: &str) {
    let (then, today) = (parse(then), parse(today));
    let tables: BTreeSet<_> = then.keys().map(|key| table(key)).collect();
    let columns: BTreeSet<_> =
        then.iter().flat_map(|(key, row)| row.keys().map(|column| (table(key), *column))).collect();
    for (key, row) in &today {
        let known = row.iter().filter(|(column, _)| columns.contains(&(table(key), **column)));
        let known: BTreeMap<_, _> = known.map(|(column, value)| (*column, *value)).collect();
        if tables.contains(table(key)) {
            assert_eq!(Some(&known), then.get(key), "{release}: today's row {key}, and the release's");
        }
    }
    let gone = then.keys().find(|key| !today.contains_key(**key));
    assert_eq!(gone, None, "{release}: a row that is no longer made");
}

fn table(key: &str) -> &str {
    key.split('/').next().unwrap_or(key)
}

fn parse(text: &str) -> BTreeMap<&str, BTreeMap<&str, &str>> {
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let mut parts = line.split(' ');
        let key = parts.next().unwrap();
        let before = rows.insert(key, parts.filter_map(|part| part.split_once('=')).collect());
        assert_eq!(before, None, "two rows {key}");
    }
    rows
}

fn stamp(at: LastChange) -> String {
    format!("{}@{}", at.sequence, at.time.as_millis())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Formats the requested terms of an order, without its resting price, which has its own column.
fn terms(terms: &Terms) -> String {
    match terms {
        Terms::Limit { time_in_force, .. } => format!("LIMIT,{time_in_force:?}"),
        Terms::Market { worst_price, .. } => format!("MARKET,{}", worst_price.ticks()),
        Terms::Budget { budget } => format!("BUDGET,{}", budget.micros()),
    }
}

/// The text so far. Columns without a value are omitted.
struct Rows(String);

impl Rows {
    fn row(&mut self, table: &str, key: impl Display) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        write!(self.0, "{table}/{key}").unwrap();
        self
    }

    fn plain(&mut self, column: &str, value: impl Display) -> &mut Self {
        let value = value.to_string().replace([' ', '\n'], "_");
        write!(self.0, " {column}={value}").unwrap();
        self
    }

    /// Formats a value that has no other text form.
    fn debug(&mut self, column: &str, value: impl Debug) -> &mut Self {
        self.plain(column, format!("{value:?}").replace('"', ""))
    }

    fn option(&mut self, column: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.plain(column, value);
        }
        self
    }

    fn list<'a>(&mut self, column: &str, items: impl Iterator<Item = &'a str>) -> &mut Self {
        self.option(column, items.map(str::to_owned).reduce(|all, item| format!("{all},{item}")))
    }

    fn stamp(&mut self, column: &str, at: LastChange) -> &mut Self {
        self.plain(column, stamp(at))
    }

    fn account(&mut self, id: AccountId, account: &AccountDelta) {
        self.row("accounts", id.0).option("opened", account.opened.map(stamp)).option("frozen", account.frozen);
        if let Some(limits) = account.limits {
            self.plain("limit_live_orders", limits.live_orders).plain("limit_held", limits.held.micros());
        }
        self.option("dead_man_due", account.dead_man_due.flatten().map(|due| due.as_millis()))
            .stamp("last", account.last);
    }

    fn ledger(&mut self, shard: Shard, entry: &LedgerEntry) {
        self.row("ledger", format!("{shard}/{}/{}", entry.at.sequence, entry.index)).plain("kind", entry.kind.name());
        self.plain("account", entry.change.account.0).plain("available", entry.change.available.micros());
        self.plain("held", entry.change.held.micros()).option("order", entry.order.map(|order| order.0));
        self.option("market", entry.market.map(|market| market.0));
        self.option("client_id", entry.client_id.map(|id| id.0)).option("other", entry.other.map(|other| other.0));
    }

    fn admin_act(&mut self, shard: Shard, act: &AdminAct) {
        self.row("admin_acts", format!("{shard}/{}/{}", act.at.sequence, act.index)).plain("act", act.act.name());
        self.plain("admin", act.admin.0).debug("about", act.about).option("proposal", act.proposal.map(|id| id.0));
        self.option("amount", act.amount.map(|amount| amount.micros())).plain("command", act.command.0);
    }

    fn proposal(&mut self, id: ProposalId, proposal: &ProposalDelta) {
        self.row("deposit_proposals", id.0);
        if let Some(born) = proposal.born {
            self.plain("account", born.account.0).plain("amount", born.amount.micros()).plain("by", born.by.0);
            self.option("client_id", born.client_id.map(|id| id.0)).plain("expires", born.expires.as_millis());
        }
        self.option("end", proposal.end.map(|end| end.name()));
        self.option("ended_by", proposal.end.and_then(|end| end.by()).map(|by| by.0)).stamp("last", proposal.last);
    }

    fn order(&mut self, id: OrderId, row: &OrderRow) {
        self.row("orders", id.0).plain("command", row.command.0).plain("account", row.order.account.0);
        self.plain("market", row.order.market.0)
            .plain("entry", row.order.entry)
            .plain("terms", terms(&row.order.terms));
        self.option("client_id", row.order.client_id.map(|id| id.0)).plain("price", row.price.ticks());
        self.plain("quantity", row.quantity.contracts()).plain("filled", row.filled.contracts());
        self.plain("notional", row.notional.micros()).plain("fees", row.fees.micros()).plain("status", row.status);
        self.option("rejection", row.rejection.map(|code| format!("{code:?}")));
        self.option("cancel_reason", row.cancel_reason.map(|reason| reason.name()));
        self.option("group", row.order.instructions.group);
        self.stamp("born", row.born).stamp("last", row.last);
    }

    fn group(&mut self, account: AccountId, id: GroupId, group: &GroupDelta) {
        self.row("order_groups", format!("{}/{id}", account.0));
        self.option("contracts", group.limits.map(|limits| limits.contracts()));
        self.option("window_s", group.limits.map(|limits| limits.window_s()));
        self.option("generation", group.anew.map(|(generation, _)| generation));
        self.option("set", group.anew.map(|(_, at)| stamp(at)));
        self.option("cause", group.triggered.map(|(cause, _)| cause));
        self.option("triggered", group.triggered.map(|(_, at)| stamp(at))).stamp("last", group.last);
    }

    fn trade(&mut self, TradeRow { trade, at }: &TradeRow) {
        self.row("trades", trade.id.0).plain("market", trade.market.0).plain("price", trade.price.ticks());
        self.plain("quantity", trade.quantity.contracts()).plain("kind", trade.kind()).stamp("at", *at);
        for (name, party) in [("maker", trade.maker), ("taker", trade.taker)] {
            self.plain(name, party.order.0).plain(&format!("{name}_account"), party.account.0);
            self.plain(&format!("{name}_entry"), party.entry).plain(&format!("{name}_fee"), party.fee.micros());
        }
    }

    fn market_event(&mut self, id: MarketEventId, event: &MarketEventDelta) {
        self.row("market_events", id.0);
        if let Some((event, at)) = &event.born {
            self.plain("name", &event.name).plain("title", &event.title).plain("exclusive", event.exclusive);
            self.stamp("born", *at);
        }
        self.option("yes", event.yes.flatten().map(|market| market.0)).stamp("last", event.last);
    }

    fn market(&mut self, id: MarketId, market: &MarketDelta) {
        self.row("markets", id.0).option("state", market.state);
        if let Some(birth) = &market.born {
            self.plain("ticker", &birth.listing.ticker).stamp("born", birth.at);
        }
        if let Some(AboutDelta { edit, sources, tags }) = market.about.as_deref() {
            self.option("question", edit.question.as_ref()).option("rules", edit.rules.as_ref());
            self.option("category", edit.category.as_ref()).option("expiry", edit.expiry.map(|t| t.as_millis()));
            self.option("opens", edit.opens.flatten().map(|opens| opens.as_millis()));
            self.option("event", edit.event.flatten().map(|event| event.0));
            let all_sources = edit.sources.iter().flat_map(|all| all.iter()).chain(sources);
            self.list("sources", all_sources.map(|source| source.as_str()));
            let all_tags = edit.tags.iter().flat_map(|all| all.iter()).chain(tags);
            self.list("tags", all_tags.map(|tag| tag.as_str()));
        }
        if let Some(limits) = market.limits {
            self.plain("limit_live_orders", limits.live_orders).plain("limit_notional", limits.notional.micros());
            self.plain("limit_position", limits.position);
        }
        self.option("value", market.final_value().map(|value| value.ticks())).plain("settled", market.settled);
        self.plain("collateral", market.collateral.micros()).plain("fees", market.fees.micros());
        self.plain("yes", market.yes).plain("no", market.no).plain("volume", market.volume);
        self.option("last_price", market.last_trade.map(|(price, _)| price.ticks()));
        self.option("contracts", market.contracts.map(stamp)).stamp("last", market.last);
    }
}
