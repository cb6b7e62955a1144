//! The design of the guide: a heap of bids, a heap of asks, and a map of the live orders. A cancel
//! only removes the order from the map; its entry in the heap remains until it reaches the top.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::{Add, Matcher, Tape};

/// The price as a number of which higher is better, then the order's id, of which lower came first.
type Entry = (i64, Reverse<u64>);

#[derive(Default)]
struct Book {
    bids: BinaryHeap<Entry>,
    asks: BinaryHeap<Entry>,
    /// The remainder of each live order.
    orders: HashMap<u64, u32>,
}

pub struct Heaps {
    books: Vec<Book>,
}

impl Heaps {
    pub fn new(books: usize) -> Self {
        Self { books: (0..books).map(|_| Book::default()).collect() }
    }
}

impl Matcher for Heaps {
    fn add(&mut self, book: usize, order: Add, tape: &mut Tape) {
        let Book { bids, asks, orders } = &mut self.books[book];
        let (own, opposite) = if order.buy { (bids, asks) } else { (asks, bids) };
        let worst = if order.buy { -i64::from(order.price) } else { i64::from(order.price) };
        let mut left = order.quantity;
        while left > 0 {
            let Some(&(key, Reverse(maker))) = opposite.peek() else { break };
            let Some(resting) = orders.get_mut(&maker) else {
                opposite.pop();
                continue;
            };
            if key < worst {
                break;
            }
            let quantity = left.min(*resting);
            tape.trade(maker, order.id, key.unsigned_abs() as u32, quantity);
            left -= quantity;
            *resting -= quantity;
            if *resting == 0 {
                orders.remove(&maker);
                opposite.pop();
            }
        }
        if left > 0 && !order.ioc {
            own.push((-worst, Reverse(order.id)));
            orders.insert(order.id, left);
        }
    }

    fn cancel(&mut self, book: usize, id: u64) {
        self.books[book].orders.remove(&id);
    }
}
