//! Which command each event of an outcome answers.
//!
//! An outcome answers the command that caused it. A command that waited is answered in the outcome of whatever ended its wait, after
//! [`Event::Resumed`]. Whoever looks for the answer to a command looks at the parts under its id.

use crate::event::Event;
use crate::ids::CommandId;
use crate::record::Outcome;

/// Events of one outcome that answer one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// The command.
    pub command: CommandId,
    /// The events, without the `Resumed` before them.
    pub events: &'a [Event],
}

/// The parts of an outcome, in order; the first answers its cause. None is left out, though some may be empty.
pub fn parts(outcome: &Outcome) -> impl Iterator<Item = Part<'_>> {
    let mut rest = Some((outcome.cause.id, outcome.events.as_slice()));
    std::iter::from_fn(move || {
        let (command, events) = rest.take()?;
        let next = events.iter().enumerate().find_map(|(at, event)| match event {
            Event::Resumed { command, .. } => Some((at, *command)),
            _ => None,
        });
        let Some((end, resumed)) = next else { return Some(Part { command, events }) };
        rest = Some((resumed, &events[end + 1..]));
        Some(Part { command, events: &events[..end] })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AccountId;
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
        let parts: Vec<Part<'_>> = parts(&outcome).collect();
        let part = |command, events| Part { command: CommandId(command), events };
        assert_eq!(parts, [part(7, &events[..1]), part(8, &events[2..4]), part(9, &events[5..])]);
    }

    #[test]
    fn an_outcome_without_events_answers_its_cause() {
        let cause = Cause { offset: 3, id: CommandId(7) };
        let outcome = Outcome { term: 1, sequence: 2, time: Timestamp(4), cause, events: Vec::new() };
        assert_eq!(parts(&outcome).count(), 1);
    }
}
