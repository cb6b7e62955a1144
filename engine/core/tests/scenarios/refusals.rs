//! What is refused changes nothing.

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
fn deposits_beyond_what_a_wallet_or_a_shard_may_have_are_refused() {
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
    assert_eq!(deposit("one more"), refused);
}
