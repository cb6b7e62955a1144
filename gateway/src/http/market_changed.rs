//! The answer to a command that changes a market.

use schemas::AdminId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::scalars::{AdminIdText, CommandIdText};
use crate::shapes::market::MarketShape;
use crate::shapes::text_or_null;

/// A market, the command that changed it, and the admin who asked for it.
#[derive(Serialize, ToSchema)]
pub struct MarketChanged {
    /// The market after the command.
    #[serde(flatten)]
    pub market: MarketShape,
    /// The admin.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<AdminIdText>, required)]
    pub by: Option<AdminId>,
    /// The command.
    #[schema(value_type = CommandIdText)]
    pub command_id: String,
}
