//! An order on its way through the book: price-time priority, at the maker's price.
//!
//! Reads the book and changes nothing: the events it yields take the makers out of the book when they are applied.

use schemas::event::{CancelReason, Party, Trade};
use schemas::{
    AccountId, BookSide, Credits, Entry, Event, FeeRate, MarketId, OrderId, Price, Quantity, SelfTrade, Settlement,
    SettlementReason, Side, Status, Timestamp, TradeId,
};

use super::{Draft, cancel, settle};
use crate::state::{MarketOrder, MarketView, State};

/// How much an order still wants.
#[derive(Clone, Copy)]
pub enum Appetite {
    /// Contracts.
    Quantity(Quantity),
    /// Credits to spend, fees included, on at most so many contracts.
    Budget(Credits, Quantity),
}

/// An order that came in, or that changed so that it may cross.
pub struct Taker {
    pub id: OrderId,
    pub account: AccountId,
    pub entry: Entry,
    /// The rate that a buy's hold is computed with.
    pub fee_rate: FeeRate,
    pub self_trade: SelfTrade,
    /// The worst price, in the book's YES.
    pub limit: Price,
    pub appetite: Appetite,
    market: MarketId,
    fees: Fees,
    /// Contracts filled by this command.
    pub filled: Quantity,
    /// Contracts taken off since it met its own account's orders.
    pub prevented: Quantity,
    /// Why it stopped before it had enough or met no more orders.
    pub stop: Option<CancelReason>,
    /// Paid or received for the contracts.
    notional: Credits,
    fee: Credits,
    trades: usize,
}

/// Whether a fill-or-kill fills.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fills {
    /// All of it.
    Whole,
    /// There is not enough.
    NotWhole,
    /// There is enough, but not without its own account's orders.
    NotForItsOwn,
}

/// A market's rates.
struct Fees {
    maker: FeeRate,
    taker: FeeRate,
}

/// What a [`Taker`] is made of.
pub struct Incoming {
    pub id: OrderId,
    pub account: AccountId,
    pub entry: Entry,
    pub fee_rate: FeeRate,
    pub self_trade: SelfTrade,
    /// The worst price, in the book's YES.
    pub limit: Price,
    pub appetite: Appetite,
}

impl Taker {
    #[inline]
    pub fn new(market: MarketView<'_>, order: Incoming) -> Self {
        let Incoming { id, account, entry, fee_rate, self_trade, limit, appetite } = order;
        Self {
            id,
            account,
            entry,
            fee_rate,
            self_trade,
            limit,
            appetite,
            market: market.listing.market,
            fees: Fees { maker: market.listing.maker_fee, taker: market.listing.taker_fee },
            filled: Quantity::ZERO,
            prevented: Quantity::ZERO,
            stop: None,
            notional: Credits::ZERO,
            fee: Credits::ZERO,
            trades: 0,
        }
    }

    /// Meets the other side's orders until it has enough, none crosses, or something stops it.
    ///
    /// | the resting order             | what happens                                   |
    /// |-------------------------------|------------------------------------------------|
    /// | its time has come             | it expires; the taker goes on                  |
    /// | is the same account's         | what the taker's self-trade prevention says    |
    /// | any other                     | they trade                                     |
    pub fn cross(&mut self, state: &State, market: MarketView<'_>, draft: &mut Draft<'_>) {
        let mut makers = market.queue(self.entry.book_side().opposite());
        // The next order is looked for only if this one needs it.
        while self.goes_on() {
            let Some(maker) = makers.next().filter(|maker| self.crosses(maker)) else { break };
            let quantity = self.wants(&maker);
            if quantity.is_zero() {
                break;
            }
            if draft.room == 0 {
                self.stop = Some(CancelReason::MatchLimit);
                break;
            }
            draft.room -= 1;
            if maker.has_expired(draft.now) {
                cancel::end(self.market, &maker, CancelReason::Expired, draft);
            } else if maker.owner.account == self.account && self.self_trade != SelfTrade::Allow {
                self.meet_own(&maker, quantity, draft);
            } else {
                let trade = self.fill(state.next_trade_id(self.trades), &maker, quantity);
                state.prefetch_maker(market, maker.owner.account);
                draft.events.push(Event::Traded(trade));
                draft.settlements.push(maker_settlement(&trade, &maker));
            }
        }
    }

    /// Whether all it wants can be filled at once. Never sees more orders than `room`.
    pub fn fills(&self, now: Timestamp, market: MarketView<'_>, room: usize) -> Fills {
        let Appetite::Quantity(wanted) = self.appetite else { return Fills::NotWhole };
        // What is left of it, and what would be if its own account's orders were another's.
        let (mut left, mut left_if_allowed, mut stopped) = (wanted, wanted, false);
        for maker in market.queue(self.entry.book_side().opposite()).take(room) {
            if !self.crosses(&maker) {
                break;
            }
            if maker.has_expired(now) {
                continue;
            }
            left_if_allowed = left_if_allowed - left_if_allowed.min(maker.contracts());
            match self.self_trade {
                SelfTrade::CancelOldest if maker.owner.account == self.account => {}
                SelfTrade::CancelNewest | SelfTrade::CancelBoth | SelfTrade::Decrement
                    if maker.owner.account == self.account =>
                {
                    stopped = true;
                }
                _ => left = left - left.min(maker.contracts()),
            }
            match (left.is_zero(), left_if_allowed.is_zero()) {
                (true, _) if !stopped => return Fills::Whole,
                (_, true) if stopped => return Fills::NotForItsOwn,
                _ => {}
            }
        }
        if left_if_allowed.is_zero() { Fills::NotForItsOwn } else { Fills::NotWhole }
    }

    /// True if it would trade at the best price of the other side.
    #[inline]
    pub fn meets(&self, market: MarketView<'_>) -> bool {
        market.meets(self.entry.book_side(), self.limit)
    }

    /// False once it has all that it wants, or was stopped.
    fn goes_on(&self) -> bool {
        let wants = match self.appetite {
            Appetite::Quantity(left) => !left.is_zero(),
            Appetite::Budget(..) => true,
        };
        wants && self.stop.is_none()
    }

    /// True if it would trade at the price of this order.
    pub fn crosses(&self, maker: &MarketOrder) -> bool {
        crosses(self.entry.book_side(), self.limit, maker.book_price())
    }

    /// How much it takes of the next order; nothing when it is done.
    fn wants(&self, maker: &MarketOrder) -> Quantity {
        match self.appetite {
            Appetite::Quantity(left) => left.min(maker.contracts()),
            Appetite::Budget(left, most) => {
                affordable(left, self.entry, maker.book_price(), self.fees.taker).min(maker.contracts()).min(most)
            }
        }
    }

    fn meet_own(&mut self, maker: &MarketOrder, quantity: Quantity, draft: &mut Draft<'_>) {
        let stops = matches!(self.self_trade, SelfTrade::CancelNewest | SelfTrade::CancelBoth);
        if stops {
            self.stop = Some(CancelReason::SelfTrade);
        }
        match self.self_trade {
            SelfTrade::Allow | SelfTrade::CancelNewest => {}
            SelfTrade::CancelOldest | SelfTrade::CancelBoth => {
                cancel::end(self.market, maker, CancelReason::SelfTrade, draft);
            }
            SelfTrade::Decrement => {
                if quantity == maker.contracts() {
                    cancel::end(self.market, maker, CancelReason::SelfTrade, draft);
                } else {
                    cancel::reduce(self.market, maker, quantity, draft);
                }
                self.prevented = self.prevented + quantity;
                // A budget loses what they would have cost, or there would be money for orders behind this one.
                let cost = self.entry.book_price(maker.book_price()).cost(quantity);
                self.eat(quantity, cost + self.fees.taker.fee(maker.book_price(), quantity));
            }
        }
    }

    fn eat(&mut self, quantity: Quantity, cost: Credits) {
        self.appetite = match self.appetite {
            Appetite::Quantity(left) => Appetite::Quantity(left - quantity),
            Appetite::Budget(left, most) => Appetite::Budget(left - cost, most - quantity),
        };
    }

    fn fill(&mut self, id: TradeId, maker: &MarketOrder, quantity: Quantity) -> Trade {
        let price = maker.book_price();
        let party =
            |order, account, entry, rate: FeeRate| Party { order, account, entry, fee: rate.fee(price, quantity) };
        let trade = Trade {
            id,
            market: self.market,
            price,
            quantity,
            maker: party(maker.id, maker.owner.account, maker.owner.entry, self.fees.maker),
            taker: party(self.id, self.account, self.entry, self.fees.taker),
            maker_remaining: maker.contracts() - quantity,
        };
        let notional = trade.notional(&trade.taker);
        self.trades += 1;
        self.filled = self.filled + quantity;
        self.notional += notional;
        self.fee += trade.taker.fee;
        self.eat(quantity, notional + trade.taker.fee);
        trade
    }

    /// Where an order stands that is now for `quantity` contracts of which `filled` are filled, by this command or before.
    #[inline]
    pub fn stands(&self, quantity: Quantity, filled: Quantity, rests: bool) -> (Status, Option<CancelReason>) {
        match self.stop {
            _ if filled == quantity && !filled.is_zero() => (Status::Filled, None),
            _ if filled == quantity && !self.prevented.is_zero() => (Status::Cancelled, Some(CancelReason::SelfTrade)),
            Some(reason) => (Status::Cancelled, Some(reason)),
            None if !rests => (Status::Cancelled, Some(CancelReason::TimeInForce)),
            None if filled.is_zero() => (Status::Active, None),
            None => (Status::PartiallyFilled, None),
        }
    }

    /// What it has done to its account's purse by this command, unless that is nothing. `held` is what was held for it,
    /// `resting` what rests of it now.
    #[inline]
    pub fn settlement(&self, held: Credits, resting: Quantity) -> Option<Settlement> {
        let (spent, released, received) = match self.entry.side() {
            Side::Buy => {
                let spent = self.notional + self.fee;
                let still_held = self.fee_rate.hold(self.entry.book_price(self.limit), resting);
                (spent, held - still_held - spent, Credits::ZERO)
            }
            Side::Sell => (Credits::ZERO, Credits::ZERO, self.notional - self.fee),
        };
        let nothing = [spent, released, received] == [Credits::ZERO; 3];
        let reason = if self.trades == 0 { SettlementReason::Release } else { SettlementReason::Trade };
        let (account, market, order) = (self.account, self.market, Some(self.id));
        (!nothing).then_some(Settlement { account, market, order, reason, spent, released, received })
    }
}

/// True if an order of `side` with this limit meets one at `price`.
pub fn crosses(side: BookSide, limit: Price, price: Price) -> bool {
    match side {
        BookSide::Bid => price <= limit,
        BookSide::Ask => price >= limit,
    }
}

/// What a fill does to the maker's purse: price improvement cannot occur (it trades at its own price), but the hold was for
/// the worst fee, so the rest of its share goes back.
fn maker_settlement(trade: &Trade, maker: &MarketOrder) -> Settlement {
    let notional = trade.notional(&trade.maker);
    let (spent, released, received) = match trade.maker.entry.side() {
        Side::Buy => {
            let spent = notional + trade.maker.fee;
            (spent, maker.owner.hold(maker.book_price(), trade.quantity) - spent, Credits::ZERO)
        }
        Side::Sell => (Credits::ZERO, Credits::ZERO, notional - trade.maker.fee),
    };
    Settlement {
        spent,
        received,
        reason: SettlementReason::Trade,
        ..settle::released(trade.maker.account, trade.market, trade.maker.order, released)
    }
}

/// How many contracts `budget` buys at book price `price`, fee included, in one fill.
fn affordable(budget: Credits, entry: Entry, price: Price, rate: FeeRate) -> Quantity {
    let one = entry.book_price(price).ticks();
    // In 10^-8 micro-credits, so that the fee is exact: cost 10^10 × ticks, fee rate × p × (1 − p).
    let cost = u128::from(one) * 10_000_000_000;
    let fee = u128::from(rate.millionths()) * u128::from(price.ticks()) * u128::from(price.complement().ticks());
    let money = u128::try_from(budget.0).unwrap_or(0) * 100_000_000;
    let most = u32::try_from(money / (cost + fee)).unwrap_or(u32::MAX).min(schemas::limits::QUANTITY_MAX);
    // Exact but for the fee's rounding up, and that is less than a micro-credit: n contracts cost an integer number of
    // micro-credits plus a fee of at most the integer above; an integer budget that covers the sum covers that too.
    let quantity = Quantity::new(most).expect("capped");
    debug_assert!(entry.book_price(price).cost(quantity) + rate.fee(price, quantity) <= budget);
    quantity
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_budget_buys_as_much_as_it_can(
            budget in 1_i64..=10_000_000_000, ticks in 1_u16..=9_999, rate in 0_u32..=200_000, no in any::<bool>(),
        ) {
            let (price, rate) = (Price::new(ticks).unwrap(), FeeRate::new(rate).unwrap());
            let entry = if no { Entry::BuyNo } else { Entry::BuyYes };
            let cost = |n: Quantity| entry.book_price(price).cost(n) + rate.fee(price, n);
            let most = affordable(Credits(budget), entry, price, rate);
            prop_assert!(cost(most) <= Credits(budget));
            if let Some(more) = Quantity::new(most.contracts() + 1) {
                prop_assert!(cost(more) > Credits(budget));
            }
        }
    }
}
