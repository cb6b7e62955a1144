//! Corners that random steps hardly reach: the limits of one command, of a wallet and of an account's keys.

use schemas::limits::{ACCOUNT_API_KEYS_MAX, AMOUNT_MAX, BATCH_MAX, ORDER_FILLS_MAX, SWEEP_MAX};
use schemas::{Entry, MarketLimits, Transition};

use super::coverage::Coverage;
use super::steps::{Change, Item, Listed, Route, Step, Which, Wish};
use super::world::{World, plain};

type Done = Result<(), String>;

const LISTING: Listed =
    Listed { tick: 100, fees: (0, 0), window: 0, expiry: 1_000_000, limits: MarketLimits::NONE, wrong_id: false };

pub fn all(coverage: &mut Coverage) -> Done {
    wallet_and_keys(&mut World::new(1, coverage))?;
    many_orders(&mut World::new(1, coverage))?;
    changed_on_the_way(&mut World::new(3, coverage))?;
    sells_in_one_batch(&mut World::new(1, coverage))
}

fn wallet_and_keys(world: &mut World<'_>) -> Done {
    for who in 1..=8 {
        world.step(&Step::Open { who, key: 0, route: Route::Home })?;
        for _ in 0..11 {
            world.step(&Step::Deposit { who, amount: AMOUNT_MAX, name: None, route: Route::Home })?;
        }
    }
    world.step(&Step::Transfer { who: 1, to: 2, amount: 1, name: None, route: Route::Home })?;
    for key in 1..=ACCOUNT_API_KEYS_MAX as u64 {
        world.step(&Step::AddKey { who: 1, key, route: Route::Home })?;
    }
    Ok(())
}

/// So many that one command cannot fill, cancel or sweep them all.
fn many_orders(world: &mut World<'_>) -> Done {
    for who in [1, 2] {
        world.step(&Step::Open { who, key: 1, route: Route::Home })?;
        world.step(&Step::Deposit { who, amount: AMOUNT_MAX, name: None, route: Route::Home })?;
    }
    world.step(&Step::Create { market: 0, listing: LISTING, route: Route::Home })?;
    world.step(&Step::Change { market: 0, by: 1, transition: Transition::Open, route: Route::Home })?;
    rest(world, ORDER_FILLS_MAX + 1, &plain(1, 0, Entry::BuyYes, 5_000, 1))?;
    world.step(&Step::Place(plain(2, 0, Entry::BuyNo, 5_000, 20_000), Route::Home))?;
    rest(world, SWEEP_MAX + BATCH_MAX, &Wish { cancel_on_pause: true, ..plain(1, 0, Entry::BuyYes, 4_000, 1) })?;
    let change = |transition| Step::Change { market: 0, by: 1, transition, route: Route::Home };
    world.step(&change(Transition::Pause { cancel_only: false }))?;
    world.step(&Step::Wait { milliseconds: 0, late: true })?;
    world.step(&change(Transition::Resume))?;
    world.step(&change(Transition::Resume))?;
    rest(world, SWEEP_MAX + BATCH_MAX, &plain(2, 0, Entry::BuyNo, 4_000, 1))?;
    world.step(&Step::MassCancel { who: 2, market: None, route: Route::Home })?;
    world.step(&Step::Wait { milliseconds: 1, late: false })?;
    rest(world, SWEEP_MAX + BATCH_MAX, &plain(2, 0, Entry::BuyNo, 4_000, 1))?;
    world.step(&change(Transition::Close))?;
    world.step(&Step::Wait { milliseconds: 1, late: false })
}

fn rest(world: &mut World<'_>, orders: usize, wish: &Wish) -> Done {
    for from in (0..orders).step_by(BATCH_MAX) {
        let items = vec![Item::Place(wish.clone()); BATCH_MAX.min(orders - from)];
        world.step(&Step::Batch { who: wish.who, all_or_nothing: false, items, route: Route::Home })?;
    }
    Ok(())
}

/// Credits for an amendment come back from the account's home, and the order is not what it was.
fn changed_on_the_way(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; super::random::MARKETS])?;
    for market in 0..super::random::MARKETS {
        world.step(&Step::Place(plain(1, market, Entry::BuyYes, 4_000, 5), Route::Home))?;
        let amend = |price, quantity| Item::Amend(Which::Own(0), Change { price, quantity });
        let items = vec![amend(Some(4_500), Some(5)), amend(None, Some(2))];
        world.step(&Step::Batch { who: 1, all_or_nothing: false, items, route: Route::Home })?;
        world.step(&Step::MassCancel { who: 1, market: None, route: Route::Home })?;
    }
    Ok(())
}

/// YES that an amendment lets go for a moment, and as many NO at least, cannot be promised; more NO can.
fn sells_in_one_batch(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; super::random::MARKETS])?;
    let place = |who, entry, price, quantity| Step::Place(plain(who, 0, entry, price, quantity), Route::Home);
    world.step(&place(1, Entry::SellYes, 9_900, 20))?;
    world.step(&place(2, Entry::SellNo, 5_000, 20))?;
    world.step(&place(1, Entry::BuyNo, 5_000, 20))?;
    world.step(&place(3, Entry::BuyYes, 5_000, 5))?;
    world.step(&place(1, Entry::BuyNo, 5_000, 5))?;
    for quantity in [6, 3] {
        let lower = Item::Amend(Which::Own(0), Change { price: Some(9_800), quantity: None });
        let items = vec![lower, Item::Place(plain(1, 0, Entry::SellNo, 9_900, quantity))];
        world.step(&Step::Batch { who: 1, all_or_nothing: true, items, route: Route::Home })?;
    }
    Ok(())
}
