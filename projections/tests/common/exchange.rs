//! A small exchange that writes plausible history: what an engine might tell, without its code.
//!
//! It keeps its own wallets, positions, orders and books, so a test can ask it what the projections should show. One global
//! state, but its events go to the logs that the two homes would write them to, messages between shards included.

use std::collections::BTreeMap;

use schemas::event::{CancelReason, FirstOutcome, KnownAs, OrderPlaced, Party, Trade};
use schemas::market::Resolution;
use schemas::message::{Settlement, SettlementReason};
use schemas::shard_map::ShardMap;
use schemas::*;

use super::random::Random;

mod accounts;
mod amend;
mod life;

/// Events that one shard tells in one outcome.
pub struct Told {
    pub shard: Shard,
    pub command: CommandId,
    pub events: Vec<Event>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Wallet {
    pub available: i64,
    pub held: i64,
    pub live_orders: i64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Position {
    pub yes: i64,
    pub no: i64,
    pub yes_reserved: i64,
    pub no_reserved: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    pub account: AccountId,
    pub market: MarketId,
    pub quantity: u32,
    pub filled: u32,
    pub status: Status,
    /// Where it rests, or would have, in its contract's own terms.
    pub price: Price,
    pub cancel_reason: Option<CancelReason>,
}

#[derive(Clone, Copy)]
struct Resting {
    id: OrderId,
    order: NewOrder,
    /// In the book (YES).
    price: Price,
    remaining: u32,
}

impl Resting {
    /// What it holds of its account's credits.
    fn hold(&self, contracts: u32) -> i64 {
        match self.order.entry.side() {
            Side::Buy => {
                self.order.fee_rate.hold(self.order.entry.book_price(self.price), quantity(contracts)).micros()
            }
            Side::Sell => 0,
        }
    }
}

pub struct Market {
    pub listing: Listing,
    pub state: MarketState,
    pub resolution: Option<Resolution>,
    /// By (rank, arrival): the first is the best.
    bids: BTreeMap<(u16, u64), Resting>,
    asks: BTreeMap<(u16, u64), Resting>,
}

pub struct Exchange {
    map: ShardMap,
    pub random: Random,
    accounts: Vec<AccountId>,
    pub wallets: BTreeMap<AccountId, Wallet>,
    pub positions: BTreeMap<(MarketId, AccountId), Position>,
    pub markets: BTreeMap<MarketId, Market>,
    pub orders: BTreeMap<OrderId, Order>,
    counter: u64,
    keys: Vec<(AccountId, ApiKeyId)>,
    pub frozen: std::collections::BTreeSet<AccountId>,
    /// Per sender and receiver.
    sent: BTreeMap<(u16, u16), u64>,
}

impl Exchange {
    pub fn new(shards: u16, seed: u64) -> Self {
        Self {
            map: ShardMap::new(shards).unwrap(),
            random: Random::new(seed),
            accounts: Vec::new(),
            wallets: BTreeMap::new(),
            positions: BTreeMap::new(),
            markets: BTreeMap::new(),
            orders: BTreeMap::new(),
            counter: 0,
            keys: Vec::new(),
            frozen: std::collections::BTreeSet::new(),
            sent: BTreeMap::new(),
        }
    }

    pub fn home(&self, account: AccountId) -> Shard {
        self.map.of_account(account)
    }

    pub fn market_home(&self, market: MarketId) -> Shard {
        self.map.of_market(market)
    }

    /// Some accounts with credits, and some open markets.
    pub fn seed(&mut self, accounts: usize, markets: usize) -> Vec<Told> {
        let mut told = Vec::new();
        for _ in 0..accounts {
            told.extend(self.open_account());
            let account = *self.accounts.last().unwrap();
            told.push(self.deposit(account, 5_000_000_000));
        }
        for _ in 0..markets {
            told.extend(self.create_market());
        }
        told
    }

    /// Something happens.
    pub fn step(&mut self) -> Vec<Told> {
        match self.random.below(1_000) {
            0..5 => self.open_account(),
            5..25 => {
                let account = self.any_account();
                let amount = 1 + self.random.below(1_000_000_000).cast_signed();
                vec![self.deposit(account, amount)]
            }
            25..35 => self.withdraw(),
            35..37 => self.create_market(),
            37..40 => self.go_on_to_an_answer(),
            40..42 => self.pause_or_resume(),
            42..50 => self.change_keys(),
            50..60 => self.meaningless(),
            60..70 => self.change_account(),
            70..85 => self.transfer(),
            85..90 => self.mass_cancel(),
            90..120 => self.reduce(),
            120..200 => self.amend(),
            200..340 => self.cancel(),
            _ => self.place_any(),
        }
    }

    /// A trade-heavy flow for measurements: mostly orders.
    pub fn busy_step(&mut self) -> Vec<Told> {
        if self.random.below(100) < 20 { self.cancel() } else { self.place_any() }
    }

    /// What rests in a market's book: contracts by side and price.
    pub fn levels(&self, market: MarketId) -> BTreeMap<(BookSide, Price), u64> {
        let mut levels = BTreeMap::new();
        let market = &self.markets[&market];
        for resting in market.bids.values().chain(market.asks.values()) {
            *levels.entry((resting.order.entry.book_side(), resting.price)).or_default() +=
                u64::from(resting.remaining);
        }
        levels
    }

    fn command(&mut self) -> CommandId {
        // In order of time, like the gateway's UUIDs.
        self.counter += 1;
        CommandId(u128::from(self.counter) << 64 | u128::from(self.random.next()))
    }

    fn any_account(&mut self) -> AccountId {
        self.accounts[self.random.index(self.accounts.len())]
    }

    fn any_market(&mut self) -> MarketId {
        let nth = self.random.index(self.markets.len());
        *self.markets.keys().nth(nth).unwrap()
    }

    fn open_account(&mut self) -> Vec<Told> {
        let account = AccountId((self.random.next() >> 1).max(1));
        self.accounts.push(account);
        self.wallets.insert(account, Wallet::default());
        let (command, shard) = (self.command(), self.home(account));
        let key = self.new_key(account);
        vec![Told {
            shard,
            command,
            events: vec![Event::AccountOpened { account }, Event::ApiKeyAdded { account, key }],
        }]
    }

    fn new_key(&mut self, account: AccountId) -> ApiKey {
        let id = ApiKeyId(self.random.next() >> 1);
        self.keys.push((account, id));
        ApiKey { id, hash: [self.random.below(256) as u8; 32], scopes: Scopes::READ_TRADE }
    }

    fn change_keys(&mut self) -> Vec<Told> {
        let command = self.command();
        if self.random.below(2) == 0 && !self.keys.is_empty() {
            let nth = self.random.index(self.keys.len());
            let (account, key) = self.keys.swap_remove(nth);
            return vec![Told {
                shard: self.home(account),
                command,
                events: vec![Event::ApiKeyRevoked { account, key }],
            }];
        }
        let account = self.any_account();
        let key = self.new_key(account);
        vec![Told { shard: self.home(account), command, events: vec![Event::ApiKeyAdded { account, key }] }]
    }

    fn deposit(&mut self, account: AccountId, amount: i64) -> Told {
        let client_id = Some(ClientId(u128::from(self.random.next())));
        self.wallets.get_mut(&account).unwrap().available += amount;
        let (shard, command) = (self.home(account), self.command());
        Told { shard, command, events: vec![Event::Deposited { account, amount: Credits(amount), client_id }] }
    }

    fn withdraw(&mut self) -> Vec<Told> {
        let account = self.any_account();
        let (shard, command) = (self.home(account), self.command());
        let wallet = self.wallets.get_mut(&account).unwrap();
        if wallet.available == 0 {
            let code = Rejection::FundsInsufficient;
            return vec![Told { shard, command, events: vec![Event::Rejected { code }] }];
        }
        let amount = wallet.available / 10 + 1;
        wallet.available -= amount;
        let events = vec![Event::Withdrawn { account, amount: Credits(amount), client_id: None }];
        vec![Told { shard, command, events }]
    }

    fn create_market(&mut self) -> Vec<Told> {
        let ticker: text::Ticker = format!("M-{}", self.markets.len()).parse().unwrap();
        let listing = Listing {
            market: MarketId::of(&ticker),
            ticker,
            question: "Will it \"happen\", ja oder nein? ✓".parse().unwrap(),
            // Now and then one that no calendar knows.
            expiry: Timestamp(if self.random.below(5) == 0 { u64::MAX } else { 1_900_000_000_000 }),
            tick: 1,
            maker_fee: FeeRate::new(10_000).unwrap(),
            taker_fee: FeeRate::new(30_000).unwrap(),
            dispute_window_ms: self.random.below(3) * 1_000,
            limits: MarketLimits::NONE,
        };
        let (market, shard) = (listing.market, self.map.of_market(listing.market));
        let (bids, asks) = (BTreeMap::new(), BTreeMap::new());
        self.markets.insert(
            market,
            Market { listing: listing.clone(), state: MarketState::Open, resolution: None, bids, asks },
        );
        let open = Event::MarketChanged { market, state: MarketState::Open, resolution: None, by: Some(AdminId(1)) };
        let (created, opened) = (self.command(), self.command());
        vec![
            Told { shard, command: created, events: vec![Event::MarketCreated(listing)] },
            Told { shard, command: opened, events: vec![open] },
        ]
    }

    /// Outcomes that change no row.
    fn meaningless(&mut self) -> Vec<Told> {
        let (account, command) = (self.any_account(), self.command());
        let first = FirstOutcome::Deposit { amount: Credits(1) };
        let events = match self.random.below(4) {
            0 => vec![Event::ClientIdRepeated { account, client_id: ClientId(7), first }],
            1 => vec![Event::StateHashed { hash: [7; 32] }],
            2 => vec![Event::Rejected { code: Rejection::AccountExists }],
            _ => Vec::new(),
        };
        vec![Told { shard: self.home(account), command, events }]
    }

    fn cancel(&mut self) -> Vec<Told> {
        let market = self.any_market();
        let Some(resting) = self.pick(market) else { return Vec::new() };
        let mut told = Telling::new(self.command(), self.map.of_market(market));
        // Now and then its time has come.
        let expires = resting.order.terms.time_in_force().expires().is_some() && self.random.below(2) == 0;
        self.end(&mut told, resting, if expires { CancelReason::Expired } else { CancelReason::Requested });
        self.tell(told)
    }

    /// Takes any order out of a market's book.
    fn pick(&mut self, market: MarketId) -> Option<Resting> {
        let book = &self.markets[&market];
        let (bids, all) = (book.bids.len(), book.bids.len() + book.asks.len());
        if all == 0 {
            return None;
        }
        let nth = self.random.index(all);
        let book = self.markets.get_mut(&market).unwrap();
        let side = if nth < bids { &mut book.bids } else { &mut book.asks };
        let place = *side.keys().nth(if nth < bids { nth } else { nth - bids }).unwrap();
        side.remove(&place)
    }

    fn end(&mut self, told: &mut Telling, resting: Resting, reason: CancelReason) {
        let Resting { id, order, price, remaining } = resting;
        let row = self.orders.get_mut(&id).unwrap();
        (row.status, row.cancel_reason) = (reason.status(), Some(reason));
        told.market.push(Event::OrderCancelled {
            order: id,
            account: order.account,
            market: order.market,
            entry: order.entry,
            price,
            quantity: quantity(remaining),
            reason,
        });
        if order.entry.side() == Side::Sell {
            *self.reserved(&order) -= i64::from(remaining);
        }
        let released = settlement(&order, Some(id), SettlementReason::Release, 0, resting.hold(remaining), 0);
        told.settle(Settlement { ended: true, ..released });
    }

    fn place_any(&mut self) -> Vec<Told> {
        let (account, market) = (self.any_account(), self.any_market());
        let entry = Entry::ALL[self.random.index(4)];
        let mut contracts = 1 + self.random.below(50) as u32;
        if entry.side() == Side::Sell {
            let free = self.free(market, account, entry.contract());
            // Sometimes more than there is: refused.
            if self.random.below(20) > 0 {
                contracts = contracts.min(u32::try_from(free).unwrap());
            }
        }
        let ticks = 4_800 + self.random.below(400) as u16;
        let price = entry.book_price(Price::new(ticks).unwrap());
        let quantity = quantity(contracts);
        let limit = |time_in_force, post_only| Terms::Limit { price, quantity, time_in_force, post_only };
        let expires = Timestamp(1_800_000_000_000 + self.random.below(1_000_000));
        let terms = match (self.random.below(10), entry.side()) {
            (0, _) => limit(TimeInForce::Ioc, PostOnly::Off),
            (1, _) => Terms::Market { quantity, worst_price: price },
            (2, Side::Buy) => Terms::Budget { budget: Credits(1 + self.random.below(20_000_000).cast_signed()) },
            (3, _) => limit(TimeInForce::Gtd { expires }, PostOnly::Off),
            (4, _) => limit(TimeInForce::Gtc, PostOnly::Reprice),
            _ => limit(TimeInForce::Gtc, PostOnly::Off),
        };
        let instructions =
            Instructions { self_trade: SelfTrade::Allow, deadline: None, cancel_on_pause: self.random.below(4) == 0 };
        let client_id = (self.random.below(2) == 0).then(|| ClientId(u128::from(self.random.next())));
        let fee_rate = FeeRate::new(30_000).unwrap();
        self.place(NewOrder { account, market, entry, terms, fee_rate, client_id, instructions })
    }

    fn place(&mut self, order: NewOrder) -> Vec<Told> {
        let (home, there, command) = (self.home(order.account), self.map.of_market(order.market), self.command());
        self.counter += 1;
        let id = OrderId::compose(there, home, self.counter);
        let mut told = Telling::new(command, there);
        let hold = order.hold().micros();
        let wallet = self.wallets.get_mut(&order.account).unwrap();
        let refusal = if self.frozen.contains(&order.account) {
            Some(Rejection::AccountFrozen)
        } else if wallet.available < hold {
            Some(Rejection::FundsInsufficient)
        } else {
            None
        };
        if let Some(code) = refusal {
            self.note(id, &order, asked(&order), 0, Status::Rejected);
            return vec![Told { shard: home, command, events: vec![Event::OrderRejected { id, order, code }] }];
        }
        wallet.available -= hold;
        wallet.held += hold;
        wallet.live_orders += 1;
        let NewOrder { account, market, .. } = order;
        let known_as = order.client_id.map(|client_id| KnownAs { client_id, fingerprint: client_id.0 as u64 });
        told.funded = Some((home, Event::OrderEntered { id, account, market, held: Credits(hold), known_as }));
        if home != there {
            told.message = Some(Message::PlaceOrder { id, order });
        }
        let free = self.free(order.market, order.account, order.entry.contract());
        let refusal = if self.markets[&order.market].state != MarketState::Open {
            Some(Rejection::MarketNotOpen)
        } else if asked(&order) == 0 && !matches!(order.terms, Terms::Budget { .. }) {
            Some(Rejection::QuantityIsZero)
        } else if order.entry.side() == Side::Sell && free < i64::from(asked(&order)) {
            Some(Rejection::PositionInsufficient)
        } else {
            None
        };
        if let Some(code) = refusal {
            told.market.push(Event::OrderRejected { id, order, code });
            self.note(id, &order, asked(&order), 0, Status::Rejected);
            let released = settlement(&order, Some(id), SettlementReason::Release, 0, order.hold().micros(), 0);
            told.settle(Settlement { ended: true, ..released });
            return self.tell(told);
        }
        self.matched(&mut told, id, order);
        self.tell(told)
    }

    fn matched(&mut self, told: &mut Telling, id: OrderId, order: NewOrder) {
        let budget = match order.terms {
            Terms::Budget { budget } => budget.micros(),
            _ => i64::MAX,
        };
        let wanted = if matches!(order.terms, Terms::Budget { .. }) { u32::MAX } else { asked(&order) };
        let mut limit = order.entry.book_price(order.terms.limit());
        if order.terms.post_only() == PostOnly::Reprice {
            limit = self.behind_the_other_side(&order, limit);
        }
        let taken = self.take(told, id, &order, limit, wanted, budget);
        self.placed(told, id, order, limit, &taken);
        told.market.extend(taken.trades);
        self.redeem(told, order.market, taken.touched);
    }

    /// Where a post-only order goes that would take.
    fn behind_the_other_side(&self, order: &NewOrder, limit: Price) -> Price {
        let book = &self.markets[&order.market];
        match order.entry.book_side() {
            BookSide::Bid => {
                let best = book.asks.values().next().map(|resting| resting.price.ticks() - 1).and_then(Price::new);
                best.map_or(limit, |best| limit.min(best))
            }
            BookSide::Ask => {
                let best = book.bids.values().next().map(|resting| resting.price.ticks() + 1).and_then(Price::new);
                best.map_or(limit, |best| limit.max(best))
            }
        }
    }

    /// Fills an order that comes in, for at most `wanted` contracts and `budget`.
    fn take(
        &mut self,
        told: &mut Telling,
        id: OrderId,
        order: &NewOrder,
        limit: Price,
        mut wanted: u32,
        mut budget: i64,
    ) -> Taken {
        let mut taken = Taken { touched: vec![order.account], ..Taken::default() };
        while wanted > 0 {
            let book = self.markets.get_mut(&order.market).unwrap();
            let (maker_fee, taker_fee) = (book.listing.maker_fee, book.listing.taker_fee);
            let opposite = if order.entry.book_side() == BookSide::Bid { &mut book.asks } else { &mut book.bids };
            let Some((&place, &resting)) = opposite.first_key_value() else { break };
            let price = resting.price;
            let crosses = if order.entry.book_side() == BookSide::Bid { price <= limit } else { price >= limit };
            let own = order.entry.book_price(price);
            let affordable = budget / order.fee_rate.hold_per_contract(own).micros();
            let n = wanted.min(resting.remaining).min(u32::try_from(affordable).unwrap_or(u32::MAX));
            if !crosses || n == 0 {
                break;
            }
            let left = resting.remaining - n;
            if left == 0 {
                opposite.remove(&place);
            } else {
                opposite.insert(place, Resting { remaining: left, ..resting });
            }
            self.counter += 1;
            let party = |id, order: &NewOrder, rate: FeeRate| Party {
                order: id,
                account: order.account,
                entry: order.entry,
                fee: rate.fee(price, quantity(n)),
            };
            let trade = Trade {
                id: TradeId::compose(self.map.of_market(order.market), self.counter),
                market: order.market,
                price,
                quantity: quantity(n),
                maker: party(resting.id, &resting.order, maker_fee),
                taker: party(id, order, taker_fee),
                maker_remaining: quantity(left),
            };
            let (cost, fee) = (trade.notional(&trade.taker).micros(), trade.taker.fee.micros());
            match order.entry.side() {
                Side::Buy => (taken.spent, budget) = (taken.spent + cost + fee, budget.saturating_sub(cost + fee)),
                Side::Sell => taken.received += cost - fee,
            }
            self.give(order, n, false);
            self.give(&resting.order, n, true);
            let maker = self.orders.get_mut(&resting.id).unwrap();
            maker.filled += n;
            maker.status = if left == 0 { Status::Filled } else { Status::PartiallyFilled };
            told.settle(maker_settlement(&resting, &trade, n));
            taken.touched.push(resting.order.account);
            taken.trades.push(Event::Traded(trade));
            (wanted, taken.filled) = (wanted - n, taken.filled + n);
        }
        taken
    }

    /// After the matching: what is left rests or ends, and the taker's own settlement.
    fn placed(&mut self, told: &mut Telling, id: OrderId, order: NewOrder, price: Price, taken: &Taken) {
        let filled = taken.filled;
        let total = if matches!(order.terms, Terms::Budget { .. }) { filled } else { asked(&order) };
        let status = status_of(order.terms.time_in_force().rests(), filled, total);
        let cancel_reason = (status == Status::Cancelled).then_some(CancelReason::TimeInForce);
        self.note(id, &order, total, filled, status);
        let row = self.orders.get_mut(&id).unwrap();
        (row.price, row.cancel_reason) = (order.entry.book_price(price), cancel_reason);
        told.market.push(Event::OrderPlaced(OrderPlaced {
            id,
            order,
            price,
            quantity: quantity(total),
            filled: quantity(filled),
            status,
            cancel_reason,
        }));
        let remaining = if status.is_live() { total - filled } else { 0 };
        self.settle_taker(told, Resting { id, order, price, remaining }, order.hold().micros(), taken);
    }

    /// What comes of an order that took: its remainder rests, its wallet is settled. `held` is what it held before.
    fn settle_taker(&mut self, told: &mut Telling, left: Resting, held: i64, taken: &Taken) {
        let (order, ended) = (left.order, left.remaining == 0);
        if !ended {
            self.rest(left);
        }
        let released = held - taken.spent - left.hold(left.remaining);
        if ended || (taken.spent, released, taken.received) != (0, 0, 0) {
            let reason = if taken.filled == 0 { SettlementReason::Release } else { SettlementReason::Trade };
            let settled = settlement(&order, Some(left.id), reason, taken.spent, released, taken.received);
            told.settle(Settlement { ended, ..settled });
        }
    }

    fn rest(&mut self, resting: Resting) {
        let order = resting.order;
        if order.entry.side() == Side::Sell {
            *self.reserved(&order) += i64::from(resting.remaining);
        }
        self.counter += 1;
        let place = place(&resting, self.counter);
        self.side(&resting).insert(place, resting);
    }

    /// Where in its book an order rests.
    fn side(&mut self, resting: &Resting) -> &mut BTreeMap<(u16, u64), Resting> {
        let book = self.markets.get_mut(&resting.order.market).unwrap();
        match resting.order.entry.book_side() {
            BookSide::Bid => &mut book.bids,
            BookSide::Ask => &mut book.asks,
        }
    }

    fn redeem(&mut self, told: &mut Telling, market: MarketId, mut touched: Vec<AccountId>) {
        touched.sort();
        touched.dedup();
        for account in touched {
            let position = self.positions.entry((market, account)).or_default();
            let pairs = (position.yes - position.yes_reserved).min(position.no - position.no_reserved);
            if pairs > 0 {
                position.yes -= pairs;
                position.no -= pairs;
                told.market.push(Event::PairsRedeemed { market, account, pairs: pairs.cast_unsigned() });
                told.settle(Settlement {
                    account,
                    market,
                    order: None,
                    reason: SettlementReason::Redemption,
                    spent: Credits::ZERO,
                    released: Credits::ZERO,
                    received: Credits::whole(pairs),
                    ended: false,
                });
            }
        }
    }

    /// Contracts move to a buyer or from a seller.
    fn give(&mut self, order: &NewOrder, n: u32, resting: bool) {
        let n = i64::from(n);
        let position = self.positions.entry((order.market, order.account)).or_default();
        let (held, reserved) = match order.entry.contract() {
            Contract::Yes => (&mut position.yes, &mut position.yes_reserved),
            Contract::No => (&mut position.no, &mut position.no_reserved),
        };
        match order.entry.side() {
            Side::Buy => *held += n,
            Side::Sell => {
                *held -= n;
                *reserved -= if resting { n } else { 0 };
            }
        }
    }

    fn reserved(&mut self, order: &NewOrder) -> &mut i64 {
        let position = self.positions.entry((order.market, order.account)).or_default();
        match order.entry.contract() {
            Contract::Yes => &mut position.yes_reserved,
            Contract::No => &mut position.no_reserved,
        }
    }

    fn free(&self, market: MarketId, account: AccountId, contract: Contract) -> i64 {
        let position = self.positions.get(&(market, account)).copied().unwrap_or_default();
        match contract {
            Contract::Yes => position.yes - position.yes_reserved,
            Contract::No => position.no - position.no_reserved,
        }
    }

    fn note(&mut self, id: OrderId, order: &NewOrder, quantity: u32, filled: u32, status: Status) {
        let (account, market) = (order.account, order.market);
        let (price, cancel_reason) = (order.terms.limit(), None);
        self.orders.insert(id, Order { account, market, quantity, filled, status, price, cancel_reason });
    }

    /// Spreads a command's events over the shards that tell them.
    fn tell(&mut self, told: Telling) -> Vec<Told> {
        let Telling { command, there, funded, message, mut market, settlements } = told;
        let mut outcomes = Vec::new();
        if let Some((home, event)) = funded {
            match message {
                None => market.insert(0, event),
                Some(message) => {
                    let number = self.number(home, there);
                    let sent = Event::Sent { to: there, number, message };
                    outcomes.push(Told { shard: home, command, events: vec![event, sent] });
                    market.insert(0, Event::Received { from: home, number });
                }
            }
        }
        let mut away: BTreeMap<Shard, Vec<Settlement>> = BTreeMap::new();
        for settlement in settlements {
            let wallet = self.wallets.get_mut(&settlement.account).unwrap();
            wallet.available += (settlement.released + settlement.received).micros();
            wallet.held -= (settlement.spent + settlement.released).micros();
            wallet.live_orders -= i64::from(settlement.ended);
            match self.map.of_account(settlement.account) {
                home if home == there => market.push(Event::Settled(settlement)),
                home => away.entry(home).or_default().push(settlement),
            }
        }
        let mut receipts = Vec::new();
        for (home, settlements) in away {
            let number = self.number(there, home);
            market.push(Event::Sent { to: home, number, message: Message::Settle(settlements.clone()) });
            let mut events = vec![Event::Received { from: there, number }];
            events.extend(settlements.into_iter().map(Event::Settled));
            receipts.push(Told { shard: home, command, events });
        }
        outcomes.push(Told { shard: there, command, events: market });
        outcomes.extend(receipts);
        outcomes
    }

    fn number(&mut self, from: Shard, to: Shard) -> u64 {
        let number = self.sent.entry((from.number(), to.number())).or_default();
        *number += 1;
        *number
    }
}

/// What one command leads to, before it is spread over shards.
struct Telling {
    command: CommandId,
    there: Shard,
    funded: Option<(Shard, Event)>,
    message: Option<Message>,
    market: Vec<Event>,
    settlements: Vec<Settlement>,
}

impl Telling {
    fn new(command: CommandId, there: Shard) -> Self {
        Self { command, there, funded: None, message: None, market: Vec::new(), settlements: Vec::new() }
    }

    fn settle(&mut self, settlement: Settlement) {
        self.settlements.push(settlement);
    }
}

fn settlement(
    order: &NewOrder,
    id: Option<OrderId>,
    reason: SettlementReason,
    spent: i64,
    released: i64,
    received: i64,
) -> Settlement {
    Settlement {
        account: order.account,
        market: order.market,
        order: id,
        reason,
        spent: Credits(spent),
        released: Credits(released),
        received: Credits(received),
        ended: false,
    }
}

fn maker_settlement(resting: &Resting, trade: &Trade, n: u32) -> Settlement {
    let (cost, fee) = (trade.notional(&trade.maker).micros(), trade.maker.fee.micros());
    let (spent, released, received) = match resting.order.entry.side() {
        Side::Buy => (cost + fee, resting.hold(n) - cost - fee, 0),
        Side::Sell => (0, 0, cost - fee),
    };
    let settled = settlement(&resting.order, Some(resting.id), SettlementReason::Trade, spent, released, received);
    Settlement { ended: trade.maker_remaining.is_zero(), ..settled }
}

/// By rank of price, then arrival.
fn place(resting: &Resting, arrival: u64) -> (u16, u64) {
    match resting.order.entry.book_side() {
        BookSide::Bid => (resting.price.complement().ticks(), arrival),
        BookSide::Ask => (resting.price.ticks(), arrival),
    }
}

fn status_of(rests: bool, filled: u32, total: u32) -> Status {
    match (rests && filled < total, filled) {
        (true, 0) => Status::Active,
        (true, _) => Status::PartiallyFilled,
        (false, n) if n == total && n > 0 => Status::Filled,
        (false, _) => Status::Cancelled,
    }
}

/// What an order took on its way in.
#[derive(Default)]
struct Taken {
    trades: Vec<Event>,
    filled: u32,
    spent: i64,
    received: i64,
    touched: Vec<AccountId>,
}

fn asked(order: &NewOrder) -> u32 {
    match order.terms {
        Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => quantity.contracts(),
        Terms::Budget { .. } => 0,
    }
}

fn quantity(contracts: u32) -> Quantity {
    Quantity::new(contracts).unwrap()
}
