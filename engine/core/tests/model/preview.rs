//! Compares previews with results. For every order that is placed alone, the preview made before it
//! must agree with its events on all shards.

use engine_core::{Lending, Preview, PriceFill, ShardState};
use schemas::event::FirstOutcome;
use schemas::limits::CLIENT_ID_GENERATION_MS;
use schemas::{
    AccountId, Contract, Credits, Event, NewOrder, Quantity, Rejection, Shard, Side, Timestamp, TriggerCause, effects,
};

use super::shards::Shards;

/// Occurrences of each kind of preview.
#[derive(Default, Debug)]
pub struct Seen {
    pub repeats: u64,
    pub refused: u64,
    /// Refused for more than one reason.
    pub refused_for_many: u64,
    pub fills: u64,
    /// Filled at more than one price.
    pub prices: u64,
    pub redeemed: u64,
    pub funded: u64,
    pub funded_by_recall: u64,
    pub not_funded: u64,
}

impl Seen {
    /// Returns the kinds that never occurred.
    pub fn missing(&self) -> Vec<String> {
        let all = [
            ("a repeat", self.repeats),
            ("a refusal", self.refused),
            ("a refusal for many reasons", self.refused_for_many),
            ("a fill", self.fills),
            ("fills at many prices", self.prices),
            ("redeemed pairs", self.redeemed),
            ("credits from home", self.funded),
            ("credits from other purses", self.funded_by_recall),
            ("credits that the account does not have", self.not_funded),
        ];
        all.iter().filter(|(_, times)| *times == 0).map(|(what, _)| format!("a preview that reports {what}")).collect()
    }
}

/// The preview, made before the order is sent.
pub struct Said {
    preview: Preview,
    /// The answer of the account's home shard, if the purse lacks something.
    home: Option<Result<Lending, Rejection>>,
    /// The command itself may make the shard forget client ids.
    forgets: bool,
    /// The account has no purse on the market's shard, so the shard does not know what its group
    /// may still fill.
    groups_unknown: bool,
}

pub fn before(core: &Shards, at: Shard, time: Timestamp, order: &NewOrder) -> Said {
    let state = &core.states[at.index()];
    let preview = state.preview(order, time);
    assert_eq!(state.preview(order, time), preview, "a preview changes nothing");
    let asks = preview.does.is_some() && !preview.lacks.is_nothing();
    let home = asks.then(|| home(core, at, order, &preview));
    let forgets = time.0 / CLIENT_ID_GENERATION_MS > state.time().0 / CLIENT_ID_GENERATION_MS;
    let groups_unknown = order.instructions.group.is_some() && state.purse(order.account).is_none();
    Said { preview, home, forgets, groups_unknown }
}

fn home(core: &Shards, from: Shard, order: &NewOrder, preview: &Preview) -> Result<Lending, Rejection> {
    let account = order.account;
    let home = &core.states[core.map().of_account(account).index()];
    let lending = lending(core, from, account, preview)?;
    if core.states[from.index()].purse(account).is_none() {
        home.check_group(order)?;
    }
    Ok(lending)
}

fn lending(core: &Shards, from: Shard, account: AccountId, preview: &Preview) -> Result<Lending, Rejection> {
    let home = &core.states[core.map().of_account(account).index()];
    match home.lending(from, account, preview.lacks, preview.given_back) {
        Lending::Refused(code) => Err(code),
        Lending::Recalls(recall) => {
            let purse = |at: &Shard| Some((*at, *core.states[at.index()].purse(account)?));
            recall.brings(recall.from.iter().filter_map(purse))?;
            Ok(Lending::Recalls(recall))
        }
        lending => Ok(lending),
    }
}

/// The result of the order.
pub fn after(
    said: &Said,
    order: &NewOrder,
    (home, events): (&ShardState, &[(Shard, Event)]),
    seen: &mut Seen,
) -> Result<(), String> {
    let Said { preview, home: funding, forgets, groups_unknown } = said;
    let here: Vec<&Event> = events.iter().filter(|(at, _)| *at == home.shard()).map(|(_, event)| event).collect();
    let answers = |event: &&&Event| match event {
        Event::OrderPlaced(placed) => placed.order == *order,
        Event::OrderRejected { order: refused, .. } => refused == order,
        Event::ClientIdRepeated { account, .. } => *account == order.account,
        _ => false,
    };
    let Some(answer) = here.iter().find(answers) else { return Err(format!("nothing answers {order:?}")) };
    let told = match answer {
        Event::ClientIdRepeated { first, .. } => Told::Repeats(*first),
        Event::OrderRejected { code, .. } => Told::Refused(*code),
        _ => Told::Placed,
    };
    let expected = match (preview, funding) {
        (Preview { repeats: Some(first), .. }, _) => Told::Repeats(*first),
        (Preview { breaks, .. }, _) if !breaks.is_empty() => Told::Refused(breaks[0]),
        (_, Some(Err(code))) => Told::Refused(*code),
        _ => Told::Placed,
    };
    let named = matches!(expected, Told::Repeats(_) | Told::Refused(Rejection::ClientIdReused));
    if named && *forgets && told != expected {
        return Ok(());
    }
    if told != expected {
        return Err(format!(
            "preview of {order:?}\n  preview: {expected:?} ({preview:?}, {funding:?})\n  result: {told:?}"
        ));
    }
    seen.see(preview, funding.as_ref());
    if told == Told::Placed && !groups_unknown { placed(preview, order, home, &here) } else { Ok(()) }
}

#[derive(PartialEq, Debug)]
enum Told {
    Repeats(FirstOutcome),
    Refused(Rejection),
    Placed,
}

/// The figures of the order's own events, each from another source than the preview's.
fn placed(preview: &Preview, order: &NewOrder, home: &ShardState, events: &[&Event]) -> Result<(), String> {
    let does = preview.does.as_ref().expect("an order that breaks no rule is accepted");
    let differs = |what: &str, said: &dyn std::fmt::Debug, done: &dyn std::fmt::Debug| {
        Err(format!("preview of {order:?}: {what}\n  preview: {said:?}\n  result: {done:?}"))
    };
    let from = events.iter().position(|event| matches!(event, Event::OrderPlaced(placed) if placed.order == *order));
    let events = &events[from.expect("it was placed")..];
    let Event::OrderPlaced(placed) = events[0] else { unreachable!("the event is an OrderPlaced") };
    if does.placed != *placed {
        return differs("the order", &does.placed, placed);
    }
    let mut fills: Vec<PriceFill> = Vec::new();
    let mut trades = 0;
    for event in events {
        if let Event::Traded(trade) = event
            && trade.taker.order == placed.id
        {
            trades += 1;
            let fill = PriceFill { price: trade.price, contracts: trade.quantity, fee: trade.taker.fee };
            match fills.iter_mut().find(|other| other.price == trade.price) {
                Some(other) => {
                    other.contracts = Quantity::new(other.contracts.contracts() + fill.contracts.contracts()).unwrap();
                    other.fee += fill.fee;
                }
                None => fills.push(fill),
            }
        }
    }
    if (&does.fills, does.trades) != (&fills, trades) {
        return differs("fills", &(&does.fills, does.trades), &(&fills, trades));
    }
    let triggered = |filled: bool| {
        events.iter().any(|event| match event {
            Event::GroupTriggered { account, cause, .. } => {
                *account == order.account && (!filled || *cause == TriggerCause::Filled)
            }
            _ => false,
        })
    };
    if does.triggers_group != triggered(true) {
        return differs("whether it triggers a group", &does.triggers_group, &triggered(true));
    }
    if triggered(false) {
        // Other orders end, by its own trades or by fills that its home shard has added up.
        return Ok(());
    }
    let (mut spent, mut received) = (Credits::ZERO, Credits::ZERO);
    let (mut available, mut held, mut live_orders, mut redeemed) = (Credits::ZERO, Credits::ZERO, 0, 0);
    for event in events {
        match event {
            Event::Settled(settled) if settled.order == Some(placed.id) => {
                spent += settled.spent;
                received += settled.received;
            }
            Event::PairsRedeemed { account, pairs, .. } if *account == order.account => redeemed += pairs,
            _ => {}
        }
        let own = |change: &effects::PurseChange| change.account == order.account;
        let moved = matches!(event, Event::PurseSent { .. } | Event::PurseReceived { .. });
        if let Some(change) = effects::purse_change(event).filter(own).filter(|_| !moved) {
            available += change.available;
            held += change.held;
            live_orders += change.live_orders;
        }
    }
    let said = (does.purse.available, does.purse.held, does.purse.live_orders, does.redeemed);
    if said != (available, held, live_orders, redeemed) {
        return differs("purse and pairs", &said, &(available, held, live_orders, redeemed));
    }
    let (cash, contracts) = (received - spent, i64::from(placed.filled.contracts()));
    let contracts = if order.entry.side() == Side::Buy { contracts } else { -contracts };
    let worth = |wins: Contract| if order.entry.contract() == wins { Credits::whole(contracts) } else { Credits::ZERO };
    let done = (cash + worth(Contract::Yes), cash + worth(Contract::No));
    if (does.if_yes, does.if_no) != done {
        return differs("profit", &(does.if_yes, does.if_no), &done);
    }
    let paid = match order.entry.side() {
        Side::Buy => -(does.notional + does.fee),
        Side::Sell => does.notional - does.fee,
    };
    if paid != cash {
        return differs("notional and fee", &paid, &cash);
    }
    let market = home.market(order.market).ok_or("the market is missing")?;
    let resting = market.orders(order.entry.book_side()).find(|(id, ..)| *id == placed.id);
    let holds = resting.map_or(Credits::ZERO, |(.., holds)| holds);
    if does.held != holds { differs("held", &does.held, &holds) } else { Ok(()) }
}

impl Seen {
    fn see(&mut self, preview: &Preview, funding: Option<&Result<Lending, Rejection>>) {
        self.repeats += u64::from(preview.repeats.is_some());
        self.refused += u64::from(!preview.breaks.is_empty());
        self.refused_for_many += u64::from(preview.breaks.len() > 1);
        self.funded += u64::from(matches!(funding, Some(Ok(Lending::AtOnce))));
        self.funded_by_recall += u64::from(matches!(funding, Some(Ok(Lending::Recalls(_)))));
        self.not_funded += u64::from(matches!(funding, Some(Err(_))));
        if let Some(does) = &preview.does {
            self.fills += u64::from(!does.fills.is_empty());
            self.prices += u64::from(does.fills.len() > 1);
            self.redeemed += u64::from(does.redeemed > 0);
        }
    }
}
