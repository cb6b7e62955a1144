//! Rows for the client library's binary COPY writer.

use std::borrow::Cow;
use std::error::Error;
use std::pin::pin;

use bytes::BytesMut;
use deadpool_postgres::Transaction;
use schemas::Timestamp;
use time::OffsetDateTime;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type};
use uuid::Uuid;

use super::arrays::prepared;
use super::error::classify;
use super::moment::moment;
use crate::sink::SinkError;

/// A table and the columns that COPY fills.
pub struct CopyTable {
    /// The table's name.
    pub name: &'static str,
    /// Names and types, in the order of a row's values.
    pub columns: &'static [(&'static str, Type)],
}

impl CopyTable {
    fn statement(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        format!("COPY {} ({}) FROM STDIN BINARY", self.name, columns.join(", "))
    }
}

/// Rows of one table, before they are sent.
pub struct Copy<'a> {
    table: &'static CopyTable,
    values: Vec<Value<'a>>,
}

impl<'a> Copy<'a> {
    /// Creates a COPY into `table`, with capacity for `rows` rows.
    pub fn into(table: &'static CopyTable, rows: usize) -> Self {
        Self { table, values: Vec::with_capacity(rows * table.columns.len()) }
    }

    fn value(&mut self, value: Value<'a>) -> &mut Self {
        self.values.push(value);
        self
    }

    /// Adds NULL, or the value that `put` adds.
    pub fn optional<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T) -> &mut Self) -> &mut Self {
        match value {
            Some(value) => put(self, value),
            None => self.value(Value::Null),
        }
    }

    /// Adds a BIGINT.
    pub fn int8(&mut self, value: i64) -> &mut Self {
        self.value(Value::Int8(value))
    }

    /// Adds a BIGINT that is an id or a sequence.
    pub fn id(&mut self, value: u64) -> &mut Self {
        self.int8(value.cast_signed())
    }

    /// Adds an INTEGER.
    pub fn int4(&mut self, value: i32) -> &mut Self {
        self.value(Value::Int4(value))
    }

    /// Adds a SMALLINT.
    pub fn int2(&mut self, value: i16) -> &mut Self {
        self.value(Value::Int2(value))
    }

    /// Adds a BOOLEAN.
    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.value(Value::Boolean(value))
    }

    /// Adds a TEXT.
    pub fn text(&mut self, value: impl Into<Cow<'a, str>>) -> &mut Self {
        self.value(Value::Text(value.into()))
    }

    /// Adds a UUID.
    pub fn uuid(&mut self, value: u128) -> &mut Self {
        self.value(Value::Uuid(Uuid::from_u128(value)))
    }

    /// Adds a TIMESTAMPTZ.
    pub fn time(&mut self, value: Timestamp) -> &mut Self {
        self.value(Value::Time(moment(value)))
    }

    /// Sends all rows. Without rows, runs no statement.
    pub async fn send(self, tx: &Transaction<'_>) -> Result<(), SinkError> {
        if self.values.is_empty() {
            return Ok(());
        }
        let statement = self.table.statement();
        let types: Vec<Type> = self.table.columns.iter().map(|(_, kind)| kind.clone()).collect();
        let prepared = prepared(tx, &statement).await?;
        let sink = tx.copy_in(&prepared).await.map_err(classify)?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        let rows = self.values.chunks(types.len());
        let count = u64::try_from(rows.len()).map_err(SinkError::refused)?;
        for row in rows {
            writer.as_mut().write_raw(row).await.map_err(classify)?;
        }
        let copied = writer.finish().await.map_err(classify)?;
        if copied == count {
            return Ok(());
        }
        Err(SinkError::refused(format!("{copied} of {count} rows were copied: {statement}")))
    }
}

/// A value in a row.
#[derive(Debug)]
enum Value<'a> {
    Null,
    Int8(i64),
    Int4(i32),
    Int2(i16),
    Boolean(bool),
    Text(Cow<'a, str>),
    Uuid(Uuid),
    Time(OffsetDateTime),
}

impl ToSql for Value<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql_checked(kind, out)
    }

    /// Accepts every type: `to_sql_checked` checks the type that the value has.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int8(value) => value.to_sql_checked(kind, out),
            Self::Int4(value) => value.to_sql_checked(kind, out),
            Self::Int2(value) => value.to_sql_checked(kind, out),
            Self::Boolean(value) => value.to_sql_checked(kind, out),
            Self::Text(value) => value.to_sql_checked(kind, out),
            Self::Uuid(value) => value.to_sql_checked(kind, out),
            Self::Time(value) => value.to_sql_checked(kind, out),
        }
    }
}
