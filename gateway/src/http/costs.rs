//! What requests cost, and what is left to the client.

use axum::Json;
use axum::extract::State;

use crate::asker;
use crate::http::extract::QueryString;
use crate::http::problem::Problem;
use crate::rates::told::CostsAnswer;
use crate::state::Shared;

/// `GET /v1/account/costs`: for everybody; without a key, of the address.
pub async fn costs(State(state): State<Shared>, query: QueryString) -> Result<Json<CostsAnswer>, Problem> {
    query.nothing_else()?;
    Ok(Json(CostsAnswer::of(&state.rates, asker::asker())))
}
