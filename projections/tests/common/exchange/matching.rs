//! Fills.

use schemas::event::{Party, Trade};

use super::orders::settlement;
use super::*;

/// The fills of an incoming order.
#[derive(Default)]
pub(super) struct Taken {
    pub trades: Vec<Event>,
    pub filled: u32,
    pub spent: i64,
    pub received: i64,
    pub touched: Vec<AccountId>,
}

impl Exchange {
    /// Fills an incoming order, for at most `wanted` contracts and `budget`.
    pub(super) fn take(
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
            let Some((&rank, &resting)) = opposite.first_key_value() else { break };
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
                opposite.remove(&rank);
            } else {
                opposite.insert(rank, Resting { remaining: left, ..resting });
            }
            self.counter += 1;
            let party = |id, order: &NewOrder, rate: FeeRate| Party {
                order: id,
                account: order.account,
                entry: order.entry,
                fee: rate.fee(price, quantity(n)),
            };
            let trade = Trade {
                id: TradeId::compose(told.shard, self.counter),
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
            self.purse((resting.order.account, told.shard)).live_orders -= i64::from(left == 0);
            told.settle(maker_settlement(&resting, &trade, n));
            taken.touched.push(resting.order.account);
            taken.trades.push(Event::Traded(trade));
            (wanted, taken.filled) = (wanted - n, taken.filled + n);
        }
        taken
    }

    pub(super) fn redeem(&mut self, told: &mut Telling, market: MarketId, mut touched: Vec<AccountId>) {
        touched.sort();
        touched.dedup();
        for account in touched {
            let position = self.positions.entry((market, account)).or_default();
            let pairs = (position.yes - position.yes_reserved).min(position.no - position.no_reserved);
            if pairs > 0 {
                position.yes -= pairs;
                position.no -= pairs;
                told.events.push(Event::PairsRedeemed { market, account, pairs: pairs.cast_unsigned() });
                told.settle(Settlement {
                    account,
                    market,
                    order: None,
                    reason: SettlementReason::Redemption,
                    spent: Credits::ZERO,
                    released: Credits::ZERO,
                    received: Credits::whole(pairs),
                });
            }
        }
    }
}

fn maker_settlement(resting: &Resting, trade: &Trade, n: u32) -> Settlement {
    let (cost, fee) = (trade.notional(&trade.maker).micros(), trade.maker.fee.micros());
    let credits = match resting.order.entry.side() {
        Side::Buy => [cost + fee, resting.hold(n) - cost - fee, 0],
        Side::Sell => [0, 0, cost - fee],
    };
    settlement(&resting.order, resting.id, SettlementReason::Trade, credits)
}
