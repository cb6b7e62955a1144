//! Cases that random steps hardly reach: the limits of one command, of a wallet and of an account's
//! keys.

use schemas::limits::{
    ACCOUNT_API_KEYS_MAX, ACCOUNT_GROUPS_MAX, ADMINS_MAX, AMOUNT_MAX, BATCH_MAX, DAY_MS, DEPOSIT_ALONE_MAX,
    DEPOSIT_PROPOSAL_MS, DEPOSIT_PROPOSALS_MAX, DEPOSITING_ADMINS_MAX, DEPOSITS_ALONE_A_DAY_MAX, GROUP_ORDERS_MAX,
    KEY_GRACE_MAX_MS, MARKET_CLARIFICATIONS_MAX, MARKET_KEPT_MS, ORDER_FILLS_MAX, PURSE_REST_MS, REDUCE_ONLY_MAX,
    SWEEP_MAX,
};
use schemas::market::YesValue;
use schemas::{
    AccountId, Credits, Entry, GroupAct, GroupLimits, MarketLimits, PostOnly, ResolutionAnswer, SelfTrade, Transition,
};

use super::commands::BARE_EVENT;
use super::coverage::Coverage;
use super::random::{ACCOUNTS, MARKETS};
use super::steps::{
    Added, Amount, Change, Edited, Item, Limit, Listed, Names, Route, SeenDeposit, SetAdmin, Size, Step, Wait,
    WantedKey, Which, Wish,
};
use super::world::{World, plain};

type Done = Result<(), String>;

const LISTING: Listed = Listed {
    tick: 100,
    fees: (0, 0),
    window: 0,
    expiry: 1_000_000,
    limits: MarketLimits::NONE,
    wrong_id: false,
    opens: None,
    event: None,
    tags: Names::NONE,
};

pub fn all(coverage: &mut Coverage) -> Done {
    wallet_and_keys(&mut World::new(1, coverage))?;
    for shards in 1..=3 {
        many_orders(&mut World::new(shards, coverage))?;
    }
    waiting_in_a_batch(&mut World::new(3, coverage))?;
    purses_at_rest(&mut World::new(3, coverage))?;
    amended_elsewhere(&mut World::new(1, coverage))?;
    for shards in 1..=3 {
        lowered_limits(&mut World::new(shards, coverage))?;
        unknown_account(&mut World::new(shards, coverage))?;
    }
    for shards in 1..=3 {
        old_names(&mut World::new(shards, coverage))?;
    }
    for shards in 1..=2 {
        two_admins(&mut World::new(shards, coverage))?;
    }
    for shards in 1..=3 {
        archived(&mut World::new(shards, coverage))?;
    }
    for shards in 1..=3 {
        odd_names_and_times(&mut World::new(shards, coverage))?;
        one_yes(&mut World::new(shards, coverage))?;
        many_texts(&mut World::new(shards, coverage))?;
    }
    splitting(&mut World::new(1, coverage))?;
    behind_many_expired(&mut World::new(1, coverage))?;
    sells_in_one_batch(&mut World::new(1, coverage))?;
    too_late_to_cancel(&mut World::new(1, coverage))?;
    many_that_reduce(&mut World::new(1, coverage))?;
    many_groups(&mut World::new(1, coverage))?;
    many_admins(&mut World::new(2, coverage))?;
    for shards in 1..=3 {
        full_groups(&mut World::new(shards, coverage))?;
        spread_groups(&mut World::new(shards, coverage))?;
        groups_in_batches(&mut World::new(shards, coverage))?;
    }
    group_beyond_a_command(&mut World::new(1, coverage))
}

fn admin(id: u64, roles: u8, lasts: Option<i64>, by: u64) -> Step {
    let secret = Some(u8::try_from(id).expect("small"));
    Step::SetAdmin { admin: SetAdmin { id, secret, roles, lasts }, by, route: Route::Home }
}

/// The largest number of admins, and one more in place of a revoked one. The last admin with the
/// role `admins` cannot be removed.
fn many_admins(world: &mut World<'_>) -> Done {
    world.step(&admin(1, 8, Some(1_000), 1))?;
    world.step(&admin(1, 7, None, 1))?;
    world.step(&admin(1, 8, None, 1))?;
    let most = u64::try_from(ADMINS_MAX).expect("a number");
    (2..=most + 1).try_for_each(|id| world.step(&admin(id, 1, None, 1)))?;
    world.step(&Step::RevokeAdmin { admin: 2, by: 3, route: Route::Home })?;
    world.step(&Step::RevokeAdmin { admin: 2, by: 1, route: Route::Home })?;
    world.step(&admin(most + 1, 15, Some(0), 1))?;
    world.step(&admin(most + 1, 15, Some(1_000), 1))?;
    world.step(&Step::RevokeAdmin { admin: 1, by: most + 1, route: Route::Home })?;
    // An unknown admin has no key to keep; a known one keeps its key.
    for id in [2, 4] {
        let kept = SetAdmin { id, secret: None, roles: 3, lasts: None };
        world.step(&Step::SetAdmin { admin: kept, by: 1, route: Route::Home })?;
    }
    world.step(&admin(1, 7, None, 1))?;
    world.step(&Step::Wait { milliseconds: 1_000, late: false })?;
    world.step(&admin(3, 8, None, most + 1))?;
    world.step(&admin(3, 8, None, 1))?;
    world.step(&Step::RevokeAdmin { admin: 1, by: 3, route: Route::Home })?;
    world.step(&admin(4, 3, None, 1))
}

fn act(who: u64, group: u16, act: GroupAct) -> Step {
    Step::Group { who, group, act, route: Route::Home }
}

fn make(who: u64, group: u16, contracts: u32, seconds: u8) -> Step {
    act(who, group, GroupAct::Make(GroupLimits::new(contracts, seconds).expect("limits")))
}

/// The largest number of groups of an account, and one more; an order in the last group.
fn many_groups(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; MARKETS])?;
    let most = u16::try_from(ACCOUNT_GROUPS_MAX).expect("a number");
    (1..=most + 1).try_for_each(|group| world.step(&make(3, group, 5, 60)))?;
    for group in [Some(most), Some(most + 1)] {
        world.step(&Step::Place(Wish { group, ..plain(3, 0, Entry::BuyYes, 4_000, 1) }, Route::Home))?;
    }
    world.step(&act(3, 1, GroupAct::Delete))?;
    world.step(&make(3, most + 1, 5, 60))
}

/// The largest number of orders of a group on a shard, and one more; then one fill cancels all of
/// them. Some of them sell, so that reduce-only buys shrink.
fn full_groups(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; MARKETS])?;
    world.step(&make(1, 1, 5, 10))?;
    let of_group = |wish: Wish| Wish { group: Some(1), ..wish };
    world.step(&Step::Place(of_group(plain(1, 0, Entry::SellYes, 6_000, 8)), Route::Home))?;
    world.step(&Step::Place(of_group(plain(1, 0, Entry::SellYes, 5_500, 8)), Route::Home))?;
    rest(world, GROUP_ORDERS_MAX - 2, &of_group(plain(1, 0, Entry::BuyYes, 100, 1)))?;
    world.step(&Step::Place(of_group(plain(1, 0, Entry::BuyYes, 200, 1)), Route::Home))?;
    world.step(&batch(1, 0, true, vec![Item::Place(of_group(plain(1, 0, Entry::BuyYes, 200, 1)))]))?;
    // Credits that a cancel releases can be used in the same batch.
    let moved = vec![Item::Cancel(Which::Own(2)), Item::Place(of_group(plain(1, 0, Entry::BuyYes, 200, 1)))];
    world.step(&batch(1, 0, true, moved))?;
    world.step(&Step::Place(Wish { reduce_only: true, ..plain(1, 0, Entry::BuyNo, 3_000, 4) }, Route::Home))?;
    world.step(&Step::Place(plain(2, 0, Entry::BuyYes, 5_500, 20), Route::Home))?;
    world.step(&Step::Place(of_group(plain(1, 0, Entry::BuyYes, 100, 1)), Route::Home))?;
    world.step(&act(1, 1, GroupAct::Reset))?;
    world.step(&Step::Place(of_group(plain(1, 0, Entry::BuyYes, 100, 1)), Route::Home))?;
    world.step(&act(1, 1, GroupAct::Delete))
}

/// A group with orders on every shard: the fills of all shards together reach the limit.
fn spread_groups(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; MARKETS])?;
    world.step(&make(3, 2, 12, 10))?;
    let quote = |market| Wish { group: Some(2), ..plain(3, market, Entry::BuyYes, 4_000, 10) };
    for market in 0..MARKETS {
        world.step(&Step::Place(quote(market), Route::Home))?;
    }
    for market in 0..MARKETS {
        world.step(&Step::Place(plain(2, market, Entry::BuyNo, 6_000, 5), Route::Home))?;
        world.step(&Step::Wait { milliseconds: 100, late: false })?;
    }
    world.step(&Step::Place(quote(0), Route::Home))?;
    // The rest of the window is less than other limits would allow.
    world.step(&act(3, 2, GroupAct::Reset))?;
    for market in 0..MARKETS {
        world.step(&Step::Place(quote(market), Route::Home))?;
    }
    world.step(&Step::Place(plain(2, 1, Entry::BuyNo, 6_000, 5), Route::Home))?;
    for (contracts, seconds) in [(9, 10), (9, 20), (5, 20)] {
        let limits = GroupLimits::new(contracts, seconds).expect("limits");
        world.step(&act(3, 2, GroupAct::Change(limits)))?;
        world.step(&Step::Wait { milliseconds: 4_000, late: false })?;
    }
    // Too late, and in another window.
    world.step(&act(3, 2, GroupAct::Reset))?;
    for _ in 0..3 {
        world.step(&Step::Place(quote(2), Route::Home))?;
        world.step(&Step::Place(plain(2, 2, Entry::BuyNo, 6_000, 3), Route::Home))?;
        world.step(&Step::Wait { milliseconds: 11_000, late: false })?;
    }
    world.step(&act(3, 2, GroupAct::Trigger))?;
    world.step(&act(3, 2, GroupAct::Trigger))
}

/// Groups that requests of one batch may trigger.
fn groups_in_batches(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; MARKETS])?;
    let of_group = |wish: Wish| Wish { group: Some(1), ..wish };
    let takes = |quantity| Item::Place(of_group(plain(3, 0, Entry::BuyYes, 5_000, quantity)));
    let rests = || Item::Place(of_group(plain(3, 0, Entry::BuyYes, 3_000, 1)));
    for all_or_nothing in [false, true] {
        for (first, limit) in [(3, 4), (4, 4), (5, 4)] {
            world.step(&make(3, 1, limit, 10))?;
            world.step(&Step::Place(plain(2, 0, Entry::BuyNo, 5_000, 10), Route::Home))?;
            world.step(&batch(3, 0, all_or_nothing, vec![rests(), takes(first), rests()]))?;
            world.step(&batch(3, 0, all_or_nothing, vec![rests(), takes(first)]))?;
            world.step(&act(3, 1, GroupAct::Delete))?;
            world.step(&Step::MassCancel { who: 2, market: None, route: Route::Home })?;
        }
        // A self-trade between two orders of a group counts once.
        world.step(&make(3, 1, 4, 10))?;
        let itself =
            |entry, quantity| of_group(Wish { self_trade: SelfTrade::Allow, ..plain(3, 0, entry, 5_000, quantity) });
        world.step(&Step::Place(itself(Entry::BuyNo, 3), Route::Home))?;
        world.step(&batch(3, 0, all_or_nothing, vec![Item::Place(itself(Entry::BuyYes, 3)), rests()]))?;
        world.step(&Step::Place(itself(Entry::BuyNo, 3), Route::Home))?;
        let ungrouped = Wish { group: None, ..itself(Entry::BuyYes, 3) };
        world.step(&batch(3, 0, all_or_nothing, vec![Item::Place(ungrouped), rests()]))?;
        world.step(&act(3, 1, GroupAct::Delete))?;
    }
    // An order fills whole only if its group and its counterparties' groups leave enough.
    for (who, contracts) in [(3, 4), (3, 5), (2, 4), (2, 5)] {
        world.step(&make(who, 1, contracts, 10))?;
        let quote = plain(2, 0, Entry::BuyNo, 5_000, 5);
        let kill = Wish { wait: Wait::Fok, ..plain(3, 0, Entry::BuyYes, 5_000, 5) };
        let (quote, kill) = if who == 3 { (quote, of_group(kill)) } else { (of_group(quote), kill) };
        for all_or_nothing in [false, true] {
            world.step(&Step::Place(quote.clone(), Route::Home))?;
            world.step(&batch(3, 0, all_or_nothing, vec![Item::Place(kill.clone())]))?;
        }
        world.step(&act(who, 1, GroupAct::Delete))?;
        world.step(&Step::MassCancel { who: 2, market: None, route: Route::Home })?;
    }
    // The grace period of a replaced key has a maximum.
    let (key, grace_ms) = (WantedKey::plain(50), KEY_GRACE_MAX_MS + 1);
    world.step(&Step::RotateKey { who: 1, old: 1, key, grace_ms, by: None, route: Route::Home })
}

/// A taker meets so many orders that the trigger of their group would cancel more than one command
/// can. The taker stops before it; the next order triggers the group.
fn group_beyond_a_command(world: &mut World<'_>) -> Done {
    for who in [1, 2, 3] {
        world.step(&Step::Open { who, key: who, route: Route::Home })?;
        world.enrich(who, AMOUNT_MAX)?;
    }
    world.step(&Step::Create { market: 0, listing: LISTING, route: Route::Home })?;
    world.step(&Step::Change { market: 0, by: 1, transition: Transition::Open, route: Route::Home })?;
    rest(world, ORDER_FILLS_MAX - 150, &plain(1, 0, Entry::BuyYes, 5_000, 1))?;
    world.step(&make(3, 1, 2, 60))?;
    let of_group = |price| Wish { group: Some(1), ..plain(3, 0, Entry::BuyYes, price, 2) };
    rest(world, GROUP_ORDERS_MAX - 1, &of_group(4_000))?;
    world.step(&Step::Place(of_group(4_900), Route::Home))?;
    for _ in 0..2 {
        world.step(&Step::Place(plain(2, 0, Entry::BuyNo, 6_000, 20_000), Route::Home))?;
    }
    Ok(())
}

fn wallet_and_keys(world: &mut World<'_>) -> Done {
    for who in 1..=8 {
        world.step(&Step::Open { who, key: 0, route: Route::Home })?;
        for _ in 0..11 {
            world.enrich(who, AMOUNT_MAX)?;
        }
    }
    let amount = Amount::Exactly(1);
    world.step(&Step::Transfer { who: 1, to: 2, amount, name: None, route: Route::Home })?;
    for key in 1..=ACCOUNT_API_KEYS_MAX as u64 {
        world.step(&Step::AddKey { who: 1, key: WantedKey::plain(key), by: None, route: Route::Home })?;
    }
    // With the largest number of keys an account can still replace one, but not two at once.
    for (old, new) in [(1, 50), (2, 51)] {
        let (key, grace_ms) = (WantedKey::plain(new), KEY_GRACE_MAX_MS);
        world.step(&Step::RotateKey { who: 1, old, key, grace_ms, by: Some(3), route: Route::Home })?;
    }
    Ok(())
}

/// More orders than one command can fill, cancel or sweep.
fn many_orders(world: &mut World<'_>) -> Done {
    for who in [1, 2] {
        world.step(&Step::Open { who, key: 1, route: Route::Home })?;
        world.enrich(who, AMOUNT_MAX)?;
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
    rest(world, 2 * SWEEP_MAX + BATCH_MAX, &plain(2, 0, Entry::BuyNo, 4_000, 1))?;
    world.step(&Step::MassCancel { who: 2, market: None, route: Route::Home })?;
    // Before the first sweep has ended.
    world.step(&Step::Wait { milliseconds: 0, late: true })?;
    world.step(&Step::MassCancel { who: 2, market: None, route: Route::Home })?;
    world.step(&Step::Wait { milliseconds: 1, late: false })?;
    rest(world, SWEEP_MAX + BATCH_MAX, &plain(2, 0, Entry::BuyNo, 4_000, 1))?;
    world.step(&change(Transition::Close))?;
    world.step(&Step::Wait { milliseconds: 1, late: false })
}

fn rest(world: &mut World<'_>, orders: usize, wish: &Wish) -> Done {
    for from in (0..orders).step_by(BATCH_MAX) {
        let items = vec![Item::Place(wish.clone()); BATCH_MAX.min(orders - from)];
        world.step(&batch(wish.who, wish.market, false, items))?;
    }
    Ok(())
}

fn batch(who: u64, market: usize, all_or_nothing: bool, items: Vec<Item>) -> Step {
    Step::Batch { who, market, all_or_nothing, items, route: Route::Home }
}

/// Requests of a batch that wait for credits, while later ones pass them that free credits or refer
/// to them.
fn waiting_in_a_batch(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; MARKETS])?;
    for market in 0..MARKETS {
        let buy = |quantity| Wish { quantity, ..plain(3, market, Entry::BuyYes, 4_000, 0) };
        let amend = |price, quantity| Item::Amend(Which::Own(0), Change { price, quantity });
        let named = |name| Item::Place(Wish { name: Some(name), ..buy(Size::Rest(0)) });
        for items in [
            vec![amend(None, Some(Size::Rest(0))), amend(None, Some(Size::Exactly(5)))],
            vec![Item::Place(buy(Size::Rest(4))), Item::Cancel(Which::Own(0))],
            vec![Item::Place(buy(Size::Rest(0))), amend(Some(3_900), None)],
            vec![named(2), Item::Cancel(Which::Named(2, market))],
            vec![named(3), named(3), Item::Place(Wish { name: Some(3), ..buy(Size::Exactly(1)) })],
        ] {
            // All credits are on another shard, except those of one order and a few more.
            world.step(&Step::Place(Wish { market: (market + 1) % MARKETS, ..buy(Size::Rest(0)) }, Route::Home))?;
            world.step(&Step::MassCancel { who: 3, market: None, route: Route::Home })?;
            world.step(&Step::Place(plain(3, market, Entry::BuyYes, 4_000, 10), Route::Home))?;
            world.step(&batch(3, market, false, items))?;
            world.step(&Step::MassCancel { who: 3, market: None, route: Route::Home })?;
        }
    }
    Ok(())
}

/// Free credits return home when the purse is idle; payouts of a market return at once.
fn purses_at_rest(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; MARKETS])?;
    for market in 0..MARKETS {
        world.step(&Step::Place(plain(3, market, Entry::BuyYes, 4_000, 10), Route::Home))?;
        let (answer, by) = (ResolutionAnswer::Value(YesValue::YES), 2);
        world.step(&Step::Finish { market, answer, seen: answer, by })?;
    }
    // The accounts that traded were paid out; the orders of the third account were cancelled.
    has_nothing_away(world, 1..=2)?;
    world.step(&Step::Wait { milliseconds: 2 * PURSE_REST_MS, late: false })?;
    has_nothing_away(world, 1..=3)
}

fn has_nothing_away(world: &World<'_>, mut accounts: std::ops::RangeInclusive<u64>) -> Done {
    let away = |who: u64| {
        let states = world.core.states.iter().filter(move |state| state.shard() != world.home(who));
        states.filter_map(move |state| state.purse(AccountId(who)))
    };
    match accounts.find(|who| away(*who).any(|purse| purse.available > Credits::ZERO)) {
        Some(who) => Err(format!("credits of {who} are still away: {:?}", away(who).collect::<Vec<_>>())),
        None => Ok(()),
    }
}

/// An amendment holds the credits of the new order, even if the order trades at a better price and
/// needs less.
fn amended_elsewhere(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; MARKETS])?;
    let (who, free) = (3, Wish { rate: 0, post_only: PostOnly::Reprice, ..plain(3, 0, Entry::BuyYes, 4_000, 10) });
    world.step(&Step::Place(plain(2, 0, Entry::BuyNo, 5_500, 1), Route::Home))?;
    world.step(&Step::Place(free, Route::Home))?;
    for (amount, all_or_nothing) in [(500_000, false), (500_000, true), (800_000, true)] {
        world.step(&Step::Withdraw { who, amount: Amount::Rest(0), name: None, route: Route::Home })?;
        world.step(&Step::Deposit { who, amount, name: None, by: 1, route: Route::Home })?;
        let higher = Item::Amend(Which::Own(0), Change { price: Some(4_800), quantity: None });
        world.step(&batch(who, 0, all_or_nothing, vec![higher]))?;
    }
    Ok(())
}

/// Room that orders release when limits are below the current use, and room that was used on
/// another shard.
fn lowered_limits(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; MARKETS])?;
    let (who, route) = (3, Route::Home);
    let buy = |market, wait| Step::Place(Wish { wait, ..plain(who, market, Entry::BuyYes, 4_000, 1) }, route);
    for (live_orders, held) in
        [(Limit::Exactly(0), Limit::None), (Limit::None, Limit::Exactly(0)), (Limit::Exactly(1), Limit::None)]
    {
        for market in 0..MARKETS {
            world.step(&Step::LimitAccount { who, live_orders: Limit::None, held: Limit::None, route })?;
            world.step(&buy(market, Wait::Gtc))?;
            world.step(&Step::LimitAccount { who, live_orders, held, route })?;
            world.step(&buy(market, Wait::Ioc))?;
            world.step(&Step::MassCancel { who, market: None, route })?;
            for market in 0..MARKETS {
                world.step(&buy(market, Wait::Gtc))?;
                world.step(&Step::MassCancel { who, market: None, route })?;
            }
        }
    }
    Ok(())
}

/// An unknown account has the same answer on its home shard and on others.
fn unknown_account(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; MARKETS])?;
    let buy = |market, quantity| Item::Place(plain(ACCOUNTS + 1, market, Entry::BuyYes, 4_000, quantity));
    (0..MARKETS).try_for_each(|market| {
        world.step(&batch(ACCOUNTS + 1, market, false, vec![buy(market, 1), buy(market, 2)]))?;
        world.step(&batch(ACCOUNTS + 1, market, true, vec![buy(market, 1), buy(market, 2)]))
    })
}

/// YES that an amendment releases only for a moment cannot be promised if as many NO are promised;
/// more NO can.
fn sells_in_one_batch(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; MARKETS])?;
    let place = |who, entry, price, quantity| Step::Place(plain(who, 0, entry, price, quantity), Route::Home);
    world.step(&place(1, Entry::SellYes, 9_900, 20))?;
    world.step(&place(2, Entry::SellNo, 5_000, 20))?;
    world.step(&place(1, Entry::BuyNo, 5_000, 20))?;
    world.step(&place(3, Entry::BuyYes, 5_000, 5))?;
    world.step(&place(1, Entry::BuyNo, 5_000, 5))?;
    for quantity in [6, 3] {
        let lower = Item::Amend(Which::Own(0), Change { price: Some(9_800), quantity: None });
        let items = vec![lower, Item::Place(plain(1, 0, Entry::SellNo, 9_900, quantity))];
        world.step(&batch(1, 0, true, items))?;
    }
    Ok(())
}

/// Client ids are forgotten after a day, except those of resting orders; those of orders that
/// rested are kept for a day after their end.
fn old_names(world: &mut World<'_>) -> Done {
    const HOUR: u64 = 60 * 60 * 1_000;
    let route = Route::Home;
    world.furnish(&[Listed { expiry: 1_000 * HOUR as i64, ..LISTING }; MARKETS])?;
    for market in 0..MARKETS {
        let buy = |name, price| Wish { name: Some(name), ..plain(3, market, Entry::BuyYes, price, 5) };
        let all = [
            Step::Place(buy(1, 4_000), route),
            Step::Place(buy(2, 4_100), route),
            Step::Place(Wish { wait: Wait::Ioc, ..buy(3, 4_000) }, route),
            Step::Place(buy(4, 4_050), route),
            Step::Deposit { who: 3, amount: 1_000_000, name: Some(1), by: 1, route },
            Step::Withdraw { who: 3, amount: Amount::Exactly(1_000), name: Some(2), route },
        ];
        let again = |world: &mut World<'_>| all.iter().try_for_each(|step| world.step(step));
        let wait = |world: &mut World<'_>, hours| world.step(&Step::Wait { milliseconds: hours * HOUR, late: false });
        let cancel = |name| Step::Cancel { who: 3, which: Which::Named(name, market), route };
        for hours in [0, 23, 2, 26, 50] {
            wait(world, hours)?;
            again(world)?;
        }
        // One order is filled, one is cancelled; both have rested for days.
        wait(world, 60)?;
        world.step(&Step::Place(plain(1, market, Entry::BuyNo, 5_900, 5), route))?;
        world.step(&cancel(1))?;
        for hours in [0, 23, 3] {
            wait(world, hours)?;
            world.step(&cancel(1))?;
            world.step(&cancel(2))?;
            again(world)?;
        }
        world.step(&Step::MassCancel { who: 3, market: None, route })?;
    }
    Ok(())
}

/// More expired orders than one command may remove, before a sweep removes them: orders behind them
/// are not reached.
fn behind_many_expired(world: &mut World<'_>) -> Done {
    for who in [1, 2] {
        world.step(&Step::Open { who, key: 1, route: Route::Home })?;
        world.enrich(who, AMOUNT_MAX)?;
    }
    world.step(&Step::Create { market: 0, listing: LISTING, route: Route::Home })?;
    world.step(&Step::Change { market: 0, by: 1, transition: Transition::Open, route: Route::Home })?;
    for (expired, post_only) in [(ORDER_FILLS_MAX, PostOnly::Reject), (ORDER_FILLS_MAX + 1, PostOnly::Reprice)] {
        rest(world, expired, &Wish { wait: Wait::Gtd(1_000), ..plain(1, 0, Entry::BuyNo, 5_000, 1) })?;
        let wish = Wish { post_only, ..plain(2, 0, Entry::BuyYes, 6_000, 1) };
        for step in [batch(2, 0, true, vec![Item::Place(wish.clone())]), Step::Place(wish, Route::Home)] {
            world.step(&Step::Wait { milliseconds: 2_000, late: true })?;
            world.step(&step)?;
            if matches!(step, Step::Batch { .. }) {
                world.step(&Step::MassCancel { who: 2, market: None, route: Route::Home })?;
                rest(world, expired, &Wish { wait: Wait::Gtd(1_000), ..plain(1, 0, Entry::BuyNo, 5_000, 1) })?;
            }
        }
        world.step(&Step::MassCancel { who: 2, market: None, route: Route::Home })?;
        world.step(&Step::Wait { milliseconds: 2_000, late: false })?;
    }
    Ok(())
}

/// Proposed deposits: with a client id, confirmed, dropped, forgotten, and the largest number that
/// may wait.
fn two_admins(world: &mut World<'_>) -> Done {
    let (who, amount, route) = (1, DEPOSIT_ALONE_MAX + 1, Route::Home);
    let propose = |name| Step::Deposit { who, amount, name, by: 1, route };
    let confirm = |seen, by| Step::ConfirmDeposit { back: 0, seen, by, route };
    let as_proposed = SeenDeposit::AsProposed;
    world.step(&Step::Open { who, key: 1, route })?;
    world.step(&confirm(as_proposed, 2))?;
    for name in [None, Some(1)] {
        world.step(&propose(name))?;
        world.step(&propose(name))?;
        world.step(&Step::Withdraw { who, amount: Amount::Exactly(amount), name, route })?;
        world.step(&Step::Deposit { who, amount: 1, name, by: 3, route })?;
        for (seen, by) in
            [(as_proposed, 1), (SeenDeposit::OtherAccount, 2), (SeenDeposit::OtherAmount, 2), (as_proposed, 2)]
        {
            world.step(&confirm(seen, by))?;
        }
        world.step(&confirm(as_proposed, 3))?;
        world.step(&propose(name))?;
    }
    world.step(&propose(Some(2)))?;
    world.step(&Step::DropDeposit { back: 0, by: 3, route })?;
    world.step(&propose(Some(2)))?;
    // The proposal expires; both before and after `AdvanceTime` it counts as gone.
    world.step(&Step::Wait { milliseconds: DEPOSIT_PROPOSAL_MS, late: true })?;
    world.step(&confirm(as_proposed, 2))?;
    world.step(&confirm(as_proposed, 2))?;
    (0..=DEPOSIT_PROPOSALS_MAX).try_for_each(|_| world.step(&propose(None)))?;
    world.step(&Step::Wait { milliseconds: DEPOSIT_PROPOSAL_MS, late: false })?;
    world.step(&propose(Some(2)))?;
    world.step(&confirm(as_proposed, 2))
}

/// The daily limit counts an admin's deposits alone, however they are split; each admin has its own
/// limit, per day, up to the largest number of admins.
fn splitting(world: &mut World<'_>) -> Done {
    let route = Route::Home;
    let deposit = |who, amount, by| Step::Deposit { who, amount, name: None, by, route };
    for who in [1, 2] {
        world.step(&Step::Open { who, key: 1, route })?;
    }
    for part in 0..DEPOSITS_ALONE_A_DAY_MAX / DEPOSIT_ALONE_MAX {
        world.step(&deposit(1 + part.unsigned_abs() % 2, DEPOSIT_ALONE_MAX, 1))?;
    }
    for by in 1..=DEPOSITING_ADMINS_MAX as u64 + 1 {
        world.step(&deposit(1, 1, by))?;
    }
    world.step(&Step::Wait { milliseconds: DAY_MS, late: false })?;
    (1..=2).try_for_each(|by| world.step(&deposit(1, DEPOSIT_ALONE_MAX, by)))
}

/// Paid-out markets are archived, their tickers are never listed again, and other markets take
/// their slots.
fn archived(world: &mut World<'_>) -> Done {
    let (route, who) = (Route::Home, 3);
    let listing = Listed { fees: (10_000, 20_000), expiry: (2 * MARKET_KEPT_MS).cast_signed(), ..LISTING };
    world.furnish(&[listing; MARKETS])?;
    let buy = |market, name| Wish { name, ..plain(who, market, Entry::BuyYes, 4_000, 1) };
    let about = |market, name| {
        [
            Step::Create { market, listing, route },
            Step::Change { market, by: 1, transition: Transition::Open, route },
            Step::LimitMarket { market, limits: MarketLimits::NONE, route },
            Step::Place(buy(market, Some(1)), route),
            Step::Place(buy(market, Some(name)), route),
            Step::Cancel { who, which: Which::Named(1, market), route },
            Step::MassCancel { who, market: Some(market), route },
            batch(who, market, false, vec![Item::Place(buy(market, None))]),
            batch(who, market, true, vec![Item::Place(buy(market, None))]),
        ]
    };
    for market in 0..MARKETS - 1 {
        world.step(&Step::Place(buy(market, Some(1)), route))?;
        world.step(&Step::Finish { market, answer: ResolutionAnswer::Void, seen: ResolutionAnswer::Void, by: 2 })?;
        world.step(&Step::Wait { milliseconds: MARKET_KEPT_MS - 1_000, late: false })?;
        about(market, 2).iter().try_for_each(|step| world.step(step))?;
        world.step(&Step::Wait { milliseconds: 1_000, late: market > 0 })?;
        about(market, 3).iter().try_for_each(|step| world.step(step))?;
        about(market, 2).iter().try_for_each(|step| world.step(step))?;
        // Late cancels in all markets, among them one of a market whose slot another market has
        // taken.
        let listing = Listed { expiry: (2 * MARKET_KEPT_MS).cast_signed(), ..listing };
        world.step(&Step::Create { market: MARKETS + market, listing, route })?;
        world.step(&Step::Change { market: MARKETS + market, by: 1, transition: Transition::Open, route })?;
        let all = (0..=MARKETS + market).rev();
        all.clone().try_for_each(|market| world.step(&Step::Place(buy(market, None), route)))?;
        world.step(&Step::Place(plain(1, MARKETS + market, Entry::BuyNo, 6_000, 3), route))?;
        world.step(&Step::Place(plain(who, MARKETS + market, Entry::BuyYes, 4_000, 3), route))?;
        world.step(&Step::MassCancel { who, market: None, route })?;
    }
    Ok(())
}

fn too_late_to_cancel(world: &mut World<'_>) -> Done {
    world.furnish(&[LISTING; MARKETS])?;
    world.step(&Step::Place(Wish { wait: Wait::Gtd(1_000), ..plain(1, 0, Entry::BuyNo, 5_000, 1) }, Route::Home))?;
    world.step(&Step::Wait { milliseconds: 2_000, late: true })?;
    world.step(&Step::Cancel { who: 1, which: Which::Own(0), route: Route::Home })
}

/// The largest number of resting reduce-only buys, in front of the limit of orders that one order
/// may meet.
fn many_that_reduce(world: &mut World<'_>) -> Done {
    for who in 1..=3 {
        world.step(&Step::Open { who, key: 1, route: Route::Home })?;
        world.enrich(who, AMOUNT_MAX)?;
    }
    world.step(&Step::Create { market: 0, listing: LISTING, route: Route::Home })?;
    world.step(&Step::Change { market: 0, by: 1, transition: Transition::Open, route: Route::Home })?;
    let place = |wish| Step::Place(wish, Route::Home);
    world.step(&place(plain(2, 0, Entry::BuyNo, 5_000, 100)))?;
    world.step(&place(plain(1, 0, Entry::BuyYes, 5_000, 100)))?;
    let reducing = |entry, price, quantity| Wish { reduce_only: true, ..plain(1, 0, entry, price, quantity) };
    for all_or_nothing in [true, false] {
        let items = vec![Item::Place(reducing(Entry::BuyNo, 4_000, 4)); REDUCE_ONLY_MAX + 1];
        world.step(&batch(1, 0, all_or_nothing, items))?;
    }
    world.step(&place(reducing(Entry::SellYes, 9_000, 1)))?;
    // The makers before leave room for the order and for all orders that shrink for it, except one.
    rest(world, ORDER_FILLS_MAX - REDUCE_ONLY_MAX, &plain(2, 0, Entry::BuyNo, 5_000, 1))?;
    world.step(&place(plain(1, 0, Entry::BuyNo, 5_000, 10)))?;
    let all = u32::try_from(ORDER_FILLS_MAX).unwrap();
    let kill = Wish { wait: Wait::Fok, ..plain(3, 0, Entry::BuyYes, 5_000, all - 19) };
    world.step(&place(kill))?;
    world.step(&place(plain(3, 0, Entry::BuyYes, 5_000, 20_000)))?;
    // Now there is room for that order and for those behind it.
    world.step(&place(plain(3, 0, Entry::BuyYes, 6_000, 200)))?;
    world.step(&Step::MassCancel { who: 1, market: None, route: Route::Home })
}

/// The YES claim of an exclusive event moves from market to market; once a market is paid out as
/// YES, no other can claim it. Also a name that looks like an id, and times that no reader can
/// format.
fn odd_names_and_times(world: &mut World<'_>) -> Done {
    const MILLENNIA: i64 = 10_000 * 366 * 24 * 60 * 60 * 1_000;
    let route = Route::Home;
    world.step(&Step::CreateEvent { event: BARE_EVENT, exclusive: false, wrong_id: false, route })?;
    world.step(&Step::Create { market: 0, listing: Listed { expiry: MILLENNIA, ..LISTING }, route })?;
    world.step(&Step::Create { market: 0, listing: LISTING, route })?;
    let edit = Edited { expiry: Some(MILLENNIA), rules: false, tags: None, sources: None, event: None, opens: None };
    world.step(&Step::Edit { market: 0, edit, route })
}

fn one_yes(world: &mut World<'_>) -> Done {
    let route = Route::Home;
    let listing = Listed { window: 5_000, event: Some(0), ..LISTING };
    world.furnish(&[listing, listing, listing, LISTING])?;
    world.step(&Step::CreateEvent { event: 0, exclusive: true, wrong_id: false, route })?;
    world.step(&Step::CreateEvent { event: 0, exclusive: false, wrong_id: false, route })?;
    let (yes, no) = (ResolutionAnswer::Value(YesValue::YES), ResolutionAnswer::Value(YesValue::NO));
    let change = |market, by, transition| Step::Change { market, by, transition, route };
    let propose = |market, answer| change(market, 1, Transition::Resolve { answer });
    let confirm = |market, answer| change(market, 2, Transition::Confirm { answer });
    for market in 0..MARKETS {
        world.step(&change(market, 1, Transition::Close))?;
    }
    let steps = [
        propose(0, yes),
        propose(1, yes),
        confirm(1, yes),
        confirm(0, yes),
        propose(1, yes),
        confirm(1, yes),
        // Within the window.
        propose(0, no),
        propose(1, yes),
        confirm(1, yes),
        propose(2, ResolutionAnswer::Void),
        confirm(2, ResolutionAnswer::Void),
        propose(0, yes),
        confirm(0, yes),
        propose(0, no),
        confirm(0, no),
        propose(3, yes),
        confirm(3, yes),
        Step::Wait { milliseconds: 5_000, late: false },
    ];
    steps.iter().try_for_each(|step| world.step(step))
}

/// The largest number of texts of a market, and its times up to the latest moment.
fn many_texts(world: &mut World<'_>) -> Done {
    let (route, market) = (Route::Home, 0);
    let opens = Listed { opens: Some(1_000), tags: Names { first: 0, count: 3 }, ..LISTING };
    world.step(&Step::Create { market, listing: opens, route })?;
    let none = Added { clarified: false, tags: Names::NONE, sources: Names::NONE };
    let clarified = Added { clarified: true, ..none };
    for _ in 0..=MARKET_CLARIFICATIONS_MAX {
        world.step(&Step::Add { market, addition: clarified, route })?;
    }
    let tags = |first, count| Added { tags: Names { first, count }, ..none };
    let sources = |first, count| Added { sources: Names { first, count }, ..none };
    for addition in [tags(2, 1), tags(3, 7), tags(20, 1), sources(0, 10), sources(20, 1), none] {
        world.step(&Step::Add { market, addition, route })?;
    }
    let same = Edited { rules: false, tags: None, sources: None, event: None, opens: None, expiry: None };
    let edits = [
        Edited { tags: Some(Names { first: 0, count: 1 }), ..same },
        Edited { expiry: Some(900), ..same },
        Edited { opens: Some(Some(2_000)), expiry: Some(1_999), ..same },
        Edited { opens: Some(Some(2_000)), expiry: Some(4_000), ..same },
        Edited { opens: Some(None), ..same },
        Edited { opens: Some(Some(3_000)), ..same },
        same,
    ];
    for edit in edits {
        world.step(&Step::Edit { market, edit, route })?;
    }
    world.step(&Step::Add { market, addition: tags(1, 1), route })?;
    // The market opens and closes by itself; at one moment if no command comes in between.
    world.step(&Step::Create { market: 1, listing: Listed { expiry: 2_000, ..opens }, route })?;
    world.step(&Step::Wait { milliseconds: 2_990, late: true })?;
    world.step(&Step::Edit { market, edit: Edited { opens: Some(None), ..same }, route })?;
    for (edit, milliseconds) in [(Edited { opens: Some(None), ..same }, 1_000), (Edited { rules: true, ..same }, 0)] {
        world.step(&Step::Wait { milliseconds: 10, late: false })?;
        world.step(&Step::Edit { market, edit, route })?;
        world.step(&Step::Edit { market, edit: Edited { expiry: Some(1_000), ..same }, route })?;
        world.step(&Step::Wait { milliseconds, late: false })?;
    }
    Ok(())
}
