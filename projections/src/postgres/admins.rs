//! Rows of admins, their actions, and deposits that need a second admin.

use deadpool_postgres::Transaction;
use schemas::text::KeyName;
use schemas::{Admin, KeyProof, ProposalId, Shard};
use tokio_postgres::types::{ToSql, Type};

use super::arrays::{all, column, meet};
use super::copy::{Copy, CopyTable};
use super::moment::moment;
use super::progress::number;
use crate::fold::{ActSubject, AdminAct, AdminChange, Proposal, ProposalDelta, ProposalEnd, RowChanges};
use crate::sink::SinkError;

static ACTS: CopyTable = CopyTable {
    name: "admin_acts",
    columns: &[
        ("shard", Type::INT2),
        ("sequence", Type::INT8),
        ("index", Type::INT4),
        ("command_id", Type::UUID),
        ("admin", Type::INT8),
        ("act", Type::TEXT),
        ("account_id", Type::INT8),
        ("market_id", Type::INT8),
        ("market_event_id", Type::INT8),
        ("other_admin", Type::INT8),
        ("proposal_id", Type::INT8),
        ("amount", Type::INT8),
        ("roles", Type::INT2),
        ("created_at", Type::TIMESTAMPTZ),
    ],
};

// A revoked admin may be set again.
const SET_ADMIN: &str = "INSERT INTO admins (id, hash, ed25519, roles, expires_at, name, set_by, set_at, revoked_by, \
        revoked_at, shard, sequence) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
    ON CONFLICT (id) DO UPDATE SET hash = EXCLUDED.hash, ed25519 = EXCLUDED.ed25519, roles = EXCLUDED.roles, \
        expires_at = EXCLUDED.expires_at, name = EXCLUDED.name, set_by = EXCLUDED.set_by, set_at = EXCLUDED.set_at, \
        revoked_by = EXCLUDED.revoked_by, revoked_at = EXCLUDED.revoked_at, sequence = EXCLUDED.sequence";

const REVOKE_ADMIN: &str = "UPDATE admins SET revoked_by = $2, revoked_at = $3, sequence = $4 \
    WHERE id = $1 AND sequence < $4";

static PROPOSALS: CopyTable = CopyTable {
    name: "deposit_proposals",
    columns: &[
        ("id", Type::INT8),
        ("account_id", Type::INT8),
        ("amount", Type::INT8),
        ("client_id", Type::UUID),
        ("proposed_by", Type::INT8),
        ("status", Type::TEXT),
        ("ended_by", Type::INT8),
        ("expires_at", Type::TIMESTAMPTZ),
        ("created_at", Type::TIMESTAMPTZ),
        ("updated_at", Type::TIMESTAMPTZ),
        ("shard", Type::INT2),
        ("sequence", Type::INT8),
    ],
};

const END_PROPOSALS: &str = "UPDATE deposit_proposals AS p \
    SET status = u.status, ended_by = u.ended_by, updated_at = u.updated_at, sequence = u.sequence \
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::timestamptz[], $5::bigint[]) \
        AS u (id, status, ended_by, updated_at, sequence) \
    WHERE p.id = u.id AND p.status = 'OPEN' AND p.sequence < u.sequence";

/// Writes all changes by and of admins.
pub async fn write(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    all([
        Box::pin(admins(tx, shard, changes)),
        Box::pin(acts(tx, shard, &changes.admin_acts)),
        Box::pin(proposals(tx, shard, changes)),
    ])
    .await
}

/// Writes admins, one statement each: admins rarely change.
async fn admins(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    for (id, change) in &changes.admins {
        let AdminChange { set, revoked, last } = change;
        let (id, sequence) = (id.0.cast_signed(), last.sequence.cast_signed());
        let (revoked_by, revoked_at) =
            (revoked.map(|(_, by)| by.0.cast_signed()), revoked.map(|(at, _)| moment(at.time)));
        match set {
            Some((Admin { proof, roles, expires, name, .. }, at, by)) => {
                let (hash, ed25519) = (proof.bytes().as_slice(), matches!(proof, KeyProof::Ed25519(_)));
                let (roles, expires, name) =
                    (i16::from(roles.bits()), expires.map(moment), name.as_ref().map(KeyName::as_str));
                let (by, at, shard) = (by.0.cast_signed(), moment(at.time), number(shard));
                let of_now: [&(dyn ToSql + Sync); 8] = [&id, &hash, &ed25519, &roles, &expires, &name, &by, &at];
                let of_later: [&(dyn ToSql + Sync); 4] = [&revoked_by, &revoked_at, &shard, &sequence];
                meet(tx, SET_ADMIN, &[&of_now[..], &of_later[..]].concat(), 1).await?;
            }
            None => meet(tx, REVOKE_ADMIN, &[&id, &revoked_by, &revoked_at, &sequence], 1).await?,
        }
    }
    Ok(())
}

async fn acts(tx: &Transaction<'_>, shard: Shard, acts: &[AdminAct]) -> Result<(), SinkError> {
    let mut copy = Copy::into(&ACTS, acts.len());
    for act in acts {
        let index = i32::try_from(act.index).map_err(SinkError::refused)?;
        let (account, market, event, admin) = match act.about {
            ActSubject::Account(account) => (Some(account), None, None, None),
            ActSubject::Market(market) => (None, Some(market), None, None),
            ActSubject::MarketEvent(event) => (None, None, Some(event), None),
            ActSubject::Admin(admin) => (None, None, None, Some(admin)),
        };
        copy.int2(number(shard)).id(act.at.sequence).int4(index).uuid(act.command.0);
        copy.id(act.admin.0).text(act.act.name());
        copy.optional(account, |copy, id| copy.id(id.0)).optional(market, |copy, id| copy.id(id.0));
        copy.optional(event, |copy, id| copy.id(id.0)).optional(admin, |copy, id| copy.id(id.0));
        copy.optional(act.proposal, |copy, id| copy.id(id.0));
        copy.optional(act.amount, |copy, amount| copy.int8(amount.micros()));
        copy.optional(act.roles, |copy, roles| copy.int2(i16::from(roles.bits()))).time(act.at.time);
    }
    copy.send(tx).await
}

/// Inserts new proposals as of the end of the batch, and ends older ones.
async fn proposals(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    let born = changes.proposals.iter().filter_map(|(id, delta)| Some((*id, delta.born?, *delta)));
    let born: Vec<(ProposalId, Proposal, ProposalDelta)> = born.collect();
    let mut copy = Copy::into(&PROPOSALS, born.len());
    for (id, proposal, delta) in born {
        copy.id(id.0).id(proposal.account.0).int8(proposal.amount.micros());
        copy.optional(proposal.client_id, |copy, id| copy.uuid(id.0)).id(proposal.by.0);
        copy.text(delta.end.map_or("OPEN", ProposalEnd::name));
        copy.optional(delta.end.and_then(ProposalEnd::by), |copy, admin| copy.id(admin.0));
        copy.time(proposal.expires).time(proposal.at.time).time(delta.last.time);
        copy.int2(number(shard)).id(delta.last.sequence);
    }
    copy.send(tx).await?;
    let before = changes.proposals.iter().filter(|(_, delta)| delta.born.is_none());
    let ended: Vec<_> = before.filter_map(|(id, delta)| Some((*id, delta.end?, *delta))).collect();
    if ended.is_empty() {
        return Ok(());
    }
    let (ids, statuses, admins, times, sequences) = (
        column(&ended, |(id, ..)| id.0.cast_signed()),
        column(&ended, |(_, end, _)| end.name()),
        column(&ended, |(_, end, _)| end.by().map(|admin| admin.0.cast_signed())),
        column(&ended, |(.., delta)| moment(delta.last.time)),
        column(&ended, |(.., delta)| delta.last.sequence.cast_signed()),
    );
    meet(tx, END_PROPOSALS, &[&ids, &statuses, &admins, &times, &sequences], ended.len()).await
}
