//! Splits an outcome into parts, one for each command that it answers.
//!
//! An outcome answers the command that caused it. A command that waited is answered, after
//! [`Event::Resumed`], in the outcome of the command that ended its wait. To find the answer to a
//! command, look at the parts with its id.

use crate::event::Event;
use crate::ids::CommandId;
use crate::origin::Origin;
use crate::record::Outcome;

/// The events of one outcome that answer one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandEvents<'a> {
    /// The command.
    pub command: CommandId,
    /// The origin that the command was sent with. For a command that waited, the outcome that
    /// parked it contains its origin.
    pub origin: Option<&'a Origin>,
    /// The index of the first of these events in the outcome.
    pub at: usize,
    /// The events, without the preceding `CameWith` or `Resumed`.
    pub events: &'a [Event],
}

/// Returns the parts of an outcome in order. The first part answers the outcome's cause. Parts can
/// be empty, but none is omitted.
pub fn parts(outcome: &Outcome) -> impl Iterator<Item = CommandEvents<'_>> {
    let origin = match outcome.events.first() {
        Some(Event::CameWith(origin)) => Some(&**origin),
        _ => None,
    };
    let mut rest = Some((outcome.cause.id, origin, usize::from(origin.is_some())));
    std::iter::from_fn(move || {
        let (command, origin, at) = rest.take()?;
        let events = &outcome.events[at..];
        let next = events.iter().enumerate().find_map(|(end, event)| match event {
            Event::Resumed { command, .. } => Some((end, *command)),
            _ => None,
        });
        let Some((end, resumed)) = next else { return Some(CommandEvents { command, origin, at, events }) };
        rest = Some((resumed, None, at + end + 1));
        Some(CommandEvents { command, origin, at, events: &events[..end] })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AccountId;
    use crate::origin::IdempotencyKey;
    use crate::record::Cause;
    use crate::rejection::Rejection;
    use crate::time::Timestamp;

    #[test]
    fn each_command_has_its_own_part() {
        let refused = |code| Event::Rejected { code };
        let resumed = |command| Event::Resumed { account: AccountId(1), ticket: 2, command: CommandId(command) };
        let events = vec![
            refused(Rejection::WrongShard),
            resumed(8),
            refused(Rejection::FundsInsufficient),
            refused(Rejection::LiveOrderLimit),
            resumed(9),
        ];
        let cause = Cause { offset: 3, id: CommandId(7) };
        let outcome = Outcome { term: 1, sequence: 2, time: Timestamp(4), cause, events: events.clone() };
        let parts: Vec<CommandEvents<'_>> = parts(&outcome).collect();
        let part = |command, at, events| CommandEvents { command: CommandId(command), origin: None, at, events };
        assert_eq!(parts, [part(7, 0, &events[..1]), part(8, 2, &events[2..4]), part(9, 5, &events[5..])]);
    }

    #[test]
    fn what_a_command_came_with_is_no_part_of_its_answer() {
        let key = IdempotencyKey::new("once".to_owned());
        let origin = Origin { trace: None, idempotency_key: key };
        let resumed = Event::Resumed { account: AccountId(1), ticket: 2, command: CommandId(8) };
        let refused = Event::Rejected { code: Rejection::WrongShard };
        let events = vec![Event::CameWith(Box::new(origin.clone())), refused.clone(), resumed];
        let cause = Cause { offset: 3, id: CommandId(7) };
        let outcome = Outcome { term: 1, sequence: 2, time: Timestamp(4), cause, events };
        let parts: Vec<CommandEvents<'_>> = parts(&outcome).collect();
        let first = CommandEvents { command: CommandId(7), origin: Some(&origin), at: 1, events: &[refused] };
        assert_eq!(parts, [first, CommandEvents { command: CommandId(8), origin: None, at: 3, events: &[] }]);
    }

    #[test]
    fn an_outcome_without_events_answers_its_cause() {
        let cause = Cause { offset: 3, id: CommandId(7) };
        let outcome = Outcome { term: 1, sequence: 2, time: Timestamp(4), cause, events: Vec::new() };
        assert_eq!(parts(&outcome).count(), 1);
    }
}
