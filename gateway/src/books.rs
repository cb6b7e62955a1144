//! The JSON text of whole books, made once for each change of a book, outside of all locks, and
//! shared by all readers.
//!
//!   view ─▶ a copy of the book ─▶ *books* ─▶ HTTP, WebSocket
//!
//! Only a few deep books are serialised at a time, so that they take a bounded share of the
//! processors however many clients ask.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use schemas::{BookSide, MarketId};
use tokio::sync::Semaphore;

use crate::view::book::BookLevels;

/// Books with fewer levels are serialised for each request: that costs less than caching them.
const DEEP: usize = 256;

/// Deep books that are serialised at the same time.
const AT_ONCE: usize = 1;

/// Bytes of all cached texts.
const KEPT_MAX: usize = 64 * 1024 * 1024;

/// The cache of texts.
pub struct BookTexts {
    kept: Mutex<BookText>,
    making: Semaphore,
}

#[derive(Default)]
struct BookText {
    texts: HashMap<MarketId, (u64, Arc<str>)>,
    bytes: usize,
}

impl Default for BookTexts {
    fn default() -> Self {
        Self { kept: Mutex::default(), making: Semaphore::new(AT_ONCE) }
    }
}

impl BookTexts {
    /// Returns the levels of a market's book: `"bids":[["0.5500",120],…],"asks":[…]`.
    pub async fn text(&self, market: MarketId, book: &BookLevels) -> Arc<str> {
        if book.len() < DEEP {
            return text(book, usize::MAX).into();
        }
        if let Some(kept) = self.kept(market, book) {
            return kept;
        }
        // The semaphore is never closed; without a permit the book is serialised all the same.
        let _permit = self.making.acquire().await;
        // Another task may have made it meanwhile.
        self.kept(market, book).unwrap_or_else(|| self.keep(market, book))
    }

    fn kept(&self, market: MarketId, book: &BookLevels) -> Option<Arc<str>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.texts.get(&market).filter(|(changed, _)| *changed == book.changed()).map(|(_, text)| Arc::clone(text))
    }

    fn keep(&self, market: MarketId, book: &BookLevels) -> Arc<str> {
        let text: Arc<str> = text(book, usize::MAX).into();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + text.len() > KEPT_MAX {
            *kept = BookText::default();
        }
        let before = kept.texts.insert(market, (book.changed(), Arc::clone(&text)));
        kept.bytes = kept.bytes + text.len() - before.map_or(0, |(_, before)| before.len());
        text
    }
}

/// Returns the best `depth` levels of each side, in the form of [`BookTexts::text`].
pub fn text(book: &BookLevels, depth: usize) -> String {
    let mut text = String::new();
    for (name, side) in [("bids", BookSide::Bid), ("asks", BookSide::Ask)] {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing into a string cannot fail.
        let _ = write!(text, r#"{comma}"{name}":["#);
        for (index, (price, quantity)) in book.levels(side).take(depth).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(text, r#"{comma}["{price}",{quantity}]"#);
        }
        text.push(']');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Price;
    use schemas::effects::BookChange;

    const MARKET: MarketId = MarketId(1);

    fn change(side: BookSide, ticks: u16, quantity: i64) -> BookChange {
        BookChange { market: MARKET, side, price: Price::new(ticks).unwrap(), quantity }
    }

    #[test]
    fn the_best_levels_come_first_and_no_more_than_asked_for() {
        use BookSide::{Ask, Bid};
        let mut book = BookLevels::default();
        assert_eq!(text(&book, usize::MAX), r#""bids":[],"asks":[]"#);
        book.apply(&[change(Bid, 5_500, 3), change(Bid, 5_400, 1), change(Ask, 5_900, 2), change(Ask, 6_000, 4)])
            .unwrap();
        assert_eq!(text(&book, 1), r#""bids":[["0.5500",3]],"asks":[["0.5900",2]]"#);
        assert_eq!(text(&book, 9), r#""bids":[["0.5500",3],["0.5400",1]],"asks":[["0.5900",2],["0.6000",4]]"#);
    }

    #[tokio::test]
    async fn a_deep_book_is_made_once_for_each_change() {
        let (books, mut book) = (BookTexts::default(), BookLevels::default());
        let full = (1..=300).map(|ticks| change(BookSide::Ask, ticks, 1)).collect::<Vec<_>>();
        book.apply(&full).unwrap();
        book.changed_by(7);
        let first = books.text(MARKET, &book).await;
        assert!(Arc::ptr_eq(&first, &books.text(MARKET, &book.clone()).await));
        let before = book.clone();
        book.apply(&[change(BookSide::Ask, 1, 1)]).unwrap();
        book.changed_by(9);
        let second = books.text(MARKET, &book).await;
        assert!(second.contains(r#"["0.0001",2]"#) && first.contains(r#"["0.0001",1]"#));
        assert_eq!(books.text(MARKET, &before).await, first);
        let bytes = books.kept.lock().unwrap().bytes;
        assert_eq!(bytes, first.len());
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let (books, mut book) = (BookTexts::default(), BookLevels::default());
        let full = (1..=9_999).map(|ticks| change(BookSide::Ask, ticks, i64::MAX)).collect::<Vec<_>>();
        book.apply(&full).unwrap();
        for market in 0..200 {
            books.text(MarketId(market), &book).await;
        }
        let kept = books.kept.lock().unwrap();
        assert!(kept.bytes <= KEPT_MAX && kept.bytes == kept.texts.values().map(|(_, text)| text.len()).sum::<usize>());
    }
}
