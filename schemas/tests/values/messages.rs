//! Every message between shards.

use schemas::event::CancelReason;
use schemas::message::{EnteredRequest, Settlement, SettlementReason};
use schemas::*;

use super::parts::{
    ACCOUNT, AMOUNT, OTHER, all_terms, amendment, limit, market, new_order, order_id, raise, settlement,
};
use super::{ENTERED_REQUESTS, all_of, named};

fn entered_requests() -> Vec<EnteredRequest> {
    let order = new_order(Entry::SellNo, limit(TimeInForce::Fok));
    let values = vec![
        EnteredRequest::Place { id: order_id(), order },
        EnteredRequest::Cancel { order: order_id() },
        EnteredRequest::Amend(amendment()),
        EnteredRequest::Amend(Amendment { price: None, ..amendment() }),
    ];
    all_of(ENTERED_REQUESTS, values)
}

pub fn messages() -> Vec<(String, Message)> {
    let mut values = vec![
        Message::Settle(vec![
            settlement(SettlementReason::Trade),
            Settlement { order: None, ended: false, ..settlement(SettlementReason::Payout) },
        ]),
        Message::Settle(Vec::new()),
        Message::CancelOrder { account: ACCOUNT, order: order_id() },
        Message::AmendOrder { amendment: amendment(), raised: Some(raise()) },
        Message::AmendOrder { amendment: Amendment { quantity: None, ..amendment() }, raised: None },
        Message::RaiseHold { amendment: amendment(), raise: raise() },
        Message::MassCancel { account: ACCOUNT, market: Some(market()), reason: CancelReason::MassCancel },
        Message::MassCancel { account: ACCOUNT, market: None, reason: CancelReason::DeadManSwitch },
        Message::Batch { account: ACCOUNT, requests: entered_requests() },
        Message::Transfer { from: ACCOUNT, to: OTHER, amount: AMOUNT },
        Message::ReturnTransfer { from: ACCOUNT, to: OTHER, amount: AMOUNT, code: Rejection::AccountUnknown },
    ];
    let place = |terms| Message::PlaceOrder { id: order_id(), order: new_order(Entry::BuyYes, terms) };
    values.extend(all_terms().into_iter().map(place));
    named(values)
}
