//! Every event.

use schemas::event::{CancelReason, FirstOutcome, OrderAmended, OrderPlaced};
use schemas::*;

use super::parts::{
    ACCOUNT, ADMIN, AMOUNT, CLIENT_ID, EXPIRES, OTHER, OTHER_MARKET, PROPOSAL, SECOND_ADMIN, TICKET, account_limits,
    all_order_refs, answer, bound_key, build, came_with, counting_up, group, group_limits, group_now, key, limit,
    listing, market, market_additions, market_edits, market_event, market_limits, new_order, order_id, part, price,
    quantity, resolution, settlement, shard, some_admin, trade,
};
use super::purses::{all_instructions, given_back, need, parked, room};
use super::{COMMAND_ID, FIRST_OUTCOMES, all_of, messages, named};

fn first_outcomes() -> Vec<FirstOutcome> {
    let values = vec![
        FirstOutcome::Order { id: order_id() },
        FirstOutcome::OrderRejected { id: order_id(), code: Rejection::FundsInsufficient },
        FirstOutcome::Deposit { amount: AMOUNT },
        FirstOutcome::Withdrawal { amount: AMOUNT },
        FirstOutcome::Transfer { to: OTHER, amount: AMOUNT },
        FirstOutcome::Parked { command: COMMAND_ID },
        FirstOutcome::TransferRefused { to: OTHER, amount: AMOUNT, code: Rejection::WalletLimit },
        FirstOutcome::DepositProposed { proposal: PROPOSAL, amount: AMOUNT },
    ];
    all_of(FIRST_OUTCOMES, values)
}

fn of_accounts() -> Vec<Event> {
    let received = |client_id| Event::TransferReceived { from: ACCOUNT, to: OTHER, amount: AMOUNT, client_id };
    let code = Rejection::WalletLimit;
    let returned = |client_id| Event::TransferReturned { from: ACCOUNT, to: OTHER, amount: AMOUNT, client_id, code };
    vec![
        Event::Rejected { code: Rejection::OrderUnknown },
        Event::AccountOpened { account: ACCOUNT },
        Event::ApiKeyAdded { account: ACCOUNT, key: key(), by: None },
        Event::ApiKeyAdded { account: ACCOUNT, key: bound_key(), by: Some(key().id) },
        Event::ApiKeyRevoked { account: ACCOUNT, key: key().id, by: None },
        Event::ApiKeyRevoked { account: ACCOUNT, key: key().id, by: Some(bound_key().id) },
        Event::ApiKeyEnds { account: ACCOUNT, key: key().id, expires: Timestamp(0x0190_4142_4344) },
        Event::ApiKeyExpired { account: ACCOUNT, key: key().id },
        Event::Deposited { account: ACCOUNT, amount: AMOUNT, client_id: Some(CLIENT_ID), by: ADMIN, seconded: None },
        Event::Withdrawn { account: ACCOUNT, amount: AMOUNT, client_id: None, by: ADMIN },
        Event::Settled(settlement(SettlementReason::Release)),
        Event::Settled(Settlement { order: None, ..settlement(SettlementReason::Redemption) }),
        Event::HoldRaised { account: ACCOUNT, order: order_id(), amount: AMOUNT },
        Event::MassCancelRequested { account: ACCOUNT, market: Some(market()) },
        Event::MassCancelRequested { account: ACCOUNT, market: None },
        Event::DeadManSwitchSet { account: ACCOUNT, due: Some(EXPIRES) },
        Event::DeadManSwitchSet { account: ACCOUNT, due: None },
        Event::DeadManSwitchFired { account: ACCOUNT },
        Event::AccountFrozen { account: ACCOUNT, by: ADMIN },
        Event::AccountUnfrozen { account: ACCOUNT, by: SECOND_ADMIN },
        Event::AccountLimited { account: ACCOUNT, limits: account_limits(), by: ADMIN },
        Event::TransferSent { from: ACCOUNT, to: OTHER, amount: AMOUNT, client_id: Some(CLIENT_ID) },
        received(Some(CLIENT_ID)),
        received(None),
        returned(Some(CLIENT_ID)),
        returned(None),
        Event::TransferCompleted { from: ACCOUNT, to: OTHER, amount: AMOUNT, client_id: CLIENT_ID },
        Event::DepositProposed {
            proposal: PROPOSAL,
            account: ACCOUNT,
            amount: AMOUNT,
            client_id: Some(CLIENT_ID),
            by: ADMIN,
            expires: EXPIRES,
        },
        Event::Deposited {
            account: ACCOUNT,
            amount: AMOUNT,
            client_id: None,
            by: ADMIN,
            seconded: Some(Seconded { proposal: PROPOSAL, by: SECOND_ADMIN }),
        },
        Event::DepositDropped { proposal: PROPOSAL, account: ACCOUNT, by: Some(ADMIN) },
        Event::DepositDropped { proposal: PROPOSAL, account: ACCOUNT, by: None },
    ]
}

fn placed() -> OrderPlaced {
    OrderPlaced {
        id: order_id(),
        order: new_order(Entry::SellNo, limit(TimeInForce::Gtc)),
        price: price(4_100),
        quantity: quantity(258),
        filled: quantity(7),
        status: Status::PartiallyFilled,
        cancel_reason: None,
    }
}

fn amended() -> OrderAmended {
    OrderAmended {
        order: order_id(),
        account: ACCOUNT,
        market: market(),
        entry: Entry::BuyNo,
        old_price: price(4_000),
        old_remaining: quantity(251),
        price: price(3_900),
        quantity: quantity(300),
        filled: quantity(9),
        status: Status::PartiallyFilled,
        cancel_reason: None,
        in_place: false,
    }
}

fn of_orders() -> Vec<Event> {
    let mut values = vec![
        Event::OrderPlaced(placed()),
        Event::OrderPlaced(OrderPlaced {
            status: Status::Cancelled,
            cancel_reason: Some(CancelReason::SelfTrade),
            ..placed()
        }),
        Event::OrderRejected {
            id: order_id(),
            order: new_order(Entry::SellYes, limit(TimeInForce::Ioc)),
            code: Rejection::PositionInsufficient,
        },
        Event::OrderCancelled {
            order: order_id(),
            account: ACCOUNT,
            market: market(),
            entry: Entry::SellNo,
            price: price(4_000),
            quantity: quantity(251),
            reason: CancelReason::MarketEnded,
        },
        Event::OrderReduced {
            order: order_id(),
            account: ACCOUNT,
            market: market(),
            entry: Entry::SellNo,
            price: price(4_000),
            quantity: quantity(12),
            reason: CancelReason::ReduceOnly,
        },
        Event::OrderAmended(amended()),
        Event::OrderAmended(OrderAmended {
            status: Status::Cancelled,
            cancel_reason: Some(CancelReason::MatchLimit),
            in_place: true,
            ..amended()
        }),
        Event::BatchItem { index: 99 },
        Event::StateHashed { hash: schemas::StateHash { way: 0x0102, sum: 0x0304_0506_0708_090a } },
    ];
    let (unknown, cancelled) = (Rejection::OrderUnknown, Rejection::CancelledWhileParked);
    let refused = |order| Event::CancelRejected { account: ACCOUNT, order, code: unknown };
    values.extend(all_order_refs().into_iter().map(refused));
    let refused = |order| Event::AmendRejected { account: ACCOUNT, order, code: cancelled };
    values.extend(all_order_refs().into_iter().map(refused));
    values
}

fn of_markets() -> Vec<Event> {
    let changed = |state, resolution, by| Event::MarketChanged { market: market(), state, resolution, by };
    let confirmed = Some(resolution(answer(), true));
    let mut values = of_what_markets_are();
    values.extend([
        Event::Traded(trade()),
        Event::PairsRedeemed { market: market(), account: ACCOUNT, pairs: 0x0102_0304 },
        Event::MarketCreated { listing: listing(), by: ADMIN },
        changed(MarketState::Open, None, Some(ADMIN)),
        changed(MarketState::Closed, None, None),
        changed(MarketState::Resolving, Some(resolution(ResolutionAnswer::Void, false)), Some(ADMIN)),
        changed(MarketState::Resolving, confirmed, Some(SECOND_ADMIN)),
        changed(MarketState::Resolved, confirmed, None),
        Event::PaidOut { market: market(), account: ACCOUNT, yes: 11, no: 22, credits: Credits::whole(11) },
        Event::MarketSettled { market: market() },
        Event::MarketArchived {
            market: market(),
            state: MarketState::Resolved,
            resolution: confirmed,
            settled: Timestamp(1_763_856_000_124),
            fees: Credits(7),
        },
        Event::MarketLimited { market: market(), limits: market_limits(), by: ADMIN },
        Event::CameWith(Box::new(came_with())),
        Event::CameWith(Box::new(Origin { idempotency_key: None, ..came_with() })),
        Event::MassCancelOpened {
            account: ACCOUNT,
            market: Some(market()),
            reason: CancelReason::MassCancel,
            up_to: order_id(),
            ticket: None,
        },
        Event::MassCancelOpened {
            account: ACCOUNT,
            market: None,
            reason: CancelReason::DeadManSwitch,
            up_to: order_id(),
            ticket: Some(TICKET),
        },
        Event::MassCancelClosed { account: ACCOUNT, market: Some(market()) },
        Event::MassCancelClosed { account: ACCOUNT, market: None },
    ]);
    values
}

fn of_what_markets_are() -> Vec<Event> {
    let (market, event, claim) = (market(), market_event().id, 0x0405_0607);
    let edited = |edit| Event::MarketEdited { market, edit: Box::new(edit), by: ADMIN };
    let added = |addition| Event::MarketAddedTo { market, addition: Box::new(addition), by: ADMIN };
    let mut values = vec![
        Event::MarketEventCreated { event: Box::new(market_event()), by: ADMIN },
        Event::YesClaimed { market, event, claim },
        Event::YesReleased { market, event },
    ];
    values.extend(market_edits().into_iter().map(edited));
    values.extend(market_additions().into_iter().map(added));
    values.extend([None, Some(market)].map(|market| Event::YesHeld { event, market }));
    values.extend([None, Some(OTHER_MARKET)].map(|taken_by| Event::YesAnswered { market, claim, taken_by }));
    values
}

fn of_parked_requests() -> Vec<Event> {
    let (account, ticket, command) = (ACCOUNT, TICKET, COMMAND_ID);
    let mut values: Vec<Event> = parked().into_iter().map(|parked| Event::Parked(Box::new(parked))).collect();
    values.extend([
        Event::Resumed { account, ticket, command },
        Event::ParkedCancelled { account, ticket, command },
        Event::Asked { account, need: need(), given_back: given_back() },
        Event::AskAnswered { account, refused: None },
        Event::AskAnswered { account, refused: Some(Rejection::FundsInsufficient) },
    ]);
    values
}

fn of_purses() -> Vec<Event> {
    let (account, ticket) = (ACCOUNT, TICKET);
    let mut values = vec![
        Event::PurseSent { account, to: shard(1), credits: AMOUNT, room: room() },
        Event::PurseReceived { account, from: shard(2), credits: AMOUNT, room: Room::ALL },
        Event::PurseFrozen { account, frozen: true },
        Event::PurseFrozen { account, frozen: false },
        Event::PurseLimited { account, given_back: given_back() },
        Event::Obeyed { account, ticket, shard: shard(2), more: true },
        Event::Obeyed { account, ticket, shard: shard(2), more: false },
    ];
    for instruction in all_instructions() {
        let shards = vec![shard(1), shard(2)];
        values.push(Event::Instructed { account, ticket, instruction, shards });
        values.push(Event::InstructionCompleted { account, instruction });
    }
    let instruction = all_instructions()[0];
    values.push(Event::Instructed { account, ticket, instruction, shards: Vec::new() });
    values
}

fn between_shards() -> Vec<Event> {
    let mut values = vec![
        Event::Received { from: shard(2), number: 44 },
        Event::MessageSkipped { from: shard(2), number: 46, expected: 45 },
        Event::Acknowledged { to: shard(1), number: 43 },
    ];
    let sent = |(_, message)| Event::Sent { to: shard(1), number: 43, message };
    values.extend(messages().into_iter().map(sent));
    values
}

fn of_the_vocabulary() -> Vec<Event> {
    // Known to any reader, so that its frame is like that of the others.
    let to = 0;
    vec![
        Event::PartAnnounced { part: part(), vocabulary: 0x0a0b },
        Event::PartLeft { part: part().id },
        Event::VocabularyRaised { to, install: build(), by: Some(ADMIN) },
        Event::VocabularyRaised { to, install: build(), by: None },
    ]
}

fn of_admins() -> Vec<Event> {
    let set = |expires| Event::AdminSet { admin: Box::new(some_admin(expires)), by: ADMIN };
    let revoked = Event::AdminRevoked { admin: some_admin(None).id, by: ADMIN };
    vec![set(None), set(Some(Timestamp(0x0190_4142_4344))), revoked]
}

fn of_groups() -> Vec<Event> {
    let (account, group, contracts) = (ACCOUNT, group(), 0x0302_0100);
    let filled = |reported_by| Event::GroupFilled { account, group, contracts, filled: 0x0403_0201, reported_by };
    let triggered = |cause: &TriggerCause| Event::GroupTriggered { account, group, cause: *cause };
    let mut values = vec![
        Event::GroupSet { account, group, limits: group_limits(), generation: group_now().generation, anew: true },
        Event::GroupSet { account, group, limits: group_limits(), generation: group_now().generation, anew: false },
        filled(None),
        filled(Some(shard(2))),
        Event::GroupReported { account, group },
        Event::GroupDeleted { account, group },
    ];
    values.extend(TriggerCause::ALL.iter().map(triggered));
    values
}

pub fn events() -> Vec<(String, Event)> {
    let repeated = |first| Event::ClientIdRepeated { account: ACCOUNT, client_id: CLIENT_ID, first };
    let repeats = first_outcomes().into_iter().map(repeated).collect();
    let of_shards = [of_parked_requests(), of_purses(), between_shards(), of_groups()].concat();
    let of_the_exchange = [of_the_vocabulary(), of_admins()].concat();
    named([of_accounts(), of_orders(), of_markets(), of_shards, repeats, of_the_exchange].concat())
}
