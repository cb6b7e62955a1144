//! Interprets bytes as a script of commands and deliveries: every sequence of bytes is one, and
//! similar sequences are similar scripts. Few accounts, few markets and few prices, so that orders
//! meet, and few credits, so that purses ask.

mod rights;

use schemas::limits::{DEPOSIT_ALONE_MAX, MARKET_KEPT_MS};
use schemas::market::YesValue;
use schemas::shard_map::ShardMap;
use schemas::{
    About, AccountId, AccountLimits, AdminId, ApiKey, ApiKeyId, BatchRequest, ClientId, Command, Credits, Entry,
    FeeRate, GroupAct, GroupId, GroupLimits, Instructions, Listing, MarketAddition, MarketEdit, MarketEvent,
    MarketEventId, MarketId, MarketLimits, NewOrder, OrderId, OrderRef, PostOnly, Price, ProposalId, Quantity,
    ResolutionAnswer, Scopes, SelfTrade, Shard, Tags, Terms, TimeInForce, Timestamp, Transition,
};

/// The maximum number of commands of one script, so that a run is bounded.
const COMMANDS_MAX: usize = 400;

/// The byte for a deposit by two admins.
const DEPOSIT_KIND: u8 = 0xf5;

/// The byte for a wait so long that paid-out markets are archived.
const LEAP_KIND: u8 = 0xf6;

/// The byte for a market's description.
const ABOUT_KIND: u8 = 0xfe;

/// The byte for an action on a group of an account's orders.
const GROUP_KIND: u8 = 0xfd;

/// The byte for a key or an admin.
const RIGHTS_KIND: u8 = 0xfc;

/// The first deposit of each account: worth a few orders.
const DEPOSIT: Credits = Credits::whole(40);

/// The next step of a script.
pub enum Step {
    /// Sends a command to the shard that decides it.
    Ask(Command),
    /// Sends a command to this shard, whether it decides it or not.
    Astray(Shard, Command),
    /// A shard does what is due.
    Advance(Shard),
    /// All other shards receive what this shard has sent.
    Deliver(Shard),
    /// All other shards acknowledge to this shard what they have received.
    Acknowledge(Shard),
}

pub struct Script<'a> {
    bytes: &'a [u8],
    /// The commands before the script: accounts with credits, and open markets.
    setup: std::vec::IntoIter<Command>,
    /// Two with the first shard as home, one on each other shard, and one that was never opened.
    accounts: Vec<AccountId>,
    /// One on each shard, and one that was never listed.
    markets: Vec<MarketId>,
    shards: u16,
    left: usize,
}

impl<'a> Script<'a> {
    pub fn new(bytes: &'a [u8], map: ShardMap) -> Self {
        let accounts = accounts(map);
        let listings = listings(map);
        let mut setup = Vec::new();
        for &account in &accounts {
            let key = ApiKey::with_secret(ApiKeyId(account.0), [0; 32], Scopes::READ_TRADE);
            setup.push(Command::OpenAccount { account, key });
            setup.push(Command::Deposit { account, amount: DEPOSIT, client_id: None, by: AdminId(1) });
        }
        setup.push(Command::CreateMarketEvent { event: event(true), by: AdminId(1) });
        for listing in &listings {
            let market = listing.market;
            setup.push(Command::CreateMarket { listing: listing.clone(), by: AdminId(1) });
            setup.push(Command::ChangeMarket { market, by: AdminId(1), transition: Transition::Open });
        }
        let accounts = accounts.into_iter().chain([AccountId(u64::from(u32::MAX))]).collect();
        let markets = listings.iter().map(|listing| listing.market).chain([MarketId(1)]).collect();
        Self { bytes, setup: setup.into_iter(), accounts, markets, shards: map.shards(), left: COMMANDS_MAX }
    }

    /// Returns the next step and how many milliseconds later it comes; `None` at the end. `orders`
    /// are those accepted so far.
    pub fn next(&mut self, orders: &[OrderId]) -> Option<(u64, Step)> {
        if let Some(command) = self.setup.next() {
            return Some((0, Step::Ask(command)));
        }
        self.left = self.left.checked_sub(1)?;
        let kind = self.byte()?;
        let wait = [0, 1, 7, 1_000][usize::from(kind >> 6)];
        if kind == DEPOSIT_KIND {
            return Some((0, Step::Ask(self.deposit())));
        }
        if kind == LEAP_KIND {
            return Some((MARKET_KEPT_MS, Step::Advance(self.shard())));
        }
        if kind == GROUP_KIND {
            return Some((0, Step::Ask(self.group())));
        }
        if kind == RIGHTS_KIND {
            return Some((0, Step::Ask(self.rights())));
        }
        if kind == ABOUT_KIND {
            return Some((0, Step::Ask(self.about())));
        }
        Some(match kind & 63 {
            // Sometimes long enough for idle purses to return their credits.
            54 => (wait * 60 * u64::from(self.below(12)), Step::Advance(self.shard())),
            55 => (wait, Step::Advance(self.shard())),
            56..=61 => (wait, Step::Deliver(self.shard())),
            62 => (wait, Step::Acknowledge(self.shard())),
            63 => {
                let (at, kind) = (self.shard(), self.below(54));
                (wait, Step::Astray(at, self.command(kind, orders)))
            }
            kind => (wait, Step::Ask(self.command(kind, orders))),
        })
    }

    /// A deposit that needs a second admin, its confirmation, or its end.
    fn deposit(&mut self) -> Command {
        let account = self.account();
        let (kind, by) = (self.below(4), AdminId(1 + u64::from(self.below(2))));
        let (amount, shard) = (Credits(DEPOSIT_ALONE_MAX + 1), self.shard());
        let proposal = ProposalId::compose(shard, 1 + u64::from(self.below(3)));
        match kind {
            0 | 1 => Command::Deposit { account, amount, client_id: self.client_id(), by },
            2 => Command::ConfirmDeposit { proposal, account, amount, by },
            _ => Command::DropDeposit { proposal, by },
        }
    }

    fn group(&mut self) -> Command {
        let (account, group) = (self.account(), GroupId::new(1 + u16::from(self.below(2))).expect("it is not 0"));
        let limits = GroupLimits::new(1 + u32::from(self.below(40)), 1 + self.below(4)).expect("limits");
        let act = match self.below(10) {
            0..=3 => GroupAct::Make(limits),
            4 => GroupAct::Change(limits),
            5 => GroupAct::Trigger,
            6..=8 => GroupAct::Reset,
            _ => GroupAct::Delete,
        };
        Command::ActOnGroup { account, group, act }
    }

    /// Changes a market's description, or adds to it.
    fn about(&mut self) -> Command {
        let (market, kind, by) = (self.market(), self.below(8), AdminId(1));
        let tag = format!("tag-{}", self.below(14)).parse().expect("a label");
        let tags = Tags::new(vec![tag]).expect("one tag");
        let mut edit = MarketEdit::default();
        match kind {
            0 => edit.tags = Some(tags),
            1 => edit.opens = Some(self.flag().then(|| self.time())),
            2 => edit.expiry = Some(self.time()),
            3 => edit.event = Some(self.flag().then(event_id)),
            4 => {
                let addition = MarketAddition { tags, ..MarketAddition::default() };
                return Command::AddToMarket { market, addition: Box::new(addition), by };
            }
            5 => {
                let clarification = Some("It does.".parse().expect("a legal text"));
                let addition = MarketAddition { clarification, ..MarketAddition::default() };
                return Command::AddToMarket { market, addition: Box::new(addition), by };
            }
            6 => {
                let listing = Listing { opens: Some(self.time()), expiry: self.time(), ..listing(20 + self.below(8)) };
                return Command::CreateMarket { listing, by };
            }
            _ => return Command::CreateMarketEvent { event: event(self.flag()), by },
        }
        Command::EditMarket { market, edit: Box::new(edit), by }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    /// Returns a number below `n`; 0 when the bytes have ended.
    fn below(&mut self, n: u8) -> u8 {
        self.byte().unwrap_or(0) % n
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn command(&mut self, kind: u8, orders: &[OrderId]) -> Command {
        let account = self.account();
        match kind {
            0..=25 => {
                let market = self.market();
                Command::PlaceOrder(self.new_order(account, market))
            }
            26..=31 => Command::CancelOrder { account, order: self.order(orders) },
            32..=37 => {
                let (order, price, quantity) = (self.order(orders), self.price_change(), self.quantity_change());
                Command::AmendOrder { account, order, price, quantity }
            }
            38..=42 => {
                let (all_or_nothing, count, market) = (self.flag(), self.below(5), self.market());
                let requests = (0..count).map(|_| self.request(account, market, orders)).collect();
                Command::Batch { account, all_or_nothing, requests }
            }
            43 => Command::MassCancel { account, market: self.flag().then(|| self.market()) },
            44 => Command::SetDeadManSwitch { account, timeout_s: self.flag().then(|| u32::from(self.below(4))) },
            45 => Command::FreezeAccount { account, by: AdminId(1) },
            46 => Command::UnfreezeAccount { account, by: AdminId(1) },
            47 => {
                let (live_orders, held) = (u32::from(self.below(8)), Credits::whole(i64::from(self.below(50))));
                Command::LimitAccount { account, limits: AccountLimits { live_orders, held }, by: AdminId(1) }
            }
            48 => Command::LimitMarket { market: self.market(), limits: self.limits(), by: AdminId(1) },
            49 => {
                let amount = Credits::whole(i64::from(self.below(60)));
                Command::Transfer { from: account, to: self.account(), amount, client_id: self.client_id() }
            }
            50 => {
                let amount = Credits(i64::from(self.below(200)) * 199_999);
                Command::Withdraw { account, amount, client_id: self.client_id(), by: AdminId(1) }
            }
            _ => {
                let by = AdminId(1 + u64::from(self.below(2)));
                Command::ChangeMarket { market: self.market(), by, transition: self.transition() }
            }
        }
    }

    fn shard(&mut self) -> Shard {
        let number = u16::from(self.byte().unwrap_or(0)) % self.shards;
        Shard::new(number).expect("below the number of shards")
    }

    fn account(&mut self) -> AccountId {
        let number = usize::from(self.byte().unwrap_or(0));
        self.accounts[number % self.accounts.len()]
    }

    fn market(&mut self) -> MarketId {
        let number = usize::from(self.byte().unwrap_or(0));
        self.markets[number % self.markets.len()]
    }

    /// Returns one of the last accepted orders, or a client id that may name one, parked or not.
    fn order(&mut self, orders: &[OrderId]) -> OrderRef {
        let number = usize::from(self.below(64));
        match orders.len() {
            count if count == 0 || number >= 48 => {
                OrderRef::ClientId { market: self.market(), client_id: ClientId(u128::from(self.below(6))) }
            }
            count => OrderRef::Id(orders[count - 1 - number % count]),
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
        let answer = match self.below(6) {
            0 => ResolutionAnswer::Void,
            1 => ResolutionAnswer::Value(YesValue::new(2_500).expect("a quarter")),
            _ => ResolutionAnswer::Value(YesValue::YES),
        };
        match self.below(9) {
            0 => Transition::Open,
            1 => Transition::Pause { cancel_only: self.flag() },
            2 | 3 => Transition::Resume,
            4 => Transition::Close,
            5 | 6 => Transition::Resolve { answer },
            _ => Transition::Confirm { answer },
        }
    }

    fn request(&mut self, account: AccountId, market: MarketId, orders: &[OrderId]) -> BatchRequest {
        match self.below(8) {
            0 | 1 => BatchRequest::Cancel(self.order(orders)),
            2 | 3 => {
                let (order, price, quantity) = (self.order(orders), self.price_change(), self.quantity_change());
                BatchRequest::Amend { order, price, quantity }
            }
            4 => {
                let elsewhere = self.market();
                BatchRequest::Place(self.new_order(account, elsewhere))
            }
            _ => BatchRequest::Place(self.new_order(account, market)),
        }
    }

    fn new_order(&mut self, account: AccountId, market: MarketId) -> NewOrder {
        let entry = Entry::ALL[usize::from(self.below(4))];
        let terms = match self.below(8) {
            0 => Terms::Market { quantity: self.quantity(), worst_price: self.price() },
            1 => Terms::Budget { budget: Credits(i64::from(self.below(250)) * 40_001) },
            _ => self.limit_terms(),
        };
        let self_trade = SelfTrade::ALL[usize::from(self.below(5))];
        let deadline = (self.below(10) == 1).then(|| self.time());
        let flags = self.byte().unwrap_or(0);
        let (cancel_on_pause, reduce_only) = (flags % 15 % 5 == 1, flags % 15 / 5 == 1);
        let group = if flags >= 240 { GroupId::new(1 + u16::from(flags) % 2) } else { None };
        let instructions = Instructions { self_trade, deadline, cancel_on_pause, reduce_only, group };
        let client_id = self.client_id();
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

/// Two with the first shard as home, and one on each other shard.
fn accounts(map: ShardMap) -> Vec<AccountId> {
    let mut wanted = vec![1; usize::from(map.shards())];
    wanted[0] = 2;
    let ids = (1..1_000).map(AccountId);
    ids.filter(|id| take(&mut wanted, map.of_account(*id))).collect()
}

const EVENT: &str = "final";

fn event_id() -> MarketEventId {
    MarketEventId::of(&EVENT.parse().expect("a label"))
}

/// The only market event, which all markets of events belong to.
fn event(exclusive: bool) -> Box<MarketEvent> {
    let (name, title) = (EVENT.parse().expect("a label"), "Which one?".parse().expect("a legal text"));
    Box::new(MarketEvent { id: event_id(), name, title, exclusive })
}

/// One on each shard.
fn listings(map: ShardMap) -> Vec<Listing> {
    let mut wanted = vec![1; usize::from(map.shards())];
    let all = (0..100).map(listing);
    all.filter(|listing| take(&mut wanted, map.of_market(listing.market))).collect()
}

fn take(wanted: &mut [usize], shard: Shard) -> bool {
    let left = &mut wanted[shard.index()];
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

fn listing(number: u8) -> Listing {
    let ticker: schemas::text::Ticker = format!("MARKET-{number}").parse().expect("a ticker");
    let first = number == 0;
    Listing {
        market: MarketId::of(&ticker),
        ticker,
        about: About::plain("Does it hold?", "YES if it does.", "tests").expect("legal texts").into(),
        opens: None,
        expiry: Timestamp(if first { 30_000 } else { 4_000_000 }),
        tick: if first { 100 } else { 1 },
        maker_fee: FeeRate::new(10_000).expect("a rate"),
        taker_fee: FeeRate::new(70_000).expect("a rate"),
        dispute_window_ms: if first { 0 } else { 3_000 },
        limits: MarketLimits::NONE,
    }
}
