//! Deposits that wait for a second admin.

use schemas::ids::LogPosition;
use schemas::{AccountId, AdminId, ClientId, Credits, ProposalId, Timestamp};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Database, DbError, Timed, positioned, rows};
use crate::openapi::scalars::{AccountIdText, AdminIdText, ClientIdText, CreditsText, ProposalIdText, TimeText};
use crate::shapes::{iso, text, text_or_null};

/// A proposed deposit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = OpenDepositProposal)]
pub struct OpenProposal {
    /// Its id.
    #[serde(rename = "proposal_id", serialize_with = "text")]
    #[schema(value_type = ProposalIdText)]
    pub id: ProposalId,
    /// The account.
    #[serde(serialize_with = "text")]
    #[schema(value_type = AccountIdText)]
    pub account_id: AccountId,
    /// The amount.
    #[serde(serialize_with = "text")]
    #[schema(value_type = CreditsText)]
    pub amount: Credits,
    /// The client's own name for it.
    #[serde(serialize_with = "text_or_null")]
    #[schema(value_type = Option<ClientIdText>, required)]
    pub client_id: Option<ClientId>,
    /// The admin who proposed it.
    #[serde(serialize_with = "text")]
    #[schema(value_type = AdminIdText)]
    pub proposed_by: AdminId,
    /// When it was proposed.
    #[serde(serialize_with = "iso")]
    #[schema(value_type = TimeText)]
    pub created_at: Timestamp,
    /// When it expires.
    #[serde(serialize_with = "iso")]
    #[schema(value_type = TimeText)]
    pub expires_at: Timestamp,
}

const OPEN: &str = "SELECT id, account_id, amount, client_id, proposed_by, created_at, expires_at FROM deposit_proposals \
    WHERE status = 'OPEN' AND (expires_at, id) > ($1, $2) ORDER BY expires_at, id LIMIT $3";

/// A page, whether more follow, and the positions it is as of.
pub type ProposalPage = (Vec<OpenProposal>, bool, Vec<LogPosition>);

impl Database {
    /// Reads a page of proposals, the first to expire first.
    pub async fn open_proposals(
        &self,
        after: Option<(Timestamp, ProposalId)>,
        limit: usize,
    ) -> Result<ProposalPage, DbError> {
        let _timed = Timed::start(&self.times.proposals);
        let (expires, id) = after.unwrap_or((Timestamp(0), ProposalId(0)));
        let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let (found, at) =
            self.read(None, &positioned(OPEN), &[&rows::to_time(expires), &rows::to_i64(id.0), &most]).await?;
        let mut open = found.iter().map(proposal).collect::<Result<Vec<_>, _>>()?;
        open.sort_by_key(|proposal| (proposal.expires_at, proposal.id));
        let more = open.len() > limit;
        open.truncate(limit);
        Ok((open, more, at))
    }
}

fn proposal(row: &Row) -> Result<OpenProposal, DbError> {
    Ok(OpenProposal {
        id: ProposalId(rows::unsigned(row.get("id"), "proposal id")?),
        account_id: AccountId(rows::unsigned(row.get("account_id"), "account id")?),
        amount: Credits(row.get("amount")),
        client_id: row.get::<_, Option<Uuid>>("client_id").map(|id| ClientId(id.as_u128())),
        proposed_by: AdminId(rows::unsigned(row.get("proposed_by"), "admin")?),
        created_at: rows::timestamp(row.get("created_at"))?,
        expires_at: rows::timestamp(row.get("expires_at"))?,
    })
}
