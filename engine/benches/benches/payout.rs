//! A market with a million holders is resolved: how long each slice of its payout stops its shard.

use std::time::Instant;

use engine_benches::law::{Run, listing};
use schemas::market::YesValue;
use schemas::{
    AccountId, AdminId, ApiKey, ApiKeyId, Command, Credits, Entry, Event, FeeRate, Instructions, NewOrder, PostOnly,
    Price, Quantity, ResolutionAnswer, Scopes, Terms, TimeInForce, Transition,
};

const HOLDERS: u64 = 1_000_000;

fn main() {
    let mut run = Run::default();
    let listing = listing(0);
    let market = listing.market;
    let change = |by, transition| Command::ChangeMarket { market, by: AdminId(by), transition };
    run.one(&Command::CreateMarket { listing, by: AdminId(1) });
    run.one(&change(1, Transition::Open));
    for account in (1..=HOLDERS).map(AccountId) {
        let key = ApiKey::with_secret(ApiKeyId(account.0), [0; 32], Scopes::READ);
        run.one(&Command::OpenAccount { account, key });
        run.one(&Command::Deposit { account, amount: Credits::whole(1), client_id: None, by: AdminId(1) });
        let entry = if account.0 % 2 == 0 { Entry::BuyYes } else { Entry::BuyNo };
        let (price, quantity) = (Price::new(5_000).unwrap(), Quantity::new(1).unwrap());
        let terms = Terms::Limit { price, quantity, time_in_force: TimeInForce::Gtc, post_only: PostOnly::Off };
        let (fee_rate, instructions) = (FeeRate::new(70_000).unwrap(), Instructions::default());
        run.one(&Command::PlaceOrder(NewOrder {
            account,
            market,
            entry,
            terms,
            fee_rate,
            client_id: None,
            instructions,
        }));
    }
    let answer = ResolutionAnswer::Value(YesValue::YES);
    run.one(&change(1, Transition::Close));
    run.one(&change(1, Transition::Resolve { answer }));
    let mut slices = Vec::new();
    let mut paid = 0;
    let mut next = change(2, Transition::Confirm { answer });
    loop {
        let start = Instant::now();
        let events = run.one(&next);
        slices.push(start.elapsed());
        paid += events.iter().filter(|event| matches!(event, Event::PaidOut { .. })).count() as u64;
        if run.state.next_due().is_none() {
            break;
        }
        next = Command::AdvanceTime;
    }
    assert_eq!(paid, HOLDERS, "not everybody was paid");
    slices.sort();
    let (median, longest) = (slices[slices.len() / 2], slices[slices.len() - 1]);
    println!("{paid} positions in {} slices: median {median:.2?}, longest {longest:.2?}", slices.len());
    assert!(longest.as_millis() < 50, "a slice stopped the shard for {longest:?}");
}
