//! `orderbook-rs`: skip lists of levels for many threads, here driven by one.

use engine_benches::{Add, Matcher, Tape};
use orderbook_rs::{Id, OrderBook, Side, TimeInForce};

pub struct OrderbookRs(Vec<OrderBook<()>>);

impl OrderbookRs {
    pub fn new(books: usize) -> Self {
        Self((0..books).map(|book| OrderBook::new(&format!("M-{book}"))).collect())
    }
}

fn number(id: Id) -> u64 {
    match id {
        Id::Sequential(id) => id,
        other => panic!("{other} is not an id of the flow"),
    }
}

impl Matcher for OrderbookRs {
    fn add(&mut self, book: usize, order: Add, tape: &mut Tape) {
        let side = if order.buy { Side::Buy } else { Side::Sell };
        let force = if order.ioc { TimeInForce::Ioc } else { TimeInForce::Gtc };
        let (price, quantity) = (u128::from(order.price), u64::from(order.quantity));
        let placed =
            self.0[book].add_limit_order_with_result(Id::sequential(order.id), price, quantity, side, force, None);
        let Ok((_, Some(result))) = placed else { return };
        for trade in result.match_result.trades().as_vec() {
            let (price, quantity) = (trade.price().as_u128() as u32, trade.quantity().as_u64() as u32);
            tape.trade(number(trade.maker_order_id()), order.id, price, quantity);
        }
    }

    fn cancel(&mut self, book: usize, id: u64) {
        self.0[book].cancel_order(Id::sequential(id)).expect("the flow cancels live orders");
    }
}
