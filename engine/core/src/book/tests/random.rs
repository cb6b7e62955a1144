//! What a book's own users call: place, cancel and amend, at random, against the sorted list; and
//! several books in one memory.

use proptest::prelude::*;

use super::*;
use crate::book::Upcoming;

#[derive(Clone, Copy, Debug)]
enum Step {
    Place { id: u64, bid: bool, price: u32, quantity: u32, instruction: RestPolicy },
    Cancel { id: u64 },
    Amend { id: u64, price: u32, quantity: u32 },
}

/// Few ids, so that live ones come again and gone ones are named; few prices, at both ends of the
/// domain and around the borders of words and blocks, so that levels fill, empty and refill.
fn step(highest: u32) -> impl Strategy<Value = Step> {
    let id = || 1_u64..=24;
    let price = move || {
        prop_oneof![1_u32..=4, 62_u32..=66, 510_u32..=514, 4_094_u32..=4_098, highest - 3..=highest, 1..=highest]
    };
    let instruction = prop_oneof![
        4 => Just(RestPolicy::GoodTillCancelled),
        1 => Just(RestPolicy::ImmediateOrCancel),
        1 => Just(RestPolicy::FillOrKill),
        1 => Just(RestPolicy::PostOnly),
    ];
    prop_oneof![
        5 => (id(), any::<bool>(), price(), 1_u32..=9, instruction)
            .prop_map(|(id, bid, price, quantity, instruction)| Step::Place { id, bid, price, quantity, instruction }),
        1 => id().prop_map(|id| Step::Cancel { id }),
        2 => (id(), price(), 1_u32..=9).prop_map(|(id, price, quantity)| Step::Amend { id, price, quantity }),
    ]
}

fn steps(highest: u32) -> impl Strategy<Value = (u32, Vec<Step>)> {
    (Just(highest), prop::collection::vec(step(highest), 0..120))
}

/// What the book may be told to come, whether it comes or not: also prices that it does not have.
fn upcoming(step: Step, behind: u32) -> Upcoming<u64> {
    match step {
        Step::Place { id, bid, price, .. } => {
            let side = if bid { BookSide::Bid } else { BookSide::Ask };
            Upcoming::Place { book: Book::<u64>::KEY, id, side, price: price * behind }
        }
        Step::Cancel { id } | Step::Amend { id, .. } => Upcoming::Change { id },
    }
}

/// Does a step in both and compares what they say. Looking ahead changes nothing.
fn run(book: &mut Book<u64>, naive: &mut Naive, step: Step) {
    book.prefetch(|behind| Some(upcoming(step, u32::try_from(behind).unwrap())));
    // So small a book would not be looked at.
    book.books.look_ahead(|behind| Some(upcoming(step, u32::try_from(behind).unwrap())));
    let mut fills = Vec::new();
    let fill = |maker: &Resting<u64>, quantity| fills.push((maker.id, maker.price, quantity));
    match step {
        Step::Place { id, bid, price, quantity, instruction } => {
            let side = if bid { BookSide::Bid } else { BookSide::Ask };
            let order = Resting { id, side, price, remaining: quantity, owner: () };
            let outcome = book.place(order, instruction, fill);
            assert_eq!((outcome, fills), naive.place(order, instruction));
        }
        Step::Cancel { id } => {
            assert_eq!(book.cancel(id), naive.get(id).ok_or(BookError::IdUnknown));
            naive.0.retain(|o| o.id != id);
        }
        Step::Amend { id, price, quantity } => {
            let outcome = book.amend(id, price, quantity, fill);
            assert_eq!((outcome, fills), naive.amend(id, price, quantity));
        }
    }
    if let (Some(bid), Some(ask)) = (book.best(BookSide::Bid), book.best(BookSide::Ask)) {
        assert!(bid < ask, "crossed: {bid} and {ask}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_sorted_list((highest, steps) in prop_oneof![steps(9_999), steps((1 << 20) + 7), steps(super::super::PRICE_MAX)]) {
        let (mut book, mut naive) = (Book::with_prices(1..=highest), Naive::default());
        for step in steps {
            run(&mut book, &mut naive, step);
            naive.agrees(&book);
        }
    }

    /// Three books of different domains in one memory, each as if it were alone.
    #[test]
    fn books_in_one_memory_do_not_touch_each_other(
        steps in prop::collection::vec((0_usize..3, any::<bool>(), 0_u32..70, 1_u32..=5, any::<prop::sample::Index>()), 0..200),
    ) {
        let mut books = Books::<u64>::new();
        let keys = [69, 5_000, 1 << 20].map(|highest| books.add(highest));
        let mut alone = [69, 5_000, 1 << 20].map(Book::<u64>::new);
        let mut live = Vec::new();
        for (id, (n, bid, price, quantity, pick)) in (0..).zip(steps) {
            if price >= 35 && !live.is_empty() {
                let (n, id): (usize, u64) = live.swap_remove(pick.index(live.len()));
                let gone = books.cancel(id).ok();
                prop_assert_eq!(gone, alone[n].cancel(id).ok().map(|order| (keys[n], order)));
            }
            let side = if bid { BookSide::Bid } else { BookSide::Ask };
            let order = Resting { id, side, price, remaining: quantity, owner: () };
            let outcome = books.place(keys[n], order, RestPolicy::GoodTillCancelled, |_, _| {});
            prop_assert_eq!(outcome, alone[n].place(order, RestPolicy::GoodTillCancelled, |_, _| {}));
            live.push((n, id));
            live.retain(|(_, id)| books.get(*id).is_some());
            for (key, alone) in keys.into_iter().zip(&alone) {
                prop_assert_eq!(books.len(key), alone.len());
                for side in SIDES {
                    prop_assert!(books.queue(key, side).eq(alone.queue(side)));
                }
            }
            prop_assert_eq!(books.orders(), alone.iter().map(Book::len).sum::<usize>());
        }
        let bytes = bincode::encode_to_vec(&books, bincode::config::standard()).unwrap();
        let (again, _) = bincode::decode_from_slice::<Books<u64>, _>(&bytes, bincode::config::standard()).unwrap();
        for key in keys {
            prop_assert_eq!(again.prices(key), books.prices(key));
            for side in SIDES {
                prop_assert!(again.queue(key, side).eq(books.queue(key, side)), "a snapshot keeps the queues");
            }
        }
        prop_assert_eq!(bincode::encode_to_vec(&again, bincode::config::standard()).unwrap(), bytes);
    }
}
