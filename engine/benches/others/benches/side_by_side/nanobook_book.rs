//! `nanobook`: levels in a BTreeMap, all orders that ever were in a hash map; without its log of events. It gives out ids itself, so
//! the flow's ids are translated by array look-ups.

use engine_benches::{Add, Matcher, Tape};
use nanobook::{Exchange, OrderId, Price, Side, TimeInForce};

pub struct Nanobook {
    books: Vec<Book>,
    /// Their id of each of the flow's ids.
    theirs: Vec<OrderId>,
}

struct Book {
    exchange: Exchange,
    /// The flow's id of each of theirs: they count from 1.
    ids: Vec<u64>,
}

impl Nanobook {
    pub fn new(books: usize) -> Self {
        let book = || Book { exchange: Exchange::new(), ids: vec![0] };
        Self { books: (0..books).map(|_| book()).collect(), theirs: vec![OrderId(0)] }
    }
}

impl Matcher for Nanobook {
    fn add(&mut self, book: usize, order: Add, tape: &mut Tape) {
        let Book { exchange, ids } = &mut self.books[book];
        let side = if order.buy { Side::Buy } else { Side::Sell };
        let force = if order.ioc { TimeInForce::IOC } else { TimeInForce::GTC };
        let result = exchange.submit_limit(side, Price(i64::from(order.price)), u64::from(order.quantity), force);
        for trade in &result.trades {
            let maker = ids[trade.passive_order_id.0 as usize];
            tape.trade(maker, order.id, trade.price.0 as u32, trade.quantity as u32);
        }
        ids.push(order.id);
        self.theirs.push(result.order_id);
    }

    fn cancel(&mut self, book: usize, id: u64) {
        self.books[book].exchange.cancel(self.theirs[id as usize]);
    }
}
