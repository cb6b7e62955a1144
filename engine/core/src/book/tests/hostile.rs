//! What others do wrong or mean badly: callbacks that panic, ids that are chosen, bytes that no
//! book has.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bincode::config::{self, Configuration, Fixint, LittleEndian};
use proptest::prelude::*;

use super::*;

const CONFIG: Configuration<LittleEndian, Fixint> = config::legacy();

fn order(id: u64, side: BookSide, price: u32, quantity: u32) -> Resting<u64> {
    Resting { id, side, price, remaining: quantity, owner: () }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// A callback panics at one of its fills: those before it have happened, and the order that
    /// came or was amended is not changed.
    #[test]
    fn a_callback_that_panics_leaves_a_whole_book(
        asks in prop::collection::vec((50_u32..56, 1_u32..5), 1..20),
        (limit, quantity, panics_at, amends) in (50_u32..56, 1_u32..60, 0_usize..20, any::<bool>()),
    ) {
        let (mut book, mut naive) = (Book::new(100), Naive::default());
        for (id, (price, quantity)) in (0..).zip(asks) {
            book.insert(order(id, BookSide::Ask, price, quantity));
            naive.0.push(order(id, BookSide::Ask, price, quantity));
        }
        book.insert(order(500, BookSide::Bid, 49, 2));
        naive.0.push(order(500, BookSide::Bid, 49, 2));
        let mut told = Vec::new();
        let called = catch_unwind(AssertUnwindSafe(|| {
            let fill = |maker: &Resting<u64>, quantity| {
                assert!(told.len() != panics_at, "a callback that panics");
                told.push((maker.id, maker.price, quantity));
            };
            match amends {
                true => book.amend(500, limit, quantity, fill),
                false => book.place(order(600, BookSide::Bid, limit, quantity), RestPolicy::GoodTillCancelled, fill),
            }
        }));
        match called {
            Ok(outcome) => {
                let expected = match amends {
                    true => naive.amend(500, limit, quantity),
                    false => naive.place(order(600, BookSide::Bid, limit, quantity), RestPolicy::GoodTillCancelled),
                };
                prop_assert_eq!((outcome, told), expected);
            }
            Err(_) => told.iter().for_each(|(id, _, quantity)| assert!(naive.reduce(*id, *quantity).is_some())),
        }
        naive.agrees(&book);
        // It goes on as if nothing had been.
        let outcome = book.place(order(700, BookSide::Bid, 60, 30), RestPolicy::ImmediateOrCancel, |_, _| {});
        prop_assert_eq!(outcome, naive.place(order(700, BookSide::Bid, 60, 30), RestPolicy::ImmediateOrCancel).0);
        naive.agrees(&book);
    }
}

/// The inverse of an odd number modulo 2^64 (Newton).
fn inverse(odd: u64) -> u64 {
    (0..6).fold(odd, |inverse, _| inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse))))
}

/// 40,000 ids that all mix alike without a key, which everybody can compute, and do not with one.
#[test]
fn chosen_ids_are_as_quick_as_others_with_a_key() {
    let public = 0x9E37_79B9_7F4A_7C15;
    let ids = (0..40_000).map(|low: u64| (7 << 32 | low).wrapping_mul(inverse(public)));
    let ids: Vec<u64> = ids.collect();
    let distinct = |key: IdKey| ids.iter().map(|id| id.mix(key)).collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(distinct(IdKey::default()), 1, "chosen against the default");
    assert!(distinct(IdKey::new(0x0123_4567_89AB_CDEF_0F1E_2D3C_4B5A_6978)) > 39_900);
    let wide: Vec<u128> = ids.iter().map(|id| u128::from(*id) << 64 | u128::from(id.wrapping_mul(3))).collect();
    let distinct = |key: IdKey| wide.iter().map(|id| id.mix(key)).collect::<std::collections::BTreeSet<_>>().len();
    assert!(distinct(IdKey::new(0x0123_4567_89AB_CDEF_0F1E_2D3C_4B5A_6978)) > 39_900);
}

/// A key changes how quickly orders are found, and nothing else, also when it comes late.
#[test]
fn outcomes_do_not_depend_on_the_key() {
    let mut plain = Book::<u64>::new(9_999);
    let mut keyed = plain.clone().keyed(99 << 64 | 7);
    for n in 0_u64..3_000 {
        let id = n.wrapping_mul(0xD1B5_4A32_D192_ED03);
        let order = order(
            id,
            SIDES[usize::try_from(n % 2).unwrap()],
            4_990 + u32::try_from(n % 23).unwrap(),
            1 + u32::try_from(n % 5).unwrap(),
        );
        if n == 1_500 {
            plain = plain.keyed(3);
        }
        for book in [&mut plain, &mut keyed] {
            book.place(order, RestPolicy::GoodTillCancelled, |_, _| {}).unwrap();
            let _ = book.cancel(n.wrapping_sub(40).wrapping_mul(0xD1B5_4A32_D192_ED03));
        }
    }
    assert!(!plain.is_empty());
    let bytes = |book: &Book<u64>| bincode::encode_to_vec(book, CONFIG).unwrap();
    assert_eq!(bytes(&plain), bytes(&keyed));
}

/// Reads a book with these orders: id, side, price, quantity.
fn read(orders: &[Resting<u64>]) -> Result<Book<u64>, String> {
    let mut bytes = bincode::encode_to_vec((1_u32, 9_999_u32, orders.len() as u64), CONFIG).unwrap();
    for Resting { id, side, price, remaining, .. } in orders {
        bytes.extend(bincode::encode_to_vec((id, side, price, remaining), CONFIG).unwrap());
    }
    bincode::decode_from_slice(&bytes, CONFIG).map(|(book, _)| book).map_err(|error| error.to_string())
}

#[test]
fn bytes_that_no_book_has_are_refused() {
    use BookSide::{Ask, Bid};
    let refused = |orders: &[(BookSide, u32, u32)], why: &str| {
        let orders: Vec<_> =
            (1..).zip(orders).map(|(id, &(side, price, quantity))| order(id, side, price, quantity)).collect();
        let error = read(&orders).expect_err(why);
        assert!(error.contains(why), "{error}");
    };
    refused(&[(Bid, 5_000, 1), (Ask, 5_000, 1)], "crossed");
    refused(&[(Bid, 5_001, 1), (Bid, 4_000, 1), (Ask, 5_000, 1)], "crossed");
    refused(&[(Bid, 4_000, 1), (Bid, 4_001, 1)], "a better price behind a worse one");
    refused(&[(Ask, 4_001, 1), (Ask, 4_000, 1)], "a better price behind a worse one");
    refused(&[(Ask, 4_001, 1), (Bid, 4_000, 1)], "a bid behind asks");
    refused(&[(Bid, 0, 1)], "off its prices");
    refused(&[(Bid, 10_000, 1)], "off its prices");
    refused(&[(Bid, 1, 0)], "empty");
    assert!(read(&[order(1, Bid, 2, 1), order(1, Bid, 1, 1)]).expect_err("twice").contains("twice"));
    let sound = read(&[order(1, Bid, 5_000, 1), order(2, Bid, 5_000, 1), order(3, Ask, 5_001, 1)]).unwrap();
    assert_eq!((sound.len(), sound.best(Bid), sound.best(Ask)), (3, Some(5_000), Some(5_001)));
}

/// Books of the largest domain, each with an order on each side at most: a few bytes claim no more
/// than a few times as much.
#[test]
fn bytes_claim_little_more_than_they_are() {
    let many = 300_u64;
    let mut bytes = bincode::encode_to_vec((many, u64::MAX), CONFIG).unwrap();
    for book in 0..many {
        bytes.extend(bincode::encode_to_vec((0_u32, PRICE_MAX, 1_u64), CONFIG).unwrap());
        bytes.extend(bincode::encode_to_vec((book, BookSide::Bid, PRICE_MAX, 1_u32), CONFIG).unwrap());
    }
    let refused = bincode::decode_from_slice::<Books<u64>, _>(&bytes, CONFIG).map(|_| ()).expect_err("fewer orders");
    assert!(refused.to_string().contains("more or fewer orders"), "{refused}");
    bytes[8..16].copy_from_slice(&many.to_le_bytes());
    let (books, _) = bincode::decode_from_slice::<Books<u64>, _>(&bytes, CONFIG).unwrap();
    assert_eq!(books.orders(), 300);
    assert!(books.levels.bytes() < 150 * bytes.len(), "{} bytes for {}", books.levels.bytes(), bytes.len());
}
