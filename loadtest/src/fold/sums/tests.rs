//! This program's arithmetic and that of the engine and the projections agree on generated events.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use schemas::event::{CancelReason, OrderAmended, Party};
use schemas::{
    AdminId, ClientId, FeeRate, Instructions, NewOrder, OrderId, PostOnly, Rejection, Room, Settlement,
    SettlementReason, Shard, Terms, TimeInForce, TradeId, effects,
};

use super::*;

const EVENTS: usize = 20_000;

struct Source(Xoshiro256PlusPlus);

impl Source {
    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    fn credits(&mut self) -> Credits {
        Credits(i64::try_from(self.below(1 << 40)).unwrap())
    }

    fn account(&mut self) -> AccountId {
        AccountId(self.below(9))
    }

    fn market(&mut self) -> MarketId {
        MarketId(self.below(9))
    }

    fn price(&mut self) -> Price {
        Price::new(u16::try_from(1 + self.below(9_999)).unwrap()).unwrap()
    }

    fn quantity(&mut self, most: u64) -> Quantity {
        Quantity::new(u32::try_from(self.below(most + 1)).unwrap()).unwrap()
    }

    fn status(&mut self) -> Status {
        self.pick(&[Status::Active, Status::PartiallyFilled, Status::Filled, Status::Cancelled, Status::Expired])
    }

    fn entry(&mut self) -> Entry {
        self.pick(&[Entry::BuyYes, Entry::BuyNo, Entry::SellYes, Entry::SellNo])
    }

    fn party(&mut self) -> Party {
        Party { order: OrderId(1), account: self.account(), entry: self.entry(), fee: self.credits() }
    }

    fn placed(&mut self) -> OrderPlaced {
        let (price, quantity) = (self.price(), self.quantity(1_000));
        let time_in_force = TimeInForce::Gtc;
        let terms = match self.below(3) {
            0 => Terms::Market { quantity, worst_price: price },
            1 => Terms::Budget { budget: self.credits() },
            _ => Terms::Limit { price, quantity, time_in_force, post_only: PostOnly::Off },
        };
        let instructions = Instructions { reduce_only: self.below(2) == 0, ..Instructions::default() };
        let (account, market, entry) = (self.account(), self.market(), self.entry());
        let fee_rate = FeeRate::new(u32::try_from(self.below(10_000)).unwrap()).unwrap();
        let order = NewOrder { account, market, entry, terms, fee_rate, client_id: None, instructions };
        let filled = self.quantity(quantity.contracts().into());
        let (status, price) = (self.status(), self.price());
        OrderPlaced { id: OrderId(1), order, price, quantity, filled, status, cancel_reason: None }
    }

    fn event(&mut self) -> Event {
        let (account, other, market) = (self.account(), self.account(), self.market());
        let (order, client_id, by) = (OrderId(1), None, AdminId(1));
        let (amount, quantity, price, entry) = (self.credits(), self.quantity(1_000), self.price(), self.entry());
        let (pairs, reason) = (self.below(1 << 30), CancelReason::Requested);
        let (yes, no, credits, room) = (pairs, self.below(1 << 30), amount, Room::ZERO);
        let shard = Shard::new(1).unwrap();
        match self.below(18) {
            0 => Event::Deposited { account, amount, client_id, by, seconded: None },
            1 => Event::Withdrawn { account, amount, client_id, by },
            2 => Event::TransferSent { from: account, to: other, amount, client_id },
            3 => Event::TransferReceived { from: other, to: account, amount, client_id },
            4 => {
                Event::TransferReturned { from: account, to: other, amount, client_id, code: Rejection::AccountUnknown }
            }
            5 => Event::HoldRaised { account, order, amount },
            6 => Event::OrderPlaced(self.placed()),
            7 => Event::OrderCancelled { order, account, market, entry, price, quantity, reason },
            8 => Event::PairsRedeemed { market, account, pairs },
            9 => {
                let (spent, released, received) = (amount, self.credits(), self.credits());
                let (order, reason) = (Some(order), SettlementReason::Trade);
                Event::Settled(Settlement { account, market, order, reason, spent, released, received })
            }
            10 => {
                let (maker, taker, id) = (self.party(), self.party(), TradeId(1));
                let maker_remaining = self.quantity(2);
                Event::Traded(Trade { id, market, price, quantity, maker, taker, maker_remaining })
            }
            11 | 12 => {
                let (old_price, old_remaining, status) = (self.price(), self.quantity(1_000), self.status());
                let filled = self.quantity(quantity.contracts().into());
                let (cancel_reason, in_place) = (None, false);
                Event::OrderAmended(OrderAmended {
                    order,
                    account,
                    market,
                    entry,
                    old_price,
                    old_remaining,
                    price,
                    quantity,
                    filled,
                    status,
                    cancel_reason,
                    in_place,
                })
            }
            13 => Event::OrderReduced { order, account, market, entry, price, quantity, reason },
            14 => Event::PaidOut { market, account, yes, no, credits },
            15 => Event::PurseSent { account, to: shard, credits, room },
            16 => Event::PurseReceived { account, from: shard, credits, room },
            _ => Event::TransferCompleted { from: account, to: other, amount, client_id: ClientId(1) },
        }
    }
}

#[test]
fn both_agree_on_generated_events() {
    let mut source = Source(Xoshiro256PlusPlus::seed_from_u64(14));
    let mut changes = [0; 4];
    for _ in 0..EVENTS {
        let event = source.event();
        let theirs = effects::purse_change(&event).map(|change| {
            let effects::PurseChange { account, available, held, live_orders, sent, received } = change;
            AuditedPurse { account, available, held, live_orders: live_orders.into(), sent, received }
        });
        assert_eq!(purse(&event), theirs, "{event:?}");
        let theirs = effects::position_changes(&event).map(|change| {
            let effects::PositionChange { market, account, yes, no, yes_reserved, no_reserved } = change;
            AuditedPosition { market, account, yes, no, yes_reserved, no_reserved }
        });
        assert_eq!(positions(&event), theirs.collect::<Vec<_>>(), "{event:?}");
        let theirs = effects::market_change(&event).map(|change| {
            let effects::MarketChange { market, collateral, fees, yes, no, volume } = change;
            AuditedMarket { market, collateral, fees, yes, no, volume }
        });
        assert_eq!(market(&event), theirs, "{event:?}");
        let theirs = effects::book_changes(&event).map(|change| {
            let effects::BookChange { market, side, price, quantity } = change;
            AuditedLevel { market, side, price, quantity }
        });
        assert_eq!(levels(&event), theirs.collect::<Vec<_>>(), "{event:?}");
        changes[0] += usize::from(purse(&event).is_some());
        changes[1] += positions(&event).len();
        changes[2] += usize::from(market(&event).is_some());
        changes[3] += levels(&event).len();
    }
    assert!(changes.iter().all(|count| *count > EVENTS / 20), "{changes:?}");
}
