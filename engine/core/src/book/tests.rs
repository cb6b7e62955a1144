//! The book against a naive one that is a sorted list.

use proptest::prelude::*;
use schemas::BookSide;

use super::{Book, BookId, Resting};

const SIDES: [BookSide; 2] = [BookSide::Bid, BookSide::Ask];

/// Price-time priority, written for clarity: all orders in the order they came, sorted when asked.
#[derive(Default)]
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

    fn take(&mut self, side: BookSide, limit: u32, quantity: u32) -> (u32, Vec<(u64, u32, u32)>) {
        let (mut left, mut fills) = (quantity, Vec::new());
        for maker in self.queue(side.opposite()) {
            let crosses = if side == BookSide::Bid { maker.price <= limit } else { maker.price >= limit };
            if left == 0 || !crosses {
                break;
            }
            let taken = left.min(maker.remaining);
            fills.push((maker.id, maker.price, taken));
            left -= taken;
            self.reduce(maker.id, taken);
        }
        (left, fills)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Place { bid: bool, price: u32, quantity: u32 },
    TakeFirst { bid: bool, quantity: u32 },
    Reduce { pick: usize, quantity: u32 },
    Remove { pick: usize },
}

fn step(highest: u32) -> impl Strategy<Value = Step> {
    // Few prices, at both ends of the domain and around the bitmaps' borders, so that levels fill, empty and refill.
    let price = prop_oneof![0_u32..=4, 62_u32..=66, 4_094_u32..=4_098, highest - 3..=highest, 0..=highest];
    prop_oneof![
        5 => (any::<bool>(), price, 1_u32..=5).prop_map(|(bid, price, quantity)| Step::Place { bid, price, quantity }),
        1 => (any::<bool>(), 1_u32..=5).prop_map(|(bid, quantity)| Step::TakeFirst { bid, quantity }),
        2 => (any::<usize>(), 1_u32..=5).prop_map(|(pick, quantity)| Step::Reduce { pick, quantity }),
        2 => any::<usize>().prop_map(|pick| Step::Remove { pick }),
    ]
}

fn side(bid: bool) -> BookSide {
    if bid { BookSide::Bid } else { BookSide::Ask }
}

fn run(highest: u32, steps: &[Step]) {
    let (mut book, mut naive) = (Book::new(highest), Naive::default());
    for (id, step) in (0..).zip(steps) {
        match *step {
            Step::Place { bid, price, quantity } => {
                let mut fills = Vec::new();
                let left = book.take(side(bid), price, quantity, |maker, n| fills.push((maker.id, maker.price, n)));
                assert_eq!((left, fills), naive.take(side(bid), price, quantity));
                if left > 0 {
                    let order = Resting { id, side: side(bid), price, remaining: left, owner: () };
                    book.insert(order);
                    naive.0.push(order);
                }
            }
            Step::TakeFirst { bid, quantity } => {
                if let Some(first) = naive.queue(side(bid)).first() {
                    let quantity = quantity.min(first.remaining);
                    assert_eq!(book.take_first(side(bid), quantity), *first);
                    naive.reduce(first.id, quantity);
                }
            }
            Step::Reduce { pick, quantity } if !naive.0.is_empty() => {
                let Resting { id, remaining, .. } = naive.0[pick % naive.0.len()];
                let quantity = quantity.min(remaining);
                assert_eq!(book.reduce(id, quantity), naive.reduce(id, quantity));
            }
            Step::Remove { pick } if !naive.0.is_empty() => {
                let order = naive.0.remove(pick % naive.0.len());
                assert_eq!(book.remove(order.id), Some(order));
                assert_eq!((book.remove(order.id), book.reduce(order.id, 1)), (None, None));
            }
            Step::Reduce { .. } | Step::Remove { .. } => {}
        }
        agree(&book, &naive);
    }
}

fn agree(book: &Book<u64>, naive: &Naive) {
    assert_eq!((book.len(), book.is_empty()), (naive.0.len(), naive.0.is_empty()));
    for side in SIDES {
        let queue = naive.queue(side);
        assert_eq!(book.best(side), queue.first().map(|o| o.price));
        assert!(book.queue(side).eq(queue.iter()), "the queue of {side} differs");
        for order in &queue {
            assert_eq!(book.depth(side, order.price), naive.depth(side, order.price));
            assert_eq!(book.get(order.id), Some(order));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_sorted_list(
        (highest, steps) in prop_oneof![Just(9_999_u32), Just((1 << 20) + 7)]
            .prop_flat_map(|highest| (Just(highest), prop::collection::vec(step(highest), 0..120))),
    ) {
        run(highest, &steps);
    }
}

fn order<Id: BookId>(id: Id, price: u32) -> Resting<Id> {
    Resting { id, side: BookSide::Ask, price, remaining: 3, owner: () }
}

fn level_of_five() -> Book<u64> {
    let mut book = Book::new(9_999);
    (1..=5).for_each(|id| book.insert(order(id, 5_000)));
    book
}

fn ids(book: &Book<u64>) -> Vec<u64> {
    book.queue(BookSide::Ask).map(|o| o.id).collect()
}

#[test]
fn a_cancel_at_head_middle_or_tail_loses_nothing_behind_it() {
    for (gone, left) in [(1, [2, 3, 4, 5]), (3, [1, 2, 4, 5]), (5, [1, 2, 3, 4])] {
        let mut book = level_of_five();
        book.remove(gone);
        assert_eq!(ids(&book), left);
    }
}

#[test]
fn several_scattered_cancels_lose_nothing() {
    let mut book = level_of_five();
    for gone in [2, 5, 1] {
        book.remove(gone);
    }
    assert_eq!(ids(&book), [3, 4]);
    book.insert(order(6, 5_000));
    assert_eq!(ids(&book), [3, 4, 6]);
}

#[test]
fn a_partly_filled_or_reduced_order_keeps_its_place() {
    let mut book = level_of_five();
    book.take(BookSide::Bid, 5_000, 2, |_, _| {});
    book.reduce(3, 2);
    assert_eq!(ids(&book), [1, 2, 3, 4, 5]);
    assert_eq!(book.depth(BookSide::Ask, 5_000), 11);
}

#[test]
fn after_the_last_order_of_the_best_level_the_next_level_is_best_at_once() {
    for (side, best, next) in [(BookSide::Bid, 9_999, 0), (BookSide::Ask, 0, 9_999)] {
        let mut book = Book::<u64>::new(9_999);
        for (id, price) in [(1, best), (2, next)] {
            book.insert(Resting { id, side, price, remaining: 1, owner: () });
        }
        assert_eq!(book.best(side), Some(best));
        book.remove(1);
        assert_eq!(book.best(side), Some(next));
    }
}

#[test]
fn ids_of_128_bits_will_do() {
    let mut book = Book::<u128>::new(9_999);
    (0..1_000).for_each(|n| book.insert(order(n << 100 | n, 5_000)));
    (0..1_000).step_by(2).for_each(|n| assert!(book.remove(n << 100 | n).is_some()));
    assert_eq!(book.len(), 500);
    assert!(book.get(1 << 100 | 1).is_some() && book.get(1).is_none());
}
