//! The id of a request: in the answer's head, in a problem's body, and in the log lines of the
//! request.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header of requests and answers with the id.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of a client's own id.
pub const REQUEST_ID_MAX: usize = 64;

tokio::task_local! {
    /// The id of the request that the current task serves.
    static CURRENT: RequestId;
}

/// The id of a request. 1 to [`REQUEST_ID_MAX`] letters, digits, `.`, `_` and `-`. An extension of
/// every request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The client's own id if it is well formed and there is only one; otherwise a made one.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut own = headers.get_all(REQUEST_ID_HEADER).iter();
        match (own.next(), own.next()) {
            (Some(own), None) if is_well_formed(own.as_bytes()) => Self(own.clone()),
            _ => Self::make(),
        }
    }

    /// A made one: a UUID of version 7.
    pub fn make() -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).expect("digits and hyphens"))
    }

    /// The id of the request that the current task serves.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Serves the request of this id.
    pub async fn scope<T>(self, serving: impl Future<Output = T>) -> T {
        CURRENT.scope(self, serving).await
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("letters, digits and three signs")
    }

    /// Its text for a header.
    pub fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_well_formed(text: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (1..=REQUEST_ID_MAX).contains(&text.len()) && text.iter().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> RequestId {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(REQUEST_ID_HEADER, value.parse().unwrap());
        }
        RequestId::of(&headers)
    }

    #[test]
    fn a_clients_id_is_taken_over_if_it_is_well_formed() {
        let longest = "x".repeat(REQUEST_ID_MAX);
        for own in ["7", "a-Z_0.9", &longest] {
            assert_eq!(of(&[own]).as_str(), own);
        }
        let too_long = "x".repeat(REQUEST_ID_MAX + 1);
        for values in [&[][..], &[""], &["a b"], &["a\"b"], &["ä"], &[&too_long], &["1", "2"]] {
            let made = of(values);
            assert!(Uuid::try_parse(made.as_str()).is_ok(), "{values:?}: {made:?}");
        }
        assert_ne!(of(&[]), of(&[]));
    }

    #[tokio::test]
    async fn a_task_knows_the_id_of_its_request() {
        assert_eq!(RequestId::current(), None);
        let current = of(&["7"]).scope(async { RequestId::current() }).await;
        assert_eq!(current, Some(of(&["7"])));
    }
}
