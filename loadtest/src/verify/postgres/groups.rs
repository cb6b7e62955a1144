//! Checks the table of groups of orders.

use schemas::{AccountId, GroupLimits, Timestamp};
use tokio_postgres::{Row, Transaction};

use super::columns::{contracts, get, group_id, moment, natural, nonsense, optional_moment, shard, table, word};
use crate::fold::{ExpectedGroup, Fold};
use crate::verify::read_model_error::ReadModelError;
use crate::verify::{Check, exactly};

pub async fn groups(tx: &Transaction<'_>, fold: &Fold) -> Result<Check, ReadModelError> {
    let found = table(tx, "SELECT * FROM order_groups", |row| {
        let key = (AccountId(natural(row, "account_id")?), group_id(get(row, "group_id")?)?);
        Ok((key, group(row)?))
    })
    .await?;
    Ok(exactly("Postgres: groups of orders", &fold.groups, &found))
}

fn group(row: &Row) -> Result<ExpectedGroup, ReadModelError> {
    let window: i16 = get(row, "window_s")?;
    let limits = u8::try_from(window).ok().zip(Some(contracts(row, "contracts")?));
    let triggered = match optional_moment(row, "triggered_at")? {
        Some(at) => Some((word(row, "trigger_cause")?, Timestamp(at))),
        None => None,
    };
    Ok(ExpectedGroup {
        limits: limits
            .and_then(|(window_s, contracts)| GroupLimits::new(contracts, window_s))
            .ok_or_else(|| nonsense("window_s", window))?,
        generation: natural(row, "generation")?,
        set_at: moment(row, "set_at")?,
        triggered,
        shard: shard(row, "shard")?,
        sequence: natural(row, "sequence")?,
    })
}
