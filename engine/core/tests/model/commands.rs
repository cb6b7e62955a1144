//! Turns steps into commands: relative times and picks into what they mean where the run stands.

use schemas::text::Ticker;
use schemas::{
    AccountId, AccountLimits, AdminId, ApiKey, ApiKeyId, ClientId, Command, Credits, FeeRate, Instructions, Listing,
    MarketId, NewOrder, OrderId, OrderRef, Price, Quantity, Request, Scopes, Shard, Terms, TimeInForce, Timestamp,
};

use super::steps::{Change, Item, Kind, Listed, Route, Step, Wait, Which, Wish};
use super::world::World;

impl World<'_> {
    /// What a step sends, and where; `None` if it is no command of its own.
    pub(super) fn command(&self, step: &Step) -> Option<(Shard, Command)> {
        let (home, route, command) = match step.clone() {
            Step::Place(wish, route) => {
                let order = self.order(&wish);
                (self.home(wish.who), route, Command::PlaceOrder(order))
            }
            Step::Cancel { who, which, route } => {
                let (who, order) = self.own(who, which);
                let direct = match order {
                    OrderRef::Id(id) if id.0 % 2 == 0 && id.market_shard().number() < self.map.shards() => {
                        id.market_shard()
                    }
                    _ => self.home(who),
                };
                (direct, route, Command::CancelOrder { account: AccountId(who), order })
            }
            Step::Amend { who, which, change: Change { price, quantity }, route } => {
                let (price, quantity) = (price.map(price_of), quantity.map(quantity_of));
                let (who, order) = self.own(who, which);
                (self.home(who), route, Command::AmendOrder { account: AccountId(who), order, price, quantity })
            }
            Step::Batch { who, all_or_nothing, items, route } => {
                let requests = items.iter().map(|item| self.request(who, item)).collect();
                (self.home(who), route, Command::Batch { account: AccountId(who), all_or_nothing, requests })
            }
            Step::MassCancel { who, market, route } => {
                let market = market.map(market_of);
                (self.home(who), route, Command::MassCancel { account: AccountId(who), market })
            }
            Step::DeadMan { who, seconds, route } => {
                (self.home(who), route, Command::SetDeadManSwitch { account: AccountId(who), timeout_s: seconds })
            }
            Step::Freeze { who, frozen, route } => {
                let (account, by) = (AccountId(who), AdminId(1));
                let command = if frozen {
                    Command::FreezeAccount { account, by }
                } else {
                    Command::UnfreezeAccount { account, by }
                };
                (self.home(who), route, command)
            }
            Step::LimitAccount { who, live_orders, held, route } => {
                let limits = AccountLimits { live_orders, held: Credits(held) };
                (self.home(who), route, Command::LimitAccount { account: AccountId(who), limits })
            }
            Step::LimitMarket { market, limits, route } => {
                let market = market_of(market);
                (self.map.of_market(market), route, Command::LimitMarket { market, limits })
            }
            Step::Open { who, key, route } => {
                (self.home(who), route, Command::OpenAccount { account: AccountId(who), key: key_of(key) })
            }
            Step::AddKey { who, key, route } => {
                (self.home(who), route, Command::AddApiKey { account: AccountId(who), key: key_of(key) })
            }
            Step::RevokeKey { who, key, route } => {
                (self.home(who), route, Command::RevokeApiKey { account: AccountId(who), key: ApiKeyId(key) })
            }
            Step::Deposit { who, amount, name, route } => {
                let (account, amount, client_id) = (AccountId(who), Credits(amount), name.map(name_of));
                (self.home(who), route, Command::Deposit { account, amount, client_id })
            }
            Step::Withdraw { who, amount, name, route } => {
                let (account, amount, client_id) = (AccountId(who), Credits(amount), name.map(name_of));
                (self.home(who), route, Command::Withdraw { account, amount, client_id })
            }
            Step::Transfer { who, to, amount, name, route } => {
                let (from, to, amount) = (AccountId(who), AccountId(to), Credits(amount));
                (self.home(who), route, Command::Transfer { from, to, amount, client_id: name.map(name_of) })
            }
            Step::Create { market, listing, route } => {
                let listing = self.listing(market, &listing);
                (self.map.of_market(market_of(market)), route, Command::CreateMarket(listing))
            }
            Step::Change { market, by, transition, route } => {
                let market = market_of(market);
                let command = Command::ChangeMarket { market, by: AdminId(by), transition };
                (self.map.of_market(market), route, command)
            }
            Step::AdvanceTime { shard } => (self.shard(shard), Route::Home, Command::AdvanceTime),
            _ => return None,
        };
        let at = match route {
            Route::Home => home,
            Route::To(shard) => self.shard(shard),
        };
        Some((at, command))
    }

    pub(super) fn shard(&self, number: usize) -> Shard {
        Shard::new(u16::try_from(number % usize::from(self.map.shards())).unwrap()).unwrap()
    }

    pub fn home(&self, who: u64) -> Shard {
        self.map.of_account(AccountId(who))
    }

    /// Who asks, for which order.
    fn own(&self, who: u64, which: Which) -> (u64, OrderRef) {
        let Which::Own(at) = which else { return (who, self.meant(who, which)) };
        let live = self.model.markets.iter().flat_map(|market| &market.orders);
        let live: Vec<_> = live.map(|order| (order.account.0, OrderRef::Id(order.id))).collect();
        if live.is_empty() { (who, self.meant(who, which)) } else { live[at % live.len()] }
    }

    fn meant(&self, who: u64, which: Which) -> OrderRef {
        let pick = |orders: &[OrderId], at: usize| match orders.len() {
            0 => OrderId(1),
            many => orders[at % many],
        };
        match which {
            Which::Own(at) => {
                let account = self.model.accounts.get(&AccountId(who));
                let own: Vec<_> = account.iter().flat_map(|account| &account.live_orders).copied().collect();
                OrderRef::Id(pick(&own, at))
            }
            Which::Any(at) => OrderRef::Id(pick(&self.orders, at)),
            Which::Named(name) => OrderRef::ClientId(name_of(name)),
            Which::Nowhere => OrderRef::Id(OrderId::compose(Shard::new(127).unwrap(), self.shard(0), 1)),
        }
    }

    fn request(&self, who: u64, item: &Item) -> Request {
        match item {
            Item::Place(wish) => Request::Place(self.order(&Wish { who, ..wish.clone() })),
            Item::Foreign(wish) => Request::Place(self.order(wish)),
            Item::Cancel(which) => Request::Cancel(self.meant(who, *which)),
            Item::Amend(which, Change { price, quantity }) => Request::Amend {
                order: self.meant(who, *which),
                price: price.map(price_of),
                quantity: quantity.map(quantity_of),
            },
        }
    }

    fn time(&self, from_now: i64) -> Timestamp {
        Timestamp(self.clock.saturating_add_signed(from_now))
    }

    pub fn order(&self, wish: &Wish) -> NewOrder {
        let (price, quantity) = (price_of(wish.price), quantity_of(wish.quantity));
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
                Kind::Budget(budget) => Terms::Budget { budget: Credits(budget) },
            },
            fee_rate: FeeRate::new(wish.rate).unwrap(),
            client_id: wish.name.map(name_of),
            instructions: Instructions {
                self_trade: wish.self_trade,
                deadline: wish.deadline.map(|from_now| self.time(from_now)),
                cancel_on_pause: wish.cancel_on_pause,
            },
        }
    }

    fn listing(&self, market: usize, listed: &Listed) -> Listing {
        let id = market_of(market);
        Listing {
            market: if listed.wrong_id { MarketId(id.0 ^ 1) } else { id },
            ticker: ticker(market),
            question: "Will it?".parse().unwrap(),
            expiry: self.time(listed.expiry),
            tick: listed.tick,
            maker_fee: FeeRate::new(listed.fees.0).unwrap(),
            taker_fee: FeeRate::new(listed.fees.1).unwrap(),
            dispute_window_ms: listed.window,
            limits: listed.limits,
        }
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

fn quantity_of(contracts: u32) -> Quantity {
    Quantity::new(contracts).unwrap()
}

fn name_of(name: u8) -> ClientId {
    ClientId(name.into())
}

fn key_of(key: u64) -> ApiKey {
    ApiKey { id: ApiKeyId(key), hash: [1; 32], scopes: Scopes::READ_TRADE }
}
