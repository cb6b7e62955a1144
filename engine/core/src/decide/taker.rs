//! Matches an order against the book: price-time priority, at the maker's price.
//!
//! Reads the book and changes nothing: the events that it yields remove the makers when they are
//! applied.

use schemas::event::{CancelReason, Party, Trade};
use schemas::{
    AccountId, BookSide, Credits, Entry, Event, FeeRate, GroupId, MarketId, OrderId, Price, Quantity, SelfTrade,
    Settlement, SettlementReason, Side, Status, Timestamp, TradeId,
};

use super::groups::{self, Met};
use super::reduce::{self, Makers};
use super::{DecisionContext, cancel, settle};
use crate::state::{MarketOrder, MarketView, ShardState};

/// How much an order still wants.
#[derive(Clone, Copy)]
pub enum Appetite {
    /// This many contracts.
    Quantity(Quantity),
    /// As many contracts as these credits buy, fees included, up to a maximum.
    Budget(Credits, Quantity),
}

/// An order that came in, or that was amended so that it may cross.
pub struct Taker {
    pub id: OrderId,
    pub account: AccountId,
    pub entry: Entry,
    /// The fee rate with which a buy's hold is computed.
    pub fee_rate: FeeRate,
    pub self_trade: SelfTrade,
    /// The worst price that it accepts, in the book's YES price.
    pub limit: Price,
    pub appetite: Appetite,
    /// Contracts that it may still take if it is reduce-only.
    allowance: u64,
    /// Part of the requested quantity was cut because the order is reduce-only.
    cut: bool,
    group: Option<GroupId>,
    market: MarketId,
    fees: Fees,
    /// Contracts filled by this command.
    pub filled: Quantity,
    /// Contracts removed by self-trade prevention.
    pub prevented: Quantity,
    /// Contracts removed by this command because the order is reduce-only.
    pub beyond: Quantity,
    /// Why it stopped before it was filled or the crossing orders ended.
    pub stop: Option<CancelReason>,
    /// Credits paid or received for the contracts.
    notional: Credits,
    fee: Credits,
    trades: usize,
}

/// Whether a fill-or-kill order can fill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FillOrKill {
    /// It fills completely.
    Whole,
    /// The book does not have enough.
    NotWhole,
    /// The book has enough only with orders of the same account.
    NotForItsOwn,
}

/// A market's fee rates.
struct Fees {
    maker: FeeRate,
    taker: FeeRate,
}

/// The input for a [`Taker`].
pub struct TakerInput {
    pub id: OrderId,
    pub account: AccountId,
    pub entry: Entry,
    pub fee_rate: FeeRate,
    pub self_trade: SelfTrade,
    /// The worst price that it accepts, in the book's YES price.
    pub limit: Price,
    pub appetite: Appetite,
    /// Contracts that it may take if it is reduce-only.
    pub allowance: Option<u64>,
    pub group: Option<GroupId>,
}

impl Taker {
    #[inline]
    pub fn new(market: MarketView<'_>, order: TakerInput) -> Self {
        let TakerInput { id, account, entry, fee_rate, self_trade, limit, appetite, allowance, group } = order;
        let mut taker = Self {
            id,
            account,
            entry,
            fee_rate,
            self_trade,
            limit,
            appetite,
            allowance: allowance.unwrap_or(u64::MAX),
            cut: false,
            group,
            market: market.listing.market,
            fees: Fees { maker: market.listing.maker_fee, taker: market.listing.taker_fee },
            filled: Quantity::ZERO,
            prevented: Quantity::ZERO,
            beyond: Quantity::ZERO,
            stop: None,
            notional: Credits::ZERO,
            fee: Credits::ZERO,
            trades: 0,
        };
        if allowance.is_some() {
            taker.keep_within_allowance();
        }
        taker
    }

    /// Cuts the quantity beyond what the order may reduce.
    fn keep_within_allowance(&mut self) {
        match &mut self.appetite {
            Appetite::Quantity(left) => {
                let within = reduce::at_most(*left, self.allowance);
                self.beyond = self.beyond + (*left - within);
                *left = within;
            }
            Appetite::Budget(_, most) => *most = reduce::at_most(*most, self.allowance),
        }
        self.cut |= !self.beyond.is_zero();
    }

    /// Notes that part of the quantity was cut before.
    pub fn was_cut(&mut self) {
        self.cut = true;
    }

    /// Returns true if part of the requested quantity was cut because the order is reduce-only. An
    /// order by budget was cut if it has all that it may take.
    #[inline]
    pub fn is_cut(&self) -> bool {
        self.cut || self.allowance == 0 && matches!(self.appetite, Appetite::Budget(..))
    }

    /// Matches the other side's orders until it has enough, none crosses, or something stops it.
    ///
    /// | the resting order             | what happens                                   |
    /// |-------------------------------|------------------------------------------------|
    /// | has expired                   | it expires; the taker continues                |
    /// | its group was triggered by    | it ends; the taker continues                   |
    /// | the taker's earlier trades    |                                                |
    /// | is of the same account        | the taker's self-trade prevention decides      |
    /// | is reduce-only, beyond what   | it loses the excess first; an empty one ends   |
    /// | there is to reduce            |                                                |
    /// | any other                     | they trade, within their groups' limits        |
    ///
    /// A trade that triggers the maker's group ends the rest of the maker; one that triggers the
    /// taker's group stops the taker.
    pub fn cross(&mut self, state: &ShardState, market: MarketView<'_>, context: &mut DecisionContext<'_>) {
        let side = self.entry.book_side().opposite();
        let (mut makers, mut met) = (market.queue(side), (Makers::new(market, side), Met::default()));
        // Look the next order up only if this one needs it.
        while self.goes_on() {
            let Some(maker) = makers.next().filter(|maker| self.crosses(maker)) else { break };
            let quantity = self.wants(&maker);
            if quantity.is_zero() {
                break;
            }
            let (reducers, groups) = &mut met;
            let counts = reducers.counts(state, &maker) + Met::counts(&maker);
            if context.room < counts {
                self.stop = Some(CancelReason::MatchLimit);
                break;
            }
            context.room -= counts;
            reducers.meets(state, market, &maker);
            if maker.has_expired(context.now) {
                cancel::end(self.market, &maker, CancelReason::Expired, context);
                self.frees(&maker, maker.contracts(), reducers);
            } else if groups.has_triggered(&maker) {
                cancel::end(self.market, &maker, CancelReason::Group, context);
                self.frees(&maker, maker.contracts(), reducers);
            } else if maker.owner.account == self.account && self.self_trade != SelfTrade::Allow {
                self.meet_own(&maker, quantity, reducers, context);
            } else {
                self.trade((state, market), maker, quantity, &mut met, context);
            }
        }
        met.1.tell(state, context);
    }

    /// Trades with a maker, as far as the maker's position and both orders' groups allow.
    fn trade(
        &mut self,
        (state, market): (&ShardState, MarketView<'_>),
        mut maker: MarketOrder,
        quantity: Quantity,
        (reducers, groups): &mut (Makers, Met),
        context: &mut DecisionContext<'_>,
    ) {
        let within = reducers.may_trade(&maker, self.gained(&maker, self.filled));
        let keys = self.groups(&maker);
        let quantity = groups.at_most(state, keys, quantity.min(within), context.now);
        let counts = groups.counts_to_end(state, keys, quantity);
        if context.room < counts {
            self.stop = Some(CancelReason::MatchLimit);
            return;
        }
        context.room -= counts;
        let beyond = maker.contracts() - within;
        if !beyond.is_zero() {
            cancel::take_off(self.market, &maker, beyond, CancelReason::ReduceOnly, context);
            maker.remaining = within.contracts();
            maker.owner.quantity = maker.owner.quantity - beyond;
        }
        if within.is_zero() {
            return;
        }
        let trade = self.fill(state.next_trade_id(self.trades), &maker, quantity);
        reducers.traded(&maker, quantity);
        groups.traded(keys, quantity);
        state.prefetch_maker(market, maker.owner.account);
        context.events.push(Event::Traded(trade));
        context.settlements.push(maker_settlement(&trade, &maker));
        if groups.has_triggered(&maker) && !trade.maker_remaining.is_zero() {
            maker.remaining = trade.maker_remaining.contracts();
            cancel::end(self.market, &maker, CancelReason::Group, context);
            self.frees(&maker, trade.maker_remaining, reducers);
        }
        if groups.is_triggered(keys[0]) {
            self.stop = Some(CancelReason::Group);
        }
    }

    /// Returns the groups of the taker and of a maker.
    #[inline]
    fn groups(&self, maker: &MarketOrder) -> [Option<(AccountId, GroupId)>; 2] {
        [self.group.map(|group| (self.account, group)), maker.group()]
    }

    /// Returns true if the taker wants more than its group may still fill.
    pub fn exceeds_group(&self, state: &ShardState, now: Timestamp) -> bool {
        let Appetite::Quantity(wanted) = self.appetite else { return false };
        self.group.is_some_and(|group| groups::left(state, (self.account, group), now) < wanted.contracts().into())
    }

    /// Returns how much of what the taker has bought belongs to the maker's account, too.
    fn gained(&self, maker: &MarketOrder, filled: Quantity) -> u64 {
        let own = maker.owner.account == self.account && self.entry.side() == Side::Buy;
        if own { filled.contracts().into() } else { 0 }
    }

    /// Records contracts that a maker lost without a trade. Contracts that the taker's own account
    /// was to sell are redeemed with those that a buy may reduce.
    fn frees(&mut self, maker: &MarketOrder, quantity: Quantity, reducers: &mut Makers) {
        reducers.lost(maker, quantity);
        if self.loses_allowance(maker) {
            self.allowance = self.allowance.saturating_sub(quantity.contracts().into());
            self.keep_within_allowance();
        }
    }

    fn loses_allowance(&self, maker: &MarketOrder) -> bool {
        let own = maker.owner.account == self.account && maker.owner.entry.side() == Side::Sell;
        own && self.allowance != u64::MAX && self.entry.side() == Side::Buy
    }

    /// Returns whether the whole quantity can be filled at once.
    pub fn fills(&self, state: &ShardState, market: MarketView<'_>, now: Timestamp, room: usize) -> FillOrKill {
        if self.fills_whole(state, market, (now, room), self.self_trade) {
            FillOrKill::Whole
        } else if self.fills_whole(state, market, (now, room), SelfTrade::Allow) {
            FillOrKill::NotForItsOwn
        } else {
            FillOrKill::NotWhole
        }
    }

    /// Walks at most `room` orders.
    fn fills_whole(
        &self,
        state: &ShardState,
        market: MarketView<'_>,
        (now, mut room): (Timestamp, usize),
        self_trade: SelfTrade,
    ) -> bool {
        let Appetite::Quantity(wanted) = self.appetite else { return false };
        let (mut left, mut allowance) = (wanted, self.allowance);
        let side = self.entry.book_side().opposite();
        let (mut reducers, mut groups) = (Makers::new(market, side), Met::default());
        for maker in market.queue(side) {
            let counts = reducers.counts(state, &maker) + Met::counts(&maker);
            if self.stop.is_some() || !self.crosses(&maker) || room < counts {
                return false;
            }
            room -= counts;
            reducers.meets(state, market, &maker);
            let own = maker.owner.account == self.account && self_trade != SelfTrade::Allow;
            let lost = |quantity: Quantity| if self.loses_allowance(&maker) { quantity.contracts() } else { 0 };
            let triggered = groups.has_triggered(&maker);
            if maker.has_expired(now) || triggered || own && self_trade == SelfTrade::CancelOldest {
                reducers.lost(&maker, maker.contracts());
                allowance = allowance.saturating_sub(lost(maker.contracts()).into());
                continue;
            }
            if own || u64::from(wanted.contracts()) > allowance {
                return false;
            }
            let within = reducers.may_trade(&maker, self.gained(&maker, wanted - left));
            let keys = self.groups(&maker);
            let quantity = groups.at_most(state, keys, left.min(within), now);
            let counts = groups.counts_to_end(state, keys, quantity);
            if room < counts {
                return false;
            }
            room -= counts;
            reducers.traded(&maker, quantity);
            groups.traded(keys, quantity);
            if groups.has_triggered(&maker) {
                reducers.lost(&maker, within - quantity);
                allowance = allowance.saturating_sub(lost(within - quantity).into());
            }
            left = left - quantity;
            if left.is_zero() {
                return true;
            }
        }
        false
    }

    /// Returns true if the taker would trade at the best price of the other side.
    #[inline]
    pub fn meets(&self, market: MarketView<'_>) -> bool {
        market.meets(self.entry.book_side(), self.limit)
    }

    /// Returns false once the taker has all that it wants, or was stopped.
    fn goes_on(&self) -> bool {
        let wants = match self.appetite {
            Appetite::Quantity(left) => !left.is_zero(),
            Appetite::Budget(..) => true,
        };
        wants && self.stop.is_none()
    }

    /// Returns true if the taker would trade at the price of this order.
    pub fn crosses(&self, maker: &MarketOrder) -> bool {
        crosses(self.entry.book_side(), self.limit, maker.book_price())
    }

    /// Returns how much the taker takes of the next order; 0 when it is done.
    fn wants(&self, maker: &MarketOrder) -> Quantity {
        match self.appetite {
            Appetite::Quantity(left) => left.min(maker.contracts()),
            Appetite::Budget(left, most) => {
                affordable(left, self.entry, maker.book_price(), self.fees.taker).min(maker.contracts()).min(most)
            }
        }
    }

    fn meet_own(
        &mut self,
        maker: &MarketOrder,
        quantity: Quantity,
        reducers: &mut Makers,
        context: &mut DecisionContext<'_>,
    ) {
        let stops = matches!(self.self_trade, SelfTrade::CancelNewest | SelfTrade::CancelBoth);
        if stops {
            self.stop = Some(CancelReason::SelfTrade);
        }
        match self.self_trade {
            SelfTrade::Allow | SelfTrade::CancelNewest => {}
            SelfTrade::CancelOldest | SelfTrade::CancelBoth => {
                cancel::end(self.market, maker, CancelReason::SelfTrade, context);
                self.frees(maker, maker.contracts(), reducers);
            }
            SelfTrade::Decrement => {
                cancel::take_off(self.market, maker, quantity, CancelReason::SelfTrade, context);
                self.prevented = self.prevented + quantity;
                // Deduct their cost from the budget; otherwise the budget would buy orders behind
                // this one.
                let cost = self.entry.book_price(maker.book_price()).cost(quantity);
                self.eat(quantity, cost + self.fees.taker.fee(maker.book_price(), quantity));
                self.frees(maker, quantity, reducers);
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
        // Contracts that it buys from its own account are redeemed with those that the account
        // sells to it.
        let pairs = maker.owner.account == self.account && maker.owner.entry.side() == Side::Buy;
        if self.allowance != u64::MAX && !(pairs && self.entry.side() == Side::Buy) {
            self.allowance -= u64::from(quantity.contracts());
        }
        trade
    }

    /// Returns the state of an order for `quantity` contracts of which `filled` are filled, by this
    /// command or before.
    #[inline]
    pub fn stands(&self, quantity: Quantity, filled: Quantity, rests: bool) -> (Status, Option<CancelReason>) {
        let cut = self.is_cut().then_some(CancelReason::ReduceOnly);
        match self.stop {
            _ if filled == quantity && !filled.is_zero() => (Status::Filled, cut),
            _ if filled == quantity && !self.prevented.is_zero() => (Status::Cancelled, Some(CancelReason::SelfTrade)),
            _ if filled == quantity && cut.is_some() => (Status::Cancelled, cut),
            Some(reason) => (Status::Cancelled, Some(reason)),
            None if !rests => (Status::Cancelled, Some(CancelReason::TimeInForce)),
            None if filled.is_zero() => (Status::Active, cut),
            None => (Status::PartiallyFilled, cut),
        }
    }

    /// Returns what this command did to the taker's purse, unless that is nothing. `held` is what
    /// was held for the order, `resting` is what rests of it now.
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

/// Returns true if an order of `side` with this limit crosses one at `price`.
pub fn crosses(side: BookSide, limit: Price, price: Price) -> bool {
    match side {
        BookSide::Bid => price <= limit,
        BookSide::Ask => price >= limit,
    }
}

/// Returns what a fill does to the maker's purse. The maker trades at its own price, so there is no
/// price improvement; but the hold was for the worst fee, so the rest of its share is freed.
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

/// Returns how many contracts `budget` buys at book price `price`, fee included, in one fill.
fn affordable(budget: Credits, entry: Entry, price: Price, rate: FeeRate) -> Quantity {
    let one = entry.book_price(price).ticks();
    // Computed in 10^-8 micro-credits, so that the fee is exact: cost 10^10 × ticks, fee rate × p ×
    // (1 − p).
    let cost = u128::from(one) * 10_000_000_000;
    let fee = u128::from(rate.millionths()) * u128::from(price.ticks()) * u128::from(price.complement().ticks());
    let money = u128::try_from(budget.0).unwrap_or(0) * 100_000_000;
    let most = u32::try_from(money / (cost + fee)).unwrap_or(u32::MAX).min(schemas::limits::QUANTITY_MAX);
    // Exact except for rounding the fee up, which is less than a micro-credit: n contracts cost an
    // integer number of micro-credits plus a fee of at most the integer above. An integer budget
    // that covers the sum covers that, too.
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
