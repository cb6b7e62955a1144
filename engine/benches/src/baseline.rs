//! The baseline: BTreeMap + VecDeque + HashMap, as a straightforward implementation.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::{Add, Matcher, Tape};

#[derive(Default)]
pub struct Baseline {
    books: Vec<Book>,
}

#[derive(Default)]
struct Book {
    bids: BTreeMap<u32, VecDeque<(u64, u32)>>,
    asks: BTreeMap<u32, VecDeque<(u64, u32)>>,
    orders: HashMap<u64, (bool, u32)>,
}

impl Baseline {
    pub fn new(books: usize) -> Self {
        Self { books: (0..books).map(|_| Book::default()).collect() }
    }

    pub fn best_bid(&self, book: usize) -> Option<u32> {
        self.books[book].bids.last_key_value().map(|(price, _)| *price)
    }

    pub fn best_ask(&self, book: usize) -> Option<u32> {
        self.books[book].asks.first_key_value().map(|(price, _)| *price)
    }

    /// Like [`Matcher::add`]; also reports each maker that left the book, in order, and returns
    /// whether the order rests.
    pub fn add_and_tell(&mut self, book: usize, order: Add, tape: &mut Tape, mut gone: impl FnMut(u64)) -> bool {
        let Book { bids, asks, orders } = &mut self.books[book];
        let mut left = order.quantity;
        while left > 0 {
            let level = if order.buy { asks.first_entry() } else { bids.last_entry() };
            let Some(mut level) = level else { break };
            let price = *level.key();
            if if order.buy { price > order.price } else { price < order.price } {
                break;
            }
            let queue = level.get_mut();
            while let Some((maker, resting)) = queue.front_mut() {
                let quantity = left.min(*resting);
                tape.trade(*maker, order.id, price, quantity);
                left -= quantity;
                *resting -= quantity;
                if *resting > 0 {
                    break;
                }
                orders.remove(maker);
                gone(*maker);
                queue.pop_front();
                if left == 0 {
                    break;
                }
            }
            if queue.is_empty() {
                level.remove();
            }
        }
        let rests = left > 0 && !order.ioc;
        if rests {
            let side = if order.buy { bids } else { asks };
            side.entry(order.price).or_default().push_back((order.id, left));
            orders.insert(order.id, (order.buy, order.price));
        }
        rests
    }
}

impl Matcher for Baseline {
    fn add(&mut self, book: usize, order: Add, tape: &mut Tape) {
        self.add_and_tell(book, order, tape, |_| {});
    }

    fn cancel(&mut self, book: usize, id: u64) {
        let Book { bids, asks, orders } = &mut self.books[book];
        let Some((buy, price)) = orders.remove(&id) else { return };
        let side = if buy { bids } else { asks };
        if let Some(queue) = side.get_mut(&price) {
            if let Some(at) = queue.iter().position(|(resting, _)| *resting == id) {
                queue.remove(at);
            }
            if queue.is_empty() {
                side.remove(&price);
            }
        }
    }
}
