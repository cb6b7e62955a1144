//! Every command.

use schemas::*;

use super::parts::{
    ACCOUNT, ADMIN, AMOUNT, CLIENT_ID, OTHER, PROPOSAL, SECOND_ADMIN, account_limits, all_answers, all_order_refs,
    all_terms, bound_key, group, group_acts, key, limit, listing, market, market_additions, market_edits, market_event,
    market_limits, named_order, new_order, order_id, part, price, quantity, shard, some_admin, wanted_admin,
};
use super::{REQUESTS, TRANSITIONS, all_of, messages, named};

fn transitions() -> Vec<Transition> {
    use Transition as T;
    let mut values =
        vec![T::Open, T::Pause { cancel_only: false }, T::Pause { cancel_only: true }, T::Resume, T::Close];
    values.extend(all_answers().into_iter().map(|answer| T::Resolve { answer }));
    values.extend(all_answers().into_iter().map(|answer| T::Confirm { answer }));
    all_of(TRANSITIONS, values)
}

pub fn requests() -> Vec<BatchRequest> {
    let mut values = vec![
        BatchRequest::Place(new_order(Entry::BuyNo, limit(TimeInForce::Ioc))),
        BatchRequest::Amend { order: OrderRef::Id(order_id()), price: Some(price(6_100)), quantity: None },
        BatchRequest::Amend { order: named_order(), price: None, quantity: Some(quantity(300)) },
    ];
    values.extend(all_order_refs().into_iter().map(BatchRequest::Cancel));
    all_of(REQUESTS, values)
}

/// Requests of an account's owner besides placing orders.
fn of_an_owner() -> Vec<Command> {
    let mut values = vec![
        Command::AmendOrder {
            account: ACCOUNT,
            order: OrderRef::Id(order_id()),
            price: Some(price(6_100)),
            quantity: Some(quantity(300)),
        },
        Command::AmendOrder { account: ACCOUNT, order: named_order(), price: None, quantity: None },
        Command::MassCancel { account: ACCOUNT, market: Some(market()) },
        Command::MassCancel { account: ACCOUNT, market: None },
        Command::SetDeadManSwitch { account: ACCOUNT, timeout_s: Some(61) },
        Command::SetDeadManSwitch { account: ACCOUNT, timeout_s: None },
        Command::Batch { account: ACCOUNT, all_or_nothing: true, requests: requests() },
        Command::Batch { account: ACCOUNT, all_or_nothing: false, requests: Vec::new() },
        Command::Transfer { from: ACCOUNT, to: OTHER, amount: AMOUNT, client_id: Some(CLIENT_ID) },
        Command::Transfer { from: ACCOUNT, to: OTHER, amount: AMOUNT, client_id: None },
    ];
    values.extend(all_order_refs().into_iter().map(|order| Command::CancelOrder { account: ACCOUNT, order }));
    values
}

fn of_an_admin() -> Vec<Command> {
    let mut values = vec![
        Command::CreateMarket { listing: listing(), by: ADMIN },
        Command::FreezeAccount { account: ACCOUNT, by: ADMIN },
        Command::UnfreezeAccount { account: ACCOUNT, by: ADMIN },
        Command::LimitAccount { account: ACCOUNT, limits: account_limits(), by: ADMIN },
        Command::LimitMarket { market: market(), limits: market_limits(), by: ADMIN },
    ];
    let event = Box::new(market_event());
    values.push(Command::CreateMarketEvent { event, by: ADMIN });
    let edit = |edit| Command::EditMarket { market: market(), edit: Box::new(edit), by: ADMIN };
    values.extend(market_edits().into_iter().map(edit));
    let add = |addition| Command::AddToMarket { market: market(), addition: Box::new(addition), by: ADMIN };
    values.extend(market_additions().into_iter().map(add));
    let change = |transition| Command::ChangeMarket { market: market(), by: ADMIN, transition };
    values.extend(transitions().into_iter().map(change));
    values
}

pub fn commands() -> Vec<(String, Command)> {
    let mut values = vec![
        Command::OpenAccount { account: ACCOUNT, key: key() },
        Command::AddApiKey { account: ACCOUNT, key: key(), by: None },
        Command::AddApiKey { account: ACCOUNT, key: bound_key(), by: Some(key().id) },
        Command::RevokeApiKey { account: ACCOUNT, key: key().id, by: None },
        Command::RevokeApiKey { account: ACCOUNT, key: key().id, by: Some(bound_key().id) },
        Command::Deposit { account: ACCOUNT, amount: AMOUNT, client_id: Some(CLIENT_ID), by: ADMIN },
        Command::Deposit { account: ACCOUNT, amount: AMOUNT, client_id: None, by: ADMIN },
        Command::Withdraw { account: ACCOUNT, amount: AMOUNT, client_id: Some(CLIENT_ID), by: ADMIN },
        Command::ConfirmDeposit { proposal: PROPOSAL, account: ACCOUNT, amount: AMOUNT, by: SECOND_ADMIN },
        Command::DropDeposit { proposal: PROPOSAL, by: ADMIN },
        Command::Acknowledge { to: shard(2), number: 0x0102_0304_0506_0708 },
        Command::AdvanceTime,
        Command::Announce(part()),
        Command::Leave { part: part().id },
        Command::RaiseVocabulary { to: 0x1112, by: ADMIN },
        Command::RotateApiKey {
            account: ACCOUNT,
            old: key().id,
            key: Box::new(bound_key()),
            grace_ms: 0x5152_5354,
            by: Some(key().id),
        },
    ];
    let acted = |act| Command::ActOnGroup { account: ACCOUNT, group: group(), act };
    values.extend(group_acts().into_iter().map(acted));
    values.extend(
        [None, Some(Timestamp(0x0190_4142_4344))]
            .map(|expires| Command::SetAdmin { admin: Box::new(wanted_admin(expires)), by: ADMIN }),
    );
    values.push(Command::RevokeAdmin { admin: some_admin(None).id, by: ADMIN });
    values.extend(of_an_owner());
    values.extend(of_an_admin());
    values.extend(all_terms().into_iter().map(|terms| Command::PlaceOrder(new_order(Entry::BuyNo, terms))));
    let plain = NewOrder {
        client_id: None,
        instructions: Instructions::default(),
        ..new_order(Entry::SellYes, limit(TimeInForce::Gtc))
    };
    values.push(Command::PlaceOrder(plain));
    let receive = |(_, message)| Command::Receive { from: shard(1), number: 0x0807_0605_0403_0201, message };
    values.extend(messages().into_iter().map(receive));
    named(values)
}
