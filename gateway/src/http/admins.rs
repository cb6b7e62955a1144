//! Admins: the list and its changes.

use axum::extract::State;
use schemas::{ADMINS_HOME, Admin, AdminId, AdminRoles, Command, Event, KeyProof, Timestamp, WantedAdmin};
use serde::Serialize;
use serde_json::{Map, Value, json};
use service::hex::{from_hex, to_hex};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::command_result::ResultPart;
use crate::http::answer::{Answer, AtPosition, AtPositions};
use crate::http::auth::{AnyAdmin, HeadAdmin};
use crate::http::command::{CommandFailure, submit};
use crate::http::extract::{JsonBody, QueryString, Segment};
use crate::http::fields::Fields;
use crate::http::parse::{self, ValueFault};
use crate::http::problem::{Problem, rejection_kind};
use crate::openapi::requests::SetAdmin;
use crate::openapi::scalars::{AdminIdText, CommandIdText, RoleName, TimeText};
use crate::shapes::{iso_or_null, text};
use crate::state::Shared;

/// An admin as other admins see it.
#[derive(Serialize, ToSchema)]
#[schema(as = Admin)]
pub struct AdminShape {
    #[serde(serialize_with = "text")]
    #[schema(value_type = AdminIdText)]
    admin_id: AdminId,
    /// For people.
    #[schema(required)]
    name: Option<String>,
    /// What it may do.
    #[schema(value_type = Vec<RoleName>)]
    roles: Vec<&'static str>,
    /// When it expires.
    #[serde(serialize_with = "iso_or_null")]
    #[schema(value_type = Option<TimeText>, required)]
    expires_at: Option<Timestamp>,
}

impl AdminShape {
    fn of(admin: &Admin) -> Self {
        let Admin { id, roles, expires, ref name, .. } = *admin;
        let name = name.as_ref().map(ToString::to_string);
        Self { admin_id: id, name, roles: roles.names().collect(), expires_at: expires }
    }
}

/// All admins on the log.
#[derive(Serialize, ToSchema)]
pub struct AdminList {
    items: Vec<AdminShape>,
}

/// Lists admins.
#[utoipa::path(
    get,
    path = "/v1/admin/admins",
    operation_id = "list_admins",
    tag = "admin",
    responses((status = 200, description = "The admins", body = AtPositions<AdminList>)),
    security(("admin" = [])),
)]
pub async fn list(_: AnyAdmin, State(state): State<Shared>, query: QueryString) -> Result<Answer<AdminList>, Problem> {
    query.nothing_else()?;
    let view = state.live.view();
    let items = view.admins().iter().map(AdminShape::of).collect();
    Ok(Answer::many(AdminList { items }, view.positions()))
}

/// An admin that was set.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminAnswer)]
pub struct SetAnswer {
    #[serde(flatten)]
    admin: AdminShape,
    /// Only if the gateway generated the key; no other answer ever shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_key: Option<String>,
    /// The admin who set it.
    #[serde(serialize_with = "text")]
    #[schema(value_type = AdminIdText)]
    by: AdminId,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// The requested proof of the admin's identity.
enum WantedProof {
    /// A key whose hash the request contains.
    Hash([u8; 32]),
    /// A key that the gateway generates.
    New,
    /// The key that the admin has already.
    Present,
}

/// Creates or changes an admin.
///
/// Replaces everything, except the key if none is given.
#[utoipa::path(
    put,
    path = "/v1/admin/admins/{id}",
    operation_id = "set_admin",
    tag = "admin",
    params(("id" = AdminIdText, Path, description = "The admin")),
    request_body = SetAdmin,
    responses((status = 200, description = "The admin", body = AtPosition<SetAnswer>)),
    security(("admin" = ["ADMINS"])),
)]
pub async fn set(
    HeadAdmin(by): HeadAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
    JsonBody(mut fields): JsonBody,
) -> Result<Answer<SetAnswer>, CommandFailure> {
    query.nothing_else()?;
    let roles = fields.texts_or("roles", None, |texts| roles(texts).map(Some));
    if roles == Some(None) {
        fields.fault("roles", ValueFault::missing("must be given"));
    }
    let name = fields.text_or("name", None, |text| parse::key_name(text).map(Some));
    let expires = fields.text_or("expires_at", None, |text| parse::time(text).map(Some));
    let wanted = read_proof(&mut fields);
    let built = (|| Some((roles??, name?, expires?, wanted?)))();
    let (roles, name, expires, wanted) = fields.finish(built)?;
    let id = admin_id(&id)?;
    let (proof, admin_key) = match wanted {
        WantedProof::Hash(hash) => (Some(KeyProof::Secret(hash)), None),
        WantedProof::Present => (None, None),
        WantedProof::New => {
            let key = new_key();
            (Some(KeyProof::Secret(Sha256::digest(key.as_bytes()).into())), Some(key))
        }
    };
    let admin = Box::new(WantedAdmin { id, proof, roles, expires, name });
    let done = |told: &ResultPart<'_>| {
        told.events.iter().find_map(|event| match event {
            Event::AdminSet { admin, .. } => Some(AdminShape::of(admin)),
            _ => None,
        })
    };
    let later = |_| later(admin_key.as_deref());
    let command = Command::SetAdmin { admin, by };
    let (admin, settled) = submit(&state, ADMINS_HOME, command, later, done).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(SetAnswer { admin, admin_key, by, command_id }, settled.at()))
}

/// The answer for a command without an outcome yet.
fn later(admin_key: Option<&str>) -> Map<String, Value> {
    let look = [("look".to_owned(), json!("/v1/admin/admins"))];
    look.into_iter().chain(admin_key.map(|key| ("admin_key".to_owned(), json!(key)))).collect()
}

/// A revoked admin.
#[derive(Serialize, ToSchema)]
#[schema(as = RevokedAdmin)]
pub struct RevokeAnswer {
    #[serde(serialize_with = "text")]
    #[schema(value_type = AdminIdText)]
    admin_id: AdminId,
    /// The admin who revoked it.
    #[serde(serialize_with = "text")]
    #[schema(value_type = AdminIdText)]
    by: AdminId,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// Revokes an admin.
#[utoipa::path(
    delete,
    path = "/v1/admin/admins/{id}",
    operation_id = "revoke_admin",
    tag = "admin",
    params(("id" = AdminIdText, Path, description = "The admin")),
    responses((status = 200, description = "The admin is revoked", body = AtPosition<RevokeAnswer>)),
    security(("admin" = ["ADMINS"])),
)]
pub async fn revoke(
    HeadAdmin(by): HeadAdmin,
    State(state): State<Shared>,
    query: QueryString,
    Segment(id): Segment,
    JsonBody(fields): JsonBody,
) -> Result<Answer<RevokeAnswer>, CommandFailure> {
    query.nothing_else()?;
    fields.finish(Some(()))?;
    let admin = admin_id(&id)?;
    let done = |told: &ResultPart<'_>| told.says(|event| matches!(event, Event::AdminRevoked { .. }));
    let command = Command::RevokeAdmin { admin, by };
    let ((), settled) = submit(&state, ADMINS_HOME, command, |_| later(None), done).await?;
    let command_id = settled.command.to_string();
    Ok(Answer::one(RevokeAnswer { admin_id: admin, by, command_id }, settled.at()))
}

fn admin_id(segment: &str) -> Result<AdminId, Problem> {
    parse::admin_id(segment).map_err(|_| Problem::new(rejection_kind(schemas::Rejection::AdminUnknown)))
}

fn read_proof(fields: &mut Fields) -> Option<WantedProof> {
    let hash = fields.text_or("key_hash", None, |text| match from_hex::<32>(text) {
        Some(hash) => Ok(Some(hash)),
        None => Err(ValueFault::form("a SHA-256, 64 digits in lower-case hex")),
    });
    let new_key = fields.flag("new_key");
    match (hash?, new_key?) {
        (Some(_), true) => {
            fields.fault("new_key", ValueFault::conflict("give either key_hash or new_key"));
            None
        }
        (Some(hash), false) => Some(WantedProof::Hash(hash)),
        (None, true) => Some(WantedProof::New),
        (None, false) => Some(WantedProof::Present),
    }
}

/// A key of 256 random bits.
fn new_key() -> String {
    format!("lfg_admin_{}", to_hex(&rand::random::<[u8; 32]>()))
}

/// Roles by name.
fn roles(texts: &[&str]) -> Result<AdminRoles, ValueFault> {
    AdminRoles::named(texts).ok_or_else(|| ValueFault::form("some of MARKETS, MONEY, AUDITOR, ADMINS, each once"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_known_names_each_once() {
        assert_eq!(roles(&["MONEY"]), Ok(AdminRoles::MONEY));
        assert_eq!(roles(&["ADMINS", "MARKETS", "AUDITOR", "MONEY"]), Ok(AdminRoles::ALL));
        for texts in [&[][..], &["money"], &["MONEY", "MONEY"], &["MONEY", "READ"], &["READ", "READ"]] {
            assert!(roles(texts).is_err(), "{texts:?}");
        }
        assert_eq!(AdminRoles::from_bits(0x93).names().collect::<Vec<_>>(), ["MARKETS", "MONEY"]);
    }

    #[test]
    fn a_key_is_given_made_or_kept() {
        let read = |body: &str| {
            let mut fields = Fields::parse(body.as_bytes()).unwrap();
            let proof = read_proof(&mut fields);
            fields.finish(proof).map_err(|problem| problem.kind().code)
        };
        let hash = "0f".repeat(32);
        assert!(matches!(read("{}"), Ok(WantedProof::Present)));
        assert!(matches!(read(r#"{"new_key": true}"#), Ok(WantedProof::New)));
        let given = read(&format!(r#"{{"key_hash": "{hash}"}}"#));
        assert!(matches!(given, Ok(WantedProof::Hash(hash)) if hash == [0x0f; 32]));
        for body in [r#"{"key_hash": "0f"}"#.to_owned(), format!(r#"{{"key_hash": "{hash}", "new_key": true}}"#)] {
            assert!(matches!(read(&body), Err("invalid-request")), "{body}");
        }
    }

    #[test]
    fn a_new_key_is_long_and_never_the_same() {
        let (one, other) = (new_key(), new_key());
        assert!(one != other && one.len() == "lfg_admin_".len() + 64 && one.starts_with("lfg_admin_"));
    }
}
