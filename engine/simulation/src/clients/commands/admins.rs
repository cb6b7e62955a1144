//! The requests of admins: markets and their answers, freezes, limits.

use schemas::limits::DEPOSIT_ALONE_MAX;
use schemas::market::YesValue;
use schemas::{
    AccountId, AccountLimits, AdminId, Command, Credits, MarketAddition, MarketEdit, MarketEvent, MarketLimits,
    MarketState, ProposalId, ResolutionAnswer, Tags, Timestamp, Transition,
};

use super::listings::{EVENT, admin, event_id, market_limits};
use super::{ClientView, Population, RoutedCommand, small};
use crate::random::Random;

impl Population {
    /// Returns a freeze or limit, or its end, which is mostly more frequent.
    pub fn supervise(&mut self, account: AccountId, random: &mut Random) -> RoutedCommand {
        let (by, lifts) = (admin(random), random.below(4) > 0);
        match random.below(4) {
            0 if lifts => self.at_account(account, Command::UnfreezeAccount { account, by }, None),
            0 => self.at_account(account, Command::FreezeAccount { account, by }, None),
            1 if lifts => {
                self.at_account(account, Command::LimitAccount { account, limits: AccountLimits::NONE, by }, None)
            }
            1 | 2 => self.limit_account(account, random),
            _ => {
                let market = self.market(random);
                let limits = if lifts { MarketLimits::NONE } else { market_limits(random) };
                self.at_market(market, Command::LimitMarket { market, limits, by })
            }
        }
    }

    /// Returns an edit of or addition to a market's description, mostly of a market that may not
    /// have traded.
    pub fn describe(&mut self, sight: ClientView<'_>, random: &mut Random) -> RoutedCommand {
        let (market, by) = (random.pick(&self.listings).market, admin(random));
        let tags = one_tag(random);
        if random.one_in(3) {
            let addition = Box::new(MarketAddition { tags, ..MarketAddition::default() });
            return self.at_market(market, Command::AddToMarket { market, addition, by });
        }
        let mut edit = MarketEdit { tags: Some(tags), ..MarketEdit::default() };
        let soon = |random: &mut Random| Timestamp(sight.now + 1 + random.below(30_000));
        match random.below(4) {
            0 => edit.opens = Some(Some(soon(random))),
            1 => edit.event = Some(random.one_in(2).then(event_id)),
            _ => {}
        }
        self.at_market(market, Command::EditMarket { market, edit: Box::new(edit), by })
    }

    pub fn create_event(&self) -> RoutedCommand {
        let (name, title) = (EVENT.parse().expect("a label"), "Which one?".parse().expect("a legal text"));
        let event = Box::new(MarketEvent { id: event_id(), name, title, exclusive: true });
        let command = Command::CreateMarketEvent { event, by: AdminId(1) };
        RoutedCommand { shard: self.map.of_market_event(event_id()), command, names: Vec::new() }
    }

    pub fn limit_account(&mut self, account: AccountId, random: &mut Random) -> RoutedCommand {
        let limits = account_limits(random);
        self.at_account(account, Command::LimitAccount { account, limits, by: admin(random) }, None)
    }

    /// Returns a deposit above the limit, or a confirmation or drop of a waiting one, mostly the
    /// last.
    pub fn deposit_by_two(&mut self, random: &mut Random) -> RoutedCommand {
        let (account, amount, by) = (self.vault, Credits(DEPOSIT_ALONE_MAX + 1), admin(random));
        if self.proposed == 0 || random.below(5) < 2 {
            self.proposed += 1;
            let client_id = self.name();
            let command = Command::Deposit { account, amount, client_id: Some(client_id), by };
            return self.at_account(account, command, Some(client_id));
        }
        let last = if random.one_in(2) { self.proposed } else { 1 + random.below(self.proposed) };
        let proposal = ProposalId::compose(self.map.of_account(account), last);
        let amount = if random.one_in(8) { amount + Credits(1) } else { amount };
        let command = match random.below(6) {
            0 => Command::DropDeposit { proposal, by },
            _ => Command::ConfirmDeposit { proposal, account, amount, by },
        };
        self.at_account(account, command, None)
    }

    /// Returns all commands that lead most markets to their payout.
    pub fn final_answers(&self, random: &mut Random) -> Vec<RoutedCommand> {
        let mut all = Vec::new();
        for market in self.listings.iter().map(|listing| listing.market) {
            if random.one_in(5) {
                continue;
            }
            let answer = answer(random);
            let steps = [
                (AdminId(1), Transition::Close),
                (AdminId(1), Transition::Resolve { answer }),
                (AdminId(2), Transition::Confirm { answer }),
            ];
            let asks =
                steps.map(|(by, transition)| self.at_market(market, Command::ChangeMarket { market, by, transition }));
            all.extend(asks);
        }
        all
    }

    /// Returns a transition, mostly one that fits the market's state as an admin knows it.
    pub fn change_market(&mut self, sight: ClientView<'_>, random: &mut Random) -> RoutedCommand {
        let waits = |state: MarketState| state != MarketState::Open && !state.is_final();
        let waiting = sight.markets.iter().filter(|(_, (state, _))| waits(*state)).map(|(market, _)| *market);
        let waiting: Vec<_> = waiting.collect();
        let any = if waiting.is_empty() || random.one_in(3) { self.market(random) } else { *random.pick(&waiting) };
        let some = answer(random);
        let state = if random.one_in(20) { None } else { sight.markets.get(&any) };
        let transition = match state {
            Some((MarketState::Closed, _)) => Transition::Resolve { answer: some },
            // Changed within the window, or confirmed, seldom with another answer.
            Some((MarketState::Resolving, Some(resolution))) if random.below(4) > 0 => {
                Transition::Confirm { answer: resolution.answer }
            }
            Some((MarketState::Paused | MarketState::CancelOnly, _)) if random.below(6) > 0 => Transition::Resume,
            Some((MarketState::Open, _)) if random.one_in(4) => Transition::Pause { cancel_only: random.one_in(2) },
            Some((MarketState::Open, _)) if random.below(10) > 0 => Transition::Resume,
            _ => *random.pick(&[
                Transition::Close,
                Transition::Resume,
                Transition::Pause { cancel_only: true },
                Transition::Resolve { answer: some },
                Transition::Confirm { answer: some },
            ]),
        };
        self.at_market(any, Command::ChangeMarket { market: any, by: admin(random), transition })
    }
}

fn answer(random: &mut Random) -> ResolutionAnswer {
    let fraction = YesValue::new(2_500).expect("a part of a credit");
    *random.pick(&[
        ResolutionAnswer::Value(YesValue::YES),
        ResolutionAnswer::Value(YesValue::NO),
        ResolutionAnswer::Value(fraction),
        ResolutionAnswer::Void,
    ])
}

fn account_limits(random: &mut Random) -> AccountLimits {
    AccountLimits { live_orders: 1 + small(random, 8), held: Credits::whole(1 + i64::from(small(random, 8))) }
}

fn one_tag(random: &mut Random) -> Tags {
    let tag = format!("tag-{}", random.below(20)).parse().expect("a label");
    Tags::new(vec![tag]).expect("one tag")
}
