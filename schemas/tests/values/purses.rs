//! What purses hold, lack and wait for, and the instructions to them.

use schemas::event::CancelReason;
use schemas::*;

use super::commands::requests;
use super::parts::{
    ACCOUNT, ADMIN, AMOUNT, CLIENT_ID, OTHER, SECOND_ADMIN, TICKET, account_limits, group, group_now, limit, new_order,
    order_id, price, quantity, shard,
};
use super::{COMMAND_ID, INSTRUCTIONS, PARKED_REQUESTS, all_of};

pub fn room() -> Room {
    Room { orders: 31, held: Credits(4_000_005) }
}

pub fn given_back() -> Room {
    Room { orders: 6, held: Credits(900_007) }
}

pub fn need() -> Need {
    Need { credits: Credits(80_000_008), room: room() }
}

pub fn returned() -> Vec<Returned> {
    vec![
        Returned { account: ACCOUNT, credits: AMOUNT, room: room(), ticket: Some(TICKET), more: true },
        Returned { account: OTHER, credits: Credits::ZERO, room: given_back(), ticket: None, more: false },
    ]
}

pub fn all_instructions() -> Vec<PurseInstruction> {
    let values = vec![
        PurseInstruction::Recall(need()),
        PurseInstruction::Freeze { by: ADMIN },
        PurseInstruction::Unfreeze { by: SECOND_ADMIN },
        PurseInstruction::Limit { limits: account_limits(), by: ADMIN },
        PurseInstruction::MassCancel(CancelReason::DeadManSwitch),
        PurseInstruction::Group { group: group(), now: Some(group_now()) },
        PurseInstruction::Group { group: group(), now: None },
    ];
    all_of(INSTRUCTIONS, values)
}

fn parked_requests() -> Vec<ParkedRequest> {
    let (order, amount) = (order_id(), AMOUNT);
    let values = vec![
        ParkedRequest::Place(new_order(Entry::BuyNo, limit(TimeInForce::Fok))),
        ParkedRequest::Amend { order, price: Some(price(6_100)), quantity: None },
        ParkedRequest::Amend { order, price: None, quantity: Some(quantity(300)) },
        ParkedRequest::Batch(requests()),
        ParkedRequest::Batch(Vec::new()),
        ParkedRequest::Fund { shard: shard(2), need: need() },
        ParkedRequest::Withdraw { amount, client_id: Some(CLIENT_ID), by: ADMIN },
        ParkedRequest::Withdraw { amount, client_id: None, by: ADMIN },
        ParkedRequest::Transfer { to: OTHER, amount, client_id: Some(CLIENT_ID) },
        ParkedRequest::Transfer { to: OTHER, amount, client_id: None },
    ];
    all_of(PARKED_REQUESTS, values)
}

/// Every request, parked by itself, and one of a batch.
pub fn parked() -> Vec<Parked> {
    let parked = |index, request| Parked {
        account: ACCOUNT,
        ticket: TICKET,
        command: COMMAND_ID,
        index,
        deadline: Timestamp(1_763_856_010_123),
        request,
    };
    let mut values: Vec<Parked> = parked_requests().into_iter().map(|request| parked(None, request)).collect();
    let place = ParkedRequest::Place(new_order(Entry::SellYes, limit(TimeInForce::Gtc)));
    values.push(parked(Some(97), place));
    values
}
