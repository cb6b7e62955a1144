//! Random steps. Accounts, markets and prices are few, so that orders meet; most steps are
//! sensible, some are not.

use proptest::option::weighted;
use proptest::prelude::*;
use schemas::limits::{KEY_GRACE_MAX_MS, MARKET_KEPT_MS};
use schemas::market::YesValue;
use schemas::{Credits, Entry, GroupAct, GroupLimits, MarketLimits, PostOnly, ResolutionAnswer, SelfTrade, Transition};

use super::steps::{
    Added, Again, Amount, Change, Edited, Forgery, Item, Kind, Limit, Listed, Names, Route, SeenDeposit, SetAdmin,
    Size, Step, Wait, WantedKey, Which, Wish,
};

/// Accounts 1 to this are opened at the start; the next two are opened only by a step, if at all.
pub const ACCOUNTS: u64 = 4;
/// Markets 0 to this are listed and opened at the start. With three shards, two of them share a
/// shard; with two shards, three do.
pub const MARKETS: usize = 4;

fn who() -> impl Strategy<Value = u64> {
    prop_oneof![40 => 1..=ACCOUNTS, 1 => ACCOUNTS + 1..=ACCOUNTS + 2]
}

fn market() -> impl Strategy<Value = usize> {
    prop_oneof![40 => 0..MARKETS, 1 => MARKETS..MARKETS + 3]
}

fn route() -> impl Strategy<Value = Route> {
    prop_oneof![40 => Just(Route::Home), 1 => (0_usize..3).prop_map(Route::To)]
}

fn key() -> impl Strategy<Value = u64> {
    1_u64..=24
}

fn wanted_key() -> impl Strategy<Value = WantedKey> {
    let scopes = prop_oneof![1 => Just(3_u8), 1 => Just(15_u8), 2 => 0_u8..16, 1 => any::<u8>()];
    let lasts = prop_oneof![3 => Just(None), 3 => (-5_i64..=20_000).prop_map(Some)];
    let notional = prop_oneof![4 => Just(None), 3 => (1_i64..=4).prop_map(Some), 1 => (-1_i64..=0).prop_map(Some)];
    (key(), scopes, lasts, prop_oneof![2 => Just(0_u8), 1 => 0_u8..8], notional)
        .prop_map(|(id, scopes, lasts, markets, notional)| WantedKey { id, scopes, lasts, markets, notional })
}

fn wanted_admin() -> impl Strategy<Value = SetAdmin> {
    let roles = prop_oneof![2 => Just(8_u8), 1 => Just(15_u8), 2 => any::<u8>()];
    let lasts = prop_oneof![3 => Just(None), 2 => (-5_i64..=20_000).prop_map(Some)];
    (admin(), weighted(0.8, 0_u8..6), roles, lasts).prop_map(|(id, secret, roles, lasts)| SetAdmin {
        id,
        secret,
        roles,
        lasts,
    })
}

fn asking_key() -> impl Strategy<Value = Option<u64>> {
    weighted(0.7, key())
}

fn grace() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0_u64), 5 => 1_u64..20_000, 1 => KEY_GRACE_MAX_MS..=KEY_GRACE_MAX_MS + 1]
}

fn name() -> impl Strategy<Value = Option<u8>> {
    weighted(0.15, 0_u8..12)
}

fn price() -> impl Strategy<Value = u16> {
    prop_oneof![30 => (48_u16..=52).prop_map(|p| p * 100), 1 => Just(100_u16), 1 => Just(9_900), 1 => 1_u16..=9_999]
}

fn quantity() -> impl Strategy<Value = Size> {
    let exactly = prop_oneof![40 => 1_u32..=12, 1 => Just(0_u32), 1 => Just(1_000_000)];
    prop_oneof![12 => exactly.prop_map(Size::Exactly), 1 => (0_u32..=1).prop_map(Size::Rest)]
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![3 => Just(Entry::BuyYes), 3 => Just(Entry::BuyNo), 1 => Just(Entry::SellYes), 1 => Just(Entry::SellNo)]
}

fn budget() -> impl Strategy<Value = Amount> {
    let exactly = prop_oneof![9 => 0_i64..=8_000_000, 1 => any::<i64>()];
    prop_oneof![4 => exactly.prop_map(Amount::Exactly), 1 => (-1_i64..=1).prop_map(Amount::Rest)]
}

fn wish() -> impl Strategy<Value = Wish> {
    let kind = prop_oneof![
        12 => Just(Kind::Limit),
        1 => Just(Kind::Market),
        2 => budget().prop_map(Kind::Budget),
    ];
    let wait = prop_oneof![
        20 => Just(Wait::Gtc),
        3 => (-5_i64..=20_000).prop_map(Wait::Gtd),
        2 => Just(Wait::Ioc),
        2 => Just(Wait::Fok),
    ];
    let post_only = prop_oneof![12 => Just(PostOnly::Off), 1 => Just(PostOnly::Reject), 2 => Just(PostOnly::Reprice)];
    let self_trade = prop::sample::select(SelfTrade::ALL);
    let deadline = weighted(0.1, -50_i64..=50);
    let rate = prop_oneof![30 => Just(70_000_u32), 1 => Just(0_u32), 3 => Just(200_000_u32)];
    let what = (who(), market(), entry(), kind, price(), quantity());
    let flags = (proptest::bool::weighted(0.2), proptest::bool::weighted(0.25));
    let how = (wait, post_only, self_trade, deadline, flags, rate, name(), weighted(0.3, group()));
    (what, how).prop_map(|((who, market, entry, kind, price, quantity), how)| {
        let (wait, post_only, self_trade, deadline, (cancel_on_pause, reduce_only), rate, name, group) = how;
        Wish {
            who,
            market,
            entry,
            kind,
            price,
            quantity,
            wait,
            post_only,
            self_trade,
            deadline,
            cancel_on_pause,
            reduce_only,
            group,
            rate,
            name,
        }
    })
}

/// Few groups, so that each has several orders.
fn group() -> impl Strategy<Value = u16> {
    prop_oneof![12 => 1_u16..=3, 1 => Just(u16::MAX)]
}

fn group_limits() -> impl Strategy<Value = GroupLimits> {
    let contracts = prop_oneof![8 => 1_u32..=30, 1 => 30_u32..=300];
    (contracts, 1_u8..=3).prop_map(|(contracts, seconds)| GroupLimits::new(contracts, seconds).unwrap())
}

/// Most of the time the group exists and takes orders.
fn group_act() -> impl Strategy<Value = GroupAct> {
    prop_oneof![
        6 => group_limits().prop_map(GroupAct::Make),
        2 => group_limits().prop_map(GroupAct::Change),
        1 => Just(GroupAct::Trigger),
        6 => Just(GroupAct::Reset),
        1 => Just(GroupAct::Delete),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        30 => any::<usize>().prop_map(Which::Own),
        4 => any::<usize>().prop_map(Which::Any),
        4 => (0_u8..8, 0..MARKETS).prop_map(|(name, market)| Which::Named(name, market)),
        1 => Just(Which::Nowhere),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    (weighted(0.5, price()), weighted(0.7, quantity())).prop_map(|(price, quantity)| Change { price, quantity })
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        40 => wish().prop_map(Item::Place).boxed(),
        1 => wish().prop_map(Item::Stray).boxed(),
        1 => wish().prop_map(Item::Foreign).boxed(),
        12 => which().prop_map(Item::Cancel).boxed(),
        12 => (which(), change()).prop_map(|(which, change)| Item::Amend(which, change)).boxed(),
    ]
}

/// Ordinary requests, so that whole batches are carried out: quotes that move, within the credits.
fn quote() -> impl Strategy<Value = Item> {
    let size = prop_oneof![4 => (1_u32..=12).prop_map(Size::Exactly), 1 => (0_u32..=1).prop_map(Size::Rest)];
    let post_only = prop_oneof![1 => Just(PostOnly::Off), 2 => Just(PostOnly::Reprice)];
    let placed =
        (market(), entry(), price(), size, post_only).prop_map(|(market, entry, price, quantity, post_only)| {
            Item::Place(Wish { quantity, post_only, ..super::world::plain(0, market, entry, price, 0) })
        });
    let placed = (placed, weighted(0.2, group())).prop_map(|(placed, group)| match placed {
        Item::Place(wish) => Item::Place(Wish { group, ..wish }),
        other => other,
    });
    let own = || any::<usize>().prop_map(Which::Own);
    prop_oneof![
        3 => placed.boxed(),
        2 => own().prop_map(Item::Cancel).boxed(),
        2 => (own(), change()).prop_map(|(which, change)| Item::Amend(which, change)).boxed(),
    ]
}

fn batch() -> impl Strategy<Value = Step> {
    let items = prop_oneof![
        30 => prop::collection::vec(quote(), 1..=4),
        20 => prop::collection::vec(item(), 1..=3),
        8 => prop::collection::vec(item(), 1..=8),
        1 => prop_oneof![Just(Vec::new()), item().prop_map(|item| vec![item; 101])],
    ];
    (who(), market(), any::<bool>(), items, route()).prop_map(|(who, market, all_or_nothing, items, route)| {
        Step::Batch { who, market, all_or_nothing, items, route }
    })
}

fn market_limits() -> impl Strategy<Value = MarketLimits> {
    let low = (0_u32..=6, 0_i64..=20_000_000, 0_u64..=20).prop_map(|(live_orders, notional, position)| MarketLimits {
        live_orders,
        notional: Credits(notional),
        position,
    });
    let some = (low.clone(), 0_u8..3).prop_map(|(low, which)| match which {
        0 => MarketLimits { live_orders: low.live_orders, ..MarketLimits::NONE },
        1 => MarketLimits { notional: low.notional, ..MarketLimits::NONE },
        _ => MarketLimits { position: low.position, ..MarketLimits::NONE },
    });
    prop_oneof![3 => Just(MarketLimits::NONE), 1 => low, 3 => some]
}

/// Few events, so that each has several markets.
fn event() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0_usize..2, 1 => Just(2_usize)]
}

fn names(most: u8) -> impl Strategy<Value = Names> {
    (0_u8..12, 0..=most).prop_map(|(first, count)| Names { first, count })
}

fn create_event() -> impl Strategy<Value = Step> {
    (event(), proptest::bool::weighted(0.8), proptest::bool::weighted(0.05), route())
        .prop_map(|(event, exclusive, wrong_id, route)| Step::CreateEvent { event, exclusive, wrong_id, route })
}

fn edit() -> impl Strategy<Value = Step> {
    let times = (weighted(0.3, weighted(0.8, -100_i64..=20_000)), weighted(0.3, -100_i64..=100_000));
    let lists = (weighted(0.2, names(10)), weighted(0.2, names(10)));
    let event = weighted(0.3, weighted(0.7, event()));
    (market(), proptest::bool::weighted(0.3), lists, event, times, route()).prop_map(
        |(market, rules, (tags, sources), event, (opens, expiry), route)| Step::Edit {
            market,
            edit: Edited { rules, tags, sources, event, opens, expiry },
            route,
        },
    )
}

fn add() -> impl Strategy<Value = Step> {
    (market(), any::<bool>(), names(3), names(3), route()).prop_map(|(market, clarified, tags, sources, route)| {
        Step::Add { market, addition: Added { clarified, tags, sources }, route }
    })
}

pub fn listed() -> impl Strategy<Value = Listed> {
    let tick = prop_oneof![6 => Just(100_u16), 3 => Just(1_u16), 1 => Just(50_u16)];
    let fees = prop_oneof![Just((0_u32, 0_u32)), Just((20_000_u32, 70_000_u32)), Just((70_000_u32, 0_u32))];
    let window = prop_oneof![Just(0_u64), Just(5_000_u64)];
    let limits = prop_oneof![4 => Just(MarketLimits::NONE), 1 => market_limits()];
    let expiry = prop_oneof![3 => 5_000_i64..=500_000, 1 => 500_000_i64..=5_000_000];
    let opens = weighted(0.3, 1_i64..=20_000);
    (tick, fees, window, expiry, limits, opens, weighted(0.6, event()), names(4)).prop_map(
        |(tick, fees, window, expiry, limits, opens, event, tags)| {
            let opens = opens.filter(|opens| *opens < expiry);
            Listed { tick, fees, window, expiry, limits, wrong_id: false, opens, event, tags }
        },
    )
}

fn create() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![10 => Just(0_u8), 1 => Just(1), 1 => Just(2), 1 => Just(3), 1 => Just(4), 1 => Just(5)];
    (0..MARKETS + 3, listed(), fault, route()).prop_map(|(market, listing, fault, route)| {
        let listing = match fault {
            1 => Listed { tick: 3, ..listing },
            2 => Listed { expiry: -listing.expiry, ..listing },
            3 => Listed { window: u64::MAX, ..listing },
            4 => Listed { wrong_id: true, ..listing },
            5 => Listed { opens: Some(listing.expiry), ..listing },
            _ => listing,
        };
        Step::Create { market, listing, route }
    })
}

fn answer() -> impl Strategy<Value = ResolutionAnswer> {
    prop_oneof![
        4 => Just(ResolutionAnswer::Value(YesValue::YES)),
        1 => Just(ResolutionAnswer::Value(YesValue::new(2_500).expect("a quarter"))),
        1 => Just(ResolutionAnswer::Void),
    ]
}

fn transition() -> impl Strategy<Value = Transition> {
    prop_oneof![
        6 => Just(Transition::Open),
        4 => any::<bool>().prop_map(|cancel_only| Transition::Pause { cancel_only }),
        8 => Just(Transition::Resume),
        2 => Just(Transition::Close),
        5 => answer().prop_map(|answer| Transition::Resolve { answer }),
        5 => answer().prop_map(|answer| Transition::Confirm { answer }),
    ]
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![
        20 => 1_i64..=30_000_000,
        1 => -1_i64..=0,
        2 => Just(schemas::limits::AMOUNT_MAX),
        2 => schemas::limits::DEPOSIT_ALONE_MAX..=schemas::limits::DEPOSIT_ALONE_MAX + 1,
        1 => Just(schemas::limits::AMOUNT_MAX + 1),
    ]
}

fn admin() -> impl Strategy<Value = u64> {
    1_u64..=3
}

fn seen_deposit() -> impl Strategy<Value = SeenDeposit> {
    prop_oneof![
        4 => Just(SeenDeposit::AsProposed),
        1 => prop::sample::select(vec![SeenDeposit::OtherAccount, SeenDeposit::OtherAmount]),
    ]
}

fn again() -> impl Strategy<Value = Vec<Again>> {
    let other = vec![Again::MoreCredits, Again::OtherReceiver, Again::Withdrawal, Again::Deposit];
    prop::collection::vec(prop_oneof![Just(Again::Same), prop::sample::select(other)], 0..4)
}

/// An amount to take from an account.
fn taken() -> impl Strategy<Value = Amount> {
    prop_oneof![2 => amount().prop_map(Amount::Exactly), 3 => (-1_i64..=1).prop_map(Amount::Rest)]
}

fn limit(
    low: impl Strategy<Value = i64> + 'static,
    near: impl Strategy<Value = i64> + 'static,
) -> impl Strategy<Value = Limit> {
    prop_oneof![4 => Just(Limit::None), 1 => low.prop_map(Limit::Exactly), 2 => near.prop_map(Limit::Near)]
}

fn account_step() -> impl Strategy<Value = Step> {
    let seconds = weighted(0.8, prop_oneof![8 => 1_u32..=4, 1 => Just(0_u32), 1 => Just(86_401_u32)]);
    let held = limit(0_i64..=20_000_000, -1_000_000_i64..=8_000_000);
    let live = limit(0_i64..=8, -1_i64..=3);
    prop_oneof![
        3 => (who(), weighted(0.5, market()), route())
            .prop_map(|(who, market, route)| Step::MassCancel { who, market, route }),
        2 => (who(), seconds, route()).prop_map(|(who, seconds, route)| Step::DeadMan { who, seconds, route }),
        3 => (who(), proptest::bool::weighted(0.3), route())
            .prop_map(|(who, frozen, route)| Step::Freeze { who, frozen, route }),
        2 => (who(), live, held, route())
            .prop_map(|(who, live_orders, held, route)| Step::LimitAccount { who, live_orders, held, route }),
        1 => (0..=ACCOUNTS + 2, key(), route()).prop_map(|(who, key, route)| Step::Open { who, key, route }),
        6 => (who(), wanted_key(), asking_key(), route())
            .prop_map(|(who, key, by, route)| Step::AddKey { who, key, by, route }),
        2 => (who(), key(), asking_key(), route())
            .prop_map(|(who, key, by, route)| Step::RevokeKey { who, key, by, route }),
        3 => (who(), key(), wanted_key(), grace(), asking_key(), route())
            .prop_map(|(who, old, key, grace_ms, by, route)| Step::RotateKey { who, old, key, grace_ms, by, route }),
        5 => (who(), amount(), name(), admin(), route())
            .prop_map(|(who, amount, name, by, route)| Step::Deposit { who, amount, name, by, route }),
        2 => (0_usize..3, seen_deposit(), admin(), route())
            .prop_map(|(back, seen, by, route)| Step::ConfirmDeposit { back, seen, by, route }),
        1 => (0_usize..3, admin(), route()).prop_map(|(back, by, route)| Step::DropDeposit { back, by, route }),
        3 => (who(), taken(), name(), route())
            .prop_map(|(who, amount, name, route)| Step::Withdraw { who, amount, name, route }),
        3 => (who(), 1..=ACCOUNTS + 1, taken(), name(), route())
            .prop_map(|(who, to, amount, name, route)| Step::Transfer { who, to, amount, name, route }),
        3 => (who(), 1..=ACCOUNTS + 1, taken(), any::<u8>(), again(), again())
            .prop_map(|(who, to, amount, name, before, after)| Step::Named { who, to, amount, name, before, after }),
    ]
}

fn admin_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (wanted_admin(), admin(), route()).prop_map(|(admin, by, route)| Step::SetAdmin { admin, by, route }),
        1 => (admin(), admin(), route()).prop_map(|(admin, by, route)| Step::RevokeAdmin { admin, by, route }),
    ]
}

fn market_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (market(), answer(), weighted(0.2, answer()), prop_oneof![1 => Just(1_u64), 4 => Just(2_u64)])
            .prop_map(|(market, answer, other, by)| Step::Finish { market, answer, seen: other.unwrap_or(answer), by }),
        1 => (market(), answer(), 4_990_u64..5_010)
            .prop_map(|(market, answer, milliseconds)| Step::Appeal { market, answer, milliseconds }),
        2 => create(),
        2 => create_event(),
        3 => edit(),
        2 => add(),
        10 => (market(), 1_u64..=2, transition(), route())
            .prop_map(|(market, by, transition, route)| Step::Change { market, by, transition, route }),
        2 => (market(), market_limits(), route())
            .prop_map(|(market, limits, route)| Step::LimitMarket { market, limits, route }),
    ]
}

fn forgery() -> impl Strategy<Value = Forgery> {
    prop::sample::select(vec![Forgery::FromItself, Forgery::TooEarly, Forgery::Acknowledgement, Forgery::Bytes])
}

fn time_step() -> impl Strategy<Value = Step> {
    // The longest wait, so that purses become idle.
    let milliseconds = prop_oneof![
        800 => 0_u64..=1_000,
        40 => 0_u64..=60_000,
        20 => 500_000_u64..=800_000,
        1 => Just(MARKET_KEPT_MS),
    ];
    prop_oneof![
        8 => (milliseconds, proptest::bool::weighted(0.3))
            .prop_map(|(milliseconds, late)| Step::Wait { milliseconds, late }),
        1 => (0_u64..=50).prop_map(|milliseconds| Step::Back { milliseconds }),
        1 => (0_usize..3).prop_map(|shard| Step::AdvanceTime { shard }),
        1 => (0_usize..3, forgery()).prop_map(|(shard, forgery)| Step::Forged { shard, forgery }),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        70 => (wish(), route()).prop_map(|(wish, route)| Step::Place(wish, route)).boxed(),
        8 => (who(), which(), route()).prop_map(|(who, which, route)| Step::Cancel { who, which, route }).boxed(),
        14 => (who(), which(), change(), route())
            .prop_map(|(who, which, change, route)| Step::Amend { who, which, change, route })
            .boxed(),
        14 => batch().boxed(),
        3 => (0_usize..20).prop_map(|back| Step::Again { back }).boxed(),
        1 => (who(), 0_usize..5).prop_map(|(who, back)| Step::Copy { who, back }).boxed(),
        10 => account_step().boxed(),
        9 => (who(), group(), group_act(), route())
            .prop_map(|(who, group, act, route)| Step::Group { who, group, act, route })
            .boxed(),
        1 => admin_step().boxed(),
        5 => market_step().boxed(),
        8 => time_step().boxed(),
    ]
}
