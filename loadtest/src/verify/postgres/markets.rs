//! Checks the properties of markets, and market events.

use schemas::market::Listing;
use schemas::{MarketEventId, MarketId};
use tokio_postgres::{Row, Transaction};

use super::columns::{get, moment, natural, optional, optional_moment, shard, table};
use crate::fold::{Description, Fold, MarketEventRow};
use crate::verify::read_model_error::ReadModelError;
use crate::verify::{Check, exactly};

/// The last time of a four-digit calendar, in milliseconds; later times are stored as this one.
const LAST_MOMENT: u64 = 253_402_300_799_999;

/// A market's properties as text, in the same form for both sides.
#[derive(PartialEq, Eq, Debug)]
struct DescriptionTexts {
    texts: [String; 3],
    sources: Vec<String>,
    tags: Vec<String>,
    event: Option<u64>,
    opens: Option<u64>,
    /// In whole seconds, because the last moment is exact only to the second.
    expiry: u64,
    clarifications: Vec<String>,
}

impl DescriptionTexts {
    fn of(description: &Description) -> Self {
        let Description { listing: Listing { about, opens, expiry, .. }, clarifications } = description;
        Self {
            texts: [about.question.to_string(), about.rules.to_string(), about.category.to_string()],
            sources: about.sources.iter().map(ToString::to_string).collect(),
            tags: about.tags.iter().map(ToString::to_string).collect(),
            event: about.event.map(|event| event.0),
            opens: opens.map(|opens| opens.as_millis()),
            expiry: expiry.as_millis().min(LAST_MOMENT) / 1_000,
            clarifications: clarifications.clone(),
        }
    }

    fn read(row: &Row) -> Result<Self, ReadModelError> {
        Ok(Self {
            texts: [get(row, "question")?, get(row, "rules")?, get(row, "category")?],
            sources: get(row, "sources")?,
            tags: get(row, "tags")?,
            event: optional(row, "event_id")?,
            opens: optional_moment(row, "opens_at")?,
            expiry: moment(row, "expiry")?.as_millis() / 1_000,
            clarifications: get(row, "clarifications")?,
        })
    }
}

/// Checks each market's properties.
pub async fn about(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    const SQL: &str = "SELECT m.*, ARRAY(SELECT text FROM market_clarifications c WHERE c.market_id = m.id \
        ORDER BY c.sequence) AS clarifications FROM markets m";
    let found = table(tx, SQL, |row| Ok((MarketId(natural(row, "id")?), DescriptionTexts::read(row)?))).await?;
    let expected = fold.markets.iter().map(|(id, market)| (*id, DescriptionTexts::of(&market.about))).collect();
    Ok(exactly("Postgres: descriptions of markets", &expected, &found))
}

/// Checks every market event, and the market that holds its YES.
pub async fn events(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    let found = table(tx, "SELECT * FROM market_events", |row| {
        let event = MarketEventRow {
            name: get(row, "name")?,
            title: get(row, "title")?,
            exclusive: get(row, "exclusive")?,
            yes: optional(row, "yes_market_id")?.map(MarketId),
            shard: shard(row, "shard")?,
        };
        Ok((MarketEventId(natural(row, "id")?), event))
    })
    .await?;
    Ok(exactly("Postgres: market events", &fold.market_events, &found))
}
