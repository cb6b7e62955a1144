use schemas::{Need, ParkedRequest, PurseInstruction, Returned, Room, Timestamp};

use super::*;
use crate::fold::story::{ALICE, BOB, HOME, Story, THERE, fold, shard};

const COMMAND: CommandId = CommandId(70);

fn request(ticket: u64) -> Event {
    let (account, command, deadline) = (ALICE, COMMAND, Timestamp(9));
    let request = ParkedRequest::Batch(Vec::new());
    Event::Parked(Box::new(Parked { account, ticket, command, index: None, deadline, request }))
}

fn resumed(ticket: u64, command: CommandId) -> Event {
    Event::Resumed { account: ALICE, ticket, command }
}

/// Returns the number of open items and of faults after these outcomes.
fn waits(story: Story) -> (usize, u64) {
    let fold = fold(story);
    (fold.waiting.count(), fold.faults.count())
}

#[test]
fn a_message_is_in_flight_until_both_ends_are_seen_in_either_order() {
    let returned = |account, credits| Returned { account, credits, room: Room::ZERO, ticket: None, more: false };
    let message = Message::Return(vec![returned(ALICE, Credits(2)), returned(BOB, Credits(3))]);
    let sent = (THERE, vec![Event::Sent { to: shard(HOME), number: 1, message }]);
    let received = (HOME, vec![Event::Received { from: shard(THERE), number: 1 }]);
    let one = fold(vec![sent.clone()]);
    let freight = MessageCredits { credits: Credits(5), purses: vec![(ALICE, Credits(2)), (BOB, Credits(3))] };
    assert_eq!(one.waiting.messages.into_values().collect::<Vec<_>>(), [Some(freight)]);
    assert_eq!(waits(vec![sent.clone(), received.clone()]), (0, 0));
    assert_eq!(waits(vec![received, sent.clone()]), (0, 0));
    assert_eq!(waits(vec![sent.clone(), sent]), (0, 1), "sent twice");
}

#[test]
fn a_parked_request_waits_until_it_is_resumed_for_its_command() {
    let parked = || (THERE, vec![request(1)]);
    assert_eq!(waits(vec![parked()]), (1, 0));
    assert_eq!(waits(vec![parked(), (THERE, vec![resumed(1, COMMAND)])]), (0, 0));
    assert_eq!(waits(vec![parked(), (THERE, vec![resumed(1, CommandId(71))])]), (0, 1), "another command");
    assert_eq!(waits(vec![parked(), (HOME, vec![resumed(1, COMMAND)])]), (1, 1), "another shard");
    assert_eq!(waits(vec![parked(), parked()]), (1, 1), "parked twice");
}

#[test]
fn a_parked_request_that_is_cancelled_waits_for_its_refusal() {
    let cancelled = || Event::ParkedCancelled { account: ALICE, ticket: 1, command: COMMAND };
    assert_eq!(waits(vec![(THERE, vec![request(1), cancelled()])]), (1, 0));
    assert_eq!(waits(vec![(THERE, vec![request(1), cancelled(), resumed(1, COMMAND)])]), (0, 0));
    assert_eq!(waits(vec![(THERE, vec![cancelled()])]), (0, 1), "nothing is parked");
}

#[test]
fn a_purse_asks_once_until_it_is_answered() {
    let asked = || Event::Asked { account: ALICE, need: Need::NOTHING, given_back: Room::ZERO };
    let answered = || Event::AskAnswered { account: ALICE, refused: None };
    assert_eq!(waits(vec![(THERE, vec![asked()])]), (1, 0));
    assert_eq!(waits(vec![(THERE, vec![asked(), answered(), asked(), answered()])]), (0, 0));
    assert_eq!(waits(vec![(THERE, vec![asked(), asked()])]), (1, 1));
    assert_eq!(waits(vec![(THERE, vec![answered()])]), (0, 1));
}

/// Returns outcomes of Alice's home shard.
fn home(events: Vec<Event>) -> Story {
    vec![(HOME, events)]
}

fn instructed(instruction: PurseInstruction) -> Event {
    Event::Instructed { account: ALICE, ticket: 3, instruction, shards: vec![shard(0), shard(2)] }
}

fn obeyed(by: u16) -> Event {
    Event::Obeyed { account: ALICE, ticket: 3, shard: shard(by), more: false }
}

#[test]
fn a_recall_waits_for_every_instructed_shard() {
    let recall = || instructed(PurseInstruction::Recall(Need::NOTHING));
    assert_eq!(waits(home(vec![recall(), obeyed(2)])), (1, 0));
    assert_eq!(waits(home(vec![recall(), obeyed(2), obeyed(0)])), (0, 0));
    assert_eq!(waits(home(vec![recall(), obeyed(1)])), (1, 1), "not instructed");
    assert_eq!(waits(home(vec![obeyed(1)])), (0, 1), "nothing waits");
}

#[test]
fn any_other_instruction_waits_for_its_answer_as_well() {
    let cancel = || instructed(PurseInstruction::MassCancel(schemas::event::CancelReason::MassCancel));
    assert_eq!(waits(home(vec![cancel(), obeyed(2), obeyed(0)])), (1, 0));
    assert_eq!(waits(home(vec![cancel(), obeyed(2), obeyed(0), resumed(3, COMMAND)])), (0, 0));
    assert_eq!(waits(home(vec![cancel(), obeyed(2), resumed(3, COMMAND)])), (0, 1), "answered too early");
    assert_eq!(waits(home(vec![resumed(3, COMMAND)])), (0, 1), "nothing waits");
}
