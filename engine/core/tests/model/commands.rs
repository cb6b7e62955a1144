//! Turns random steps into commands: relative times, amounts and choices become concrete ones, from
//! the current state of the run.

use std::sync::Arc;

use schemas::limits::QUANTITY_MAX;
use schemas::text::{Label, Ticker};
use schemas::{
    ADMINS_HOME, About, AccountId, AccountLimits, AdminId, AdminRoles, ApiKey, ApiKeyId, BatchRequest, ClientId,
    Command, Credits, FeeRate, GroupId, Instructions, KeyMarkets, KeyProof, KeyTerms, Listing, MarketAddition,
    MarketEdit, MarketEvent, MarketEventId, MarketId, NewOrder, OrderId, OrderRef, Price, ProposalId, Quantity, Scopes,
    Shard, Sources, Tags, Terms, TimeInForce, Timestamp, WantedAdmin,
};

use super::law::Order;
use super::random::MARKETS;
use super::steps::{
    Added, Amount, Change, Edited, Item, Kind, Limit, Listed, Names, Route, SeenDeposit, SetAdmin, Size, Step, Wait,
    WantedKey, Which, Wish,
};
use super::world::World;

impl World<'_> {
    /// Returns the command of a step and its shard; `None` if the step is not a command.
    pub(super) fn command(&self, step: &Step) -> Option<(Shard, Command)> {
        let (home, route, command) = match step.clone() {
            Step::Place(wish, route) => {
                let order = self.order(&wish, self.available(wish.who));
                (self.map.of_market(order.market), route, Command::PlaceOrder(order))
            }
            Step::Cancel { who, which, route } => {
                let (who, order) = self.own(who, which);
                (self.of_order(order), route, Command::CancelOrder { account: AccountId(who), order })
            }
            Step::Amend { who, which, change, route } => {
                let (who, order) = self.own(who, which);
                let (price, quantity) = self.changed(order, change, self.available(who));
                let command = Command::AmendOrder { account: AccountId(who), order, price, quantity };
                (self.of_order(order), route, command)
            }
            Step::Batch { who, market, all_or_nothing, items, route } => {
                let home = self.map.of_market(market_of(market));
                let requests = self.requests(who, home, &items);
                (home, route, Command::Batch { account: AccountId(who), all_or_nothing, requests })
            }
            Step::MassCancel { who, market, route } => {
                let market = market.map(market_of);
                let home = market.map_or(self.home(who), |market| self.map.of_market(market));
                (home, route, Command::MassCancel { account: AccountId(who), market })
            }
            Step::LimitMarket { market, limits, route } => {
                let market = market_of(market);
                (self.map.of_market(market), route, Command::LimitMarket { market, limits, by: AdminId(1) })
            }
            Step::Create { market, listing, route } => {
                let listing = self.listing(market, &listing);
                (self.map.of_market(market_of(market)), route, Command::CreateMarket { listing, by: AdminId(1) })
            }
            Step::Change { market, by, transition, route } => {
                let market = market_of(market);
                let command = Command::ChangeMarket { market, by: AdminId(by), transition };
                (self.map.of_market(market), route, command)
            }
            Step::CreateEvent { event, exclusive, wrong_id, route } => {
                let name = event_name(event);
                let id = MarketEventId::of(&name);
                let title = "Who wins?".parse().unwrap();
                let wrong = MarketEventId(id.0 ^ u64::from(wrong_id));
                let event = Box::new(MarketEvent { id: wrong, name, title, exclusive });
                (self.map.of_market_event(id), route, Command::CreateMarketEvent { event, by: AdminId(1) })
            }
            Step::Edit { market, edit, route } => {
                let (market, edit) = (market_of(market), Box::new(self.edit(edit)));
                (self.map.of_market(market), route, Command::EditMarket { market, edit, by: AdminId(1) })
            }
            Step::Add { market, addition, route } => {
                let (market, addition) = (market_of(market), Box::new(addition_of(addition)));
                (self.map.of_market(market), route, Command::AddToMarket { market, addition, by: AdminId(1) })
            }
            Step::ConfirmDeposit { back, seen, by, route } => {
                let (proposal, account, amount) = self.proposed(back);
                let account = AccountId(account.0 + u64::from(seen == SeenDeposit::OtherAccount));
                let amount = amount + Credits(i64::from(seen == SeenDeposit::OtherAmount));
                let command = Command::ConfirmDeposit { proposal, account, amount, by: AdminId(by) };
                (self.shard(proposal.shard().index()), route, command)
            }
            Step::DropDeposit { back, by, route } => {
                let (proposal, ..) = self.proposed(back);
                let command = Command::DropDeposit { proposal, by: AdminId(by) };
                (self.shard(proposal.shard().index()), route, command)
            }
            Step::SetAdmin { admin, by, route } => {
                let admin = Box::new(self.wanted_admin(admin));
                (ADMINS_HOME, route, Command::SetAdmin { admin, by: AdminId(by) })
            }
            Step::RevokeAdmin { admin, by, route } => {
                (ADMINS_HOME, route, Command::RevokeAdmin { admin: AdminId(admin), by: AdminId(by) })
            }
            Step::AdvanceTime { shard } => (self.shard(shard), Route::Home, Command::AdvanceTime),
            step => {
                let (who, route, command) = self.of_account(step)?;
                (self.home(who), route, command)
            }
        };
        let at = match route {
            Route::Home => home,
            Route::To(shard) => self.shard(shard),
        };
        Some((at, command))
    }

    fn wanted_admin(&self, wanted: SetAdmin) -> WantedAdmin {
        let SetAdmin { id, secret, roles, lasts } = wanted;
        let expires = lasts.map(|lasts| Timestamp(self.clock.saturating_add_signed(lasts)));
        let proof = secret.map(|secret| KeyProof::Secret([secret; 32]));
        let roles = AdminRoles::from_bits(roles);
        WantedAdmin { id: AdminId(id), proof, roles, expires, name: None }
    }

    fn wanted(&self, wanted: WantedKey) -> ApiKey {
        let WantedKey { id, scopes, lasts, markets, notional } = wanted;
        let markets = (0..8_u64).filter(|bit| markets >> bit & 1 == 1).map(MarketId);
        let (markets, notional) = (KeyMarkets::new(markets.collect()), notional.map(Credits));
        let expires = lasts.map(|lasts| Timestamp(self.clock.saturating_add_signed(lasts)));
        let terms = Some(Box::new(KeyTerms { name: None, markets, notional }));
        ApiKey { expires, terms, ..ApiKey::with_secret(ApiKeyId(id), [1; 32], Scopes::from_bits(scopes)) }
    }

    /// Sends the command to the account's home shard.
    fn of_account(&self, step: Step) -> Option<(u64, Route, Command)> {
        Some(match step {
            Step::Group { who, group, act, route } => {
                let group = GroupId::new(group).unwrap();
                (who, route, Command::ActOnGroup { account: AccountId(who), group, act })
            }
            Step::DeadMan { who, seconds, route } => {
                (who, route, Command::SetDeadManSwitch { account: AccountId(who), timeout_s: seconds })
            }
            Step::Freeze { who, frozen, route } => {
                let (account, by) = (AccountId(who), AdminId(1));
                let command = if frozen {
                    Command::FreezeAccount { account, by }
                } else {
                    Command::UnfreezeAccount { account, by }
                };
                (who, route, command)
            }
            Step::LimitAccount { who, live_orders, held, route } => (
                who,
                route,
                Command::LimitAccount {
                    account: AccountId(who),
                    limits: self.limits(who, live_orders, held),
                    by: AdminId(1),
                },
            ),
            Step::Open { who, key, route } => {
                (who, route, Command::OpenAccount { account: AccountId(who), key: key_of(key) })
            }
            Step::AddKey { who, key, by, route } => {
                let key = self.wanted(key);
                (who, route, Command::AddApiKey { account: AccountId(who), key, by: by.map(ApiKeyId) })
            }
            Step::RevokeKey { who, key, by, route } => {
                let (account, key, by) = (AccountId(who), ApiKeyId(key), by.map(ApiKeyId));
                (who, route, Command::RevokeApiKey { account, key, by })
            }
            Step::RotateKey { who, old, key, grace_ms, by, route } => {
                let (account, old, by) = (AccountId(who), ApiKeyId(old), by.map(ApiKeyId));
                let key = Box::new(self.wanted(key));
                (who, route, Command::RotateApiKey { account, old, key, grace_ms, by })
            }
            Step::Deposit { who, amount, name, by, route } => {
                let (account, amount, client_id) = (AccountId(who), Credits(amount), name.map(name_of));
                (who, route, Command::Deposit { account, amount, client_id, by: AdminId(by) })
            }
            Step::Withdraw { who, amount, name, route } => {
                let (amount, client_id) = (amount_of(amount, self.available(who)), name.map(name_of));
                (who, route, Command::Withdraw { account: AccountId(who), amount, client_id, by: AdminId(1) })
            }
            Step::Transfer { who, to, amount, name, route } => {
                let (from, to, amount) = (AccountId(who), AccountId(to), amount_of(amount, self.available(who)));
                (who, route, Command::Transfer { from, to, amount, client_id: name.map(name_of) })
            }
            _ => return None,
        })
    }

    /// Returns a proposed deposit; before the first one, an id that was never proposed.
    fn proposed(&self, back: usize) -> (ProposalId, AccountId, Credits) {
        let known = self.proposals.iter().rev().nth(back).copied();
        known.unwrap_or((ProposalId::compose(self.shard(0), 1_000_000), AccountId(1), Credits(1)))
    }

    pub(super) fn shard(&self, number: usize) -> Shard {
        Shard::new(u16::try_from(number % usize::from(self.map.shards())).unwrap()).unwrap()
    }

    pub fn home(&self, who: u64) -> Shard {
        self.map.of_account(AccountId(who))
    }

    fn of_order(&self, order: OrderRef) -> Shard {
        self.shard(order.shard(self.map).index())
    }

    fn available(&self, who: u64) -> Credits {
        self.model.accounts.get(&AccountId(who)).map_or(Credits::ZERO, |account| account.available)
    }

    fn limits(&self, who: u64, live_orders: Limit, held: Limit) -> AccountLimits {
        let live = i64::try_from(self.model.live_orders(AccountId(who)).len()).unwrap();
        let live_orders = limit_of(live_orders, live).map_or(u32::MAX, |live| u32::try_from(live).unwrap());
        let held = limit_of(held, self.model.held(AccountId(who)).micros()).map_or(Credits(i64::MAX), Credits);
        AccountLimits { live_orders, held }
    }

    /// Returns the account that asks and the order that it means.
    fn own(&self, who: u64, which: Which) -> (u64, OrderRef) {
        let Which::Own(at) = which else { return (who, self.meant(who, which, None)) };
        let live = self.model.markets.iter().flat_map(|market| &market.orders);
        let live: Vec<_> = live.map(|order| (order.account.0, OrderRef::Id(order.id))).collect();
        if live.is_empty() { (who, self.meant(who, which, None)) } else { live[at % live.len()] }
    }

    fn meant(&self, who: u64, which: Which, on: Option<Shard>) -> OrderRef {
        let pick = |orders: &[OrderId], at: usize| match orders.len() {
            0 => OrderId(1),
            many => orders[at % many],
        };
        match which {
            Which::Own(at) => {
                let mut own = self.model.live_orders(AccountId(who));
                own.retain(|order| on.is_none_or(|shard| order.shard() == shard));
                OrderRef::Id(pick(&own, at))
            }
            Which::Any(at) => OrderRef::Id(pick(&self.orders, at)),
            Which::Named(name, market) => {
                let market = on.map_or(market_of(market), |shard| self.market_on(shard, market));
                OrderRef::ClientId { market, client_id: name_of(name) }
            }
            Which::Nowhere => OrderRef::Id(OrderId::compose(Shard::new(127).unwrap(), 1)),
        }
    }

    /// Returns a market of this shard.
    fn market_on(&self, shard: Shard, market: usize) -> MarketId {
        let there = |id: &MarketId| self.map.of_market(*id) == shard;
        let all: Vec<_> = (0..MARKETS + 3).map(market_of).filter(there).collect();
        all[market % all.len()]
    }

    fn live(&self, order: OrderRef) -> Option<&Order> {
        let OrderRef::Id(id) = order else { return None };
        self.model.markets.iter().find_map(|market| market.order(id))
    }

    /// Returns the requests of a batch on this shard. Each request counts on the credits that those
    /// before it leave or release.
    fn requests(&self, who: u64, shard: Shard, items: &[Item]) -> Vec<BatchRequest> {
        let mut spare = self.available(who);
        let mut request = |item: &Item| match item {
            Item::Place(wish) => {
                let market = self.market_on(shard, wish.market);
                let order = NewOrder { market, ..self.order(&Wish { who, ..wish.clone() }, spare) };
                if order.hold() > Credits::ZERO && order.hold() <= spare {
                    spare -= order.hold();
                }
                BatchRequest::Place(order)
            }
            Item::Stray(wish) => BatchRequest::Place(self.order(&Wish { who, ..wish.clone() }, spare)),
            Item::Foreign(wish) => BatchRequest::Place(self.order(wish, spare)),
            Item::Cancel(which) => {
                let order = self.meant(who, *which, Some(shard));
                spare += self.live(order).map_or(Credits::ZERO, Order::hold);
                BatchRequest::Cancel(order)
            }
            Item::Amend(which, change) => {
                let order = self.meant(who, *which, Some(shard));
                let (price, quantity) = self.changed(order, *change, spare);
                BatchRequest::Amend { order, price, quantity }
            }
        };
        items.iter().map(&mut request).collect()
    }

    /// Returns the change that an amendment asks for.
    fn changed(&self, order: OrderRef, change: Change, spare: Credits) -> (Option<Price>, Option<Quantity>) {
        let price = change.price.map(price_of);
        let rest = || {
            let order = self.live(order)?;
            let at = price.unwrap_or(order.entry.book_price(order.price));
            let left = payable(spare + order.hold(), order.fee_rate.hold_per_contract(at));
            Some(order.filled.contracts() + left)
        };
        let quantity = change.quantity.map(|size| match size {
            Size::Exactly(contracts) => contracts,
            Size::Rest(more) => rest().unwrap_or_default() + more,
        });
        (price, quantity.map(quantity_of))
    }

    fn time(&self, from_now: i64) -> Timestamp {
        Timestamp(self.clock.saturating_add_signed(from_now))
    }

    /// Returns an order of an account that can spend so much.
    pub fn order(&self, wish: &Wish, spare: Credits) -> NewOrder {
        let (price, fee_rate) = (price_of(wish.price), FeeRate::new(wish.rate).unwrap());
        let quantity = quantity_of(match wish.quantity {
            Size::Exactly(contracts) => contracts,
            Size::Rest(more) => payable(spare, fee_rate.hold_per_contract(price)) + more,
        });
        let time_in_force = match wish.wait {
            Wait::Gtc => TimeInForce::Gtc,
            Wait::Gtd(from_now) => TimeInForce::Gtd { expires: self.time(from_now) },
            Wait::Ioc => TimeInForce::Ioc,
            Wait::Fok => TimeInForce::Fok,
        };
        NewOrder {
            account: AccountId(wish.who),
            market: market_of(wish.market),
            entry: wish.entry,
            terms: match wish.kind {
                Kind::Limit => Terms::Limit { price, quantity, time_in_force, post_only: wish.post_only },
                Kind::Market => Terms::Market { quantity, worst_price: price },
                Kind::Budget(budget) => Terms::Budget { budget: amount_of(budget, spare) },
            },
            fee_rate,
            client_id: wish.name.map(name_of),
            instructions: Instructions {
                self_trade: wish.self_trade,
                deadline: wish.deadline.map(|from_now| self.time(from_now)),
                cancel_on_pause: wish.cancel_on_pause,
                reduce_only: wish.reduce_only,
                group: wish.group.and_then(GroupId::new),
            },
        }
    }

    fn edit(&self, edited: Edited) -> MarketEdit {
        MarketEdit {
            rules: edited.rules.then(|| "NO if it does not.".parse().unwrap()),
            tags: edited.tags.map(tags_of),
            sources: edited.sources.map(sources_of),
            event: edited.event.map(|event| event.map(event_of)),
            opens: edited.opens.map(|opens| opens.map(|from_now| self.time(from_now))),
            expiry: edited.expiry.map(|from_now| self.time(from_now)),
            ..MarketEdit::default()
        }
    }

    fn listing(&self, market: usize, listed: &Listed) -> Listing {
        let id = market_of(market);
        Listing {
            market: if listed.wrong_id { MarketId(id.0 ^ 1) } else { id },
            ticker: ticker(market),
            about: Arc::new(About {
                event: listed.event.map(event_of),
                tags: tags_of(listed.tags),
                ..About::plain("Will it?", "YES if it does.", "tests").unwrap()
            }),
            opens: listed.opens.map(|from_now| self.time(from_now)),
            expiry: self.time(listed.expiry),
            tick: listed.tick,
            maker_fee: FeeRate::new(listed.fees.0).unwrap(),
            taker_fee: FeeRate::new(listed.fees.1).unwrap(),
            dispute_window_ms: listed.window,
            limits: listed.limits,
        }
    }
}

/// The event whose name has no letter.
pub const BARE_EVENT: usize = 2_026;

fn event_name(event: usize) -> Label {
    let name = if event == BARE_EVENT { event.to_string() } else { format!("event-{event}") };
    name.parse().unwrap()
}

fn event_of(event: usize) -> MarketEventId {
    MarketEventId::of(&event_name(event))
}

fn tags_of(names: Names) -> Tags {
    let all = (0..names.count).map(|more| format!("tag-{}", names.first + more).parse().unwrap());
    Tags::new(all.collect()).unwrap()
}

fn sources_of(names: Names) -> Sources {
    let all = (0..names.count).map(|more| format!("https://source.example/{}", names.first + more).parse().unwrap());
    Sources::new(all.collect()).unwrap()
}

fn addition_of(added: Added) -> MarketAddition {
    MarketAddition {
        clarification: added.clarified.then(|| "It means\nwhat it says.".parse().unwrap()),
        sources: sources_of(added.sources),
        tags: tags_of(added.tags),
    }
}

fn ticker(market: usize) -> Ticker {
    format!("MARKET-{market}").parse().unwrap()
}

pub fn market_of(market: usize) -> MarketId {
    MarketId::of(&ticker(market))
}

fn price_of(ticks: u16) -> Price {
    Price::new(ticks).unwrap()
}

/// At most the largest quantity of an order.
fn quantity_of(contracts: u32) -> Quantity {
    Quantity::new(contracts.min(QUANTITY_MAX)).unwrap()
}

/// As many contracts as the credits pay for, at most the largest quantity of an order.
fn payable(credits: Credits, each: Credits) -> u32 {
    u32::try_from((credits.micros() / each.micros()).clamp(0, QUANTITY_MAX.into())).unwrap()
}

fn amount_of(amount: Amount, available: Credits) -> Credits {
    match amount {
        Amount::Exactly(amount) => Credits(amount),
        Amount::Rest(more) => Credits(available.micros() + more),
    }
}

fn limit_of(limit: Limit, present: i64) -> Option<i64> {
    match limit {
        Limit::None => None,
        Limit::Exactly(limit) => Some(limit),
        Limit::Near(more) => Some((present + more).max(0)),
    }
}

fn name_of(name: u8) -> ClientId {
    ClientId(name.into())
}

fn key_of(key: u64) -> ApiKey {
    ApiKey::with_secret(ApiKeyId(key), [1; 32], Scopes::READ_TRADE)
}
