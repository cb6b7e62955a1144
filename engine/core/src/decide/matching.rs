//! Matching: what an order does to the orders that rest on the other side. Price-time priority, at the maker's price.
//!
//! Reads the book and changes nothing: the trades it yields take the makers out of the book when they are applied.

use schemas::event::{OrderPlaced, Party, Trade};
use schemas::limits::ORDER_FILLS_MAX;
use schemas::message::{Settlement, SettlementReason};
use schemas::{
    BookSide, Credits, Entry, Event, FeeRate, MarketId, NewOrder, OrderId, Price, Quantity, Side, Status, Terms,
};

use super::Draft;
use crate::state::{Market, MarketOrder, State};

/// How much the taker still wants.
enum Appetite {
    /// Contracts.
    Quantity(Quantity),
    /// Credits to spend, fees included.
    Budget(Credits),
}

/// Matches an order that passed all checks. Yields its `OrderPlaced`, its trades, what they settle, and whose positions
/// changed.
pub fn match_order(state: &State, market: &Market, id: OrderId, order: &NewOrder, draft: &mut Draft<'_>) {
    let Draft { events, settlements, touched } = draft;
    let placed_at = events.len();
    let mut taker = Taker::new(market, id, order);
    // The trades' sums stand in the event before them.
    events.push(Event::OrderPlaced(taker.placed()));
    for maker in market.book.queue(order.entry.book_side().opposite()) {
        let Some(quantity) = taker.next_fill(maker) else { break };
        let nth = events.len() - placed_at - 1;
        if nth == ORDER_FILLS_MAX {
            taker.stopped = true;
            break;
        }
        let trade = taker.fill(state.next_trade_id(nth), maker, quantity);
        events.push(Event::Traded(trade));
        settlements.push(maker_settlement(&trade, maker));
        touched.push(maker.owner.account);
    }
    events[placed_at] = Event::OrderPlaced(taker.placed());
    settlements.extend(taker.settlement());
    touched.push(order.account);
}

/// The order that came in, on its way through the book.
struct Taker<'a> {
    id: OrderId,
    order: &'a NewOrder,
    market: MarketId,
    maker_fee: FeeRate,
    taker_fee: FeeRate,
    /// The worst price, in the book's YES.
    limit: Price,
    appetite: Appetite,
    filled: Quantity,
    /// Paid or received for the contracts.
    notional: Credits,
    fees: Credits,
    /// The fill limit ended it.
    stopped: bool,
}

impl<'a> Taker<'a> {
    fn new(market: &Market, id: OrderId, order: &'a NewOrder) -> Self {
        let appetite = match order.terms {
            Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => Appetite::Quantity(quantity),
            Terms::Budget { budget } => Appetite::Budget(budget),
        };
        Self {
            id,
            order,
            market: market.listing.market,
            maker_fee: market.listing.maker_fee,
            taker_fee: market.listing.taker_fee,
            limit: order.entry.book_price(order.terms.limit()),
            appetite,
            filled: Quantity::ZERO,
            notional: Credits::ZERO,
            fees: Credits::ZERO,
            stopped: false,
        }
    }

    /// How much it takes of the next maker; `None` when it is done.
    fn next_fill(&self, maker: &MarketOrder) -> Option<Quantity> {
        let crosses = match maker.side {
            BookSide::Ask => maker.book_price() <= self.limit,
            BookSide::Bid => maker.book_price() >= self.limit,
        };
        if !crosses {
            return None;
        }
        let quantity = match self.appetite {
            Appetite::Quantity(left) => left.min(maker.contracts()),
            Appetite::Budget(left) => {
                let room = Quantity::new(schemas::limits::QUANTITY_MAX)? - self.filled;
                affordable(left, self.order.entry, maker.book_price(), self.taker_fee).min(maker.contracts()).min(room)
            }
        };
        (!quantity.is_zero()).then_some(quantity)
    }

    fn fill(&mut self, id: schemas::TradeId, maker: &MarketOrder, quantity: Quantity) -> Trade {
        let party = |order, account, entry, rate: FeeRate| Party {
            order,
            account,
            entry,
            fee: rate.fee(maker.book_price(), quantity),
        };
        let trade = Trade {
            id,
            market: self.market,
            price: maker.book_price(),
            quantity,
            maker: party(maker.id, maker.owner.account, maker.owner.entry, self.maker_fee),
            taker: party(self.id, self.order.account, self.order.entry, self.taker_fee),
            maker_remaining: maker.contracts() - quantity,
        };
        let notional = trade.notional(&trade.taker);
        self.filled = self.filled + quantity;
        self.notional += notional;
        self.fees += trade.taker.fee;
        match &mut self.appetite {
            Appetite::Quantity(left) => *left = *left - quantity,
            Appetite::Budget(left) => *left = *left - notional - trade.taker.fee,
        }
        trade
    }

    fn placed(&self) -> OrderPlaced {
        let quantity = match self.order.terms {
            Terms::Limit { quantity, .. } | Terms::Market { quantity, .. } => quantity,
            Terms::Budget { .. } => self.filled,
        };
        let status = status(self.order, quantity, self.filled, self.stopped);
        OrderPlaced { id: self.id, order: *self.order, quantity, filled: self.filled, status }
    }

    /// What the order has done to its account's wallet so far, unless that is nothing.
    fn settlement(&self) -> Option<Settlement> {
        let resting = self.placed().resting();
        let (spent, released, received) = match self.order.entry.side() {
            Side::Buy => {
                let spent = self.notional + self.fees;
                let still_held = match self.order.terms {
                    Terms::Limit { price, .. } => self.order.fee_rate.hold(price, resting),
                    Terms::Market { .. } | Terms::Budget { .. } => Credits::ZERO,
                };
                (spent, self.order.hold() - still_held - spent, Credits::ZERO)
            }
            Side::Sell => (Credits::ZERO, Credits::ZERO, self.notional - self.fees),
        };
        let reason = if self.filled.is_zero() { SettlementReason::Release } else { SettlementReason::Trade };
        let (account, market, order) = (self.order.account, self.market, Some(self.id));
        let changes = [spent, released, received].iter().any(|amount| *amount != Credits::ZERO);
        changes.then_some(Settlement { account, market, order, reason, spent, released, received })
    }
}

/// What a fill does to the maker's wallet: price improvement cannot occur (it trades at its own price), but the hold was for
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
        account: trade.maker.account,
        market: trade.market,
        order: Some(trade.maker.order),
        reason: SettlementReason::Trade,
        spent,
        released,
        received,
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

/// Where an order stands after it matched on the way in.
fn status(order: &NewOrder, quantity: Quantity, filled: Quantity, stopped: bool) -> Status {
    match filled {
        _ if filled == quantity && !filled.is_zero() => Status::Filled,
        _ if stopped || !order.terms.rests() => Status::Cancelled,
        Quantity::ZERO => Status::Active,
        _ => Status::PartiallyFilled,
    }
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
