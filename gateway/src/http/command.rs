//! The path from a validated command to its answer, shared by all command routes.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemas::{Command, CommandId, Shard};
use serde_json::{Map, Value, json};

use crate::answers::refusal;
use crate::command_result::{CommandResult, OrderName, ResultPart};
use crate::http::problem::{Problem, kinds};
use crate::state::Shared;
use crate::submit::SubmitError;

/// A command without the wanted result.
pub enum CommandFailure {
    /// Rejected, or not possible now.
    Problem(Problem),
    /// On the log, but the result did not arrive in time: the body says where to look for it.
    Accepted(Value),
}

impl From<Problem> for CommandFailure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl IntoResponse for CommandFailure {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Accepted(body) => (StatusCode::ACCEPTED, Json(body)).into_response(),
        }
    }
}

impl CommandFailure {
    /// Adds details if it is a problem.
    #[must_use]
    pub fn about(self, more: impl FnOnce(Problem) -> Problem) -> Self {
        match self {
            Self::Problem(problem) => Self::Problem(more(problem)),
            Self::Accepted(body) => Self::Accepted(body),
        }
    }
}

/// Writes a command to the log and waits for its result: what `wanted` finds in its events, or the
/// rejection. `look` makes the body that tells a client where to look for the result later.
pub async fn submit<T>(
    state: &Shared,
    shard: Shard,
    command: Command,
    look: impl FnOnce(CommandId) -> Map<String, Value>,
    wanted: impl Fn(&ResultPart<'_>) -> Option<T>,
) -> Result<(T, CommandResult), CommandFailure> {
    let name = name_of(&command);
    let found = |settled: &CommandResult| answered(settled, shard, name, &wanted).map(|found| (found, settled.clone()));
    let asked = state.submitter.ask(shard, command, found).await;
    let (found, settled) = asked.map_err(|error| unsettled(error, look))?;
    Ok((found?, settled))
}

/// Finds the answer in the result of a command that was sent to `shard`. A repeat is answered by
/// the events of its order alone, because the first request may have been part of a batch.
fn answered<T>(
    settled: &CommandResult,
    shard: Shard,
    name: Option<OrderName>,
    wanted: impl Fn(&ResultPart<'_>) -> Option<T>,
) -> Option<Result<T, Problem>> {
    let told = match name.filter(|_| settled.is_repeat()) {
        Some(name) => settled.of_order(name)?,
        None => settled.told(),
    };
    // A rejection on another shard is an intermediate step; the shard that asked for it reports the
    // final one.
    let refused = || refusal(&told).filter(|_| settled.shard == shard);
    wanted(&told).map(Ok).or_else(|| refused().map(Err))
}

/// Returns the name of the order that a command places.
fn name_of(command: &Command) -> Option<OrderName> {
    match command {
        Command::PlaceOrder(order) => order.client_id.map(|client_id| (order.market, client_id)),
        _ => None,
    }
}

/// Returns what the client gets when there is no result.
pub fn unsettled(error: SubmitError, look: impl FnOnce(CommandId) -> Map<String, Value>) -> CommandFailure {
    match error {
        SubmitError::Overloaded => Problem::new(kinds::OVERLOADED).into(),
        SubmitError::ShardHalted(shard) => Problem::shard_halted(shard).into(),
        SubmitError::NotWritten(_) => Problem::new(kinds::LOG_UNAVAILABLE).into(),
        SubmitError::Accepted(id) => {
            let mut body = look(id);
            body.insert("command_id".to_owned(), json!(id.to_string()));
            CommandFailure::Accepted(Value::Object(body))
        }
        SubmitError::OutcomeUnknown(id) => {
            // With the same fields as a 202: if the command was written, it will be decided all the
            // same.
            Problem::new(kinds::OUTCOME_UNKNOWN).members(look(id)).command(id).into()
        }
    }
}

/// Makes the body that sends the client to another path.
pub fn look_at(path: impl Into<String>) -> Map<String, Value> {
    Map::from_iter([("look".to_owned(), json!(path.into()))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers;
    use crate::command_result::tests::{named, resumed, settled, settled_of};
    use crate::view::tests::{SHARD, outcome};
    use schemas::{ClientId, Event, Rejection};

    const ELSEWHERE: Shard = Shard::new(1).unwrap();

    fn code(found: Option<Result<answers::OrderOutcome, Problem>>) -> Option<Result<(), &'static str>> {
        found.map(|found| found.map(|_| ()).map_err(|problem| problem.kind().code))
    }

    #[test]
    fn an_unknown_outcome_says_where_to_look() {
        let unknown = unsettled(SubmitError::OutcomeUnknown(CommandId(5)), |_| look_at("/v1/wallet"));
        let CommandFailure::Problem(problem) = unknown else { panic!("not a problem") };
        let body = problem.body();
        assert_eq!((&body["code"], &body["look"]), (&json!("outcome-unknown"), &json!("/v1/wallet")));
        assert_eq!(body["command_id"], json!(CommandId(5).to_string()));
    }

    #[test]
    fn a_refusal_counts_on_the_shard_that_was_asked() {
        let refused = |shard| settled(shard, outcome(7, vec![Event::Rejected { code: Rejection::AccountFrozen }]));
        let found = |shard| code(answered(&refused(shard), SHARD, None, answers::order));
        assert_eq!((found(SHARD), found(ELSEWHERE)), (Some(Err("account-frozen")), None));
    }

    #[test]
    fn a_repeat_of_an_order_from_a_batch_has_the_answer_of_that_order_alone() {
        let (order, other) = (named(1, 99), named(2, 98));
        let events = vec![
            resumed(5),
            Event::BatchItem { index: 0 },
            Event::OrderPlaced(other),
            Event::BatchItem { index: 1 },
            Event::OrderPlaced(order),
        ];
        let told = settled_of(SHARD, outcome(8, events), CommandId(7), CommandId(5));
        let found = |client_id| answered(&told, SHARD, Some((order.order.market, ClientId(client_id))), answers::order);
        let Some(Ok(answers::OrderOutcome::Placed(placed, _, true))) = found(99) else { panic!("not placed") };
        assert_eq!(placed.id, order.id);
        assert!(found(97).is_none());
    }
}
