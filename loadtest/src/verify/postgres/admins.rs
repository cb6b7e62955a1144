//! Checks the tables of admins' actions and of deposits that needed a second admin.

use schemas::{AccountId, AdminId, Credits, ProposalId};
use tokio_postgres::Transaction;

use super::columns::{natural, optional, table};
use crate::fold::{ExpectedProposal, Fold};
use crate::verify::read_model_error::ReadModelError;
use crate::verify::{Check, exactly};

const ACTS: &str = "SELECT act, admin, count(*) AS count, coalesce(sum(amount), 0)::bigint AS amount FROM admin_acts \
    GROUP BY act, admin";

/// Checks how often each admin performed each action, and the credits moved.
pub async fn acts(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    let found = table(tx, ACTS, |row| {
        let key = (row.try_get::<_, String>("act")?, AdminId(natural(row, "admin")?));
        Ok((key, (natural(row, "count")?, Credits(row.try_get("amount")?))))
    })
    .await?;
    Ok(exactly("Postgres: acts of admins", &fold.admin_acts, &found))
}

/// Checks the state of every deposit ever proposed.
pub async fn proposals(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    let found = table(tx, "SELECT * FROM deposit_proposals", |row| {
        let proposal = ExpectedProposal {
            account: AccountId(natural(row, "account_id")?),
            amount: Credits(row.try_get("amount")?),
            by: AdminId(natural(row, "proposed_by")?),
            status: row.try_get("status")?,
            ended_by: optional(row, "ended_by")?.map(AdminId),
        };
        Ok((ProposalId(natural(row, "id")?), proposal))
    })
    .await?;
    Ok(exactly("Postgres: proposed deposits", &fold.proposals, &found))
}
