//! The book against a naive one that is a sorted list.

use proptest::prelude::*;
use schemas::{BookSide, OrderId, Price, Quantity};

use super::{Book, Resting};

/// Price-time priority, written for clarity: all orders in the order they came, sorted when asked.
#[derive(Default)]
struct Naive(Vec<Resting<()>>);

impl Naive {
    fn queue(&self, side: BookSide) -> Vec<Resting<()>> {
        let mut orders: Vec<_> = self.0.iter().filter(|o| o.side == side).copied().collect();
        orders.sort_by_key(|o| match side {
            BookSide::Bid => -i32::from(o.price.ticks()),
            BookSide::Ask => i32::from(o.price.ticks()),
        });
        orders
    }

    fn depth(&self, side: BookSide, price: Price) -> u64 {
        let here = self.0.iter().filter(|o| o.side == side && o.price == price);
        here.map(|o| u64::from(o.remaining.contracts())).sum()
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert { bid: bool, price: u16, quantity: u32 },
    Fill { pick: usize, quantity: u32 },
    Remove { pick: usize },
}

fn step() -> impl Strategy<Value = Step> {
    // Few prices, at both ends of the domain and around page borders, so that levels fill, empty and refill.
    let price = prop_oneof![1_u16..=4, 62_u16..=66, 4_094_u16..=4_098, 9_996_u16..=9_999, 1_u16..=9_999];
    prop_oneof![
        4 => (any::<bool>(), price, 1_u32..=5).prop_map(|(bid, price, quantity)| Step::Insert { bid, price, quantity }),
        2 => (any::<usize>(), 1_u32..=5).prop_map(|(pick, quantity)| Step::Fill { pick, quantity }),
        2 => any::<usize>().prop_map(|pick| Step::Remove { pick }),
    ]
}

fn quantity(contracts: u32) -> Quantity {
    Quantity::new(contracts).unwrap()
}

fn run(steps: &[Step]) {
    let (mut book, mut naive) = (Book::default(), Naive::default());
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Insert { bid, price, quantity: n } => {
                let side = if bid { BookSide::Bid } else { BookSide::Ask };
                let id = OrderId(number as u64);
                let order = Resting { id, side, price: Price::new(price).unwrap(), remaining: quantity(n), owner: () };
                book.insert(order);
                naive.0.push(order);
            }
            Step::Fill { pick, quantity: n } if !naive.0.is_empty() => {
                let at = pick % naive.0.len();
                let order = &mut naive.0[at];
                let taken = quantity(n.min(order.remaining.contracts()));
                order.remaining = order.remaining - taken;
                let (id, left) = (order.id, order.remaining);
                naive.0.retain(|o| !o.remaining.is_zero());
                assert_eq!(book.fill(id, taken), left);
            }
            Step::Remove { pick } if !naive.0.is_empty() => {
                let order = naive.0.remove(pick % naive.0.len());
                assert_eq!(book.remove(order.id), Some(order));
                assert_eq!(book.remove(order.id), None);
            }
            Step::Fill { .. } | Step::Remove { .. } => {}
        }
        agree(&book, &naive);
    }
}

fn agree(book: &Book<()>, naive: &Naive) {
    assert_eq!(book.len(), naive.0.len());
    for side in [BookSide::Bid, BookSide::Ask] {
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
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_sorted_list(steps in prop::collection::vec(step(), 0..120)) {
        run(&steps);
    }
}

fn orders(book: &Book<()>) -> Vec<u64> {
    book.queue(BookSide::Ask).map(|o| o.id.0).collect()
}

fn level_of_five() -> Book<()> {
    let mut book = Book::default();
    for id in 1..=5 {
        let price = Price::new(5_000).unwrap();
        book.insert(Resting { id: OrderId(id), side: BookSide::Ask, price, remaining: quantity(3), owner: () });
    }
    book
}

#[test]
fn a_cancel_at_head_middle_or_tail_loses_nothing_behind_it() {
    for (gone, left) in [(1, [2, 3, 4, 5]), (3, [1, 2, 4, 5]), (5, [1, 2, 3, 4])] {
        let mut book = level_of_five();
        book.remove(OrderId(gone));
        assert_eq!(orders(&book), left);
    }
}

#[test]
fn a_partly_filled_order_keeps_its_place() {
    let mut book = level_of_five();
    assert_eq!(book.fill(OrderId(1), quantity(2)), quantity(1));
    assert_eq!(orders(&book), [1, 2, 3, 4, 5]);
    assert_eq!(book.depth(BookSide::Ask, Price::new(5_000).unwrap()), 13);
}

#[test]
fn after_the_last_order_of_the_best_level_the_next_level_is_best_at_once() {
    for (side, best, next) in [(BookSide::Bid, 9_999, 1), (BookSide::Ask, 1, 9_999)] {
        let mut book = Book::default();
        for (id, ticks) in [(1, best), (2, next)] {
            let price = Price::new(ticks).unwrap();
            book.insert(Resting { id: OrderId(id), side, price, remaining: quantity(1), owner: () });
        }
        assert_eq!(book.best(side).unwrap().ticks(), best);
        book.remove(OrderId(1));
        assert_eq!(book.best(side).unwrap().ticks(), next);
    }
}
