//! Rows of an account's home: accounts and their keys.

use deadpool_postgres::Transaction;
use schemas::{AccountId, ApiKey, ApiKeyId, Shard};
use tokio_postgres::types::ToSql;

use super::arrays::{all, column, meet};
use super::limit;
use super::moment::moment;
use super::progress::number;
use crate::fold::{AccountDelta, Changes, KeyChange, Stamp};
use crate::sink::SinkError;

// A row is born as any account is, before any outcome (sequence 0), and then changed like any other in the same transaction.
const OPEN_ACCOUNTS: &str = "INSERT INTO accounts (id, opened_at, frozen, live_orders_max, held_max, dead_man_due, shard, sequence) \
    SELECT id, opened_at, FALSE, NULL, NULL, NULL, $1, 0 FROM unnest($2::bigint[], $3::timestamptz[]) AS u (id, opened_at)";

// A limit and a switch may be taken away, so their NULL means something; whether they changed is told beside them.
const CHANGE_ACCOUNTS: &str = "UPDATE accounts AS a \
    SET frozen = COALESCE(u.frozen, a.frozen), sequence = u.sequence, \
        live_orders_max = CASE WHEN u.limited THEN u.live_orders_max ELSE a.live_orders_max END, \
        held_max = CASE WHEN u.limited THEN u.held_max ELSE a.held_max END, \
        dead_man_due = CASE WHEN u.switched THEN u.dead_man_due ELSE a.dead_man_due END \
    FROM unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::boolean[], $5::bigint[], $6::bigint[], $7::boolean[], \
        $8::timestamptz[]) AS u (id, sequence, frozen, limited, live_orders_max, held_max, switched, dead_man_due) \
    WHERE a.id = u.id AND a.sequence < u.sequence";

const ADD_KEYS: &str = "INSERT INTO api_keys (id, account_id, hash, scopes, added_at, revoked_at, shard, sequence) \
    SELECT id, account_id, hash, scopes, added_at, revoked_at, $1, sequence \
    FROM unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::smallint[], $6::timestamptz[], $7::timestamptz[], $8::bigint[]) \
    AS u (id, account_id, hash, scopes, added_at, revoked_at, sequence)";

const REVOKE_KEYS: &str = "UPDATE api_keys AS k SET revoked_at = u.revoked_at, sequence = u.sequence \
    FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bigint[]) AS u (id, account_id, revoked_at, sequence) \
    WHERE k.id = u.id AND k.account_id = u.account_id AND k.sequence < u.sequence";

/// Writes what changed at the accounts' home.
pub async fn write(tx: &Transaction<'_>, shard: Shard, changes: &Changes) -> Result<(), SinkError> {
    all([Box::pin(accounts(tx, shard, changes)), Box::pin(keys(tx, shard, changes))]).await
}

async fn accounts(tx: &Transaction<'_>, shard: Shard, changes: &Changes) -> Result<(), SinkError> {
    let opened: Vec<(&AccountId, Stamp)> =
        changes.accounts.iter().filter_map(|(id, delta)| Some((id, delta.opened?))).collect();
    if !opened.is_empty() {
        let ids = column(&opened, |(id, _)| id.0.cast_signed());
        let times = column(&opened, |(_, at)| moment(at.time));
        meet(tx, OPEN_ACCOUNTS, &[&number(shard), &ids, &times], opened.len()).await?;
    }
    let changed: Vec<(&AccountId, &AccountDelta)> = changes.accounts.iter().collect();
    if changed.is_empty() {
        return Ok(());
    }
    let (ids, sequences, frozen, limited, live_orders_max, held_max, switched, due) = (
        column(&changed, |(id, _)| id.0.cast_signed()),
        column(&changed, |(_, delta)| delta.last.sequence.cast_signed()),
        column(&changed, |(_, delta)| delta.frozen),
        column(&changed, |(_, delta)| delta.limits.is_some()),
        column(&changed, |(_, delta)| delta.limits.and_then(|limits| limit::count(limits.live_orders))),
        column(&changed, |(_, delta)| delta.limits.and_then(|limits| limit::credits(limits.held))),
        column(&changed, |(_, delta)| delta.dead_man_due.is_some()),
        column(&changed, |(_, delta)| delta.dead_man_due.flatten().map(moment)),
    );
    let params: [&(dyn ToSql + Sync); 8] =
        [&ids, &sequences, &frozen, &limited, &live_orders_max, &held_max, &switched, &due];
    meet(tx, CHANGE_ACCOUNTS, &params, changed.len()).await
}

async fn keys(tx: &Transaction<'_>, shard: Shard, changes: &Changes) -> Result<(), SinkError> {
    let mut added: Vec<(AccountId, ApiKey, Stamp, &KeyChange)> = Vec::new();
    let mut revoked: Vec<(ApiKeyId, AccountId, Stamp)> = Vec::new();
    for (&(id, account), change) in &changes.api_keys {
        match (change.added, change.revoked) {
            (Some((key, at)), _) => added.push((account, key, at, change)),
            (None, Some(at)) => revoked.push((id, account, at)),
            (None, None) => {}
        }
    }
    if !added.is_empty() {
        add_keys(tx, shard, &added).await?;
    }
    if !revoked.is_empty() {
        revoke_keys(tx, &revoked).await?;
    }
    Ok(())
}

async fn add_keys(
    tx: &Transaction<'_>,
    shard: Shard,
    added: &[(AccountId, ApiKey, Stamp, &KeyChange)],
) -> Result<(), SinkError> {
    let (ids, accounts, hashes, scopes, added_at, revoked_at, sequences) = (
        column(added, |(_, key, ..)| key.id.0.cast_signed()),
        column(added, |(account, ..)| account.0.cast_signed()),
        column(added, |(_, key, ..)| key.hash.to_vec()),
        column(added, |(_, key, ..)| i16::from(key.scopes.bits())),
        column(added, |(_, _, at, _)| moment(at.time)),
        column(added, |(.., change)| change.revoked.map(|at| moment(at.time))),
        column(added, |(.., change)| change.last.sequence.cast_signed()),
    );
    meet(
        tx,
        ADD_KEYS,
        &[&number(shard), &ids, &accounts, &hashes, &scopes, &added_at, &revoked_at, &sequences],
        added.len(),
    )
    .await
}

async fn revoke_keys(tx: &Transaction<'_>, revoked: &[(ApiKeyId, AccountId, Stamp)]) -> Result<(), SinkError> {
    let (ids, accounts, times, sequences) = (
        column(revoked, |(id, ..)| id.0.cast_signed()),
        column(revoked, |(_, account, _)| account.0.cast_signed()),
        column(revoked, |(_, _, at)| moment(at.time)),
        column(revoked, |(_, _, at)| at.sequence.cast_signed()),
    );
    meet(tx, REVOKE_KEYS, &[&ids, &accounts, &times, &sequences], revoked.len()).await
}
