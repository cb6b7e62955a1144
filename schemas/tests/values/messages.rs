//! Every message between shards.

use schemas::*;

use super::named;
use super::parts::{ACCOUNT, AMOUNT, CLIENT_ID, OTHER, OTHER_MARKET, TICKET, group, group_now, market, market_event};
use super::purses::{all_instructions, given_back, need, returned, room};

pub fn messages() -> Vec<(String, Message)> {
    let (account, ticket) = (ACCOUNT, TICKET);
    let refused = Some(Rejection::FundingTimeout);
    let mut values = vec![
        Message::Ask { account, need: need(), given_back: Room::ZERO },
        Message::Ask { account, need: Need::credits(AMOUNT), given_back: given_back() },
        Message::Fund { account, credits: AMOUNT, room: room(), refused: None },
        Message::Fund { account, credits: AMOUNT, room: Room::ALL, refused: None },
        Message::Fund { account, credits: Credits::ZERO, room: Room::ZERO, refused },
        Message::Return(returned()),
        Message::Return(Vec::new()),
        Message::Transfer { from: ACCOUNT, to: OTHER, amount: AMOUNT, client_id: None },
        Message::Transfer { from: ACCOUNT, to: OTHER, amount: AMOUNT, client_id: Some(CLIENT_ID) },
    ];
    let ended =
        |client_id, refused| Message::TransferEnded { from: ACCOUNT, to: OTHER, amount: AMOUNT, client_id, refused };
    let unknown = Some(Rejection::AccountUnknown);
    values.extend([ended(Some(CLIENT_ID), None), ended(Some(CLIENT_ID), unknown), ended(None, unknown)]);
    let instruct = |instruction| Message::Instruct { account, ticket, instruction };
    values.extend(all_instructions().into_iter().map(instruct));
    let (event, market) = (market_event().id, market());
    values.push(Message::ClaimYes { event, market, claim: 0x0405_0607 });
    values.push(Message::ReleaseYes { event, market });
    let answered = |taken_by| Message::YesAnswered { market, claim: 0x0405_0607, taken_by };
    values.extend([None, Some(OTHER_MARKET)].map(answered));
    values.push(Message::Groups { account, groups: vec![(group(), group_now())] });
    values.push(Message::Groups { account, groups: Vec::new() });
    let filled = |triggered| {
        let (group, generation) = (group(), group_now().generation);
        Message::GroupFilled { account, group, generation, contracts: 0x0302_0100, triggered }
    };
    values.extend([true, false].map(filled));
    named(values)
}
