//! Rows of admins' acts, and of deposits that need a second admin.

use deadpool_postgres::Transaction;
use schemas::{ProposalId, Shard};

use super::arrays::{all, column, meet};
use super::copy::Copy;
use super::moment::moment;
use super::progress::number;
use crate::fold::{About, AdminAct, Changes, Proposal, ProposalDelta, ProposalEnd};
use crate::sink::SinkError;

const COPY_ACTS: &str = "COPY admin_acts (shard, sequence, index, command_id, admin, act, account_id, market_id, \
    market_event_id, proposal_id, amount, created_at) FROM STDIN BINARY";

const COPY_PROPOSALS: &str = "COPY deposit_proposals (id, account_id, amount, client_id, proposed_by, status, ended_by, \
    expires_at, created_at, updated_at, shard, sequence) FROM STDIN BINARY";

const END_PROPOSALS: &str = "UPDATE deposit_proposals AS p \
    SET status = u.status, ended_by = u.ended_by, updated_at = u.updated_at, sequence = u.sequence \
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::timestamptz[], $5::bigint[]) \
        AS u (id, status, ended_by, updated_at, sequence) \
    WHERE p.id = u.id AND p.status = 'OPEN' AND p.sequence < u.sequence";

/// Writes what admins did.
pub async fn write(tx: &Transaction<'_>, shard: Shard, changes: &Changes) -> Result<(), SinkError> {
    all([Box::pin(acts(tx, shard, &changes.admin_acts)), Box::pin(proposals(tx, shard, changes))]).await
}

async fn acts(tx: &Transaction<'_>, shard: Shard, acts: &[AdminAct]) -> Result<(), SinkError> {
    let mut copy = Copy::new(12, acts.len());
    for act in acts {
        let index = i32::try_from(act.index).map_err(SinkError::refused)?;
        let (account, market, event) = match act.about {
            About::Account(account) => (Some(account), None, None),
            About::Market(market) => (None, Some(market), None),
            About::MarketEvent(event) => (None, None, Some(event)),
        };
        copy.row().int2(number(shard)).id(act.at.sequence).int4(index).uuid(act.command.0);
        copy.id(act.admin.0).text(act.act.name());
        copy.optional(account, |copy, id| copy.id(id.0)).optional(market, |copy, id| copy.id(id.0));
        copy.optional(event, |copy, id| copy.id(id.0));
        copy.optional(act.proposal, |copy, id| copy.id(id.0));
        copy.optional(act.amount, |copy, amount| copy.int8(amount.micros())).time(act.at.time);
    }
    copy.send(tx, COPY_ACTS).await
}

/// Those that were proposed are written as they stand after the batch; others are ended.
async fn proposals(tx: &Transaction<'_>, shard: Shard, changes: &Changes) -> Result<(), SinkError> {
    let born = changes.proposals.iter().filter_map(|(id, delta)| Some((*id, delta.born?, *delta)));
    let born: Vec<(ProposalId, Proposal, ProposalDelta)> = born.collect();
    let mut copy = Copy::new(12, born.len());
    for (id, proposal, delta) in born {
        copy.row().id(id.0).id(proposal.account.0).int8(proposal.amount.micros());
        copy.optional(proposal.client_id, |copy, id| copy.uuid(id.0)).id(proposal.by.0);
        copy.text(delta.end.map_or("OPEN", ProposalEnd::name));
        copy.optional(delta.end.and_then(ProposalEnd::by), |copy, admin| copy.id(admin.0));
        copy.time(proposal.expires).time(proposal.at.time).time(delta.last.time);
        copy.int2(number(shard)).id(delta.last.sequence);
    }
    copy.send(tx, COPY_PROPOSALS).await?;
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
