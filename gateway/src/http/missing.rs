//! The problem of a path that names a market which is not in the view. It says how markets are
//! named.

use schemas::MarketId;

use crate::http::problem::Problem;
use crate::view::LiveView;

/// The problem of a market that is not in the view. A ticker in lower case is a common mistake.
pub fn missing_market(view: &LiveView, name: &str) -> Problem {
    let problem = Problem::no_market(view.archived_named(name).is_some());
    let upper = name.to_ascii_uppercase();
    let exists = |name: &str| view.market_named(name).is_some() || view.archived_named(name).is_some();
    match upper != name && exists(&upper) {
        true => problem.detail(format!("tickers are in upper case: {upper}")),
        false => problem,
    }
}

/// Finds a market by id or ticker.
pub fn market_id(view: &LiveView, name: &str) -> Result<MarketId, Problem> {
    let market = view.market_named(name).map(|live| live.market.listing.market);
    market.ok_or_else(|| missing_market(view, name))
}
