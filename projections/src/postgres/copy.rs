//! Rows in Postgres's binary COPY format, in one buffer that is sent as a whole.
//!
//! Source: <https://www.postgresql.org/docs/15/sql-copy.html>, «Binary Format».

use std::io::Cursor;
use std::pin::pin;

use deadpool_postgres::Transaction;
use futures_util::SinkExt as _;
use schemas::Timestamp;

use super::error::classify;
use super::moment::micros;
use crate::sink::SinkError;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// A COPY under construction.
pub struct Copy {
    bytes: Vec<u8>,
    columns: i16,
    rows: u64,
}

impl Copy {
    /// Of rows with `columns` columns; room for `rows`.
    pub fn new(columns: i16, rows: usize) -> Self {
        let mut bytes = Vec::with_capacity(32 + rows * usize::from(columns.unsigned_abs()) * 16);
        bytes.extend_from_slice(SIGNATURE);
        // No flags, no header extension.
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes, columns, rows: 0 }
    }

    /// Begins a row; exactly `columns` values follow.
    pub fn row(&mut self) -> &mut Self {
        self.rows += 1;
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
        self
    }

    fn value<const N: usize>(&mut self, bytes: [u8; N]) -> &mut Self {
        self.any(&bytes)
    }

    fn any(&mut self, bytes: &[u8]) -> &mut Self {
        let length = i32::try_from(bytes.len()).expect("values are short");
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// NULL.
    pub fn null(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&(-1_i32).to_be_bytes());
        self
    }

    /// NULL, or what `put` puts.
    pub fn optional<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T) -> &mut Self) -> &mut Self {
        match value {
            Some(value) => put(self, value),
            None => self.null(),
        }
    }

    /// BIGINT.
    pub fn int8(&mut self, value: i64) -> &mut Self {
        self.value(value.to_be_bytes())
    }

    /// BIGINT, of an id or a sequence.
    pub fn id(&mut self, value: u64) -> &mut Self {
        self.int8(value.cast_signed())
    }

    /// INTEGER.
    pub fn int4(&mut self, value: i32) -> &mut Self {
        self.value(value.to_be_bytes())
    }

    /// SMALLINT.
    pub fn int2(&mut self, value: i16) -> &mut Self {
        self.value(value.to_be_bytes())
    }

    /// BOOLEAN.
    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.value([u8::from(value)])
    }

    /// TEXT.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.any(value.as_bytes())
    }

    /// UUID.
    pub fn uuid(&mut self, value: u128) -> &mut Self {
        self.value(value.to_be_bytes())
    }

    /// TIMESTAMPTZ.
    pub fn time(&mut self, value: Timestamp) -> &mut Self {
        self.int8(micros(value))
    }

    /// Sends all rows through `statement`, a `COPY … FROM STDIN BINARY`. No rows, no statement.
    pub async fn send(mut self, tx: &Transaction<'_>, statement: &str) -> Result<(), SinkError> {
        if self.rows == 0 {
            return Ok(());
        }
        self.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        let prepared = tx.prepare_cached(statement).await.map_err(classify)?;
        let mut sink = pin!(tx.copy_in(&prepared).await.map_err(classify)?);
        sink.send(Cursor::new(self.bytes)).await.map_err(classify)?;
        let copied = sink.finish().await.map_err(classify)?;
        if copied == self.rows {
            return Ok(());
        }
        Err(SinkError::refused(format!("{copied} of {} rows were copied: {statement}", self.rows)))
    }
}
