//! From a validated command to its answer: the part that all command routes share.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemas::{Command, CommandId, Shard};
use serde_json::{Map, Value, json};

use crate::http::problem::{Problem, kinds};
use crate::state::Shared;
use crate::submit::{Settled, SubmitError};

/// Anything but the wanted outcome.
pub enum Failure {
    /// Refused, or not possible now.
    Problem(Problem),
    /// On the log, but the outcome did not come in time: where to look for it.
    Accepted(Value),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Accepted(body) => (StatusCode::ACCEPTED, Json(body)).into_response(),
        }
    }
}

/// Puts a command on the log and waits for its outcome. `look` gives what a client gets that must look for it later.
pub async fn submit(
    state: &Shared,
    shard: Shard,
    command: Command,
    look: impl FnOnce(CommandId) -> Map<String, Value>,
) -> Result<Settled, Failure> {
    state.submitter.submit(shard, command).await.map_err(|error| unsettled(error, look))
}

/// What a client is told when there is no outcome.
pub fn unsettled(error: SubmitError, look: impl FnOnce(CommandId) -> Map<String, Value>) -> Failure {
    match error {
        SubmitError::Overloaded => Problem::new(kinds::OVERLOADED).into(),
        SubmitError::NotWritten(_) => Problem::new(kinds::LOG_UNAVAILABLE).into(),
        SubmitError::Accepted(id) => {
            let mut body = look(id);
            body.insert("command_id".to_owned(), json!(id.to_string()));
            Failure::Accepted(Value::Object(body))
        }
        SubmitError::OutcomeUnknown(id) => {
            let problem = Problem::new(kinds::OUTCOME_UNKNOWN).command(id);
            match look(id).remove("look") {
                Some(Value::String(path)) => problem.look(path).into(),
                _ => problem.into(),
            }
        }
    }
}

/// The body of an answer that sends the client elsewhere.
pub fn look_at(path: impl Into<String>) -> Map<String, Value> {
    Map::from_iter([("look".to_owned(), json!(path.into()))])
}
