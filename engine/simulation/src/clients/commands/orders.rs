//! Requests of accounts about their orders.

use schemas::{
    AccountId, BatchRequest, ClientId, Command, Credits, Entry, FeeRate, Instructions, MarketId, MarketState, NewOrder,
    OrderRef, PostOnly, Price, Quantity, SelfTrade, Shard, Side, Terms, TimeInForce, Timestamp,
};

use super::listings::FEE;
use super::{ClientView, NAMES_MAX, Population, RoutedCommand, groups, small};
use crate::random::Random;

/// The maximum number of requests in a batch.
const BATCH: u64 = 5;

impl Population {
    pub fn place(&mut self, account: AccountId, sight: ClientView<'_>, random: &mut Random) -> RoutedCommand {
        let market = self.open_market(None, sight, random);
        let order = self.order(account, market, sight, random);
        let names = order.client_id.map(|client_id| (account, Some(market), client_id)).into_iter().collect();
        RoutedCommand { names, ..self.at_market(market, Command::PlaceOrder(order)) }
    }

    pub fn cancel(&mut self, account: AccountId, sight: ClientView<'_>, random: &mut Random) -> RoutedCommand {
        let any = sight.live.get(random.index(sight.live.len().max(1))).map(|(_, id)| OrderRef::Id(*id));
        // An order of another account is unknown.
        let order = if random.one_in(20) { any } else { self.reference(account, None, sight, random) };
        let Some(order) = order else { return self.place(account, sight, random) };
        self.at_order(order, Command::CancelOrder { account, order })
    }

    pub fn amend(&mut self, account: AccountId, sight: ClientView<'_>, random: &mut Random) -> RoutedCommand {
        let Some(order) = self.reference(account, None, sight, random) else {
            return self.place(account, sight, random);
        };
        let (price, quantity) = change(random);
        self.at_order(order, Command::AmendOrder { account, order, price, quantity })
    }

    fn at_order(&self, order: OrderRef, command: Command) -> RoutedCommand {
        RoutedCommand { shard: order.shard(self.map), command, names: Vec::new() }
    }

    /// Returns a batch, mostly about markets of one shard, as required.
    pub fn batch(&mut self, account: AccountId, sight: ClientView<'_>, random: &mut Random) -> RoutedCommand {
        let shard = self.map.of_market(self.market(random));
        let home = if random.one_in(6) { None } else { Some(shard) };
        let all_or_nothing = random.one_in(2);
        let size = if random.one_in(50) { 0 } else { 1 + random.below(BATCH) };
        let requests: Vec<_> = (0..size).map(|_| self.request(account, home, sight, random)).collect();
        let own = requests.iter().filter_map(|request| match request {
            BatchRequest::Place(order) => Some((account, Some(order.market), order.client_id?)),
            BatchRequest::Cancel(_) | BatchRequest::Amend { .. } => None,
        });
        let names = own.collect();
        RoutedCommand { shard, command: Command::Batch { account, all_or_nothing, requests }, names }
    }

    fn request(
        &mut self,
        account: AccountId,
        home: Option<Shard>,
        sight: ClientView<'_>,
        random: &mut Random,
    ) -> BatchRequest {
        let order = self.reference(account, home, sight, random);
        match (random.below(5), order) {
            (0, Some(order)) => BatchRequest::Cancel(order),
            (1, Some(order)) => {
                let (price, quantity) = change(random);
                BatchRequest::Amend { order, price, quantity }
            }
            _ => {
                let market = self.open_market(home, sight, random);
                let order = self.order(account, market, sight, random);
                // An order of another account is refused, also if that account does not exist.
                let other = random.one_in(60).then_some(AccountId(account.0 + 1));
                BatchRequest::Place(match other {
                    Some(account) => NewOrder { account, client_id: None, ..order },
                    None => order,
                })
            }
        }
    }

    /// Returns a market, on `home` if given; mostly one that takes orders, as far as reported.
    fn open_market(&self, home: Option<Shard>, sight: ClientView<'_>, random: &mut Random) -> MarketId {
        let any = self.market(random);
        let here = |market: MarketId| home.is_none_or(|home| self.map.of_market(market) == home);
        let open = |market| sight.markets.get(&market).is_some_and(|(state, _)| *state == MarketState::Open);
        let markets: Vec<_> = self.listings.iter().map(|listing| listing.market).filter(|id| here(*id)).collect();
        if here(any) && (open(any) || random.one_in(4)) {
            return any;
        }
        let best = markets.iter().copied().find(|market| open(*market));
        best.unwrap_or_else(|| *random.pick(&markets))
    }

    pub fn mass_cancel(&mut self, account: AccountId, random: &mut Random) -> RoutedCommand {
        if random.one_in(2) {
            return self.at_account(account, Command::MassCancel { account, market: None }, None);
        }
        let market = self.market(random);
        self.at_market(market, Command::MassCancel { account, market: Some(market) })
    }

    pub fn dead_man_switch(&mut self, account: AccountId, random: &mut Random) -> RoutedCommand {
        let timeout_s = if random.one_in(4) { None } else { Some(1 + small(random, 20)) };
        self.at_account(account, Command::SetDeadManSwitch { account, timeout_s }, None)
    }

    /// Returns a reference to one of the account's orders: by its reported id, or by its client id,
    /// perhaps before anything was reported. The order's market is on `home`, if given.
    fn reference(
        &self,
        account: AccountId,
        home: Option<Shard>,
        sight: ClientView<'_>,
        random: &mut Random,
    ) -> Option<OrderRef> {
        let here = |order: &OrderRef| home.is_none_or(|home| order.shard(self.map) == home);
        let orders: Vec<OrderRef> = if random.one_in(3) {
            let own = self.named.iter().filter(|(owner, ..)| *owner == account);
            own.map(|&(_, market, client_id)| OrderRef::ClientId { market, client_id }).filter(here).collect()
        } else {
            let own = sight.live.iter().filter(|(owner, _)| *owner == account);
            own.map(|(_, id)| OrderRef::Id(*id)).filter(here).collect()
        };
        (!orders.is_empty()).then(|| *random.pick(&orders))
    }

    fn order(&mut self, account: AccountId, market: MarketId, sight: ClientView<'_>, random: &mut Random) -> NewOrder {
        let (entry, now) = (entry(sight.position(account, market), random), sight.now);
        NewOrder {
            account,
            market,
            entry,
            terms: terms(entry, now, random),
            fee_rate: FeeRate::new(FEE).expect("a legal rate"),
            client_id: Some(self.order_name(account, market, random)),
            instructions: instructions(now, random),
        }
    }

    /// Returns a new name; sometimes one that already names another order in the same market.
    fn order_name(&mut self, account: AccountId, market: MarketId, random: &mut Random) -> ClientId {
        let own = self.named.iter().filter(|(owner, ..)| *owner == account).map(|(.., name)| *name);
        let names: Vec<_> = own.collect();
        let again = random.one_in(40) && !names.is_empty();
        let name = if again { *random.pick(&names) } else { self.name() };
        self.named.push_back((account, market, name));
        self.named.drain(..self.named.len().saturating_sub(NAMES_MAX));
        name
    }
}

/// Returns an entry: holders of contracts often sell some; sometimes an account sells what it does
/// not hold.
fn entry((yes, no): (i64, i64), random: &mut Random) -> Entry {
    match random.below(20) {
        0 => *random.pick(&[Entry::SellYes, Entry::SellNo]),
        1..10 if yes > 0 => Entry::SellYes,
        1..10 if no > 0 => Entry::SellNo,
        _ => *random.pick(&[Entry::BuyYes, Entry::BuyNo]),
    }
}

fn price(random: &mut Random) -> Price {
    let ticks = 4_000 + small(random, 200) * 10 + if random.one_in(10) { 5 } else { 0 };
    u16::try_from(ticks).ok().and_then(Price::new).expect("between 0 and 1")
}

fn quantity(random: &mut Random) -> Quantity {
    Quantity::new(1 + small(random, 6)).expect("small")
}

/// Returns a new price, a new quantity, both, or (rarely) nothing.
fn change(random: &mut Random) -> (Option<Price>, Option<Quantity>) {
    let (price, quantity) = (price(random), quantity(random));
    match random.below(20) {
        0 => (None, None),
        1..8 => (Some(price), None),
        8..15 => (None, Some(quantity)),
        _ => (Some(price), Some(quantity)),
    }
}

fn terms(entry: Entry, now: u64, random: &mut Random) -> Terms {
    let (price, quantity) = (price(random), quantity(random));
    match random.below(20) {
        0 | 1 => return Terms::Market { quantity, worst_price: price },
        2 | 3 if entry.side() == Side::Buy => {
            return Terms::Budget { budget: Credits(1 + random.below(4_000_000).cast_signed()) };
        }
        _ => {}
    }
    let time_in_force = match random.below(20) {
        0 | 1 => TimeInForce::Ioc,
        2 => TimeInForce::Fok,
        3..7 => TimeInForce::Gtd { expires: Timestamp(now + random.below(20_000)) },
        _ => TimeInForce::Gtc,
    };
    let post_only = match random.below(20) {
        // Not allowed with some times in force, and then refused.
        0 => PostOnly::Reject,
        1 | 2 => PostOnly::Reprice,
        _ => PostOnly::Off,
    };
    Terms::Limit { price, quantity, time_in_force, post_only }
}

fn instructions(now: u64, random: &mut Random) -> Instructions {
    let self_trade = match random.below(10) {
        0 => SelfTrade::CancelNewest,
        1 => SelfTrade::CancelOldest,
        2 => SelfTrade::CancelBoth,
        3 => SelfTrade::Decrement,
        _ => SelfTrade::Allow,
    };
    let deadline = random.one_in(10).then(|| Timestamp(now + random.below(5_000)));
    let (cancel_on_pause, reduce_only) = (random.one_in(6), random.one_in(4));
    Instructions { self_trade, deadline, cancel_on_pause, reduce_only, group: groups::of_order(random) }
}
