//! Memory follows what is there: it comes back, however many orders, levels and books there were.

use super::*;
use crate::book::BookKey;
use crate::pages::{PAGE, first_part};

fn order(id: u64, side: BookSide, price: u32) -> Resting<u64> {
    Resting { id, side, price, remaining: 3, owner: () }
}

/// A book's whole range of prices, each with an order.
fn fill(books: &mut Books<u64>, book: BookKey, first: u64) -> Vec<u64> {
    let mut ids = Vec::new();
    for price in books.prices(book) {
        let side = if price <= 5_000 { BookSide::Bid } else { BookSide::Ask };
        let id = first + u64::from(price);
        books.insert(book, order(id, side, price));
        ids.push(id);
    }
    ids
}

/// Each market of an exchange uses its whole range of prices, is settled and gone.
#[test]
fn books_that_are_closed_leave_nothing_behind() {
    let mut books = Books::<u64>::new();
    let stays = books.add_with(1..=9_999);
    books.insert(stays, order(1, BookSide::Bid, 1));
    let rooms = |books: &Books<u64>| (books.nodes.room(), books.levels.rooms());
    let mut most = None;
    for round in 1..=20 {
        let keys = [books.add_with(1..=9_999), books.add(9_999)];
        assert_eq!(keys.map(BookKey::index), [1, 2], "the books that were closed serve again");
        for (at, key) in (0..).zip(keys) {
            let ids = fill(&mut books, key, round * 100_000 + at * 10_000);
            assert_eq!(books.levels.blocks(), 1 + 20, "a block for each 512 prices of a side");
            for id in ids {
                books.cancel(id).unwrap();
            }
            assert_eq!(books.levels.blocks(), 1, "only that of the order that stays");
        }
        assert_eq!(*most.get_or_insert_with(|| rooms(&books)), rooms(&books), "no more than the first time");
        books.close(keys[0]);
        assert_eq!(books.keys().collect::<Vec<_>>(), [stays, keys[1]]);
        books.close(keys[1]);
        assert_eq!(books.keys().collect::<Vec<_>>(), [stays]);
    }
    assert_eq!(books.get(1).map(|(book, _)| book), Some(stays));
}

#[test]
#[should_panic(expected = "orders rest in book 0")]
fn a_book_with_orders_is_not_closed() {
    let mut books = Books::<u64>::new();
    let book = books.add(9);
    books.insert(book, order(1, BookSide::Bid, 1));
    books.close(book);
}

#[test]
#[should_panic(expected = "book 0 is closed")]
fn a_book_is_closed_once() {
    let mut books = Books::<u64>::new();
    let (book, _) = (books.add(9), books.add(9));
    books.close(book);
    books.close(book);
}

/// As a bench does with 8,000,000 (`engine/benches/benches/growth.rs`).
#[test]
fn many_orders_that_end_give_their_memory_back() {
    let mut book = Book::<u64>::new(9_999);
    let many = first_part::<[u64; 4]>() as u64 + 20 * PAGE as u64;
    let price = |id: u64| u32::try_from(id * 7919 % 10_000).unwrap();
    for id in 1..=many {
        book.insert(order(id, BookSide::Bid, price(id)));
    }
    let nodes = &book.books.nodes;
    assert!(nodes.room() < usize::try_from(many).unwrap() + PAGE, "no more than they need: {}", nodes.room());
    // As it comes, out of order.
    for at in 0..many {
        book.cancel(1 + at * 48_271 % many).unwrap_or_else(|_| panic!("{at} of {many}"));
    }
    assert!(book.is_empty());
    let Books { nodes, levels, ids, .. } = &book.books;
    assert!(nodes.room() <= first_part::<[u64; 4]>() + PAGE, "{} slots of orders", nodes.room());
    assert_eq!((levels.blocks(), levels.tables(), ids.len()), (0, 0, 0));
}

/// A side with many orders for its prices has a table of levels, which goes with them.
#[test]
fn tables_of_levels_come_and_go() {
    let mut book = Book::<u64>::new(99);
    (0..200).for_each(|id| book.insert(order(id, BookSide::Ask, u32::try_from(id % 90).unwrap())));
    assert_eq!(book.books.levels.tables(), 1);
    (0..199).for_each(|id| assert!(book.cancel(id).is_ok()));
    assert_eq!((book.books.levels.tables(), book.best(BookSide::Ask)), (0, Some(199 % 90)));
    let mut wide = Book::<u64>::new(PRICE_MAX);
    (0..200_000).for_each(|id| wide.insert(order(id, BookSide::Ask, u32::try_from(id % 90).unwrap())));
    assert_eq!(wide.books.levels.tables(), 0, "none where making one would take long");
}

#[test]
fn an_order_that_is_amended_keeps_its_slot() {
    let mut books = Books::<u64>::new();
    let book = books.add(100);
    for id in 1..=9 {
        books.insert(book, order(id, BookSide::Bid, 50));
    }
    books.cancel(3).unwrap();
    let slot = books.slot(5).unwrap();
    for (price, quantity) in [(51, 9), (51, 10), (50, 3), (50, 2), (50, 7)] {
        books.amend(5, price, quantity, |_, _| {}).unwrap();
        assert_eq!(books.slot(5), Some(slot), "at {price}");
    }
    let ids: Vec<_> = books.queue(book, BookSide::Bid).map(|order| order.id).collect();
    assert_eq!(ids, [1, 2, 4, 6, 7, 8, 9, 5]);
}
