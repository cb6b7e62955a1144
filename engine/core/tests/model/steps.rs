//! A step of a random run. Its times and orders are relative to the current state, so that it stays
//! meaningful when a failing run is shortened.

use schemas::{Entry, GroupAct, MarketLimits, PostOnly, ResolutionAnswer, SelfTrade, Transition};

#[derive(Clone, Debug)]
pub enum Step {
    Place(Wish, Route),
    Cancel {
        who: u64,
        which: Which,
        route: Route,
    },
    Amend {
        who: u64,
        which: Which,
        change: Change,
        route: Route,
    },
    /// Of markets on the shard of this one.
    Batch {
        who: u64,
        market: usize,
        all_or_nothing: bool,
        items: Vec<Item>,
        route: Route,
    },
    /// A named order again, in an all-or-nothing batch, possibly of another account.
    Copy {
        who: u64,
        back: usize,
    },
    /// The same command again.
    Again {
        back: usize,
    },
    MassCancel {
        who: u64,
        market: Option<usize>,
        route: Route,
    },
    DeadMan {
        who: u64,
        seconds: Option<u32>,
        route: Route,
    },
    Freeze {
        who: u64,
        frozen: bool,
        route: Route,
    },
    LimitAccount {
        who: u64,
        live_orders: Limit,
        held: Limit,
        route: Route,
    },
    Group {
        who: u64,
        group: u16,
        act: GroupAct,
        route: Route,
    },
    SetAdmin {
        admin: SetAdmin,
        by: u64,
        route: Route,
    },
    RevokeAdmin {
        admin: u64,
        by: u64,
        route: Route,
    },
    LimitMarket {
        market: usize,
        limits: MarketLimits,
        route: Route,
    },
    Open {
        who: u64,
        key: u64,
        route: Route,
    },
    AddKey {
        who: u64,
        key: WantedKey,
        by: Option<u64>,
        route: Route,
    },
    RevokeKey {
        who: u64,
        key: u64,
        by: Option<u64>,
        route: Route,
    },
    RotateKey {
        who: u64,
        old: u64,
        key: WantedKey,
        grace_ms: u64,
        by: Option<u64>,
        route: Route,
    },
    Deposit {
        who: u64,
        amount: i64,
        name: Option<u8>,
        by: u64,
        route: Route,
    },
    /// An index into the proposed deposits, counted back from the last.
    ConfirmDeposit {
        back: usize,
        seen: SeenDeposit,
        by: u64,
        route: Route,
    },
    DropDeposit {
        back: usize,
        by: u64,
        route: Route,
    },
    Withdraw {
        who: u64,
        amount: Amount,
        name: Option<u8>,
        route: Route,
    },
    Transfer {
        who: u64,
        to: u64,
        amount: Amount,
        name: Option<u8>,
        route: Route,
    },
    /// A transfer with a client id; the client id again while the transfer is open, and after it
    /// has ended.
    Named {
        who: u64,
        to: u64,
        amount: Amount,
        name: u8,
        before: Vec<Again>,
        after: Vec<Again>,
    },
    Create {
        market: usize,
        listing: Listed,
        route: Route,
    },
    Change {
        market: usize,
        by: u64,
        transition: Transition,
        route: Route,
    },
    CreateEvent {
        event: usize,
        exclusive: bool,
        wrong_id: bool,
        route: Route,
    },
    Edit {
        market: usize,
        edit: Edited,
        route: Route,
    },
    Add {
        market: usize,
        addition: Added,
        route: Route,
    },
    /// Closed, answered by admin 1, and perhaps confirmed.
    Finish {
        market: usize,
        answer: ResolutionAnswer,
        seen: ResolutionAnswer,
        by: u64,
    },
    /// Closed, answered, confirmed, and answered again near the end of the dispute window.
    Appeal {
        market: usize,
        answer: ResolutionAnswer,
        milliseconds: u64,
    },
    /// `AdvanceTime` comes after the next command; in all other steps it is never late.
    Wait {
        milliseconds: u64,
        late: bool,
    },
    /// The broker's clock steps back for one command.
    Back {
        milliseconds: u64,
    },
    AdvanceTime {
        shard: usize,
    },
    /// A message or an acknowledgement that no shard sent, or bytes that are not a command.
    Forged {
        shard: usize,
        forgery: Forgery,
    },
}

/// An admin to set.
#[derive(Clone, Copy, Debug)]
pub struct SetAdmin {
    pub id: u64,
    /// The index of the secret; `None` keeps the admin's key.
    pub secret: Option<u8>,
    pub roles: u8,
    /// Milliseconds from now.
    pub lasts: Option<i64>,
}

/// The movement that a client id is repeated for.
#[derive(Clone, Copy, Debug)]
pub enum Again {
    Same,
    MoreCredits,
    OtherReceiver,
    Withdrawal,
    Deposit,
}

#[derive(Clone, Copy, Debug)]
pub enum Forgery {
    FromItself,
    /// With a number far ahead.
    TooEarly,
    Acknowledgement,
    Bytes,
}

/// The shard that a command is sent to: the right one, or any.
#[derive(Clone, Copy, Debug)]
pub enum Route {
    Home,
    To(usize),
}

/// Credits.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    /// Micro-credits.
    Exactly(i64),
    /// All available credits of the account, and so many micro-credits more.
    Rest(i64),
}

/// Contracts.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    Exactly(u32),
    /// As many as the account can pay for at that price, and so many more.
    Rest(u32),
}

/// A limit of an account.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    None,
    Exactly(i64),
    /// The current amount, and so much more.
    Near(i64),
}

/// An order.
#[derive(Clone, Debug)]
pub struct Wish {
    pub who: u64,
    pub market: usize,
    pub entry: Entry,
    pub kind: Kind,
    pub price: u16,
    pub quantity: Size,
    pub wait: Wait,
    pub post_only: PostOnly,
    pub self_trade: SelfTrade,
    /// Milliseconds from now.
    pub deadline: Option<i64>,
    pub cancel_on_pause: bool,
    pub reduce_only: bool,
    pub group: Option<u16>,
    pub rate: u32,
    pub name: Option<u8>,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Limit,
    Market,
    Budget(Amount),
}

#[derive(Clone, Copy, Debug)]
pub enum Wait {
    Gtc,
    /// Milliseconds from now.
    Gtd(i64),
    Ioc,
    Fok,
}

/// The order that a request means.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// One of the account's live orders, in a batch one on its shard; in a request alone, any live
    /// order, by its owner.
    Own(usize),
    /// Any order that ever existed.
    Any(usize),
    /// The client id, in this market.
    Named(u8, usize),
    /// An order of a shard that does not exist.
    Nowhere,
}

#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub price: Option<u16>,
    pub quantity: Option<Size>,
}

#[derive(Clone, Debug)]
pub enum Item {
    /// In a market of the batch's shard.
    Place(Wish),
    /// In the given market.
    Stray(Wish),
    /// For another account.
    Foreign(Wish),
    Cancel(Which),
    Amend(Which, Change),
}

#[derive(Clone, Copy, Debug)]
pub struct Listed {
    pub tick: u16,
    pub fees: (u32, u32),
    pub window: u64,
    /// Milliseconds from now.
    pub expiry: i64,
    pub limits: MarketLimits,
    pub wrong_id: bool,
    /// Milliseconds from now.
    pub opens: Option<i64>,
    pub event: Option<usize>,
    pub tags: Names,
}

/// So many names, from this one on.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    pub first: u8,
    pub count: u8,
}

impl Names {
    pub const NONE: Self = Self { first: 0, count: 0 };
}

/// The edited fields.
#[derive(Clone, Copy, Debug)]
pub struct Edited {
    pub rules: bool,
    pub tags: Option<Names>,
    pub sources: Option<Names>,
    pub event: Option<Option<usize>>,
    /// Milliseconds from now.
    pub opens: Option<Option<i64>>,
    pub expiry: Option<i64>,
}

/// The kind of addition.
#[derive(Clone, Copy, Debug)]
pub struct Added {
    pub clarified: bool,
    pub tags: Names,
    pub sources: Names,
}

/// The deposit as the confirming admin saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SeenDeposit {
    AsProposed,
    OtherAccount,
    OtherAmount,
}

/// A requested key.
#[derive(Clone, Copy, Debug)]
pub struct WantedKey {
    pub id: u64,
    pub scopes: u8,
    /// Its lifetime in milliseconds from now.
    pub lasts: Option<i64>,
    /// The markets that it is restricted to, one bit each.
    pub markets: u8,
    pub notional: Option<i64>,
}

impl WantedKey {
    /// A key that may read and trade everywhere and never expires.
    pub fn plain(id: u64) -> Self {
        Self { id, scopes: 3, lasts: None, markets: 0, notional: None }
    }
}
