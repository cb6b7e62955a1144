//! Checks the tables of accounts and credits: accounts, purses, wallets, the ledger.

use std::collections::BTreeMap;

use schemas::{AccountId, Credits, Shard};
use tokio_postgres::{Row, Transaction};

use super::columns::{get, natural, optional, optional_moment, shard, table};
use crate::fold::{ExpectedAccount, ExpectedPurse, ExpectedWallet, Fold, Ledger};
use crate::verify::read_model_error::ReadModelError;
use crate::verify::{Check, Faults, exactly};

pub async fn purses(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    let found = table(tx, "SELECT * FROM purses", |row| {
        let purse = ExpectedPurse {
            available: credits(row, "available")?,
            held: credits(row, "held")?,
            live_orders: get(row, "live_orders")?,
            sent: credits(row, "sent")?,
            received: credits(row, "received")?,
            sequence: natural(row, "sequence")?,
        };
        Ok((purse_key(row)?, purse))
    })
    .await?;
    Ok(exactly("Postgres: purses", &fold.purses, &found))
}

/// Checks the view, and that its total is the sum of its parts.
pub async fn wallets(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    let found = table(tx, "SELECT * FROM wallets", |row| {
        let wallet = ExpectedWallet {
            available: credits(row, "available")?,
            held: credits(row, "held")?,
            in_transit: credits(row, "in_transit")?,
        };
        Ok((AccountId(natural(row, "account_id")?), (wallet, credits(row, "total")?)))
    })
    .await?;
    let with_total = |wallet: ExpectedWallet| (wallet, wallet.available + wallet.held + wallet.in_transit);
    let expected = fold.wallets().into_iter().map(|(account, wallet)| (account, with_total(wallet))).collect();
    Ok(exactly("Postgres: wallets", &expected, &found))
}

pub async fn accounts(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    let found = table(tx, "SELECT * FROM accounts", |row| {
        let account = ExpectedAccount {
            shard: shard(row, "shard")?,
            frozen: get(row, "frozen")?,
            live_orders_max: optional(row, "live_orders_max")?,
            held_max: optional(row, "held_max")?,
            dead_man_due: optional_moment(row, "dead_man_due")?,
        };
        Ok((AccountId(natural(row, "id")?), account))
    })
    .await?;
    Ok(exactly("Postgres: limits and freezes of accounts", &fold.accounts, &found))
}

pub async fn ledger(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    const SQL: &str = "SELECT account_id, shard, kind, count(*) AS entries, sum(available)::bigint AS available, \
        sum(held)::bigint AS held FROM ledger_entries GROUP BY account_id, shard, kind";
    let found = table(tx, SQL, |row| {
        let (account, shard) = purse_key(row)?;
        let (available, held) = (credits(row, "available")?, credits(row, "held")?);
        let kind: String = get(row, "kind")?;
        Ok(((account, shard, kind), Ledger { entries: get(row, "entries")?, available, held }))
    })
    .await?;
    let expected =
        fold.ledger.iter().map(|((account, shard, kind), sums)| ((*account, *shard, (*kind).to_owned()), *sums));
    Ok(exactly("Postgres: ledger entries of each purse by kind, number and sums", &expected.collect(), &found))
}

/// Checks the tables against each other, as any SQL user can.
pub async fn ledger_by_purse(tx: &Transaction<'_>) -> Result<Check, ReadModelError> {
    const SQL: &str = "SELECT account_id, shard, p.available, p.held, coalesce(l.available, 0) AS l_available, \
        coalesce(l.held, 0) AS l_held FROM purses p FULL JOIN \
        (SELECT account_id, shard, sum(available)::bigint AS available, sum(held)::bigint AS held \
        FROM ledger_entries GROUP BY account_id, shard) l USING (account_id, shard)";
    let found: BTreeMap<(AccountId, Shard), _> = table(tx, SQL, |row| {
        let purse: (Option<i64>, Option<i64>) = (get(row, "available")?, get(row, "held")?);
        let entries: (i64, i64) = (get(row, "l_available")?, get(row, "l_held")?);
        Ok((purse_key(row)?, (purse, entries)))
    })
    .await?
    .into_iter()
    .collect();
    let mut faults = Faults::default();
    for ((account, shard), (purse, entries)) in &found {
        let same = *purse == (Some(entries.0), Some(entries.1));
        faults.check(same, || {
            format!("account {account} has {purse:?} on shard {shard}, its entries there add up to {entries:?}")
        });
    }
    Ok(Check::of("Postgres: each purse = the sum of its ledger entries", found.len(), faults))
}

fn purse_key(row: &Row) -> Result<(AccountId, Shard), ReadModelError> {
    Ok((AccountId(natural(row, "account_id")?), shard(row, "shard")?))
}

fn credits(row: &Row, column: &str) -> Result<Credits, ReadModelError> {
    Ok(Credits(get(row, column)?))
}
