//! Formats the shards' logs and the purses at the end as text. A line of a log begins with its
//! shard: `1 | a: parked`.

use std::fmt::Write;

use schemas::event::{FirstOutcome, OrderAmended};
use schemas::{
    AccountId, CommandId, Credits, Event, GroupId, GroupNow, MarketId, Message, Need, OrderId, Parked, ParkedRequest,
    PurseInstruction, Room, Settlement, Shard,
};

use super::{Said, Scenario};

impl Scenario {
    /// Equal consecutive lines are written once.
    pub fn say(&mut self, said: &[Said]) {
        let texts = said.iter().flat_map(|said| {
            let texts = said.events.iter().filter_map(|event| self.text(said.shard, event));
            texts.map(|text| format!("    {} | {text}", said.shard))
        });
        let texts: Vec<String> = texts.collect();
        for same in texts.chunk_by(|a, b| a == b) {
            let times = if same.len() > 1 { format!(" ({} times)", same.len()) } else { String::new() };
            writeln!(self.said, "{}{times}", same[0]).unwrap();
        }
    }

    /// Formats an event. Messages appear by their sends and receipts.
    fn text(&self, shard: Shard, event: &Event) -> Option<String> {
        match event {
            Event::Sent { to, message: Message::Fund { account, refused: Some(code), .. }, .. } => {
                Some(format!("{}: refuses what {to} asks for, {code}", self.name(*account)))
            }
            Event::Sent { .. } | Event::Received { .. } | Event::AskAnswered { refused: None, .. } => None,
            Event::Resumed { account, ticket, command } => Some(self.resumed(shard, *account, *ticket, *command)),
            _ => {
                let text = self.of_order(event).or_else(|| self.of_market(event)).or_else(|| self.of_purse(event));
                Some(text.unwrap_or_else(|| self.of_account_itself(event)))
            }
        }
    }

    fn resumed(&self, shard: Shard, account: AccountId, ticket: u64, command: CommandId) -> String {
        match self.claims.get(&(shard, ticket)) {
            Some(claimant) => format!("{}: the claim of {claimant} is decided", self.name(account)),
            None => format!("{}: answer to {}", self.name(account), self.quote(command)),
        }
    }

    fn of_order(&self, event: &Event) -> Option<String> {
        Some(match event {
            Event::OrderPlaced(placed) => {
                let reason = placed.cancel_reason.map(|reason| format!(", {reason}")).unwrap_or_default();
                let (number, status) = (self.number(placed.id), placed.status);
                let name = self.name(placed.order.account);
                format!("{name}: order {number} {status} {}/{}{reason}", placed.filled, placed.quantity)
            }
            Event::OrderRejected { order, code, .. } => format!("{}: order refused, {code}", self.name(order.account)),
            Event::CancelRejected { account, code, .. } => format!("{}: cancel refused, {code}", self.name(*account)),
            Event::AmendRejected { account, code, .. } => format!("{}: amendment refused, {code}", self.name(*account)),
            Event::OrderCancelled { account, quantity, price, entry, reason, .. } => {
                format!(
                    "{}: {entry} {quantity} @ {} cancelled, {reason}",
                    self.name(*account),
                    entry.book_price(*price)
                )
            }
            Event::OrderReduced { order, account, quantity, reason, .. } => {
                format!("{}: order {} loses {quantity}, {reason}", self.name(*account), self.number(*order))
            }
            Event::OrderAmended(amended) => self.amended(amended),
            Event::HoldRaised { account, amount, .. } => {
                format!("{}: {} more held", self.name(*account), short(*amount))
            }
            Event::MassCancelRequested { account, market } => {
                let place = market.map(|market| format!(" in {}", self.market_name(market))).unwrap_or_default();
                format!("{}: asks to cancel all{place}", self.name(*account))
            }
            Event::MassCancelOpened { account, .. } => format!("{}: more to cancel than at once", self.name(*account)),
            Event::MassCancelClosed { account, .. } => format!("{}: no more to cancel", self.name(*account)),
            Event::BatchItem { index } => format!("request {index}"),
            _ => return None,
        })
    }

    fn amended(&self, amended: &OrderAmended) -> String {
        let OrderAmended { order, account, entry, price, quantity, filled, status, in_place, .. } = *amended;
        let place = if in_place { ", in place" } else { "" };
        let (name, number, price) = (self.name(account), self.number(order), entry.book_price(price));
        format!("{name}: order {number} {status} {filled}/{quantity} @ {price}{place}")
    }

    fn of_market(&self, event: &Event) -> Option<String> {
        Some(match event {
            Event::Traded(trade) => {
                let (maker, taker) = (self.name(trade.maker.account), self.name(trade.taker.account));
                format!("{taker}: trades {} @ {} with {maker}, {}", trade.quantity, trade.price, trade.kind())
            }
            Event::Settled(settlement) => self.settled(settlement),
            Event::PairsRedeemed { account, pairs, .. } => format!("{}: redeems {pairs} pairs", self.name(*account)),
            Event::PaidOut { account, yes, no, credits, .. } => {
                format!("{}: is paid {} for {yes} YES, {no} NO", self.name(*account), short(*credits))
            }
            Event::MarketChanged { market, state, .. } => format!("{}: {state}", self.market_name(*market)),
            Event::MarketSettled { market } => format!("{}: all is paid out", self.market_name(*market)),
            Event::YesClaimed { market, claim, .. } => format!("{}: claims YES ({claim})", self.market_name(*market)),
            Event::YesReleased { market, .. } => format!("{}: releases YES", self.market_name(*market)),
            Event::YesHeld { market: Some(market), .. } => format!("{} holds YES", self.market_name(*market)),
            Event::YesHeld { market: None, .. } => "nobody holds YES".to_owned(),
            Event::YesAnswered { market, taken_by, .. } => {
                format!("{}: {}", self.market_name(*market), self.taken(*taken_by))
            }
            _ => return None,
        })
    }

    fn settled(&self, settlement: &Settlement) -> String {
        let Settlement { spent, released, received, .. } = *settlement;
        let parts = [("spends", spent), ("gets back", released), ("receives", received)];
        let parts = parts.iter().filter(|(_, amount)| *amount != Credits::ZERO);
        let parts: Vec<String> = parts.map(|(word, amount)| format!("{word} {}", short(*amount))).collect();
        format!("{}: {}", self.name(settlement.account), parts.join(", "))
    }

    fn of_purse(&self, event: &Event) -> Option<String> {
        Some(match event {
            Event::Parked(parked) => self.parked(parked),
            Event::ParkedCancelled { account, command, .. } => {
                format!("{}: ends parked requests, {}", self.name(*account), self.quote(*command))
            }
            Event::Asked { account, need, given_back } => {
                let given_back = if given_back.is_zero() { "" } else { &format!(", gives back {}", room(*given_back)) };
                format!("{}: asks home for {}{given_back}", self.name(*account), needs(*need))
            }
            Event::AskAnswered { account, refused } => {
                format!("{}: home refuses, {}", self.name(*account), (*refused)?)
            }
            Event::PurseSent { account, to, credits, room } => {
                format!("{}: sends {} to {to}", self.name(*account), amounts(*credits, *room))
            }
            Event::PurseReceived { account, from, credits, room } => {
                format!("{}: has {} from {from}", self.name(*account), amounts(*credits, *room))
            }
            Event::PurseFrozen { account, frozen } => {
                format!("{}: purse {}", self.name(*account), if *frozen { "frozen" } else { "unfrozen" })
            }
            Event::PurseLimited { account, given_back } => {
                format!("{}: purse sealed, returns {}", self.name(*account), room(*given_back))
            }
            Event::Instructed { account, instruction, shards, .. } => {
                let shards: Vec<String> = shards.iter().map(Shard::to_string).collect();
                format!("{}: tells {}: {}", self.name(*account), shards.join(", "), words(instruction))
            }
            Event::Obeyed { account, shard, more, .. } => {
                format!(
                    "{}: {shard} has carried it out{}",
                    self.name(*account),
                    if *more { ", and has more" } else { "" }
                )
            }
            Event::InstructionCompleted { account, instruction } => {
                format!("{}: done everywhere: {}", self.name(*account), words(instruction))
            }
            _ => return None,
        })
    }

    fn parked(&self, parked: &Parked) -> String {
        let name = self.name(parked.account);
        match &parked.request {
            ParkedRequest::Fund { shard, need } => format!("{name}: the claim of {shard} waits, {}", needs(*need)),
            ParkedRequest::Withdraw { .. } => format!("{name}: the withdrawal waits"),
            ParkedRequest::Transfer { .. } => format!("{name}: the transfer waits"),
            ParkedRequest::Place(_) | ParkedRequest::Amend { .. } | ParkedRequest::Batch(_) => {
                format!("{name}: parked")
            }
        }
    }

    fn of_account_itself(&self, event: &Event) -> String {
        match event {
            Event::Rejected { code } => format!("refused, {code}"),
            Event::Deposited { account, amount, .. } => format!("{}: deposits {}", self.name(*account), short(*amount)),
            Event::Withdrawn { account, amount, .. } => {
                format!("{}: withdraws {}", self.name(*account), short(*amount))
            }
            Event::TransferSent { from, to, amount, .. } => {
                format!("{}: gives {} to {}", self.name(*from), short(*amount), self.name(*to))
            }
            Event::TransferReceived { from, to, amount, .. } => {
                format!("{}: has {} from {}", self.name(*to), short(*amount), self.name(*from))
            }
            Event::TransferCompleted { from, to, amount, .. } => {
                format!("{}: {} has the {}", self.name(*from), self.name(*to), short(*amount))
            }
            Event::TransferReturned { from, to, amount, code, .. } => {
                format!("{}: has {} back from {}, {code}", self.name(*from), short(*amount), self.name(*to))
            }
            Event::GroupSet { account, group, limits, generation, .. } => {
                let now = GroupNow { limits: *limits, generation: *generation, triggered: false };
                format!("{}: {}", self.name(*account), group_words(*group, Some(&now)))
            }
            Event::GroupFilled { account, group, contracts, filled, reported_by } => {
                let by = reported_by.map(|shard| format!(", says {shard}")).unwrap_or_default();
                format!("{}: group {group} fills {contracts}, now {filled}{by}", self.name(*account))
            }
            Event::GroupTriggered { account, group, cause } => {
                format!("{}: group {group} is triggered, {cause}", self.name(*account))
            }
            Event::GroupReported { account, group } => format!("{}: reports group {group}", self.name(*account)),
            Event::GroupDeleted { account, group } => format!("{}: group {group} is deleted", self.name(*account)),
            Event::AccountFrozen { account, .. } => format!("{}: frozen", self.name(*account)),
            Event::AccountUnfrozen { account, .. } => format!("{}: unfrozen", self.name(*account)),
            Event::AccountLimited { account, limits, .. } => {
                let all = Room { orders: limits.live_orders, held: limits.held };
                format!("{}: is limited to {}", self.name(*account), room(all))
            }
            Event::DeadManSwitchSet { account, due } => {
                format!("{}: switch {}", self.name(*account), if due.is_some() { "set" } else { "off" })
            }
            Event::DeadManSwitchFired { account } => format!("{}: switch fires", self.name(*account)),
            Event::ClientIdRepeated { account, first, .. } => self.repeated(*account, first),
            Event::MessageSkipped { from, number, .. } => format!("had message {number} from {from} before"),
            other => format!("{other:?}"),
        }
    }

    fn repeated(&self, account: AccountId, first: &FirstOutcome) -> String {
        let name = self.name(account);
        match first {
            FirstOutcome::Order { id } => format!("{name}: repeats order {}", self.number(*id)),
            FirstOutcome::OrderRejected { code, .. } => format!("{name}: repeats an order that was refused, {code}"),
            FirstOutcome::Deposit { amount } => format!("{name}: repeats a deposit of {}", short(*amount)),
            FirstOutcome::DepositProposed { amount, .. } => {
                format!("{name}: repeats a deposit of {} that waits", short(*amount))
            }
            FirstOutcome::Withdrawal { amount } => format!("{name}: repeats a withdrawal of {}", short(*amount)),
            FirstOutcome::Transfer { amount, .. } => format!("{name}: repeats a transfer of {}", short(*amount)),
            FirstOutcome::TransferRefused { amount, code, .. } => {
                format!("{name}: repeats a transfer of {} that came back, {code}", short(*amount))
            }
            FirstOutcome::Parked { command } => format!("{name}: repeats what is parked, {}", self.quote(*command)),
        }
    }

    fn quote(&self, command: CommandId) -> String {
        format!("\"{}\"", self.line_of(command))
    }

    fn name(&self, account: AccountId) -> &str {
        self.accounts.iter().find(|(_, id)| **id == account).map(|(name, _)| name).expect("a script names its accounts")
    }

    fn market_name(&self, market: MarketId) -> &str {
        self.markets.iter().find(|(_, id)| **id == market).map(|(name, _)| name).expect("a script names its markets")
    }

    fn taken(&self, taken_by: Option<MarketId>) -> String {
        taken_by.map_or("can be YES".to_owned(), |by| format!("YES is taken by {}", self.market_name(by)))
    }

    fn number(&self, order: OrderId) -> String {
        format!("#{}", self.orders[&order])
    }

    /// Formats all logs; then the purses, the messages in flight, and the parked requests.
    pub fn report(&self) -> String {
        let mut text = self.said.clone();
        for (name, id) in &self.accounts {
            writeln!(text, "{name}: {}", self.purses(*id)).unwrap();
        }
        for (from, to, message) in self.shards.in_flight() {
            writeln!(text, "from {from} to {to}: {}", self.message(message)).unwrap();
        }
        for state in self.shards.states() {
            for parked in state.parked() {
                let what = if parked.request.is_claim() { "waits" } else { "is parked" };
                writeln!(text, "{what} on {}: {}", state.shard(), self.quote(parked.command)).unwrap();
            }
        }
        text
    }

    fn purses(&self, account: AccountId) -> String {
        let purses = self.shards.states().filter_map(|state| Some((state.shard(), state.purse(account)?)));
        let purses = purses.map(|(shard, purse)| {
            let held =
                if purse.held == Credits::ZERO { String::new() } else { format!(" + {} held", short(purse.held)) };
            let home = if self.shards.map.of_account(account) == shard { " (home)" } else { "" };
            let limited = if purse.room == Room::ALL { String::new() } else { format!(", {}", room(purse.room)) };
            let frozen = if purse.frozen { ", frozen" } else { "" };
            let sealed = match (purse.sealed.orders, purse.sealed.held) {
                (true, true) => ", sealed",
                (true, false) => ", orders sealed",
                (false, true) => ", held sealed",
                (false, false) => "",
            };
            format!("{}{held} on {shard}{home}{limited}{frozen}{sealed}", short(purse.available))
        });
        let purses: Vec<String> = purses.collect();
        if purses.is_empty() { "no purse".to_owned() } else { purses.join("; ") }
    }

    fn message(&self, message: &Message) -> String {
        match message {
            Message::Ask { account, need, .. } => format!("{} asks for {}", self.name(*account), needs(*need)),
            Message::Fund { account, refused: Some(code), .. } => {
                format!("{} gets nothing, {code}", self.name(*account))
            }
            Message::Fund { account, credits, room, .. } => {
                format!("{} of {}", amounts(*credits, *room), self.name(*account))
            }
            Message::Instruct { account, instruction, .. } => {
                format!("{}: {}", self.name(*account), words(instruction))
            }
            Message::Return(all) => {
                let all = all.iter();
                let all = all.map(|one| format!("{} of {}", amounts(one.credits, one.room), self.name(one.account)));
                all.collect::<Vec<String>>().join(", ")
            }
            Message::Transfer { to, amount, .. } => format!("{} for {}", short(*amount), self.name(*to)),
            Message::TransferEnded { from, amount, refused: Some(_), .. } => {
                format!("{} back to {}", short(*amount), self.name(*from))
            }
            Message::TransferEnded { from, to, .. } => {
                format!("notice to {} that {} has them", self.name(*from), self.name(*to))
            }
            Message::ClaimYes { market, claim, .. } => format!("{} claims YES ({claim})", self.market_name(*market)),
            Message::ReleaseYes { market, .. } => format!("{} releases YES", self.market_name(*market)),
            Message::YesAnswered { market, claim, taken_by } => {
                format!("answer to claim {claim} of {}: {}", self.market_name(*market), self.taken(*taken_by))
            }
            Message::Groups { account, groups } => {
                let groups = groups.iter().map(|(group, now)| group_words(*group, Some(now)));
                format!("{}: {}", self.name(*account), groups.collect::<Vec<String>>().join(", "))
            }
            Message::GroupFilled { account, group, contracts, .. } => {
                format!("{}: {contracts} of group {group}", self.name(*account))
            }
        }
    }
}

fn words(instruction: &PurseInstruction) -> String {
    match instruction {
        PurseInstruction::Recall(need) => format!("give back {}", needs(*need)),
        PurseInstruction::Freeze { .. } => "freeze".to_owned(),
        PurseInstruction::Unfreeze { .. } => "unfreeze".to_owned(),
        PurseInstruction::Limit { .. } => "new limits".to_owned(),
        PurseInstruction::MassCancel(reason) => format!("cancel all, {reason}"),
        PurseInstruction::Group { group, now } => group_words(*group, now.as_ref()),
    }
}

fn group_words(group: GroupId, now: Option<&GroupNow>) -> String {
    match now {
        None => format!("group {group} is deleted"),
        Some(GroupNow { triggered: true, .. }) => format!("group {group} is triggered"),
        Some(now) => {
            let GroupNow { limits, generation, .. } = *now;
            format!("group {group} has {} in {} s ({generation})", limits.contracts(), limits.window_s())
        }
    }
}

fn needs(need: Need) -> String {
    amounts(need.credits, need.room)
}

/// Credits and room, without parts that are zero.
fn amounts(credits: Credits, room_besides: Room) -> String {
    match (credits == Credits::ZERO, room_besides.is_zero()) {
        (_, true) => short(credits),
        (true, false) => room(room_besides),
        (false, false) => format!("{} and {}", short(credits), room(room_besides)),
    }
}

/// The parts of the room that are set. In an account without limits, a purse has unlimited room.
fn room(room: Room) -> String {
    let endless = |part: i64, all: i64| part > all / 2;
    let orders = match room.orders {
        0 => None,
        orders if endless(orders.into(), u32::MAX.into()) => Some("any orders".to_owned()),
        1 => Some("1 order".to_owned()),
        orders => Some(format!("{orders} orders")),
    };
    let held = match room.held {
        Credits::ZERO => None,
        held if endless(held.0, i64::MAX) => Some("any held".to_owned()),
        held => Some(format!("{} held", short(held))),
    };
    match (orders, held) {
        (None, None) => "no room".to_owned(),
        (Some(orders), Some(held)) if orders.starts_with("any") && held.starts_with("any") => "all room".to_owned(),
        (orders, held) => format!("room for {}", orders.into_iter().chain(held).collect::<Vec<String>>().join(", ")),
    }
}

/// With two decimal places, or as many as it needs.
fn short(credits: Credits) -> String {
    let text = credits.to_string();
    let (whole, places) = text.split_once('.').expect("credits have decimal places");
    format!("{whole}.{:0<2}", places.trim_end_matches('0'))
}
