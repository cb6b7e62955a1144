//! A client that signs requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use reqwest::Method;
use serde_json::{Value, json};
use service::hex::to_hex;
use sha2::{Digest, Sha256};

use super::PATIENCE;
use super::api::{Account, Answer, Api};
use super::steps::text;

/// A private key, and the id of the API key with its public key.
#[derive(Clone)]
pub struct Signer {
    secret: SigningKey,
    pub key_id: String,
}

/// A signed request, which a test may change before sending it.
#[derive(Clone, Debug)]
pub struct Signed {
    pub method: Method,
    pub target: String,
    pub body: String,
    pub key_id: String,
    pub timestamp: String,
    pub signature: String,
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// Returns the time for the next signature; no two are equal.
fn next_timestamp() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = now();
    let next = |last: u64| Some(now.max(last + 1));
    next(LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap()).unwrap()
}

impl Signer {
    /// Makes a private key from this seed, without an API key yet.
    pub fn new(seed: u8) -> Self {
        Self { secret: SigningKey::from_bytes(&[seed; 32]), key_id: String::new() }
    }

    /// Returns the same private key with another API key's id.
    pub fn of(&self, key_id: &str) -> Self {
        Self { key_id: key_id.to_owned(), ..self.clone() }
    }

    pub fn public_key(&self) -> String {
        STANDARD.encode(self.secret.verifying_key().as_bytes())
    }

    /// Creates an API key with the public key and these fields.
    pub async fn add(&self, api: &Api, account: &Account, mut fields: Value) -> Self {
        fields["public_key"] = json!(self.public_key());
        let added = api.post(Some(&account.key), "/v1/api-keys", &fields).await.expect(201);
        assert_eq!((&added["public_key"], added.get("api_key")), (&fields["public_key"], None), "{added}");
        self.of(text(&added, "key_id"))
    }

    pub fn signature(&self, timestamp: &str, method: &str, target: &str, body: &str) -> String {
        let (key, body) = (&self.key_id, to_hex(&Sha256::digest(body)));
        let text = format!("lfg-request-v1\n{key}\n{timestamp}\n{method}\n{target}\n{body}");
        STANDARD.encode(self.secret.sign(text.as_bytes()).to_bytes())
    }

    /// Signs with a time other than now.
    pub fn signed_at(&self, timestamp: u64, method: Method, target: &str, body: &Value) -> Signed {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let timestamp = timestamp.to_string();
        let signature = self.signature(&timestamp, method.as_str(), target, &body);
        Signed { method, target: target.to_owned(), body, key_id: self.key_id.clone(), timestamp, signature }
    }

    /// Signs with the current time. A null body means no body.
    pub fn signed(&self, method: Method, target: &str, body: &Value) -> Signed {
        self.signed_at(next_timestamp(), method, target, body)
    }

    /// Makes a signed `auth` message over the connection's challenge.
    pub fn auth_message(&self, challenge: &str) -> Value {
        let timestamp = next_timestamp().to_string();
        let signature = self.signature(&timestamp, "AUTH", "/v1/ws", challenge);
        json!({"op": "auth", "key_id": self.key_id, "timestamp": timestamp, "signature": signature})
    }

    /// Signs and sends; repeats it if the timestamp was out of the window.
    pub async fn send(&self, api: &Api, method: Method, target: &str, body: &Value) -> Answer {
        in_time(async || self.signed(method.clone(), target, body).send(api).await).await
    }

    pub async fn get(&self, api: &Api, target: &str) -> Answer {
        self.send(api, Method::GET, target, &Value::Null).await
    }

    pub async fn post(&self, api: &Api, target: &str, body: &Value) -> Answer {
        self.send(api, Method::POST, target, body).await
    }
}

impl Signed {
    pub fn headers(&self) -> [(&'static str, &str); 3] {
        [("lfg-key", &self.key_id), ("lfg-timestamp", &self.timestamp), ("lfg-signature", &self.signature)]
    }

    /// Returns the request, so that a test can add to it.
    pub fn request(&self, api: &Api) -> reqwest::RequestBuilder {
        let request = api.request(self.method.clone(), &self.target).header("content-type", "application/json");
        let with = |request: reqwest::RequestBuilder, (name, value): (&str, &str)| request.header(name, value);
        self.headers().into_iter().fold(request, with).body(self.body.clone())
    }

    pub async fn send(&self, api: &Api) -> Answer {
        api.send(self.request(api)).await
    }
}

/// Signs and sends until the timestamp is within the window: the gateway may have just started, or
/// the machine may have been busy for five seconds.
pub async fn in_time(mut ask: impl AsyncFnMut() -> Answer) -> Answer {
    let start = std::time::Instant::now();
    loop {
        let answer = ask().await;
        if answer.body["code"] != "timestamp-out-of-window" {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "never in time: {}", answer.body);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
