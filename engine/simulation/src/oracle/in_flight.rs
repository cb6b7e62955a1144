//! I-5 and I-8 at a cut of the logs: what an account's home believes of its orders is what its markets' homes know, and what is
//! on its way between them.

use std::collections::BTreeMap;

use engine_core::{Invariant, Replica};
use schemas::message::EnteredRequest;
use schemas::{AccountId, BookSide, Credits, Message, NewOrder};

/// What an account's orders come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Orders {
    held: Credits,
    live: u32,
}

/// By account, over all shards.
#[derive(Default)]
struct Expected(BTreeMap<AccountId, Orders>);

/// Panics unless each home believes what is so.
pub fn check(replicas: &[Replica]) {
    let mut expected = Expected::default();
    replicas.iter().for_each(|replica| expected.add_books(replica));
    replicas.iter().for_each(|replica| expected.add_messages(replica, replicas));
    for (id, account) in replicas.iter().flat_map(|replica| replica.state().accounts()) {
        let Orders { held, live } = expected.0.remove(&id).unwrap_or_default();
        let (holds, counts) = (account.held, account.live_orders);
        assert!(holds == held, "{}: account {id} holds {holds} for {held}", Invariant::HoldsMatchOrders);
        assert!(counts == live, "{}: account {id} counts {counts} of {live}", Invariant::LiveOrdersAreCounted);
    }
    let nobodys = expected.0.iter().find(|(_, orders)| **orders != Orders::default());
    assert!(nobodys.is_none(), "{}: orders of nobody {nobodys:?}", Invariant::HoldsMatchOrders);
}

impl Expected {
    fn add(&mut self, account: AccountId, held: Credits, live: u32) {
        let orders = self.0.entry(account).or_default();
        orders.held += held;
        orders.live += live;
    }

    fn add_books(&mut self, replica: &Replica) {
        for (_, market) in replica.state().markets() {
            for (_, account, .., held) in market.orders(BookSide::Bid).chain(market.orders(BookSide::Ask)) {
                self.add(account, held, 1);
            }
        }
    }

    /// Messages that were sent and not taken in.
    fn add_messages(&mut self, sender: &Replica, replicas: &[Replica]) {
        let from = sender.state().shard();
        for (to, number, _, message) in sender.kept_messages() {
            if number > replicas[to.index()].state().received_from(from) {
                self.add_message(message);
            }
        }
    }

    fn add_order(&mut self, order: &NewOrder) {
        self.add(order.account, order.hold(), 1);
    }

    fn add_message(&mut self, message: &Message) {
        match message {
            Message::PlaceOrder { order, .. } => self.add_order(order),
            Message::Batch { requests, .. } => {
                for request in requests {
                    if let EnteredRequest::Place { order, .. } = request {
                        self.add_order(order);
                    }
                }
            }
            Message::AmendOrder { amendment, raised: Some(raise) } => self.add(amendment.account, raise.amount, 0),
            Message::Settle(settlements) => {
                for s in settlements {
                    self.add(s.account, s.spent + s.released, u32::from(s.ended));
                }
            }
            Message::AmendOrder { raised: None, .. }
            | Message::RaiseHold { .. }
            | Message::CancelOrder { .. }
            | Message::MassCancel { .. }
            | Message::Transfer { .. }
            | Message::ReturnTransfer { .. } => {}
        }
    }
}
