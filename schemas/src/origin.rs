//! The origin of a request, for tracing it through the system: its trace context and its client's
//! idempotency key.
//!
//! No decision depends on it. It is in the record of the command and at the beginning of the
//! command's outcome ([`Event::CameWith`](crate::Event::CameWith)). Commands that follow on other
//! shards have the same command id. Their messages carry the trace as well, except messages that
//! had to be sent again.

use std::fmt;
use std::str::FromStr;

use crate::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use crate::text::UnknownName;

growing! {
    /// The origin of a request.
    #[derive(Clone, PartialEq, Eq, Debug, Default)]
    pub struct Origin {
        /// The client's trace context.
        pub trace: Option<TraceContext>,
        /// The client's idempotency key.
        pub idempotency_key: Option<IdempotencyKey>,
    }
}

/// A position in a distributed trace (W3C Trace Context, level 1): trace, parent and flags. Text
/// form: a `traceparent` header of version 00. Invariant: neither trace nor parent is all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TraceContext([u8; TRACE_BYTES]);

const TRACE_BYTES: usize = 16 + 8 + 1;

checked_decode!(TraceContext([u8; TRACE_BYTES]));

impl TraceContext {
    /// Returns `None` if trace or parent is all zero.
    pub fn new(bytes: [u8; TRACE_BYTES]) -> Option<Self> {
        let is_set = |id: &[u8]| id.iter().any(|&byte| byte != 0);
        (is_set(&bytes[..16]) && is_set(&bytes[16..24])).then_some(Self(bytes))
    }

    /// Returns the trace, the parent and the flags, in this order.
    pub const fn bytes(&self) -> &[u8; TRACE_BYTES] {
        &self.0
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00")?;
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 0 | 16 | 24) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Of a later version the first four fields are read, as the standard requires.
impl FromStr for TraceContext {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (head, more) = text.as_bytes().split_first_chunk::<55>().ok_or(UnknownName)?;
        let dashes = [2, 35, 52].iter().all(|&at| head[at] == b'-');
        let [version] = hex(&head[..2])?;
        let fits = match version {
            0 => more.is_empty(),
            0xff => false,
            _ => more.first().is_none_or(|&byte| byte == b'-'),
        };
        if !dashes || !fits {
            return Err(UnknownName);
        }
        let (trace, parent, [flags]) = (hex::<16>(&head[3..35])?, hex::<8>(&head[36..52])?, hex(&head[53..55])?);
        let mut bytes = [flags; TRACE_BYTES];
        bytes[..16].copy_from_slice(&trace);
        bytes[16..24].copy_from_slice(&parent);
        Self::new(bytes).ok_or(UnknownName)
    }
}

/// Parses lower-case hexadecimal digits into bytes.
fn hex<const N: usize>(digits: &[u8]) -> Result<[u8; N], UnknownName> {
    let mut bytes = [0; N];
    let decoded = base16ct::lower::decode(digits, &mut bytes).map_err(|_| UnknownName)?.len();
    if decoded == N { Ok(bytes) } else { Err(UnknownName) }
}

/// A client's key for a request, as sent in the `Idempotency-Key` header. Invariant: 1 to 128
/// visible ASCII characters, without `"` and `\`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct IdempotencyKey(String);

checked_decode!(IdempotencyKey(String));

impl IdempotencyKey {
    /// Returns `None` if the text breaks the invariant.
    pub fn new(text: String) -> Option<Self> {
        let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len());
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
        (fits && plain).then_some(Self(text))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_context_is_its_header() {
        let context: TraceContext = HEADER.parse().unwrap();
        assert_eq!(context.to_string(), HEADER);
        assert_eq!((context.bytes()[0], context.bytes()[16], context.bytes()[24]), (0x4b, 0x00, 0x01));
    }

    #[test]
    fn a_later_version_may_have_more_fields() {
        let later = HEADER.replacen("00", "cc", 1);
        for text in [later.clone(), format!("{later}-what-ever")] {
            assert_eq!(text.parse::<TraceContext>().unwrap().to_string(), HEADER);
        }
        for text in [format!("{later}x"), HEADER.replacen("00", "ff", 1), format!("{HEADER}-more")] {
            assert_eq!(text.parse::<TraceContext>(), Err(UnknownName), "{text}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let upper = HEADER.to_uppercase();
        let no_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let no_parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16));
        let spaces = HEADER.replace('-', " ");
        for text in ["", "00", &HEADER[..54], &upper, &no_trace, &no_parent, &spaces, "é".repeat(40).as_str()] {
            assert_eq!(text.parse::<TraceContext>(), Err(UnknownName), "{text}");
        }
    }

    #[test]
    fn a_key_is_short_visible_text() {
        let key = |text: &str| IdempotencyKey::new(text.to_owned()).map(|key| key.as_str().to_owned());
        assert_eq!(
            key("8e03978e-40d5-43dd-bc93-6894a57f9324").as_deref(),
            Some("8e03978e-40d5-43dd-bc93-6894a57f9324")
        );
        assert!(key(&"k".repeat(128)).is_some());
        for text in ["", "a b", "\"quoted\"", "a\\b", "line\n", "ü", &"k".repeat(129)] {
            assert_eq!(key(text), None, "{text}");
        }
    }
}
