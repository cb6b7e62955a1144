//! Formats the log and the state at the end as text.

use std::fmt::Write;

use schemas::{BookSide, Credits, Event, OrderId};

use super::Scenario;

impl Scenario {
    pub fn event(&mut self, event: &Event) -> String {
        let mut text = String::new();
        let mut say = |line: String| writeln!(text, "    {line}").unwrap();
        match event {
            Event::OrderPlaced(placed) => {
                self.orders.push(placed.id);
                let (number, filled, quantity) = (self.orders.len(), placed.filled, placed.quantity);
                let asked = placed.order.entry.book_price(placed.order.terms.limit());
                let moved = if placed.price == asked { String::new() } else { format!(" moved to {}", placed.price) };
                let reason = placed.cancel_reason.map(|reason| format!(" {reason}")).unwrap_or_default();
                say(format!("order #{number} {} {filled}/{quantity}{moved}{reason}", placed.status));
            }
            Event::OrderRejected { code, .. } | Event::Rejected { code } => say(format!("refused: {code}")),
            Event::Traded(t) => {
                let (maker, taker) = (self.name(t.maker.account), self.name(t.taker.account));
                say(format!("trade {} @ {} {} {taker} with {maker}", t.quantity, t.price, t.kind()));
            }
            Event::OrderCancelled { account, quantity, reason, .. } => {
                say(format!("cancelled {quantity} of {}: {reason}", self.name(*account)));
            }
            Event::PairsRedeemed { account, pairs, .. } => {
                say(format!("{} redeems {pairs} pairs", self.name(*account)))
            }
            Event::PaidOut { account, yes, no, credits, .. } => {
                say(format!("{} is paid {credits} for {yes} YES, {no} NO", self.name(*account)));
            }
            Event::MarketChanged { state, .. } => say(format!("market {state}")),
            Event::MarketEdited { .. } => say("market edited".into()),
            Event::MarketAddedTo { .. } => say("market added to".into()),
            Event::MarketSettled { .. } => say("market settled".into()),
            Event::MarketArchived { fees, .. } => say(format!("market archived, fees {fees}")),
            Event::OrderAmended(a) => {
                let place = if a.in_place { "in its place" } else { "at the end of its queue" };
                let reason = a.cancel_reason.map(|reason| format!(" {reason}")).unwrap_or_default();
                say(format!(
                    "{} amended: {} {}/{} @ {} {place}{reason}",
                    self.number(a.order),
                    a.status,
                    a.filled,
                    a.quantity,
                    a.price
                ));
            }
            Event::OrderReduced { order, quantity, reason, .. } => {
                say(format!("{} loses {quantity}: {reason}", self.number(*order)));
            }
            Event::CancelRejected { code, .. } | Event::AmendRejected { code, .. } => say(format!("refused: {code}")),
            Event::ClientIdRepeated { first, .. } => say(format!("as before: {first:?}")),
            Event::BatchItem { index } => say(format!("request {index}")),
            Event::MassCancelRequested { .. } => say("all orders are to be cancelled".into()),
            Event::DeadManSwitchSet { due, .. } => say(format!("switch {due:?}")),
            Event::DeadManSwitchFired { account } => say(format!("the switch of {} fires", self.name(*account))),
            Event::TransferSent { amount, .. } => say(format!("sent {amount}")),
            Event::TransferReceived { to, amount, .. } => say(format!("{} receives {amount}", self.name(*to))),
            Event::Parked(_) => say("parked".into()),
            Event::Resumed { .. } => say("what was parked:".into()),
            Event::ParkedCancelled { .. } => say("cancels parked requests".into()),
            Event::GroupSet { group, limits, generation, .. } => {
                let (contracts, s) = (limits.contracts(), limits.window_s());
                say(format!("group {group} has {contracts} in {s} s ({generation})"));
            }
            Event::GroupFilled { account, group, contracts, filled, .. } => {
                say(format!("group {group} of {} fills {contracts}, now {filled}", self.name(*account)));
            }
            Event::GroupTriggered { account, group, cause } => {
                say(format!("group {group} of {} is triggered: {cause}", self.name(*account)));
            }
            Event::GroupDeleted { group, .. } => say(format!("group {group} is deleted")),
            // Purses are part of the report. On one shard the home shard asks and instructs itself.
            Event::Settled(_)
            | Event::HoldRaised { .. }
            | Event::Asked { .. }
            | Event::AskAnswered { .. }
            | Event::PurseReceived { .. }
            | Event::InstructionCompleted { .. } => {}
            other => say(format!("{other:?}")),
        }
        text
    }

    /// Returns the script's number of an order.
    fn number(&self, order: OrderId) -> String {
        self.orders.iter().position(|known| *known == order).map_or("order ?".into(), |at| format!("order #{}", at + 1))
    }

    pub fn report(&self) -> String {
        let mut text = self.said.clone();
        for (id, purse) in self.state.purses() {
            write!(text, "{}: {} + {} held", self.name(id), purse.available, purse.held).unwrap();
            for (_, market) in self.state.markets() {
                let p = market.position(id);
                for (held, reserved, contract) in [(p.yes, p.yes_reserved, "YES"), (p.no, p.no_reserved, "NO")] {
                    match (held, reserved) {
                        (0, _) => {}
                        (_, 0) => write!(text, ", {held} {contract}").unwrap(),
                        _ => write!(text, ", {held} {contract} ({reserved} reserved)").unwrap(),
                    }
                }
            }
            text.push('\n');
        }
        for (_, market) in self.state.markets() {
            for side in [BookSide::Bid, BookSide::Ask] {
                for (_, account, entry, price, remaining, _) in market.orders(side) {
                    writeln!(text, "{side} {remaining} @ {price} {entry} {}", self.name(account)).unwrap();
                }
            }
            if market.collateral != Credits::ZERO || market.fees != Credits::ZERO {
                writeln!(text, "collateral {}, fees {}", market.collateral, market.fees).unwrap();
            }
        }
        text
    }
}
