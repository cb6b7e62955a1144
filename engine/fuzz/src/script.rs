//! Bytes as a script of commands: every sequence of bytes is one, and near sequences are near scripts. Few accounts, two markets and few
//! prices, so that orders meet.

use schemas::market::YesValue;
use schemas::{
    AccountId, AccountLimits, AdminId, Answer, ApiKey, ApiKeyId, ClientId, Command, Credits, Entry, Event, FeeRate,
    Instructions, Listing, MarketId, MarketLimits, NewOrder, OrderId, OrderRef, PostOnly, Price, Quantity, Request,
    Scopes, SelfTrade, Terms, TimeInForce, Timestamp, Transition,
};

/// Commands of one script, so that a run is bounded.
const COMMANDS_MAX: usize = 400;

pub struct Script<'a> {
    bytes: &'a [u8],
    /// What comes before the bytes: accounts with credits, and open markets.
    setup: std::vec::IntoIter<Command>,
    orders: Vec<OrderId>,
    left: usize,
}

impl<'a> Script<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut setup = Vec::new();
        for account in 1..=3 {
            let key = ApiKey { id: ApiKeyId(account), hash: [0; 32], scopes: Scopes::READ_TRADE };
            let account = AccountId(account);
            setup.push(Command::OpenAccount { account, key });
            setup.push(Command::Deposit { account, amount: Credits::whole(100), client_id: None });
        }
        for number in 0..2 {
            let listing = listing(number);
            let market = listing.market;
            setup.push(Command::CreateMarket(listing));
            setup.push(Command::ChangeMarket { market, by: AdminId(1), transition: Transition::Open });
        }
        Self { bytes, setup: setup.into_iter(), orders: Vec::new(), left: COMMANDS_MAX }
    }

    /// The next command and how many milliseconds later it comes; `None` at the end. `told` is what the one before led to.
    pub fn next(&mut self, told: &[Event]) -> Option<(u64, Command)> {
        self.orders.extend(told.iter().filter_map(|event| match event {
            Event::OrderPlaced(placed) => Some(placed.id),
            _ => None,
        }));
        if let Some(command) = self.setup.next() {
            return Some((0, command));
        }
        self.left = self.left.checked_sub(1)?;
        let kind = self.byte()?;
        let wait = [0, 1, 7, 1_000][usize::from(kind >> 6)];
        Some((wait, self.command(kind & 63)))
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    /// Below `n`; 0 when the bytes have ended.
    fn below(&mut self, n: u8) -> u8 {
        self.byte().unwrap_or(0) % n
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn command(&mut self, kind: u8) -> Command {
        let account = self.account();
        match kind {
            0..=29 => Command::PlaceOrder(self.new_order(account)),
            30..=35 => Command::CancelOrder { account, order: self.order() },
            36..=42 => {
                let (order, price, quantity) = (self.order(), self.price_change(), self.quantity_change());
                Command::AmendOrder { account, order, price, quantity }
            }
            43..=48 => {
                let (all_or_nothing, count) = (self.flag(), self.below(5));
                let requests = (0..count).map(|_| self.request(account)).collect();
                Command::Batch { account, all_or_nothing, requests }
            }
            49 => Command::MassCancel { account, market: self.flag().then(|| self.market()) },
            50 => Command::SetDeadManSwitch { account, timeout_s: self.flag().then(|| u32::from(self.below(4))) },
            51 => Command::FreezeAccount { account, by: AdminId(1) },
            52 => Command::UnfreezeAccount { account, by: AdminId(1) },
            53 => {
                let (live_orders, held) = (u32::from(self.below(8)), Credits::whole(i64::from(self.below(100))));
                Command::LimitAccount { account, limits: AccountLimits { live_orders, held } }
            }
            54 => Command::LimitMarket { market: self.market(), limits: self.limits() },
            55 => {
                let amount = Credits::whole(i64::from(self.below(60)));
                Command::Transfer { from: account, to: self.account(), amount, client_id: self.client_id() }
            }
            56 => Command::Withdraw {
                account,
                amount: Credits(i64::from(self.below(200)) * 99_999),
                client_id: self.client_id(),
            },
            57..=59 => {
                let by = AdminId(1 + u64::from(self.below(2)));
                Command::ChangeMarket { market: self.market(), by, transition: self.transition() }
            }
            _ => Command::AdvanceTime,
        }
    }

    /// One more than there are, so that some are unknown.
    fn account(&mut self) -> AccountId {
        AccountId(1 + u64::from(self.below(4)))
    }

    fn market(&mut self) -> MarketId {
        listing(self.below(3)).market
    }

    fn order(&mut self) -> OrderRef {
        let number = usize::from(self.below(64));
        match self.orders.len() {
            0 => OrderRef::ClientId(ClientId(1)),
            count => OrderRef::Id(self.orders[count - 1 - number % count]),
        }
    }

    fn client_id(&mut self) -> Option<ClientId> {
        Some(self.below(16)).filter(|id| *id < 6).map(|id| ClientId(u128::from(id)))
    }

    fn price(&mut self) -> Price {
        let ticks = [1, 4_700, 4_800, 4_900, 5_000, 5_100, 5_200, 5_300, 9_999, 4_950][usize::from(self.below(10))];
        Price::new(ticks).expect("a price")
    }

    fn quantity(&mut self) -> Quantity {
        Quantity::new(u32::from(self.below(24))).expect("a quantity")
    }

    fn price_change(&mut self) -> Option<Price> {
        self.flag().then(|| self.price())
    }

    fn quantity_change(&mut self) -> Option<Quantity> {
        self.flag().then(|| self.quantity())
    }

    fn time(&mut self) -> Timestamp {
        Timestamp(u64::from(self.below(64)) * 500)
    }

    fn limits(&mut self) -> MarketLimits {
        if self.flag() {
            return MarketLimits::NONE;
        }
        let (live_orders, notional) = (u32::from(self.below(5)), Credits::whole(i64::from(self.below(40))));
        MarketLimits { live_orders, notional, position: u64::from(self.below(60)) }
    }

    fn transition(&mut self) -> Transition {
        let answer = match self.below(3) {
            0 => Answer::Void,
            1 => Answer::Value(YesValue::YES),
            _ => Answer::Value(YesValue::new(2_500).expect("a quarter")),
        };
        match self.below(8) {
            0 => Transition::Open,
            1 => Transition::Pause { cancel_only: self.flag() },
            2 | 3 => Transition::Resume,
            4 => Transition::Close,
            5 | 6 => Transition::Resolve { answer },
            _ => Transition::Confirm { answer },
        }
    }

    fn request(&mut self, account: AccountId) -> Request {
        match self.below(4) {
            0 => Request::Cancel(self.order()),
            1 => Request::Amend { order: self.order(), price: self.price_change(), quantity: self.quantity_change() },
            _ => Request::Place(self.new_order(account)),
        }
    }

    fn new_order(&mut self, account: AccountId) -> NewOrder {
        let entry = Entry::ALL[usize::from(self.below(4))];
        let terms = match self.below(8) {
            0 => Terms::Market { quantity: self.quantity(), worst_price: self.price() },
            1 => Terms::Budget { budget: Credits(i64::from(self.below(250)) * 40_001) },
            _ => self.limit_terms(),
        };
        let self_trade = SelfTrade::ALL[usize::from(self.below(5))];
        let deadline = (self.below(10) == 1).then(|| self.time());
        let instructions = Instructions { self_trade, deadline, cancel_on_pause: self.below(5) == 1 };
        let (market, client_id) = (self.market(), self.client_id());
        let fee_rate = FeeRate::new(70_000).expect("a rate");
        NewOrder { account, market, entry, terms, fee_rate, client_id, instructions }
    }

    fn limit_terms(&mut self) -> Terms {
        let time_in_force = match self.below(8) {
            0 => TimeInForce::Ioc,
            1 => TimeInForce::Fok,
            2 => TimeInForce::Gtd { expires: self.time() },
            _ => TimeInForce::Gtc,
        };
        let post_only = [PostOnly::Off, PostOnly::Off, PostOnly::Off, PostOnly::Reject, PostOnly::Reprice]
            [usize::from(self.below(5))];
        Terms::Limit { price: self.price(), quantity: self.quantity(), time_in_force, post_only }
    }
}

fn listing(number: u8) -> Listing {
    let ticker: schemas::text::Ticker = format!("MARKET-{number}").parse().expect("a ticker");
    Listing {
        market: MarketId::of(&ticker),
        ticker,
        question: "Does it hold?".parse().expect("a question"),
        expiry: Timestamp(30_000),
        tick: if number == 0 { 100 } else { 1 },
        maker_fee: FeeRate::new(10_000).expect("a rate"),
        taker_fee: FeeRate::new(70_000).expect("a rate"),
        dispute_window_ms: if number == 0 { 0 } else { 3_000 },
        limits: MarketLimits::NONE,
    }
}
