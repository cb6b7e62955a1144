//! The vocabulary of the log: the parts that read it, and raising it once all parts can.

use std::collections::BTreeMap;

use axum::extract::State;
use schemas::ids::LogPosition;
use schemas::{AdminId, Command, Event, PartInfo, Rejection, Shard, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::command_result::CommandResult;
use crate::http::answer::{Answer, AtPositions};
use crate::http::auth::{AnyAdmin, HeadAdmin};
use crate::http::extract::{JsonBody, QueryString};
use crate::http::parse::vocabulary;
use crate::http::problem::Problem;
use crate::openapi::requests::RaiseVocabulary;
use crate::openapi::scalars::{AdminIdText, CommandIdText, TimeText};
use crate::shapes::text;
use crate::state::Shared;
use crate::submit::{Gather, SubmitError};
use crate::view::parts::ShardParts;

/// A part that has announced itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Part)]
struct PartShape {
    /// The id that the part chose.
    part_id: String,
    /// The program.
    kind: String,
    /// The highest vocabulary that it reads.
    reads: u16,
    /// The build, for people.
    build: String,
    /// When it announced itself, in milliseconds since 1970-01-01 UTC.
    #[serde(serialize_with = "text")]
    #[schema(value_type = TimeText)]
    announced_at: Timestamp,
}

impl PartShape {
    fn new((part, at): &(PartInfo, Timestamp)) -> Self {
        let PartInfo { id, kind, reads, build } = *part;
        let (part_id, kind, build) = (id.to_string(), kind.to_string(), build.to_string());
        Self { part_id, kind, reads, build, announced_at: *at }
    }
}

/// The vocabulary of a shard, and the parts that read it.
#[derive(Serialize, ToSchema)]
#[schema(as = ShardParts)]
struct ShardShape {
    /// The shard.
    shard: u16,
    /// What the shard writes.
    #[schema(required)]
    vocabulary: Option<u16>,
    /// The parts that read the shard.
    parts: Vec<PartShape>,
}

impl ShardShape {
    fn new(shard: Shard, known: Option<&ShardParts>) -> Self {
        let parts = known.into_iter().flat_map(ShardParts::all).map(PartShape::new).collect();
        Self { shard: shard.number(), vocabulary: known.and_then(ShardParts::vocabulary), parts }
    }
}

/// All shards.
#[derive(Serialize, ToSchema)]
#[schema(as = Parts)]
pub struct PartsAnswer {
    shards: Vec<ShardShape>,
}

/// Lists the parts that read the log, and each shard's vocabulary.
#[utoipa::path(
    get,
    path = "/v1/admin/parts",
    operation_id = "list_parts",
    tag = "admin",
    responses((status = 200, description = "The parts", body = AtPositions<PartsAnswer>)),
    security(("admin" = [])),
)]
pub async fn parts(
    _: AnyAdmin,
    State(state): State<Shared>,
    query: QueryString,
) -> Result<Answer<PartsAnswer>, Problem> {
    query.nothing_else()?;
    let view = state.live.view();
    let shards = Shard::all(state.map.shards()).map(|shard| ShardShape::new(shard, view.parts(shard))).collect();
    Ok(Answer::many(PartsAnswer { shards }, view.positions()))
}

/// The result of the raise on one shard.
#[derive(Serialize, ToSchema)]
#[schema(as = ShardRaise)]
struct RaiseShape {
    /// The shard.
    shard: u16,
    /// True if the shard raised it.
    raised: bool,
    /// Why it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// The result of the raise on all shards.
#[derive(Serialize, ToSchema)]
pub struct RaiseAnswer {
    /// The vocabulary.
    to: u16,
    #[serde(serialize_with = "text")]
    #[schema(value_type = AdminIdText)]
    by: AdminId,
    /// True if every shard writes this vocabulary, or a higher one, from now on.
    complete: bool,
    shards: Vec<RaiseShape>,
    #[schema(value_type = CommandIdText)]
    command_id: String,
    /// The path at which the results of the other shards appear.
    #[serde(skip_serializing_if = "Option::is_none")]
    look: Option<&'static str>,
}

/// Raises the vocabulary of the log.
#[utoipa::path(
    post,
    path = "/v1/admin/vocabulary",
    operation_id = "raise_vocabulary",
    tag = "admin",
    request_body = RaiseVocabulary,
    responses((status = 200, description = "The result of each shard", body = AtPositions<RaiseAnswer>)),
    security(("admin" = ["ADMINS"])),
)]
pub async fn raise(
    HeadAdmin(by): HeadAdmin,
    State(state): State<Shared>,
    query: QueryString,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<RaiseAnswer>, Problem> {
    query.nothing_else()?;
    let to = fields.integer("to", vocabulary);
    let to = fields.finish(to)?;
    let shards = || Shard::all(state.map.shards());
    let commands = shards().map(|shard| (shard, Command::RaiseVocabulary { to, by })).collect();
    let mut raise = Raise { open: shards().count(), ..Raise::default() };
    let command_id = state.submitter.ask_all(commands, &mut raise).await.to_string();
    let complete = raise.results.values().all(|result| result.speaks());
    let results = raise.results.into_iter().map(|(shard, result)| RaiseShape {
        shard: shard.number(),
        raised: matches!(result, Became::Raised),
        code: result.code(),
    });
    let look = (!complete).then_some("/v1/admin/parts");
    let answer = RaiseAnswer { to, by, complete, shards: results.collect(), command_id, look };
    Ok(Answer::many(answer, raise.at))
}

/// The result on a shard.
enum Became {
    Raised,
    Refused(Rejection),
    Lost(SubmitError),
}

impl Became {
    fn speaks(&self) -> bool {
        matches!(self, Self::Raised | Self::Refused(Rejection::VocabularyNotHigher))
    }

    fn code(&self) -> Option<String> {
        match self {
            Self::Raised => None,
            Self::Refused(code) => Some(code.to_string()),
            Self::Lost(error) => Some(error.code().to_owned()),
        }
    }
}

/// Collects the answers of all shards.
#[derive(Default)]
struct Raise {
    open: usize,
    results: BTreeMap<Shard, Became>,
    at: Vec<LogPosition>,
}

impl Raise {
    fn note(&mut self, shard: Shard, result: Became) -> bool {
        self.results.entry(shard).or_insert(result);
        self.results.len() >= self.open
    }
}

impl Gather for Raise {
    fn take(&mut self, settled: &CommandResult) -> bool {
        let result = settled.told().events.iter().find_map(|event| match event {
            Event::VocabularyRaised { by: Some(_), .. } => Some(Became::Raised),
            Event::Rejected { code } => Some(Became::Refused(*code)),
            _ => None,
        });
        let Some(result) = result else { return false };
        self.at.push(settled.at());
        self.note(settled.shard, result)
    }

    fn lose(&mut self, shard: Shard, error: SubmitError) -> bool {
        self.note(shard, Became::Lost(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_result::tests::settled;
    use crate::view::tests::{SHARD, outcome};
    use schemas::Build;

    #[test]
    fn each_shard_says_what_became_of_it() {
        let [one, two] = [1, 2].map(|number| Shard::new(number).unwrap());
        let mut raise = Raise { open: 3, ..Raise::default() };
        let raised = Event::VocabularyRaised { to: 2, install: Build::THIS, by: Some(AdminId(1)) };
        assert!(!raise.take(&settled(SHARD, outcome(7, vec![raised]))));
        assert!(!raise.lose(one, SubmitError::ShardHalted(one)));
        let refused = |code| settled(two, outcome(9, vec![Event::Rejected { code }]));
        assert!(raise.take(&refused(Rejection::VocabularyUnread)));
        let codes: Vec<_> = raise.results.values().map(|result| (result.speaks(), result.code())).collect();
        let code = |text: &str| Some(text.to_owned());
        assert_eq!(codes, [(true, None), (false, code("shard-halted")), (false, code("vocabulary-unread"))]);
        assert!(Became::Refused(Rejection::VocabularyNotHigher).speaks(), "it is there already");
        assert_eq!(raise.at.len(), 2);
    }
}
