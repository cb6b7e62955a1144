//! An HTTP client of the API.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use service::hex::to_hex;
use sha2::{Digest, Sha256};

use super::{ADMIN_KEY, SECOND_ADMIN_KEY};

#[derive(Clone)]
pub struct Api {
    pub address: String,
    client: Client,
}

/// An account and its key.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: String,
    pub key: String,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub position: Option<String>,
    pub content_type: String,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// Returns the body; the status must be this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// Checks that the answer is a problem of RFC 9457 with this status and code.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), &self.body["code"]), (status, &json!(code)), "{}", self.body);
        assert_eq!(self.content_type, "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], format!("urn:lfg:problem:{code}"));
        assert!(self.body["title"].as_str().is_some_and(|title| !title.is_empty()));
        assert_eq!(self.body["request_id"].as_str(), self.headers["x-request-id"].to_str().ok());
    }
}

impl Api {
    pub fn new(address: &str) -> Self {
        let client = Client::builder().timeout(super::PATIENCE).build().unwrap();
        Self { address: address.to_owned(), client }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let headers = response.headers().clone();
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let (position, content_type) = (text("lfg-position"), text("content-type").unwrap_or_default());
        let status = response.status();
        let bytes = response.bytes().await.expect("a body");
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
        Answer { status, position, content_type, headers, body }
    }

    pub async fn get(&self, key: Option<&str>, path: &str) -> Answer {
        self.send(with_key(self.request(Method::GET, path), key)).await
    }

    pub async fn delete(&self, key: Option<&str>, path: &str) -> Answer {
        self.send(with_key(self.request(Method::DELETE, path), key)).await
    }

    pub async fn post(&self, key: Option<&str>, path: &str, body: &Value) -> Answer {
        self.send_json(Method::POST, key, path, body).await
    }

    pub async fn send_json(&self, method: Method, key: Option<&str>, path: &str, body: &Value) -> Answer {
        self.send(with_key(self.request(method, path), key).json(body)).await
    }

    pub async fn amend(&self, account: &Account, order: &str, body: &Value) -> Answer {
        self.send_json(Method::PATCH, Some(&account.key), &format!("/v1/orders/{order}"), body).await
    }

    pub async fn admin(&self, path: &str, body: &Value) -> Answer {
        self.post(Some(ADMIN_KEY), path, body).await
    }

    /// Sets both admins on the log, each with every role.
    pub async fn two_admins(&self) {
        for (id, key) in [(1, ADMIN_KEY), (2, SECOND_ADMIN_KEY)] {
            let body = json!({
                "roles": ["MARKETS", "MONEY", "AUDITOR", "ADMINS"], "key_hash": to_hex(&Sha256::digest(key)),
            });
            let set = self.send_json(Method::PUT, Some(ADMIN_KEY), &format!("/v1/admin/admins/{id}"), &body).await;
            set.expect(200);
        }
    }

    /// Sends as the other admin, once there are two.
    pub async fn second_admin(&self, path: &str, body: &Value) -> Answer {
        self.post(Some(SECOND_ADMIN_KEY), path, body).await
    }

    /// Creates an account with this many credits.
    pub async fn account(&self, credits: &str) -> Account {
        let opened = self.post(None, "/v1/accounts", &json!({})).await.expect(201);
        let text = |field: &str| opened[field].as_str().unwrap().to_owned();
        let account = Account { id: text("account_id"), key: text("api_key") };
        if credits != "0" {
            let body = json!({"account_id": account.id, "amount": credits});
            self.admin("/v1/wallet/deposits", &body).await.expect(201);
        }
        account
    }

    /// Creates an open market and returns its id.
    pub async fn market(&self, ticker: &str) -> String {
        self.market_with(ticker, json!({"maker_fee": "0.01", "taker_fee": "0.02"})).await
    }

    /// Creates an open market with more fields and returns its id.
    pub async fn market_with(&self, ticker: &str, more: Value) -> String {
        let question = format!("Will {ticker} happen?");
        let mut body = json!({"ticker": ticker, "question": question, "rules": "YES if it does.", "category": "tests",
            "expiry": "2099-01-01T00:00:00Z"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let created = self.admin("/v1/markets", &body).await.expect(201);
        assert_eq!(created["state"], "CREATED");
        self.admin(&format!("/v1/markets/{ticker}/open"), &json!({})).await.expect(200);
        created["market_id"].as_str().unwrap().to_owned()
    }

    pub async fn order(&self, account: &Account, body: &Value) -> Answer {
        self.post(Some(&account.key), "/v1/orders", body).await
    }
}

fn with_key(request: reqwest::RequestBuilder, key: Option<&str>) -> reqwest::RequestBuilder {
    match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    }
}

/// `BUY YES 10 @ 0.55`, good till cancelled.
pub fn limit(ticker: &str, words: &str) -> Value {
    let words: Vec<&str> = words.split_whitespace().collect();
    let [side, contract, quantity, "@", price] = words[..] else { panic!("{words:?}") };
    let quantity: u32 = quantity.parse().unwrap();
    json!({"ticker": ticker, "side": side, "contract": contract, "type": "LIMIT", "quantity": quantity, "price": price})
}
