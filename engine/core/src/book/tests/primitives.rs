//! Tests of the calls that the core uses: take, insert, reduce, remove.

use proptest::prelude::*;
use schemas::BookSide;

use super::super::BookId;
use super::{Book, Naive, Resting};

#[derive(Clone, Copy, Debug)]
enum Step {
    Place { bid: bool, price: u32, quantity: u32 },
    TakeFirst { bid: bool, quantity: u32 },
    Reduce { pick: usize, quantity: u32 },
    Remove { pick: usize },
}

fn step(highest: u32) -> impl Strategy<Value = Step> {
    // Few prices, at both ends of the domain and around the bitmaps' borders, so that levels fill,
    // empty and refill.
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
        naive.agrees(&book);
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// So few prices that a side comes to have many orders for each, and then few: its levels move
    /// to a table and back.
    #[test]
    fn sides_that_fill_and_empty_agree_with_a_sorted_list(
        steps in prop::collection::vec((any::<bool>(), 0_u32..20, 1_u32..4, any::<usize>()), 0..300),
    ) {
        let (mut book, mut naive) = (Book::new(40), Naive::default());
        for (id, (fills, price, remaining, pick)) in (0..).zip(steps) {
            // Fills for a while, then empties.
            if (id / 75 % 2 == 0) == (fills || pick % 4 == 0) {
                let side = side(pick % 2 == 0);
                let order = Resting { id, side, price: if side == BookSide::Bid { price } else { 40 - price }, remaining, owner: () };
                book.insert(order);
                naive.0.push(order);
            } else if let Some(first) = naive.queue(side(fills)).first() {
                let price = if pick % 3 == 0 { first.price } else { naive.0[pick % naive.0.len()].price };
                let limit = if fills { price } else { price.max(20) };
                let (taker, mut told) = (side(fills).opposite(), Vec::new());
                let left = book.take(taker, limit, remaining, |maker, n| told.push((maker.id, maker.price, n)));
                assert_eq!((left, told), naive.take(taker, limit, remaining));
            }
            naive.agrees(&book);
        }
    }
}

fn order<Id: BookId>(id: Id, price: u32) -> Resting<Id> {
    Resting { id, side: BookSide::Ask, price, remaining: 3, owner: () }
}

#[test]
fn ids_of_128_bits_will_do() {
    let mut book = Book::<u128>::new(9_999);
    (0..1_000).for_each(|n| book.insert(order(n << 100 | n, 5_000)));
    (0..1_000).step_by(2).for_each(|n| assert!(book.remove(n << 100 | n).is_some()));
    assert_eq!(book.len(), 500);
    assert!(book.get(1 << 100 | 1).is_some() && book.get(1).is_none());
}
