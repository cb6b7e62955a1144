//! The answer to a command that changes a market.

use schemas::AdminId;
use serde::Serialize;

use crate::shapes::market::MarketShape;
use crate::shapes::text_or_null;

/// A market, the command that changed it, and the admin who asked for it.
#[derive(Serialize)]
pub struct MarketChanged {
    /// The market after the command.
    #[serde(flatten)]
    pub market: MarketShape,
    /// The admin.
    #[serde(serialize_with = "text_or_null")]
    pub by: Option<AdminId>,
    /// The command.
    pub command_id: String,
}
