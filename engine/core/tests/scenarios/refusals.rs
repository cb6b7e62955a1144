//! A refused command changes nothing.

use expect_test::expect;
use schemas::{AdminId, Command, Credits, Event};

use crate::script::{Scenario, check};

#[test]
fn refusals_change_nothing() {
    check(
        "market tick 100 maker 0 taker 0
         deposit alice 1
         deposit bob 1
         alice buy yes 0 @ 0.5
         alice buy yes 3 @ 0.5
         alice buy yes 1 @ 0.505
         alice sell yes 1 @ 0.5
         alice sell yes budget 1
         alice buy yes 1 @ 0.5
         bob cancel #1
         alice cancel #1
         alice cancel #1
         alice cancel #7
         pause
         pause
         alice buy yes 1 @ 0.5
         resume
         resolve yes by 1",
        expect![[r#"
            > alice buy yes 0 @ 0.5
                refused: quantity-is-zero
            > alice buy yes 3 @ 0.5
                refused: funds-insufficient
            > alice buy yes 1 @ 0.505
                refused: price-off-tick
            > alice sell yes 1 @ 0.5
                refused: position-insufficient
            > alice sell yes budget 1
                refused: budget-on-sell
            > alice buy yes 1 @ 0.5
                order #1 ACTIVE 0/1
            > bob cancel #1
                refused: order-unknown
            > alice cancel #1
                cancelled 1 of alice: REQUESTED
            > alice cancel #1
                refused: order-cancelled
            > alice cancel #7
                refused: order-unknown
            > pause
                market PAUSED
            > pause
                refused: transition-invalid
            > alice buy yes 1 @ 0.5
                refused: market-not-open
            > resume
                market OPEN
            > resolve yes by 1
                refused: transition-invalid
            alice: 1.000000 + 0.000000 held
            bob: 1.000000 + 0.000000 held
        "#]],
    );
}

#[test]
fn a_name_needs_a_letter_and_a_time_ends_with_the_year_9999() {
    use schemas::limits::TIME_MAX;
    use schemas::{About, FeeRate, Listing, MarketEvent, MarketEventId, MarketId, MarketLimits, Rejection, Timestamp};
    let mut scenario = Scenario::new();
    let by = AdminId(1);
    let refused = |code| vec![Event::Rejected { code }];
    let listing = |ticker: &str, expiry| {
        let ticker: schemas::text::Ticker = ticker.parse().unwrap();
        let about = About::plain("Rain?", "YES if it does.", "tests").unwrap().into();
        let (market, maker_fee, taker_fee) = (MarketId::of(&ticker), FeeRate::ZERO, FeeRate::ZERO);
        let (opens, tick, dispute_window_ms, limits) = (None, 1, 0, MarketLimits::NONE);
        Listing { market, ticker, about, opens, expiry, tick, maker_fee, taker_fee, dispute_window_ms, limits }
    };
    for digits in ["7", "2030-12"] {
        let events = scenario.handle(&Command::CreateMarket { listing: listing(digits, TIME_MAX), by });
        assert_eq!(events, refused(Rejection::NameInvalid), "{digits}");
        let name: schemas::text::Label = digits.parse().unwrap();
        let (id, title) = (MarketEventId::of(&name), "Who?".parse().unwrap());
        let event = Box::new(MarketEvent { id, name, title, exclusive: false });
        assert_eq!(scenario.handle(&Command::CreateMarketEvent { event, by }), refused(Rejection::NameInvalid));
    }
    let mut create = |expiry| scenario.handle(&Command::CreateMarket { listing: listing("LATE", expiry), by });
    assert_eq!(create(Timestamp(TIME_MAX.0 + 1)), refused(Rejection::TimeOutOfRange));
    assert!(matches!(create(TIME_MAX)[..], [Event::MarketCreated { .. }]));
}

#[test]
fn deposits_beyond_the_limit_of_a_wallet_or_a_shard_are_refused() {
    use schemas::limits::{AMOUNT_MAX, SHARD_CREDITS_MAX, WALLET_MAX};
    let mut scenario = Scenario::new();
    let mut deposit = |name: &str| {
        let account = scenario.account(name);
        let amount = Credits(AMOUNT_MAX);
        let deposit = Command::Deposit { account, amount, client_id: None, by: AdminId(1) };
        match scenario.handle(&deposit)[0] {
            Event::DepositProposed { proposal, .. } => {
                let by = AdminId(2);
                scenario.handle(&Command::ConfirmDeposit { proposal, account, amount, by })[0].clone()
            }
            ref other => other.clone(),
        }
    };
    let refused = Event::Rejected { code: schemas::Rejection::WalletLimit };
    let wallets = SHARD_CREDITS_MAX / WALLET_MAX;
    for wallet in 0..wallets {
        for _ in 0..WALLET_MAX / AMOUNT_MAX {
            assert!(matches!(deposit(&wallet.to_string()), Event::Deposited { .. }));
        }
        assert_eq!(deposit(&wallet.to_string()), refused);
    }
    assert_eq!(deposit("one more"), Event::Rejected { code: schemas::Rejection::ShardCreditsLimit });
}
