//! Rows written by an account's home shard: accounts and their keys.

use deadpool_postgres::Transaction;
use schemas::{AccountId, ApiKey, ApiKeyId, Credits, KeyMarkets, KeyProof, Shard};
use time::OffsetDateTime;
use tokio_postgres::types::ToSql;

use super::arrays::{all, column, meet};
use super::limit;
use super::moment::moment;
use super::progress::number;
use crate::fold::{AccountDelta, KeyChange, LastChange, RowChanges};
use crate::sink::SinkError;

// A row is inserted with an account's initial values, as before any outcome (sequence 0), and then
// changed like any other in the same transaction.
const OPEN_ACCOUNTS: &str = "INSERT INTO accounts (id, opened_at, frozen, live_orders_max, held_max, dead_man_due, shard, sequence) \
    SELECT id, opened_at, FALSE, NULL, NULL, NULL, $1, 0 FROM unnest($2::bigint[], $3::timestamptz[]) AS u (id, opened_at)";

// A limit and a switch may be removed, so their NULL has a meaning; a separate flag says whether
// they changed.
const CHANGE_ACCOUNTS: &str = "UPDATE accounts AS a \
    SET frozen = COALESCE(u.frozen, a.frozen), sequence = u.sequence, \
        live_orders_max = CASE WHEN u.limited THEN u.live_orders_max ELSE a.live_orders_max END, \
        held_max = CASE WHEN u.limited THEN u.held_max ELSE a.held_max END, \
        dead_man_due = CASE WHEN u.switched THEN u.dead_man_due ELSE a.dead_man_due END \
    FROM unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::boolean[], $5::bigint[], $6::bigint[], $7::boolean[], \
        $8::timestamptz[]) AS u (id, sequence, frozen, limited, live_orders_max, held_max, switched, dead_man_due) \
    WHERE a.id = u.id AND a.sequence < u.sequence";

// The id of a key that has ended may be reused. Markets are passed as text: Postgres has no arrays
// of arrays of different lengths.
const ADD_KEYS: &str = "INSERT INTO api_keys (id, account_id, hash, scopes, added_at, revoked_at, shard, sequence, ed25519, \
        expires_at, name, markets, notional, added_by, revoked_by) \
    SELECT id, account_id, hash, scopes, added_at, revoked_at, $1, sequence, ed25519, expires_at, name, \
        string_to_array(markets, ',')::bigint[], notional, added_by, revoked_by \
    FROM unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::smallint[], $6::timestamptz[], $7::timestamptz[], $8::bigint[], \
        $9::boolean[], $10::timestamptz[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[]) \
    AS u (id, account_id, hash, scopes, added_at, revoked_at, sequence, ed25519, expires_at, name, markets, notional, \
        added_by, revoked_by) \
    ON CONFLICT (id, account_id) DO UPDATE SET hash = EXCLUDED.hash, scopes = EXCLUDED.scopes, \
        added_at = EXCLUDED.added_at, revoked_at = EXCLUDED.revoked_at, sequence = EXCLUDED.sequence, \
        ed25519 = EXCLUDED.ed25519, expires_at = EXCLUDED.expires_at, name = EXCLUDED.name, \
        markets = EXCLUDED.markets, notional = EXCLUDED.notional, added_by = EXCLUDED.added_by, \
        revoked_by = EXCLUDED.revoked_by";

const CHANGE_KEYS: &str = "UPDATE api_keys AS k \
    SET expires_at = COALESCE(u.expires_at, k.expires_at), revoked_at = COALESCE(u.revoked_at, k.revoked_at), \
        revoked_by = COALESCE(u.revoked_by, k.revoked_by), sequence = u.sequence \
    FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::bigint[], $6::bigint[]) \
        AS u (id, account_id, expires_at, revoked_at, revoked_by, sequence) \
    WHERE k.id = u.id AND k.account_id = u.account_id AND k.sequence < u.sequence";

/// Writes the changes of accounts and keys.
pub async fn write(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    all([Box::pin(accounts(tx, shard, changes)), Box::pin(keys(tx, shard, changes))]).await
}

async fn accounts(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    let opened: Vec<(&AccountId, LastChange)> =
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

/// A key that was added, with its later changes in the batch.
struct AddedKey<'a> {
    account: AccountId,
    key: &'a ApiKey,
    at: LastChange,
    by: Option<ApiKeyId>,
    change: &'a KeyChange,
}

async fn keys(tx: &Transaction<'_>, shard: Shard, changes: &RowChanges) -> Result<(), SinkError> {
    let (mut added, mut changed) = (Vec::new(), Vec::new());
    for (&(id, account), change) in &changes.api_keys {
        match &change.added {
            Some((key, at, by)) => added.push(AddedKey { account, key, at: *at, by: *by, change }),
            None => changed.push((id, account, change)),
        }
    }
    if !added.is_empty() {
        add_keys(tx, shard, &added).await?;
    }
    if !changed.is_empty() {
        change_keys(tx, &changed).await?;
    }
    Ok(())
}

async fn add_keys(tx: &Transaction<'_>, shard: Shard, added: &[AddedKey<'_>]) -> Result<(), SinkError> {
    let (ids, accounts, hashes, scopes, added_at, revoked_at, sequences) = (
        column(added, |new| new.key.id.0.cast_signed()),
        column(added, |new| new.account.0.cast_signed()),
        column(added, |new| new.key.proof.bytes().to_vec()),
        column(added, |new| i16::from(new.key.scopes.bits())),
        column(added, |new| moment(new.at.time)),
        column(added, |new| revoked_at(new.change)),
        column(added, |new| new.change.last.sequence.cast_signed()),
    );
    let (ed25519, expires_at, names, markets, notionals, added_by, revoked_by) = (
        column(added, |new| matches!(new.key.proof, KeyProof::Ed25519(_))),
        column(added, |new| new.change.ends.or(new.key.expires).map(moment)),
        column(added, |new| new.key.name().map(ToString::to_string)),
        column(added, |new| new.key.markets().map(listed)),
        column(added, |new| new.key.notional().map(Credits::micros)),
        column(added, |new| new.by.map(|by| by.0.cast_signed())),
        column(added, |new| revoked_by(new.change)),
    );
    let shard = number(shard);
    let params: [&(dyn ToSql + Sync); 15] = [
        &shard,
        &ids,
        &accounts,
        &hashes,
        &scopes,
        &added_at,
        &revoked_at,
        &sequences,
        &ed25519,
        &expires_at,
        &names,
        &markets,
        &notionals,
        &added_by,
        &revoked_by,
    ];
    meet(tx, ADD_KEYS, &params, added.len()).await
}

async fn change_keys(tx: &Transaction<'_>, changed: &[(ApiKeyId, AccountId, &KeyChange)]) -> Result<(), SinkError> {
    let (ids, accounts, expires_at, revoked_at, revoked_by, sequences) = (
        column(changed, |(id, ..)| id.0.cast_signed()),
        column(changed, |(_, account, _)| account.0.cast_signed()),
        column(changed, |(.., change)| change.ends.map(moment)),
        column(changed, |(.., change)| revoked_at(change)),
        column(changed, |(.., change)| revoked_by(change)),
        column(changed, |(.., change)| change.last.sequence.cast_signed()),
    );
    let params: [&(dyn ToSql + Sync); 6] = [&ids, &accounts, &expires_at, &revoked_at, &revoked_by, &sequences];
    meet(tx, CHANGE_KEYS, &params, changed.len()).await
}

fn revoked_at(change: &KeyChange) -> Option<OffsetDateTime> {
    change.revoked.map(|(at, _)| moment(at.time))
}

fn revoked_by(change: &KeyChange) -> Option<i64> {
    change.revoked.and_then(|(_, by)| by).map(|by| by.0.cast_signed())
}

fn listed(markets: &KeyMarkets) -> String {
    let ids = markets.as_slice().iter().map(|market| market.0.cast_signed().to_string());
    ids.collect::<Vec<_>>().join(",")
}
