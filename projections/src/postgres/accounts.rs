//! Rows of an account's home: accounts, keys, wallets, the ledger.

use deadpool_postgres::Transaction;
use schemas::{AccountId, ApiKey, ApiKeyId, Shard};

use super::arrays::{all, column, meet};
use super::copy::Copy;
use super::moment::moment;
use super::progress::number;
use crate::fold::{Changes, KeyChange, Stamp, WalletDelta};
use crate::sink::SinkError;

const OPEN_ACCOUNTS: &str = "INSERT INTO accounts (id, opened_at, shard, sequence) \
    SELECT id, opened_at, $1, sequence FROM unnest($2::bigint[], $3::timestamptz[], $4::bigint[]) AS u (id, opened_at, sequence)";

const OPEN_WALLETS: &str = "INSERT INTO wallets (account_id, available, held, shard, sequence) \
    SELECT account_id, available, held, $1, sequence FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) \
    AS u (account_id, available, held, sequence)";

const CHANGE_WALLETS: &str = "UPDATE wallets AS w \
    SET available = w.available + u.available, held = w.held + u.held, sequence = u.sequence \
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS u (account_id, available, held, sequence) \
    WHERE w.account_id = u.account_id AND w.sequence < u.sequence";

const ADD_KEYS: &str = "INSERT INTO api_keys (id, account_id, hash, scopes, added_at, revoked_at, shard, sequence) \
    SELECT id, account_id, hash, scopes, added_at, revoked_at, $1, sequence \
    FROM unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::smallint[], $6::timestamptz[], $7::timestamptz[], $8::bigint[]) \
    AS u (id, account_id, hash, scopes, added_at, revoked_at, sequence)";

const REVOKE_KEYS: &str = "UPDATE api_keys AS k SET revoked_at = u.revoked_at, sequence = u.sequence \
    FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bigint[]) AS u (id, account_id, revoked_at, sequence) \
    WHERE k.id = u.id AND k.account_id = u.account_id AND k.sequence < u.sequence";

const COPY_LEDGER: &str = "COPY ledger_entries (account_id, shard, sequence, index, kind, available, held, order_id, market_id, \
    client_id, created_at) FROM STDIN BINARY";

/// Writes what changed at the accounts' home.
pub async fn write(tx: &Transaction<'_>, shard: Shard, changes: &Changes) -> Result<(), SinkError> {
    let wallets = changes.wallets.iter().filter(|(account, _)| !changes.accounts.contains_key(account)).collect();
    all([
        Box::pin(open(tx, shard, changes)),
        Box::pin(change_wallets(tx, wallets)),
        Box::pin(keys(tx, shard, changes)),
        Box::pin(ledger(tx, shard, changes)),
    ])
    .await
}

async fn open(tx: &Transaction<'_>, shard: Shard, changes: &Changes) -> Result<(), SinkError> {
    if changes.accounts.is_empty() {
        return Ok(());
    }
    let opened: Vec<(&AccountId, &Stamp)> = changes.accounts.iter().collect();
    let (ids, times, sequences) = (
        column(&opened, |(id, _)| id.0.cast_signed()),
        column(&opened, |(_, at)| moment(at.time)),
        column(&opened, |(_, at)| at.sequence.cast_signed()),
    );
    meet(tx, OPEN_ACCOUNTS, &[&number(shard), &ids, &times, &sequences], opened.len()).await?;

    let wallets = changes.wallets.iter().filter(|(account, _)| changes.accounts.contains_key(account)).collect();
    let (ids, available, held, sequences) = wallet_columns(&wallets);
    meet(tx, OPEN_WALLETS, &[&number(shard), &ids, &available, &held, &sequences], wallets.len()).await
}

type Wallets<'a> = Vec<(&'a AccountId, &'a WalletDelta)>;

async fn change_wallets(tx: &Transaction<'_>, wallets: Wallets<'_>) -> Result<(), SinkError> {
    if wallets.is_empty() {
        return Ok(());
    }
    let (ids, available, held, sequences) = wallet_columns(&wallets);
    meet(tx, CHANGE_WALLETS, &[&ids, &available, &held, &sequences], wallets.len()).await
}

fn wallet_columns(wallets: &Wallets<'_>) -> (Vec<i64>, Vec<i64>, Vec<i64>, Vec<i64>) {
    (
        column(wallets, |(id, _)| id.0.cast_signed()),
        column(wallets, |(_, wallet)| wallet.available.micros()),
        column(wallets, |(_, wallet)| wallet.held.micros()),
        column(wallets, |(_, wallet)| wallet.last.sequence.cast_signed()),
    )
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

async fn ledger(tx: &Transaction<'_>, shard: Shard, changes: &Changes) -> Result<(), SinkError> {
    let mut copy = Copy::new(11, changes.ledger.len());
    for entry in &changes.ledger {
        let index = i32::try_from(entry.index).map_err(SinkError::refused)?;
        copy.row().id(entry.change.account.0).int2(number(shard)).id(entry.at.sequence).int4(index);
        copy.text(entry.kind.name()).int8(entry.change.available.micros()).int8(entry.change.held.micros());
        copy.optional(entry.order, |copy, order| copy.id(order.0))
            .optional(entry.market, |copy, market| copy.id(market.0));
        copy.optional(entry.client_id, |copy, id| copy.uuid(id.0)).time(entry.at.time);
    }
    copy.send(tx, COPY_LEDGER).await
}
