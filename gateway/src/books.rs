//! The JSON text of whole books, made once for each change of a book, outside of all locks, and
//! shared by all readers.
//!
//!   view ─▶ a copy of the book ─▶ *books* ─▶ HTTP, WebSocket
//!
//! Only a few deep books are serialised at a time, so that they take a bounded share of the
//! processors however many clients ask. Of each market one text is made at a time, from the newest
//! copy of the book, and all who wait for that market share it.

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::sync::{Arc, Mutex, PoisonError};

use schemas::ids::LogPosition;
use schemas::{BookSide, MarketId};
use tokio::sync::Semaphore;

use crate::lines::Lines;
use crate::shapes::Ticks;
use crate::view::book::BookLevels;

/// Books with fewer levels are serialised for each request: that costs less than caching them.
const DEEP: usize = 256;

/// Deep books that are serialised at the same time.
const AT_ONCE: usize = 1;

/// Bytes of all cached texts.
pub const KEPT_MAX: usize = 64 * 1024 * 1024;

/// The cache of texts.
pub struct BookTexts {
    kept: Mutex<KeptTexts>,
    /// One line for each market: its first makes the text, and those behind it take that text.
    makers: Arc<Lines<MarketId>>,
    making: Semaphore,
}

#[derive(Default)]
struct KeptTexts {
    texts: HashMap<MarketId, KeptText>,
    bytes: usize,
}

struct KeptText {
    /// The outcome that changed the book last.
    changed: u64,
    text: BookText,
}

/// A book, and how far its shard was when it was copied.
#[derive(Clone)]
pub struct BookCopy {
    /// The levels.
    pub book: BookLevels,
    /// The position.
    pub at: LogPosition,
}

/// The text of a book, and the position that it is as of.
#[derive(Clone)]
pub struct BookText {
    /// The levels: `"bids":[["0.5500",120],…],"asks":[…]`.
    pub levels: Arc<str>,
    /// The position.
    pub at: LogPosition,
}

impl Default for BookTexts {
    fn default() -> Self {
        Self { kept: Mutex::default(), makers: Arc::default(), making: Semaphore::new(AT_ONCE) }
    }
}

impl BookTexts {
    /// Returns the text of a market's book as of `copy`'s position or later.
    ///
    /// A deep book may change many times while a request waits to make its text. It is made from
    /// the `newest` copy, so that it serves all requests that wait behind, and none of them makes
    /// the text of a book that has changed. Without a `newest` copy it is made from `copy`.
    pub async fn text(&self, market: MarketId, copy: BookCopy, newest: impl FnOnce() -> Option<BookCopy>) -> BookText {
        if copy.book.len() < DEEP {
            return BookText { levels: text(&copy.book, usize::MAX).into(), at: copy.at };
        }
        if let Some(kept) = self.kept(market, &copy) {
            return kept;
        }
        let _first = self.makers.take(market).await;
        // The one before may have made it.
        if let Some(kept) = self.kept(market, &copy) {
            return kept;
        }
        // The semaphore is never closed; without a permit the book is serialised all the same.
        let _permit = self.making.acquire().await;
        let newest = newest().filter(|newest| newest.at.sequence > copy.at.sequence).unwrap_or(copy);
        self.keep(market, &newest)
    }

    /// Returns the text that is kept of a market, if it is not older than the copy.
    fn kept(&self, market: MarketId, copy: &BookCopy) -> Option<BookText> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.texts.get(&market).filter(|kept| kept.changed >= copy.book.changed())?;
        // A text that is as of an earlier position did not change up to the copy's.
        let sequence = kept.text.at.sequence.max(copy.at.sequence);
        Some(BookText { levels: Arc::clone(&kept.text.levels), at: LogPosition { sequence, ..kept.text.at } })
    }

    fn keep(&self, market: MarketId, copy: &BookCopy) -> BookText {
        // The book may not have changed since the text that is kept, although it was read later.
        if let Some(kept) = self.kept(market, copy) {
            return kept;
        }
        let made = BookText { levels: text(&copy.book, usize::MAX).into(), at: copy.at };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + made.levels.len() > KEPT_MAX {
            *kept = KeptTexts::default();
        }
        let before = kept.texts.insert(market, KeptText { changed: copy.book.changed(), text: made.clone() });
        kept.bytes = kept.bytes + made.levels.len() - before.map_or(0, |before| before.text.levels.len());
        made
    }
}

/// Returns the best `depth` levels of each side, in the form of [`BookText::levels`].
pub fn text(book: &BookLevels, depth: usize) -> String {
    let mut text = String::new();
    write_levels(&mut text, r#""bids":["#, book.levels(BookSide::Bid).take(depth));
    write_levels(&mut text, r#","asks":["#, book.levels(BookSide::Ask).take(depth));
    text
}

/// Like [`text`], with the levels of each `tick` added up: bids are rounded down, asks up, so that
/// no price looks better than it is. The lowest bid may become 0, and the highest ask 1.
pub fn coarse_text(book: &BookLevels, tick: u16, depth: usize) -> String {
    let mut text = String::new();
    let bids = merged(book, BookSide::Bid, |ticks| ticks / tick * tick);
    write_levels(&mut text, r#""bids":["#, bids.take(depth));
    let asks = merged(book, BookSide::Ask, |ticks| ticks.div_ceil(tick) * tick);
    write_levels(&mut text, r#","asks":["#, asks.take(depth));
    text
}

/// Adds up neighbouring levels whose prices are rounded to the same one.
fn merged<'a>(
    book: &'a BookLevels,
    side: BookSide,
    rounded: impl Fn(u16) -> u16 + 'a,
) -> impl Iterator<Item = (Ticks, i64)> + 'a {
    let mut levels = book.levels(side).map(move |(price, quantity)| (rounded(price.ticks()), quantity)).peekable();
    std::iter::from_fn(move || {
        let (ticks, mut sum) = levels.next()?;
        while let Some((_, more)) = levels.next_if(|(next, _)| *next == ticks) {
            sum += more;
        }
        Some((Ticks(ticks), sum))
    })
}

fn write_levels<P: Display>(text: &mut String, start: &str, levels: impl Iterator<Item = (P, i64)>) {
    text.push_str(start);
    for (index, (price, quantity)) in levels.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing into a string cannot fail.
        let _ = write!(text, r#"{comma}["{price}",{quantity}]"#);
    }
    text.push(']');
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::pin::pin;

    use super::*;
    use futures_util::FutureExt;
    use schemas::effects::BookChange;
    use schemas::{Price, Shard};

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

    #[test]
    fn a_coarser_tick_adds_levels_up_and_rounds_away_from_the_other_side() {
        use BookSide::{Ask, Bid};
        let mut book = BookLevels::default();
        let bids = [(5_500, 3), (5_499, 1), (5_401, 2), (99, 7)].map(|(ticks, n)| change(Bid, ticks, n));
        let asks = [(5_501, 2), (5_600, 4), (5_601, 1), (9_901, 5)].map(|(ticks, n)| change(Ask, ticks, n));
        book.apply(&[bids, asks].concat()).unwrap();
        assert_eq!(
            coarse_text(&book, 100, usize::MAX),
            r#""bids":[["0.5500",3],["0.5400",3],["0.0000",7]],"asks":[["0.5600",6],["0.5700",1],["1.0000",5]]"#
        );
        assert_eq!(coarse_text(&book, 100, 1), r#""bids":[["0.5500",3]],"asks":[["0.5600",6]]"#);
        assert_eq!(coarse_text(&book, 1, usize::MAX), text(&book, usize::MAX));
    }

    fn copy(book: &BookLevels) -> BookCopy {
        BookCopy { book: book.clone(), at: LogPosition { shard: Shard::new(0).unwrap(), sequence: book.changed() } }
    }

    fn deep() -> BookLevels {
        let mut book = BookLevels::default();
        book.apply(&(1..=300).map(|ticks| change(BookSide::Ask, ticks, 1)).collect::<Vec<_>>()).unwrap();
        book.changed_by(7);
        book
    }

    /// Changes the best level to this many contracts.
    fn becomes(book: &mut BookLevels, contracts: i64) {
        let had = book.levels(BookSide::Ask).next().unwrap().1;
        book.apply(&[change(BookSide::Ask, 1, contracts - had)]).unwrap();
        book.changed_by(book.changed() + 1);
    }

    #[tokio::test]
    async fn a_deep_book_is_made_once_for_each_change() {
        let (books, mut book) = (BookTexts::default(), deep());
        let first = books.text(MARKET, copy(&book), || None).await;
        let again = books.text(MARKET, copy(&book), || None).await;
        assert!(Arc::ptr_eq(&first.levels, &again.levels));
        let before = copy(&book);
        becomes(&mut book, 2);
        let second = books.text(MARKET, copy(&book), || None).await;
        assert!(second.levels.contains(r#"["0.0001",2]"#) && first.levels.contains(r#"["0.0001",1]"#));
        // Who comes with an older copy gets the later text, and it stays.
        let late = books.text(MARKET, before, || None).await;
        assert!(Arc::ptr_eq(&late.levels, &second.levels));
        assert_eq!((first.at.sequence, late.at.sequence), (7, 8));
        let bytes = books.kept.lock().unwrap().bytes;
        assert_eq!(bytes, first.levels.len());
    }

    #[tokio::test]
    async fn a_book_that_did_not_change_is_as_of_the_position_of_the_copy() {
        let (books, book) = (BookTexts::default(), deep());
        let first = books.text(MARKET, copy(&book), || None).await;
        let mut later = copy(&book);
        later.at.sequence += 10;
        let second = books.text(MARKET, later, || None).await;
        assert!(Arc::ptr_eq(&first.levels, &second.levels));
        assert_eq!((first.at.sequence, second.at.sequence), (7, 17));
    }

    #[tokio::test]
    async fn all_who_wait_for_a_book_that_changes_share_one_text_of_its_newest_copy() {
        let (books, mut book) = (BookTexts::default(), deep());
        let (newest, made) = (RefCell::new(copy(&book)), Cell::new(0));
        let busy = books.making.acquire().await.unwrap();
        let mut waiting = Vec::new();
        for contracts in 2..52 {
            becomes(&mut book, contracts);
            newest.replace(copy(&book));
            let ask = || {
                made.set(made.get() + 1);
                Some(newest.borrow().clone())
            };
            let mut asked = Box::pin(books.text(MARKET, copy(&book), ask));
            assert!(asked.as_mut().now_or_never().is_none());
            waiting.push(asked);
        }
        // A client that leaves takes nothing with it.
        drop(waiting.remove(0));
        drop(busy);
        let texts = futures_util::future::join_all(waiting).await;
        assert_eq!(made.get(), 1, "one text is made for all");
        assert!(texts.iter().all(|text| Arc::ptr_eq(&text.levels, &texts[0].levels)));
        assert!(texts[0].levels.contains(r#"["0.0001",51]"#), "the newest");
        assert_eq!(texts[0].at.sequence, book.changed());
        assert!(books.makers.keys().is_empty());
    }

    #[tokio::test]
    async fn a_market_has_one_place_in_the_queue_however_many_ask_for_its_book() {
        let (books, book) = (BookTexts::default(), deep());
        let busy = books.making.acquire().await.unwrap();
        let mut many: Vec<_> = (0..50).map(|_| Box::pin(books.text(MARKET, copy(&book), || None))).collect();
        assert!(many.iter_mut().all(|asked| asked.as_mut().now_or_never().is_none()));
        let mut other = pin!(books.text(MarketId(2), copy(&book), || None));
        assert!(other.as_mut().now_or_never().is_none());
        drop(busy);
        assert!(many[0].as_mut().now_or_never().is_some());
        assert!(other.as_mut().now_or_never().is_some(), "it waits for one text");
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let (books, mut book) = (BookTexts::default(), BookLevels::default());
        let full = (1..=9_999).map(|ticks| change(BookSide::Ask, ticks, i64::MAX)).collect::<Vec<_>>();
        book.apply(&full).unwrap();
        for market in 0..200 {
            books.text(MarketId(market), copy(&book), || None).await;
        }
        let kept = books.kept.lock().unwrap();
        let bytes = kept.texts.values().map(|kept| kept.text.levels.len()).sum::<usize>();
        assert!(kept.bytes <= KEPT_MAX && kept.bytes == bytes);
    }
}
