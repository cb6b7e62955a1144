//! Short logs for tests: two accounts with home shard 1 of 2, which trade in a market on shard 0.

use schemas::event::{OrderPlaced, Party, Trade};
use schemas::{
    About, AccountId, AdminId, Cause, CommandId, Credits, Entry, Event, FeeRate, Instructions, Listing, MarketId,
    MarketLimits, Message, NewOrder, OrderId, Outcome, PostOnly, Price, Quantity, Room, Settlement, SettlementReason,
    Shard, Status, Terms, TimeInForce, Timestamp, TradeId,
};

use super::Fold;

pub const ALICE: AccountId = AccountId(1);
pub const BOB: AccountId = AccountId(2);
pub const MARKET: MarketId = MarketId(4);

/// The market's shard.
pub const THERE: u16 = 0;
/// The home shard of both accounts.
pub const HOME: u16 = 1;

/// Outcomes, each with the shard that records it.
pub type Story = Vec<(u16, Vec<Event>)>;

pub fn shard(number: u16) -> Shard {
    Shard::new(number).unwrap()
}

pub fn quantity(contracts: u32) -> Quantity {
    Quantity::new(contracts).unwrap()
}

pub fn order(account: AccountId, entry: Entry, ticks: u16, contracts: u32) -> NewOrder {
    let terms = Terms::Limit {
        price: Price::new(ticks).unwrap(),
        quantity: quantity(contracts),
        time_in_force: TimeInForce::Gtc,
        post_only: PostOnly::Off,
    };
    let instructions = Instructions::default();
    NewOrder { account, market: MARKET, entry, terms, fee_rate: FeeRate::ZERO, client_id: None, instructions }
}

pub fn placed(id: u64, order: NewOrder, filled: u32, status: Status) -> Event {
    let Terms::Limit { quantity: asked, price, .. } = order.terms else { unreachable!() };
    Event::OrderPlaced(OrderPlaced {
        id: OrderId(id),
        order,
        price: order.entry.book_price(price),
        quantity: asked,
        filled: quantity(filled),
        status,
        cancel_reason: None,
    })
}

pub fn trade(contracts: u32, left: u32) -> Event {
    let party = |order, account, entry| Party { order: OrderId(order), account, entry, fee: Credits::ZERO };
    Event::Traded(Trade {
        id: TradeId(7),
        market: MARKET,
        price: Price::new(6_000).unwrap(),
        quantity: quantity(contracts),
        maker: party(1, ALICE, Entry::BuyYes),
        taker: party(2, BOB, Entry::BuyNo),
        maker_remaining: quantity(left),
    })
}

fn listing() -> Event {
    Event::MarketCreated {
        listing: Listing {
            market: MARKET,
            ticker: "RAIN".parse().unwrap(),
            about: About::plain("Rain?", "YES if it does.", "tests").unwrap().into(),
            opens: None,
            expiry: Timestamp(1),
            tick: 1,
            maker_fee: FeeRate::ZERO,
            taker_fee: FeeRate::ZERO,
            dispute_window_ms: 0,
            limits: MarketLimits::NONE,
        },
        by: AdminId(1),
    }
}

/// Returns the settlement of what an order spends.
fn spent(account: AccountId, order: u64, spent: i64) -> Event {
    let (order, reason, zero) = (Some(OrderId(order)), SettlementReason::Trade, Credits::ZERO);
    let spent = Credits(spent);
    Event::Settled(Settlement { account, market: MARKET, order, reason, spent, released: zero, received: zero })
}

/// The home shard sends credits to the account's purse on the market's shard, in its `number`-th
/// message.
pub fn funded(account: AccountId, credits: Credits, number: u64) -> (u16, Vec<Event>) {
    let (to, room) = (shard(THERE), Room::ALL);
    let message = Message::Fund { account, credits, room, refused: None };
    (HOME, vec![Event::PurseSent { account, to, credits, room }, Event::Sent { to, number, message }])
}

/// The purse receives the credits.
pub fn received(account: AccountId, credits: Credits, number: u64) -> (u16, Vec<Event>) {
    let (from, room) = (shard(HOME), Room::ALL);
    (THERE, vec![Event::Received { from, number }, Event::PurseReceived { account, from, credits, room }])
}

/// Alice and Bob with 10 credits each, 8 of them on the market's shard, before any order.
pub fn opened() -> Story {
    let mut story = vec![(THERE, vec![listing()])];
    for (account, number) in [(ALICE, 1), (BOB, 2)] {
        let (amount, credits) = (Credits::whole(10), Credits::whole(8));
        story.push((HOME, vec![Event::AccountOpened { account }]));
        story.push((HOME, vec![Event::Deposited { account, amount, client_id: None, by: AdminId(1), seconded: None }]));
        story.extend([funded(account, credits, number), received(account, credits, number)]);
    }
    story
}

/// A buy order of Alice that rests.
pub fn resting() -> Story {
    let mut story = opened();
    story.push((THERE, vec![placed(1, order(ALICE, Entry::BuyYes, 6_000, 10), 0, Status::Active)]));
    story
}

/// The same, and an order of Bob that takes 4 contracts of it, as its placement states, and leaves
/// `left`.
pub fn taken(left: u32) -> Story {
    let mut story = resting();
    let taker = placed(2, order(BOB, Entry::BuyNo, 4_000, 4), 4, Status::Filled);
    story.push((THERE, vec![taker, trade(4, left), spent(ALICE, 1, 2_400_000), spent(BOB, 2, 1_600_000)]));
    story
}

/// A correct match.
pub fn matched() -> Story {
    taken(6)
}

/// Folds the story, one outcome per second.
pub fn fold(story: Story) -> Fold {
    let mut fold = Fold::default();
    for (sequence, (number, events)) in (1..).zip(story) {
        let cause = Cause { offset: 0, id: CommandId(sequence.into()) };
        let outcome = Outcome { term: 0, sequence, time: Timestamp(1_000 * sequence), cause, events };
        fold.apply(shard(number), &outcome);
    }
    fold
}
