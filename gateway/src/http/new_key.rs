//! New keys: with a secret that is shown once, or with a public key from the client.

use schemas::{AccountId, ApiKey, ApiKeyId, KeyProof, Scopes, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::http::fields::Fields;
use crate::http::parse::ValueFault;
use crate::openapi::scalars::{
    AccountIdText, CommandIdText, CreditsText, KeyIdText, MarketIdText, PublicKeyText, ScopeName, TimeText,
};
use crate::shapes::iso_or_null;
use crate::signing;
use crate::view::keys::PresentedKey;

/// The proof of a new key.
pub enum Material {
    /// A secret that the gateway generates.
    Secret(PresentedKey),
    /// A public key; its requests are signed.
    Public(ApiKeyId, [u8; 32]),
}

impl Material {
    /// With this public key, or with a new secret if there is none.
    pub fn new(public_key: Option<[u8; 32]>) -> Self {
        // Both kinds have ids of the same form.
        let presented = PresentedKey::random();
        match public_key {
            Some(public_key) => Self::Public(presented.id, public_key),
            None => Self::Secret(presented),
        }
    }

    /// Reads the field `public_key`; `None` within if it is absent.
    pub fn read(fields: &mut Fields) -> Option<Option<[u8; 32]>> {
        fields.text_or("public_key", None, |text| match signing::public_key(text) {
            Some(public_key) => Ok(Some(public_key)),
            None => Err(ValueFault::form("an Ed25519 public key, 32 bytes in base64, that is not a weak key")),
        })
    }

    /// Returns the key's id.
    pub fn id(&self) -> ApiKeyId {
        match self {
            Self::Secret(presented) => presented.id,
            Self::Public(id, _) => *id,
        }
    }

    /// Returns what the log stores of the key.
    pub fn proof(&self) -> KeyProof {
        match self {
            Self::Secret(presented) => KeyProof::Secret(presented.hash()),
            Self::Public(_, public_key) => KeyProof::Ed25519(*public_key),
        }
    }

    fn shown(&self) -> Shown {
        match self {
            Self::Secret(presented) => Shown::Secret { api_key: presented.reveal() },
            Self::Public(_, public_key) => Shown::Public { public_key: signing::shown(public_key) },
        }
    }
}

/// A new key. If it has a secret, no other answer ever shows it.
#[derive(Clone, Serialize, ToSchema)]
pub struct NewKey {
    #[schema(value_type = AccountIdText)]
    account_id: String,
    #[schema(value_type = KeyIdText)]
    key_id: String,
    #[serde(flatten)]
    shown: Shown,
    /// Its rights.
    #[schema(value_type = Vec<ScopeName>)]
    scopes: Vec<&'static str>,
    #[schema(value_type = CommandIdText)]
    command_id: String,
}

/// The secret of the new key, or the public key that it was created with.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = KeyProof)]
#[serde(untagged)]
enum Shown {
    /// With a secret.
    Secret {
        /// The whole key. No other answer shows it.
        #[schema(pattern = "^lfg_[0-9a-f]{16}_[0-9a-f]{64}$")]
        api_key: String,
    },
    /// With a public key.
    Public {
        #[schema(value_type = PublicKeyText)]
        public_key: String,
    },
}

impl NewKey {
    /// Creates the answer for an existing key.
    pub fn new(account: AccountId, key: &Material, scopes: Scopes, command_id: String) -> Self {
        let (account_id, key_id, shown) = (account.to_string(), key_id(key.id()), key.shown());
        Self { account_id, key_id, shown, scopes: scopes.names().collect(), command_id }
    }

    /// Creates the answer for a command without an outcome yet: the key is valid once it has one.
    pub fn later(account: AccountId, key: &Material, scopes: Scopes) -> Map<String, Value> {
        let (name, shown) = match key.shown() {
            Shown::Secret { api_key } => ("api_key", api_key),
            Shown::Public { public_key } => ("public_key", public_key),
        };
        Map::from_iter([
            ("account_id".to_owned(), json!(account.to_string())),
            ("key_id".to_owned(), json!(key_id(key.id()))),
            (name.to_owned(), json!(shown)),
            ("scopes".to_owned(), json!(scopes.names().collect::<Vec<_>>())),
            ("look".to_owned(), json!("/v1/wallet")),
        ])
    }
}

/// A key of an account, without its secret or public key.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct KeyShape {
    #[schema(value_type = KeyIdText)]
    key_id: String,
    /// For people.
    #[schema(required)]
    name: Option<String>,
    /// Its rights.
    #[schema(value_type = Vec<ScopeName>)]
    scopes: Vec<&'static str>,
    /// When it expires.
    #[serde(serialize_with = "iso_or_null")]
    #[schema(value_type = Option<TimeText>, required)]
    expires_at: Option<Timestamp>,
    /// The markets in which it may place orders; null for all.
    #[schema(value_type = Option<Vec<MarketIdText>>, required)]
    markets: Option<Vec<String>>,
    /// The largest notional of its orders; null for any.
    #[schema(value_type = Option<CreditsText>, required)]
    notional: Option<String>,
    /// Null for a key with a secret.
    #[schema(value_type = Option<PublicKeyText>, required)]
    public_key: Option<String>,
}

impl KeyShape {
    /// Creates the account's view of a key.
    pub fn of(key: &ApiKey) -> Self {
        let markets = key.markets().map(|markets| markets.as_slice().iter().map(ToString::to_string).collect());
        let public_key = match &key.proof {
            KeyProof::Ed25519(public_key) => Some(signing::shown(public_key)),
            KeyProof::Secret(_) => None,
        };
        Self {
            key_id: key_id(key.id),
            name: key.name().map(ToString::to_string),
            scopes: key.scopes.names().collect(),
            expires_at: key.expires,
            markets,
            notional: key.notional().map(|notional| notional.to_string()),
            public_key,
        }
    }
}

/// Formats a key's id.
pub fn key_id(id: ApiKeyId) -> String {
    format!("{:016x}", id.0)
}

/// Scopes by name.
pub fn scopes(texts: &[&str]) -> Result<Scopes, ValueFault> {
    Scopes::named(texts).ok_or_else(|| ValueFault::form("some of READ, TRADE, CANCEL, TRANSFER, each once"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::NOBODYS;

    #[test]
    fn scopes_are_known_names_each_once() {
        assert_eq!(scopes(&["READ"]), Ok(Scopes::READ));
        assert_eq!(scopes(&["TRADE", "READ"]), Ok(Scopes::READ_TRADE));
        for texts in [&[][..], &["read"], &["READ", "READ"], &["READ", "ADMIN"]] {
            assert!(scopes(texts).is_err(), "{texts:?}");
        }
        assert_eq!(Scopes::READ_TRADE.names().collect::<Vec<_>>(), ["READ", "TRADE"]);
    }

    #[test]
    fn a_key_shows_its_secret_or_its_public_key() {
        let account = AccountId(7);
        for (public_key, has, has_not) in [(None, "api_key", "public_key"), (Some(NOBODYS), "public_key", "api_key")] {
            let key = Material::new(public_key);
            let now = serde_json::to_value(NewKey::new(account, &key, Scopes::READ, String::new())).unwrap();
            let later = Value::Object(NewKey::later(account, &key, Scopes::READ));
            for body in [now, later] {
                assert!(body[has].is_string() && body.get(has_not).is_none(), "{body}");
                assert_eq!(body["key_id"], json!(key_id(key.id())));
            }
        }
    }
}
