//! `orderbook-rs`: skip lists of levels for many threads, here driven by one.

use std::sync::{Arc, Mutex};

use engine_benches::{Add, Matcher, Tape};
use orderbook_rs::{Id, OrderBook, Side, TimeInForce};

/// Maker, price and quantity.
type Fill = (u64, u32, u32);

pub struct OrderbookRs {
    books: Vec<OrderBook<()>>,
    /// What its listener heard. The call itself does not tell: an order that finds too little
    /// answers with an error, though what it found has traded.
    heard: Arc<Mutex<Vec<Fill>>>,
}

impl OrderbookRs {
    pub fn new(books: usize) -> Self {
        let heard: Arc<Mutex<Vec<Fill>>> = Arc::default();
        let book = |number| {
            let heard = Arc::clone(&heard);
            let mut book = OrderBook::new(&format!("M-{number}"));
            book.set_trade_listener(Arc::new(move |result| {
                let trades = result.match_result.trades().as_vec().iter();
                heard.lock().expect("one thread").extend(trades.map(|trade| {
                    let (price, quantity) = (trade.price().as_u128() as u32, trade.quantity().as_u64() as u32);
                    (number_of(trade.maker_order_id()), price, quantity)
                }));
            }));
            book
        };
        Self { books: (0..books).map(book).collect(), heard }
    }
}

fn number_of(id: Id) -> u64 {
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
        let placed = self.books[book].add_limit_order(Id::sequential(order.id), price, quantity, side, force, None);
        assert!(order.ioc || placed.is_ok(), "an order that may rest is accepted");
        for (maker, price, quantity) in self.heard.lock().expect("one thread").drain(..) {
            tape.trade(maker, order.id, price, quantity);
        }
    }

    fn cancel(&mut self, book: usize, id: u64) {
        self.books[book].cancel_order(Id::sequential(id)).expect("the flow cancels live orders");
    }
}
