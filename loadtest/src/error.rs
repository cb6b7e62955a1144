//! Errors that prevent a load test. (A failed check is a result, not an error.)

use crate::api::ApiError;
use crate::commands::seed::SeedError;
use crate::cost::CostError;
use crate::floor::FloorError;
use crate::listen::ListenError;
use crate::log_error::LogError;
use crate::people::PeopleError;
use crate::verify::read_model_error::ReadModelError;

/// Why a load test could not be completed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request to the gateway failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Accounts or markets could not be created.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// Demo accounts and markets could not be created.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// Listening on the WebSocket failed.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Reading the events log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Reading Postgres or Redis failed.
    #[error(transparent)]
    ReadModel(#[from] ReadModelError),
    /// Measuring the cost failed.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// The bare loop failed.
    #[error(transparent)]
    Floor(#[from] FloorError),
    /// The attackers' process failed.
    #[error("the attacker cannot be started or ended: {0}")]
    Attacker(std::io::Error),
    /// The gateway created fewer objects than requested.
    #[error("the gateway did not make all {0}")]
    Incomplete(&'static str),
}
