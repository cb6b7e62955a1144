//! Rows of groups of orders, as recorded by the accounts' home shard.

use deadpool_postgres::Transaction;
use schemas::shard_map::ShardMap;
use schemas::{AccountId, GroupId, GroupLimits, Shard, TriggerCause};
use tokio_postgres::types::ToSql;

use super::arrays::{column, meet, prepared};
use super::error::classify;
use super::moment::moment;
use super::progress::number;
use crate::fold::{GroupDelta, LastChange, RowChanges};
use crate::sink::SinkError;

// The log does not record whether a group that a batch creates and deletes had a row before, nor
// whether `anew` means created or reset.
const DELETE: &str = "DELETE FROM order_groups AS g USING unnest($1::bigint[], $2::integer[], $3::bigint[]) \
        AS u (account_id, group_id, sequence) \
    WHERE g.account_id = u.account_id AND g.group_id = u.group_id AND g.sequence < u.sequence";

const SET_ANEW: &str = "INSERT INTO order_groups (account_id, group_id, contracts, window_s, generation, triggered_at, \
        trigger_cause, set_at, updated_at, shard, sequence) \
    SELECT account_id, group_id, contracts, window_s, generation, triggered_at, trigger_cause, set_at, updated_at, $1, sequence \
    FROM unnest($2::bigint[], $3::integer[], $4::integer[], $5::smallint[], $6::bigint[], $7::timestamptz[], $8::text[], \
            $9::timestamptz[], $10::timestamptz[], $11::bigint[]) \
        AS u (account_id, group_id, contracts, window_s, generation, triggered_at, trigger_cause, set_at, updated_at, sequence) \
    ON CONFLICT (account_id, group_id) DO UPDATE SET contracts = EXCLUDED.contracts, window_s = EXCLUDED.window_s, \
        generation = EXCLUDED.generation, triggered_at = EXCLUDED.triggered_at, trigger_cause = EXCLUDED.trigger_cause, \
        set_at = EXCLUDED.set_at, updated_at = EXCLUDED.updated_at, sequence = EXCLUDED.sequence \
    WHERE order_groups.sequence < EXCLUDED.sequence";

// A group that is triggered again keeps its first trigger.
const CHANGE: &str = "UPDATE order_groups AS g \
    SET contracts = COALESCE(u.contracts, g.contracts), window_s = COALESCE(u.window_s, g.window_s), \
        triggered_at = COALESCE(g.triggered_at, u.triggered_at), trigger_cause = COALESCE(g.trigger_cause, u.trigger_cause), \
        updated_at = u.updated_at, sequence = u.sequence \
    FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::smallint[], $5::timestamptz[], $6::text[], $7::timestamptz[], \
        $8::bigint[]) AS u (account_id, group_id, contracts, window_s, triggered_at, trigger_cause, updated_at, sequence) \
    WHERE g.account_id = u.account_id AND g.group_id = u.group_id AND g.sequence < u.sequence";

type GroupRow<'a> = (AccountId, GroupId, &'a GroupDelta);

/// Writes the changes of the groups whose accounts have this shard as home.
pub async fn write(tx: &Transaction<'_>, shard: Shard, map: ShardMap, changes: &RowChanges) -> Result<(), SinkError> {
    let (mut gone, mut anew, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for (&(account, group), delta) in &changes.groups {
        if map.of_account(account) != shard {
            continue;
        }
        let rows = match delta.anew {
            Some((generation, at)) => {
                anew.push((generation, at, (account, group, delta)));
                continue;
            }
            None if delta.deleted => &mut gone,
            None => &mut changed,
        };
        rows.push((account, group, delta));
    }
    delete(tx, &gone).await?;
    set_anew(tx, shard, &anew).await?;
    change(tx, &changed).await
}

async fn delete(tx: &Transaction<'_>, rows: &[GroupRow<'_>]) -> Result<(), SinkError> {
    if rows.is_empty() {
        return Ok(());
    }
    let (accounts, groups, sequences) = (accounts(rows), groups(rows), column(rows, sequence));
    let prepared = prepared(tx, DELETE).await?;
    tx.execute(&prepared, &[&accounts, &groups, &sequences]).await.map_err(classify)?;
    Ok(())
}

async fn set_anew(
    tx: &Transaction<'_>,
    shard: Shard,
    anew: &[(u64, LastChange, GroupRow<'_>)],
) -> Result<(), SinkError> {
    if anew.is_empty() {
        return Ok(());
    }
    let rows: Vec<GroupRow<'_>> = column(anew, |(.., row)| *row);
    let generations = column(anew, |(generation, ..)| generation.cast_signed());
    let set_at = column(anew, |(_, at, _)| moment(at.time));
    let (contracts, windows) = limits(&rows)?;
    let (triggered_at, causes) = triggers(&rows);
    let (accounts, groups, sequences) = (accounts(&rows), groups(&rows), column(&rows, sequence));
    let (updated_at, shard) = (column(&rows, |(.., delta)| moment(delta.last.time)), number(shard));
    let params: [&(dyn ToSql + Sync); 11] = [
        &shard,
        &accounts,
        &groups,
        &contracts,
        &windows,
        &generations,
        &triggered_at,
        &causes,
        &set_at,
        &updated_at,
        &sequences,
    ];
    meet(tx, SET_ANEW, &params, rows.len()).await
}

async fn change(tx: &Transaction<'_>, rows: &[GroupRow<'_>]) -> Result<(), SinkError> {
    if rows.is_empty() {
        return Ok(());
    }
    let (contracts, windows) = limits(rows)?;
    let (triggered_at, causes) = triggers(rows);
    let (accounts, groups, sequences) = (accounts(rows), groups(rows), column(rows, sequence));
    let updated_at = column(rows, |(.., delta)| moment(delta.last.time));
    let params: [&(dyn ToSql + Sync); 8] =
        [&accounts, &groups, &contracts, &windows, &triggered_at, &causes, &updated_at, &sequences];
    meet(tx, CHANGE, &params, rows.len()).await
}

fn accounts(rows: &[GroupRow<'_>]) -> Vec<i64> {
    column(rows, |(account, ..)| account.0.cast_signed())
}

fn groups(rows: &[GroupRow<'_>]) -> Vec<i32> {
    column(rows, |(_, group, _)| i32::from(group.number()))
}

fn sequence((.., delta): &GroupRow<'_>) -> i64 {
    delta.last.sequence.cast_signed()
}

/// Contracts and seconds; NULL where the batch does not contain them.
type LimitColumns = (Vec<Option<i32>>, Vec<Option<i16>>);

fn limits(rows: &[GroupRow<'_>]) -> Result<LimitColumns, SinkError> {
    let contracts = |limits: GroupLimits| i32::try_from(limits.contracts()).map_err(SinkError::refused);
    let told = rows.iter().map(|(.., delta)| delta.limits.map(contracts).transpose());
    let windows = column(rows, |(.., delta)| delta.limits.map(|limits| i16::from(limits.window_s())));
    Ok((told.collect::<Result<_, _>>()?, windows))
}

type Triggers = (Vec<Option<time::OffsetDateTime>>, Vec<Option<&'static str>>);

fn triggers(rows: &[GroupRow<'_>]) -> Triggers {
    let at = column(rows, |(.., delta)| delta.triggered.map(|(_, at)| moment(at.time)));
    (at, column(rows, |(.., delta)| delta.triggered.map(|(cause, _)| TriggerCause::name(cause))))
}
