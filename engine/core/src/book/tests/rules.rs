//! What every price-time book must get right, a test for each.

use schemas::BookSide::{Ask, Bid};

use super::RestPolicy::{FillOrKill, GoodTillCancelled, ImmediateOrCancel, PostOnly};
use super::*;

const HIGHEST: u32 = 9_999;

fn book() -> Book<u64> {
    Book::with_prices(1..=HIGHEST)
}

fn order(id: u64, side: BookSide, price: u32, quantity: u32) -> Resting<u64> {
    Resting { id, side, price, remaining: quantity, owner: () }
}

/// A book with these orders: id, side, price, quantity.
fn book_of(orders: &[(u64, BookSide, u32, u32)]) -> Book<u64> {
    let mut book = book();
    for &(id, side, price, quantity) in orders {
        book.place(order(id, side, price, quantity), PostOnly, |_, _| {}).unwrap();
    }
    book
}

/// Asks 1 to 5 of 3 each at 5,000.
fn level_of_five() -> Book<u64> {
    book_of(&[1, 2, 3, 4, 5].map(|id| (id, Ask, 5_000, 3)))
}

/// Places an order; what filled, and how much of it rests.
fn place(book: &mut Book<u64>, order: Resting<u64>, instruction: RestPolicy) -> Result<(Vec<Fill>, u32), BookError> {
    let mut fills = Vec::new();
    let outcome = book.place(order, instruction, |maker, quantity| fills.push((maker.id, maker.price, quantity)))?;
    assert_eq!(outcome.filled, fills.iter().map(|fill| fill.2).sum::<u32>());
    Ok((fills, outcome.resting))
}

fn amend(book: &mut Book<u64>, id: u64, price: u32, quantity: u32) -> Result<(Vec<Fill>, u32), BookError> {
    let mut fills = Vec::new();
    let outcome = book.amend(id, price, quantity, |maker, quantity| fills.push((maker.id, maker.price, quantity)))?;
    Ok((fills, outcome.resting))
}

/// Ids and what remains of a side, in the order in which they would fill.
fn queue(book: &Book<u64>, side: BookSide) -> Vec<(u64, u32)> {
    book.queue(side).map(|o| (o.id, o.remaining)).collect()
}

fn ids(book: &Book<u64>, side: BookSide) -> Vec<u64> {
    book.queue(side).map(|o| o.id).collect()
}

#[test]
fn a_cancel_at_head_middle_or_tail_loses_nothing_behind_it() {
    for (gone, left) in [(1, [2, 3, 4, 5]), (3, [1, 2, 4, 5]), (5, [1, 2, 3, 4])] {
        let mut book = level_of_five();
        book.cancel(gone).unwrap();
        assert_eq!(ids(&book, Ask), left);
        assert_eq!(book.depth(Ask, 5_000), 12);
    }
}

#[test]
fn several_scattered_cancels_lose_nothing() {
    let mut book = level_of_five();
    for gone in [2, 5, 1] {
        book.cancel(gone).unwrap();
    }
    assert_eq!(ids(&book, Ask), [3, 4]);
    place(&mut book, order(6, Ask, 5_000, 3), GoodTillCancelled).unwrap();
    assert_eq!(ids(&book, Ask), [3, 4, 6]);
}

#[test]
fn a_sweep_takes_the_best_price_first_and_the_first_come_first_at_a_price() {
    let asks = [(1, Ask, 5_002, 1), (2, Ask, 5_000, 1), (3, Ask, 5_001, 1), (4, Ask, 5_000, 1)];
    let taken = place(&mut book_of(&asks), order(9, Bid, 5_002, 4), GoodTillCancelled);
    assert_eq!(taken, Ok((vec![(2, 5_000, 1), (4, 5_000, 1), (3, 5_001, 1), (1, 5_002, 1)], 0)));
}

#[test]
fn an_exact_fill_leaves_nothing() {
    let mut book = book_of(&[(1, Ask, 5_000, 3)]);
    assert_eq!(place(&mut book, order(2, Bid, 5_000, 3), GoodTillCancelled), Ok((vec![(1, 5_000, 3)], 0)));
    assert!(book.is_empty() && book.best(Ask).is_none() && book.best(Bid).is_none());
}

#[test]
fn a_remainder_rests_as_the_new_best_price_and_can_be_hit() {
    let mut book = book_of(&[(1, Ask, 5_000, 3), (2, Bid, 4_000, 1)]);
    assert_eq!(place(&mut book, order(3, Bid, 5_000, 5), GoodTillCancelled), Ok((vec![(1, 5_000, 3)], 2)));
    assert_eq!((book.best(Bid), book.depth(Bid, 5_000)), (Some(5_000), 2));
    assert_eq!(place(&mut book, order(4, Ask, 4_500, 1), GoodTillCancelled), Ok((vec![(3, 5_000, 1)], 0)));
}

#[test]
fn a_sweep_stops_at_its_own_price_and_rests_there() {
    let mut book = book_of(&[(1, Ask, 5_000, 1), (2, Ask, 5_002, 1)]);
    assert_eq!(place(&mut book, order(3, Bid, 5_001, 3), GoodTillCancelled), Ok((vec![(1, 5_000, 1)], 2)));
    assert_eq!((book.best(Bid), book.best(Ask)), (Some(5_001), Some(5_002)));
}

#[test]
fn each_fill_is_at_the_resting_orders_price_in_both_directions() {
    for (maker, taker, limit) in [(Ask, Bid, HIGHEST), (Bid, Ask, 1)] {
        let mut book = book_of(&[(1, maker, 5_000, 1)]);
        assert_eq!(place(&mut book, order(3, taker, limit, 1), GoodTillCancelled), Ok((vec![(1, 5_000, 1)], 0)));
    }
}

#[test]
fn an_amend_that_crosses_by_more_than_it_needs_fills_at_the_resting_orders_price() {
    for (maker, taker, before, after) in [(Ask, Bid, 1, HIGHEST), (Bid, Ask, HIGHEST, 1)] {
        let mut book = book_of(&[(1, maker, 5_000, 1), (2, taker, before, 2)]);
        assert_eq!(amend(&mut book, 2, after, 2), Ok((vec![(1, 5_000, 1)], 1)));
        assert_eq!((book.best(maker), book.best(taker)), (None, Some(after)), "the rest rests, uncrossed");
    }
}

#[test]
fn an_amend_leaves_its_neighbours_at_both_levels_as_they_were() {
    let at = |price, ids: [u64; 3]| ids.map(|id| (id, Bid, price, 3));
    let mut book = book_of(&[at(5_000, [1, 2, 3]), at(4_000, [4, 5, 6])].concat());
    amend(&mut book, 2, 4_000, 7).unwrap();
    assert_eq!(queue(&book, Bid), [(1, 3), (3, 3), (4, 3), (5, 3), (6, 3), (2, 7)]);
    assert_eq!((book.depth(Bid, 5_000), book.depth(Bid, 4_000)), (6, 16));
}

#[test]
fn less_quantity_keeps_the_place_and_more_quantity_or_another_price_loses_it() {
    let mut book = level_of_five();
    amend(&mut book, 2, 5_000, 1).unwrap();
    amend(&mut book, 1, 5_000, 3).unwrap();
    assert_eq!(queue(&book, Ask), [(1, 3), (2, 1), (3, 3), (4, 3), (5, 3)]);
    amend(&mut book, 2, 5_000, 2).unwrap();
    assert_eq!(ids(&book, Ask), [1, 3, 4, 5, 2]);
    amend(&mut book, 1, 5_001, 3).unwrap();
    amend(&mut book, 1, 5_000, 3).unwrap();
    assert_eq!(ids(&book, Ask), [3, 4, 5, 2, 1]);
}

#[test]
fn a_partly_filled_order_keeps_its_place_and_its_remainder_can_be_cancelled_and_amended() {
    let mut book = level_of_five();
    for id in [10, 11] {
        assert_eq!(place(&mut book, order(id, Bid, 5_000, 1), ImmediateOrCancel), Ok((vec![(1, 5_000, 1)], 0)));
    }
    assert_eq!(queue(&book, Ask)[0], (1, 1));
    amend(&mut book, 1, 5_001, 2).unwrap();
    assert_eq!(book.depth(Ask, 5_001), 2);
    place(&mut book, order(12, Bid, 5_000, 1), ImmediateOrCancel).unwrap();
    assert_eq!(book.cancel(2).map(|order| order.remaining), Ok(2));
    assert_eq!(book.depth(Ask, 5_000), 9);
}

#[test]
fn a_cancel_or_amend_of_an_order_that_is_gone_or_never_was_is_refused() {
    let mut book = book_of(&[(1, Ask, 5_000, 1), (2, Ask, 5_000, 1), (3, Ask, 5_000, 1)]);
    place(&mut book, order(4, Bid, 5_000, 1), GoodTillCancelled).unwrap();
    book.cancel(2).unwrap();
    for gone in [1, 2, 4, 99] {
        assert_eq!(book.cancel(gone), Err(BookError::IdUnknown));
        assert_eq!(amend(&mut book, gone, 5_000, 1), Err(BookError::IdUnknown));
    }
    assert_eq!(queue(&book, Ask), [(3, 1)]);
}

#[test]
fn an_id_that_is_live_is_refused_before_anything_matches() {
    let mut book = book_of(&[(1, Ask, 5_000, 1), (2, Bid, 4_000, 1)]);
    for instruction in [GoodTillCancelled, ImmediateOrCancel, FillOrKill, PostOnly] {
        assert_eq!(place(&mut book, order(2, Bid, 5_000, 1), instruction), Err(BookError::IdIsLive));
    }
    assert_eq!((queue(&book, Ask), queue(&book, Bid)), (vec![(1, 1)], vec![(2, 1)]));
}

#[test]
fn an_immediate_or_cancel_order_never_rests() {
    let mut book = book_of(&[(1, Ask, 5_000, 1)]);
    assert_eq!(place(&mut book, order(2, Bid, 5_000, 9), ImmediateOrCancel), Ok((vec![(1, 5_000, 1)], 0)));
    assert_eq!(place(&mut book, order(3, Bid, 5_000, 9), ImmediateOrCancel), Ok((vec![], 0)));
    assert!(book.is_empty());
}

#[test]
fn a_fill_or_kill_order_fills_whole_or_leaves_no_trace() {
    let asks = [(1, Ask, 5_000, 2), (2, Ask, 5_001, 2), (3, Ask, 5_002, 2)];
    let mut book = book_of(&asks);
    assert_eq!(place(&mut book, order(4, Bid, 5_001, 5), FillOrKill), Err(BookError::WouldNotFill));
    assert_eq!(queue(&book, Ask), [(1, 2), (2, 2), (3, 2)]);
    assert_eq!(place(&mut book, order(4, Bid, 5_001, 4), FillOrKill), Ok((vec![(1, 5_000, 2), (2, 5_001, 2)], 0)));
    assert_eq!(place(&mut book, order(5, Ask, 1, 1), FillOrKill), Err(BookError::WouldNotFill), "no bids");
    assert_eq!(queue(&book, Ask), [(3, 2)]);
}

#[test]
fn a_post_only_order_never_takes() {
    let mut book = book_of(&[(1, Ask, 5_000, 1), (2, Bid, 4_000, 1)]);
    assert_eq!(place(&mut book, order(3, Bid, 5_000, 1), PostOnly), Err(BookError::WouldTake));
    assert_eq!(place(&mut book, order(3, Ask, 3_999, 1), PostOnly), Err(BookError::WouldTake));
    assert_eq!(place(&mut book, order(3, Bid, 4_999, 1), PostOnly), Ok((vec![], 1)));
}

#[test]
fn after_the_last_order_of_the_best_level_the_next_level_is_best_at_once() {
    for (side, best, next) in [(Bid, HIGHEST, 1), (Ask, 1, HIGHEST)] {
        let mut book = book_of(&[(1, side, best, 1), (2, side, next, 1)]);
        assert_eq!(book.best(side), Some(best));
        book.cancel(1).unwrap();
        assert_eq!(book.best(side), Some(next));
    }
}

#[test]
fn one_order_against_5000_at_a_price_fills_all_of_them_in_order() {
    let mut book = book_of(&(1..=5_000).map(|id| (id, Ask, 5_000, 2)).collect::<Vec<_>>());
    let expected = (1..=5_000).map(|id| (id, 5_000, 2)).collect();
    assert_eq!(place(&mut book, order(9_000, Bid, 5_000, 10_001), GoodTillCancelled), Ok((expected, 1)));
    assert_eq!((queue(&book, Ask), queue(&book, Bid)), (vec![], vec![(9_000, 1)]));
}

#[test]
fn prices_at_both_ends_of_the_domain_work_and_beyond_are_refused() {
    let mut book = book_of(&[(1, Bid, 1, 1), (2, Ask, HIGHEST, 1)]);
    for beyond in [0, HIGHEST + 1, u32::MAX] {
        assert_eq!(place(&mut book, order(3, Bid, beyond, 1), GoodTillCancelled), Err(BookError::PriceOutOfDomain));
        assert_eq!(amend(&mut book, 1, beyond, 1), Err(BookError::PriceOutOfDomain));
        assert_eq!(book.depth(Bid, beyond), 0);
    }
    assert_eq!(place(&mut book, order(4, Ask, 1, 1), GoodTillCancelled), Ok((vec![(1, 1, 1)], 0)));
    assert_eq!(place(&mut book, order(5, Bid, HIGHEST, 1), GoodTillCancelled), Ok((vec![(2, HIGHEST, 1)], 0)));
    assert!(book.is_empty());
}

#[test]
fn a_domain_of_one_price_works() {
    for price in [0, 7] {
        let mut book = Book::with_prices(price..=price);
        assert_eq!(place(&mut book, order(1, Ask, price, 2), GoodTillCancelled), Ok((vec![], 2)));
        assert_eq!(place(&mut book, order(2, Bid, price, 3), GoodTillCancelled), Ok((vec![(1, price, 2)], 1)));
        assert_eq!((book.best(Ask), book.best(Bid)), (None, Some(price)));
    }
}

#[test]
fn gaps_of_a_domain_of_2_to_the_20_are_crossed_in_both_directions() {
    let highest = 1 << 20;
    let prices = [1, 63, 64, 511, 512, 32_767, 32_768, 700_001, highest];
    for (side, taker, limit) in [(Ask, Bid, highest), (Bid, Ask, 1)] {
        let mut book = Book::with_prices(1..=highest);
        for (id, price) in (1..).zip(prices) {
            place(&mut book, order(id, side, price, 1), GoodTillCancelled).unwrap();
        }
        let mut expected: Vec<_> = (1..).zip(prices).map(|(id, price)| (id, price, 1)).collect();
        if side == Bid {
            expected.reverse();
        }
        assert_eq!(place(&mut book, order(99, taker, limit, 9), FillOrKill), Ok((expected, 0)));
        assert!(book.is_empty());
    }
}

#[test]
fn a_book_that_empties_refills() {
    let mut book = book();
    for round in 0..100 {
        for (n, price) in (0..50).zip((1..).step_by(199)) {
            place(&mut book, order(round * 100 + n, Bid, price, 1), GoodTillCancelled).unwrap();
        }
        assert_eq!((book.best(Bid), book.len()), (Some(1 + 49 * 199), 50));
        let (fills, _) = place(&mut book, order(round * 100 + 99, Ask, 1, 50), ImmediateOrCancel).unwrap();
        assert_eq!((fills.len(), book.best(Bid), book.len()), (50, None, 0));
    }
}

#[test]
fn an_order_of_nothing_is_refused() {
    let mut book = book_of(&[(1, Ask, 5_000, 1)]);
    assert_eq!(place(&mut book, order(2, Bid, 5_000, 0), GoodTillCancelled), Err(BookError::QuantityIsZero));
    assert_eq!(amend(&mut book, 1, 5_000, 0), Err(BookError::QuantityIsZero));
    assert_eq!(queue(&book, Ask), [(1, 1)]);
}
