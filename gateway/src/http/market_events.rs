//! Market events: named groups of markets, and which market of an exclusive event is YES.

use axum::extract::State;
use schemas::{AdminId, Command, Event, MarketEvent, MarketEventId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::command_result::ResultPart;
use crate::http::answer::{Answer, AtPosition, AtPositions, ListPage};
use crate::http::auth::MarketsAdmin;
use crate::http::command::{CommandFailure, look_at, submit};
use crate::http::extract::{JsonBody, QueryString, Segment};
use crate::http::fields::Fields;
use crate::http::parse::{self, PAGE_DEFAULT};
use crate::http::problem::{Problem, kinds};
use crate::openapi::params::PageParams;
use crate::openapi::requests::CreateEvent;
use crate::openapi::scalars::{AdminIdText, CommandIdText};
use crate::shapes::market::MarketEventShape;
use crate::shapes::text;
use crate::state::Shared;
use crate::view::market_events::MarketEventView;

/// A market event and the admin who created it.
#[derive(Serialize, ToSchema)]
#[schema(as = MarketEventAnswer)]
pub struct CreatedAnswer {
    #[serde(flatten)]
    event: MarketEventShape,
    #[serde(serialize_with = "text")]
    #[schema(value_type = AdminIdText)]
    by: AdminId,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// Creates a market event.
#[utoipa::path(
    post,
    path = "/v1/events",
    operation_id = "create_event",
    tag = "admin",
    request_body = CreateEvent,
    responses((status = 201, description = "The market event", body = AtPosition<CreatedAnswer>)),
    security(("admin" = ["MARKETS"])),
)]
pub async fn create(
    MarketsAdmin(by): MarketsAdmin,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(fields): JsonBody,
) -> Result<Answer<CreatedAnswer>, CommandFailure> {
    query.nothing_else()?;
    let event = read_event(fields)?;
    let (shard, look) = (state.map.of_market_event(event.id), format!("/v1/events/{}", event.name));
    let created = |told: &ResultPart<'_>| {
        told.events.iter().find_map(|told| match told {
            Event::MarketEventCreated { event, by } => Some((event.as_ref().clone(), *by)),
            _ => None,
        })
    };
    let command = Command::CreateMarketEvent { event: Box::new(event), by };
    let ((event, by), settled) = submit(&state, shard, command, |_| look_at(look), created).await?;
    let event = MarketEventView { event, yes: None, shard }.into();
    let command_id = settled.command.to_string();
    Ok(Answer::one(CreatedAnswer { event, by, command_id }, settled.at()).created())
}

fn read_event(mut fields: Fields) -> Result<MarketEvent, Problem> {
    let name = fields.text("name", parse::new_event_name);
    let title = fields.text("title", parse::question);
    let exclusive = fields.flag("exclusive");
    let built = (|| {
        let (name, title, exclusive) = (name?, title?, exclusive?);
        Some(MarketEvent { id: MarketEventId::of(&name), name, title, exclusive })
    })();
    fields.finish(built)
}

/// Lists market events by name.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "list_events",
    tag = "markets",
    params(PageParams),
    responses((status = 200, description = "A page of market events", body = AtPositions<ListPage<MarketEventShape>>)),
)]
pub async fn list(
    State(state): State<Shared>,
    query: QueryString,
) -> Result<Answer<ListPage<MarketEventShape>>, Problem> {
    let mut params = query.params;
    let limit = params.optional("limit", parse::page_limit).unwrap_or(PAGE_DEFAULT);
    let after = params.optional("cursor", parse::label);
    params.finish()?;
    let view = state.live.view();
    let mut found: Vec<&MarketEventView> = view.market_events().after(after.as_ref()).take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|known| known.event.name.to_string());
    let items = found.into_iter().cloned().map(MarketEventShape::from).collect();
    Ok(Answer::many(ListPage { items, next }, view.positions()))
}

/// Shows a market event.
#[utoipa::path(
    get,
    path = "/v1/events/{event}",
    operation_id = "get_event",
    tag = "markets",
    params(("event" = String, Path, description = "The market event: name or id")),
    responses((status = 200, description = "The market event", body = AtPositions<MarketEventShape>)),
)]
pub async fn one(
    State(state): State<Shared>,
    query: QueryString,
    Segment(name): Segment,
) -> Result<Answer<MarketEventShape>, Problem> {
    query.nothing_else()?;
    let known = find(&state, &name)?;
    let at = state.live.view().positions();
    Ok(Answer::many(known.into(), at))
}

/// Finds a market event by id or name.
pub fn find(state: &Shared, name: &str) -> Result<MarketEventView, Problem> {
    let known = state.live.view().market_events().named(name).cloned();
    known.ok_or_else(|| Problem::new(kinds::EVENT_UNKNOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_names_id_and_is_not_exclusive_by_itself() {
        let read = |body: &str| read_event(Fields::parse(body.as_bytes()).unwrap());
        let event = read(r#"{"name": "cup-final", "title": "Who wins the cup?"}"#).unwrap();
        assert_eq!((event.id, event.exclusive), (MarketEventId::of(&event.name), false));
        assert!(read(r#"{"name": "cup-final", "title": "Who?", "exclusive": true}"#).unwrap().exclusive);
        let problem = read(r#"{"name": "Cup", "exclusive": 1, "id": "7"}"#).unwrap_err();
        assert_eq!(problem.errors().len(), 4);
    }
}
