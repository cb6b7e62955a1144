//! Why a load test could not be carried out. (That a check fails is not one of these: it is a result.)

use crate::api::ApiError;
use crate::cost::CostError;
use crate::floor::FloorError;
use crate::listen::ListenError;
use crate::log::LogError;
use crate::people::PeopleError;
use crate::seed::SeedError;
use crate::verify::settle::ReadModelError;

/// Why a load test could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Between here and the gateway.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Accounts or markets could not be made.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// Demo accounts and markets could not be made.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// WebSocket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The events log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Postgres or Redis.
    #[error(transparent)]
    ReadModel(#[from] ReadModelError),
    /// What the run takes.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// The bare loop.
    #[error(transparent)]
    Floor(#[from] FloorError),
    /// The attackers' process.
    #[error("the attacker cannot be started or ended: {0}")]
    Attacker(std::io::Error),
    /// The gateway made less than it was asked for.
    #[error("the gateway did not make all {0}")]
    Incomplete(&'static str),
}
