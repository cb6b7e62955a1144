//! Our book under test, with any payload that an order has for its owner.

use engine_core::{BookKey, Books, Resting, Upcoming};
use schemas::BookSide;

use crate::{Add, Command, Matcher, Tape};

/// The highest price of the flow.
const HIGHEST: u32 = 9_999;

#[derive(Clone)]
pub struct Ours<T = ()> {
    books: Books<u64, T>,
    keys: Vec<BookKey>,
    owner: T,
}

impl Ours {
    pub fn new(books: usize) -> Self {
        Self::with_owner(books, ())
    }
}

impl<T: Copy> Ours<T> {
    pub fn with_owner(books: usize, owner: T) -> Self {
        let mut all = Books::new();
        let keys = (0..books).map(|_| all.add_with(1..=HIGHEST)).collect();
        Self { books: all, keys, owner }
    }

    /// Returns the number of resting orders.
    pub fn resting(&self) -> usize {
        self.books.orders()
    }

    /// Empties all books.
    pub fn cancel_all(&mut self) {
        for &key in &self.keys {
            for side in [BookSide::Bid, BookSide::Ask] {
                while let Some(first) = self.books.queue(key, side).next() {
                    let id = first.id;
                    self.books.remove(id);
                }
            }
        }
    }
}

impl<T: Copy> Matcher for Ours<T> {
    #[inline]
    fn add(&mut self, book: usize, order: Add, tape: &mut Tape) {
        let key = self.keys[book];
        let Add { id, price, .. } = order;
        let side = if order.buy { BookSide::Bid } else { BookSide::Ask };
        let fill = |maker: &Resting<u64, T>, quantity| tape.trade(maker.id, id, maker.price, quantity);
        let remaining = self.books.take(key, side, price, order.quantity, fill);
        if remaining > 0 && !order.ioc {
            self.books.insert(key, Resting { id, side, price, remaining, owner: self.owner });
        }
    }

    #[inline]
    fn cancel(&mut self, _book: usize, id: u64) {
        self.books.remove(id);
    }
}

/// The same book, with announcements of later commands.
pub struct Ahead<T = ()>(pub Ours<T>);

impl<T: Copy> Matcher for Ahead<T> {
    #[inline]
    fn add(&mut self, book: usize, order: Add, tape: &mut Tape) {
        self.0.add(book, order, tape);
    }

    #[inline]
    fn cancel(&mut self, book: usize, id: u64) {
        self.0.cancel(book, id);
    }

    #[inline]
    fn look_ahead(&mut self, behind: &[Command]) {
        let Ours { books, keys, .. } = &self.0;
        books.prefetch(|n| {
            behind.get(n).map(|command| match *command {
                Command::Add { book, order: Add { id, buy, price, .. } } => {
                    let side = if buy { BookSide::Bid } else { BookSide::Ask };
                    Upcoming::Place { book: keys[book as usize], id, side, price }
                }
                Command::Cancel { id, .. } => Upcoming::Change { id },
            })
        });
    }
}
