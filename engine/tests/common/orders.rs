//! Live orders as the log tells them: what buys could still cost (I-5), and what still happens by itself.

use std::collections::{BTreeMap, BTreeSet};

use schemas::event::{OrderAmended, OrderPlaced};
use schemas::message::EnteredRequest;
use schemas::{
    AccountId, Credits, Entry, Event, FeeRate, MarketId, MarketState, Message, OrderId, Price, Quantity, Side,
    Timestamp,
};

/// What is due later than this after the last outcome concerns no test.
const SOON_MS: u64 = 60_000;

/// Live orders, and all that is due.
#[derive(Default)]
pub struct Orders {
    live: BTreeMap<OrderId, Live>,
    switches: BTreeMap<AccountId, Timestamp>,
    /// When markets close or begin to pay out.
    markets: BTreeMap<MarketId, Timestamp>,
    /// Markets that pay out, or have.
    answered: BTreeSet<MarketId>,
    mass_cancels: BTreeSet<(AccountId, Option<MarketId>)>,
}

#[derive(Clone, Copy)]
struct Live {
    account: AccountId,
    entry: Entry,
    /// In the book (YES).
    price: Price,
    remaining: Quantity,
    fee_rate: FeeRate,
    expires: Option<Timestamp>,
}

impl Live {
    fn hold(&self) -> Credits {
        match self.entry.side() {
            Side::Buy => self.fee_rate.hold(self.entry.book_price(self.price), self.remaining),
            Side::Sell => Credits::ZERO,
        }
    }
}

impl Orders {
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::OrderPlaced(placed) => self.placed(placed),
            Event::Traded(trade) => {
                self.live.get_mut(&trade.maker.order).expect("a maker is live").remaining = trade.maker_remaining;
                if trade.maker_remaining.is_zero() {
                    self.live.remove(&trade.maker.order);
                }
            }
            Event::OrderCancelled { order, quantity, .. } => {
                let ended = self.live.remove(order).expect("what is cancelled was live");
                assert_eq!(ended.remaining, *quantity, "order {order} ends with all that is left of it");
            }
            Event::OrderReduced { order, quantity, .. } => {
                let reduced = self.live.get_mut(order).expect("what is reduced is live");
                reduced.remaining = reduced.remaining - *quantity;
                assert!(!reduced.remaining.is_zero(), "order {order} is not reduced to nothing");
            }
            Event::OrderAmended(amended) => self.amended(amended),
            _ => self.due(event),
        }
    }

    fn placed(&mut self, placed: &OrderPlaced) {
        if placed.status.is_live() {
            let OrderPlaced { order, price, .. } = placed;
            let live = Live {
                account: order.account,
                entry: order.entry,
                price: *price,
                remaining: placed.resting(),
                fee_rate: order.fee_rate,
                expires: order.terms.time_in_force().expires(),
            };
            assert!(self.live.insert(placed.id, live).is_none(), "order {} is placed once", placed.id);
        }
    }

    fn amended(&mut self, amended: &OrderAmended) {
        let live = self.live.get_mut(&amended.order).expect("what is amended is live");
        let before = (amended.old_price, amended.old_remaining);
        assert_eq!((live.price, live.remaining), before, "order {} was as the change says", amended.order);
        (live.price, live.remaining) = (amended.price, amended.resting());
        if !amended.status.is_live() {
            self.live.remove(&amended.order);
        }
    }

    fn due(&mut self, event: &Event) {
        match event {
            Event::DeadManSwitchSet { account, due: Some(due) } => drop(self.switches.insert(*account, *due)),
            Event::DeadManSwitchSet { account, due: None } | Event::DeadManSwitchFired { account } => {
                self.switches.remove(account);
            }
            Event::MassCancelOpened { account, market, .. } => {
                self.mass_cancels.insert((*account, *market));
            }
            Event::MassCancelClosed { account, market } => {
                self.mass_cancels.remove(&(*account, *market));
            }
            Event::MarketCreated(listing) => drop(self.markets.insert(listing.market, listing.expiry)),
            Event::MarketChanged { market, state, resolution, .. } => {
                if !state.trades_later() {
                    self.markets.remove(market);
                }
                match resolution.and_then(|resolution| resolution.confirmed) {
                    Some(confirmed) if *state == MarketState::Resolving => {
                        self.markets.insert(*market, confirmed.payout);
                    }
                    _ if state.is_final() => drop(self.answered.insert(*market)),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// True if nothing happens by itself for a while after `now`.
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        let soon = Timestamp(now.0 + SOON_MS);
        let orders = self.live.values().filter_map(|order| order.expires);
        let mut due = orders.chain(self.switches.values().copied()).chain(self.markets.values().copied());
        self.mass_cancels.is_empty() && due.all(|due| due > soon)
    }

    /// True if the market pays its positions out.
    pub fn is_answered(&self, market: MarketId) -> bool {
        self.answered.contains(&market)
    }

    /// What each account's live buys hold.
    pub fn holds(&self) -> BTreeMap<AccountId, Credits> {
        let mut holds = BTreeMap::new();
        self.live.values().for_each(|order| *holds.entry(order.account).or_default() += order.hold());
        holds
    }

    /// How many live orders each account has.
    pub fn counts(&self) -> BTreeMap<AccountId, i64> {
        let mut counts = BTreeMap::new();
        self.live.values().for_each(|order| *counts.entry(order.account).or_default() += 1);
        counts
    }
}

/// What a message on its way means for what its accounts hold: credits held for what it brings, and those of which it tells that
/// they are held no more.
pub fn held_for(message: &Message) -> Vec<(AccountId, Credits)> {
    match message {
        Message::PlaceOrder { order, .. } => vec![(order.account, order.hold())],
        Message::Batch { requests, .. } => {
            let places = requests.iter().filter_map(|request| match request {
                EnteredRequest::Place { order, .. } => Some((order.account, order.hold())),
                EnteredRequest::Cancel { .. } | EnteredRequest::Amend(_) => None,
            });
            places.collect()
        }
        Message::AmendOrder { amendment, raised: Some(raise) } => vec![(amendment.account, raise.amount)],
        Message::Settle(settlements) => settlements.iter().map(|s| (s.account, s.spent + s.released)).collect(),
        Message::AmendOrder { raised: None, .. }
        | Message::CancelOrder { .. }
        | Message::RaiseHold { .. }
        | Message::MassCancel { .. }
        | Message::Transfer { .. }
        | Message::ReturnTransfer { .. } => Vec::new(),
    }
}
