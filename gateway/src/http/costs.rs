//! What requests cost, and what is left to the client.

use axum::Json;
use axum::extract::State;

use crate::asker;
use crate::http::extract::QueryString;
use crate::http::problem::Problem;
use crate::rates::told::CostsAnswer;
use crate::state::Shared;

/// Returns what each route costs, and what is left to the client; without a key, to its address.
#[utoipa::path(
    get,
    path = "/v1/account/costs",
    operation_id = "get_costs",
    tag = "account",
    responses((status = 200, description = "The table that the limiter uses", body = CostsAnswer)),
    security((), ("account" = []), ("admin" = []))
)]
pub async fn costs(State(state): State<Shared>, query: QueryString) -> Result<Json<CostsAnswer>, Problem> {
    query.nothing_else()?;
    Ok(Json(CostsAnswer::of(&state.rates, asker::asker())))
}
