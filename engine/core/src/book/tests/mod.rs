//! The book against a naive one that is a sorted list, and the rules that every price-time book
//! must keep, by name.

mod hostile;
mod memory;
mod primitives;
mod random;
mod rules;

use schemas::BookSide;

use super::{Ahead, Book, BookError, BookId, Books, IdKey, PRICE_MAX, PlaceResult, QueueCount, RestPolicy, Resting};

const SIDES: [BookSide; 2] = [BookSide::Bid, BookSide::Ask];

/// A fill: the resting order's id and price, and the quantity.
type Fill = (u64, u32, u32);

fn crosses(side: BookSide, limit: u32, price: u32) -> bool {
    match side {
        BookSide::Bid => price <= limit,
        BookSide::Ask => price >= limit,
    }
}

/// Price-time priority, written for clarity: all orders in the order they came, sorted when asked.
#[derive(Clone, Default)]
struct Naive(Vec<Resting<u64>>);

impl Naive {
    fn queue(&self, side: BookSide) -> Vec<Resting<u64>> {
        let mut orders: Vec<_> = self.0.iter().filter(|o| o.side == side).copied().collect();
        orders.sort_by_key(|o| match side {
            BookSide::Bid => -i64::from(o.price),
            BookSide::Ask => i64::from(o.price),
        });
        orders
    }

    fn get(&self, id: u64) -> Option<Resting<u64>> {
        self.0.iter().find(|o| o.id == id).copied()
    }

    fn depth(&self, side: BookSide, price: u32) -> u64 {
        self.0.iter().filter(|o| o.side == side && o.price == price).map(|o| u64::from(o.remaining)).sum()
    }

    fn reduce(&mut self, id: u64, quantity: u32) -> Option<u32> {
        let order = self.0.iter_mut().find(|o| o.id == id)?;
        order.remaining -= quantity;
        let left = order.remaining;
        self.0.retain(|o| o.remaining > 0);
        Some(left)
    }

    fn take(&mut self, side: BookSide, limit: u32, quantity: u32) -> (u32, Vec<Fill>) {
        let (mut left, mut fills) = (quantity, Vec::new());
        for maker in self.queue(side.opposite()) {
            if left == 0 || !crosses(side, limit, maker.price) {
                break;
            }
            let taken = left.min(maker.remaining);
            fills.push((maker.id, maker.price, taken));
            left -= taken;
            self.reduce(maker.id, taken);
        }
        (left, fills)
    }

    fn place(&mut self, order: Resting<u64>, instruction: RestPolicy) -> (Result<PlaceResult, BookError>, Vec<Fill>) {
        let quantity = order.remaining;
        if self.get(order.id).is_some() {
            return (Err(BookError::IdIsLive), Vec::new());
        }
        let mut after = self.clone();
        let (left, fills) = after.take(order.side, order.price, quantity);
        match instruction {
            RestPolicy::PostOnly if !fills.is_empty() => return (Err(BookError::WouldTake), Vec::new()),
            RestPolicy::FillOrKill if left > 0 => return (Err(BookError::WouldNotFill), Vec::new()),
            _ => *self = after,
        }
        let resting = if instruction == RestPolicy::ImmediateOrCancel { 0 } else { left };
        if resting > 0 {
            self.0.push(Resting { remaining: resting, ..order });
        }
        (Ok(PlaceResult { filled: quantity - left, resting }), fills)
    }

    fn amend(&mut self, id: u64, price: u32, quantity: u32) -> (Result<PlaceResult, BookError>, Vec<Fill>) {
        let Some(order) = self.get(id) else { return (Err(BookError::IdUnknown), Vec::new()) };
        if order.price == price && quantity <= order.remaining {
            self.reduce(id, order.remaining - quantity);
            return (Ok(PlaceResult { filled: 0, resting: quantity }), Vec::new());
        }
        self.0.retain(|o| o.id != id);
        self.place(Resting { price, remaining: quantity, ..order }, RestPolicy::GoodTillCancelled)
    }

    /// Both hold the same orders in the same queues, and say the same of them.
    fn agrees(&self, book: &Book<u64>) {
        assert_eq!((book.len(), book.is_empty()), (self.0.len(), self.0.is_empty()));
        for side in SIDES {
            let queue = self.queue(side);
            assert_eq!(book.best(side), queue.first().map(|o| o.price));
            assert!(book.queue(side).eq(queue.iter().copied()), "the queue of {side} differs");
            let mut prices: Vec<_> = queue.iter().map(|o| o.price).collect();
            prices.dedup();
            assert!(book.depths(side).eq(prices.iter().map(|&price| (price, self.depth(side, price)))));
            for order in &queue {
                assert_eq!(book.depth(side, order.price), self.depth(side, order.price));
                assert_eq!(book.depth(side, order.price + 1), self.depth(side, order.price + 1));
                assert_eq!(book.get(order.id), Some(*order));
            }
        }
        self.agrees_on_queues(book);
    }

    /// What is ahead of each order, each counted alone, all with one count in whichever order, and
    /// with a count too short for most.
    fn agrees_on_queues(&self, book: &Book<u64>) {
        let ahead = |count: &mut QueueCount, id| book.books.ahead(id, count).expect("it rests");
        let (mut one, mut backwards) = (QueueCount::of_at_most(usize::MAX), QueueCount::of_at_most(usize::MAX));
        for order in self.0.iter().rev() {
            assert_eq!(ahead(&mut backwards, order.id), self.ahead(order), "ahead of {order:?}");
        }
        for order in &self.0 {
            let expected = self.ahead(order);
            assert_eq!(ahead(&mut one, order.id), expected, "ahead of {order:?}");
            assert_eq!(
                ahead(&mut QueueCount::of_at_most(usize::try_from(expected.orders).unwrap()), order.id),
                expected
            );
            let short = ahead(&mut QueueCount::of_at_most(2), order.id);
            assert_eq!((short.orders, short.and_more), (expected.orders.min(2), expected.orders > 2));
            assert!(short.contracts <= expected.contracts);
        }
    }

    fn ahead(&self, order: &Resting<u64>) -> Ahead {
        let queue = self.queue(order.side);
        let before = queue.iter().take_while(|other| other.id != order.id).filter(|other| other.price == order.price);
        let mut ahead = Ahead::default();
        for other in before {
            ahead.contracts += u64::from(other.remaining);
            ahead.orders += 1;
        }
        ahead
    }
}
