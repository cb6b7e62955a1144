//! Creates accounts and markets for a run through the public API.

use std::path::PathBuf;

use futures_util::future::try_join_all;
use hyper::Method;
use schemas::{AccountId, MarketId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::{ApiConnection, ApiError, Credentials, Endpoint};

/// Number of parallel connections that create them.
const MAKERS: usize = 16;

/// The gateway's address, and the key of an admin who may create markets and deposit credits.
#[derive(Clone, Debug, clap::Args)]
pub struct GatewayArgs {
    /// The gateway, `http://host:port`.
    #[arg(long, env = "LFG_URL")]
    pub url: String,
    /// A file with the admin's key.
    #[arg(long, env = "LFG_ADMIN_KEY_FILE")]
    pub admin_key_file: PathBuf,
}

/// Why accounts or markets cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The gateway refused or did not respond.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The key file cannot be read.
    #[error("cannot read the admin's key from {path}: {error}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// A response lacks a required field.
    #[error("an answer of the gateway lacks the field `{0}`")]
    Answer(&'static str),
}

/// A trading account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TestAccount {
    /// The account's id.
    pub account_id: String,
    /// The secret API key.
    pub api_key: String,
}

impl TestAccount {
    /// Returns the account's id.
    pub fn id(&self) -> Result<AccountId, PeopleError> {
        self.account_id.parse().map_err(|_| PeopleError::Answer("account_id"))
    }

    /// Returns the API key as sent with requests.
    pub fn key(&self) -> Result<Credentials, PeopleError> {
        Ok(Credentials::new(&self.api_key)?)
    }
}

/// A tradable market.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TestMarket {
    /// The ticker.
    pub ticker: String,
    /// The market's id.
    pub market_id: String,
}

impl TestMarket {
    /// Returns the market's id.
    pub fn id(&self) -> Result<MarketId, PeopleError> {
        self.market_id.parse().map_err(|_| PeopleError::Answer("market_id"))
    }
}

/// A market to list.
#[derive(Clone, Debug)]
pub struct TestListing {
    /// The ticker.
    pub ticker: String,
    /// The question.
    pub question: String,
    /// The rules that determine the answer.
    pub rules: String,
    /// The sources for the answer.
    pub sources: Vec<String>,
    /// The category.
    pub category: &'static str,
    /// The tags.
    pub tags: Vec<String>,
    /// The name of the market event, if any.
    pub event: Option<&'static str>,
    /// The tick size as a decimal.
    pub tick_size: String,
    /// The maker fee as a decimal.
    pub maker_fee: &'static str,
    /// The taker fee as a decimal.
    pub taker_fee: &'static str,
}

/// An admin who may create markets and deposit credits.
#[derive(Clone, Debug)]
pub struct TestAdmin {
    /// The gateway.
    pub endpoint: Endpoint,
    key: Credentials,
}

impl TestAdmin {
    /// Creates an admin with the key in the file.
    pub fn new(args: &GatewayArgs) -> Result<Self, PeopleError> {
        let path = &args.admin_key_file;
        let text = std::fs::read_to_string(path).map_err(|error| PeopleError::KeyFile { path: path.clone(), error })?;
        Ok(Self { endpoint: Endpoint::new(&args.url)?, key: Credentials::new(text.trim())? })
    }

    /// Opens `count` accounts and deposits `credits` to each.
    pub async fn accounts(&self, count: usize, credits: u32) -> Result<Vec<TestAccount>, PeopleError> {
        self.side_by_side(count, async |connection, _| self.account(connection, credits).await).await
    }

    async fn account(&self, connection: &mut ApiConnection, credits: u32) -> Result<TestAccount, PeopleError> {
        let (_, answer) = connection.json(Method::POST, "/v1/accounts", None, Some(&json!({})), &[201]).await?;
        let account = TestAccount { account_id: text(&answer, "account_id")?, api_key: text(&answer, "api_key")? };
        let amount = credits.to_string();
        let deposit =
            json!({"account_id": account.account_id, "amount": amount, "client_id": uuid::Uuid::new_v4().to_string()});
        connection.json(Method::POST, "/v1/wallet/deposits", Some(&self.key), Some(&deposit), &[201]).await?;
        Ok(account)
    }

    /// Creates an exclusive market event, unless it exists.
    pub async fn market_event(&self, name: &str, title: &str) -> Result<(), PeopleError> {
        let mut connection = ApiConnection::new(self.endpoint.clone());
        let body = json!({"name": name, "title": title, "exclusive": true});
        connection.json(Method::POST, "/v1/events", Some(&self.key), Some(&body), &[201, 409]).await?;
        Ok(())
    }

    /// Lists and opens markets; finds existing ones by their tickers.
    pub async fn markets(&self, listings: &[TestListing]) -> Result<Vec<TestMarket>, PeopleError> {
        self.side_by_side(listings.len(), async |connection, index| self.market(connection, &listings[index]).await)
            .await
    }

    async fn market(&self, connection: &mut ApiConnection, listing: &TestListing) -> Result<TestMarket, PeopleError> {
        let body = json!({"ticker": listing.ticker, "question": listing.question, "rules": listing.rules,
            "sources": listing.sources, "category": listing.category, "tags": listing.tags, "event": listing.event,
            "expiry": in_a_year(), "tick_size": listing.tick_size, "maker_fee": listing.maker_fee, "taker_fee": listing.taker_fee});
        let (mut status, mut market) =
            connection.json(Method::POST, "/v1/markets", Some(&self.key), Some(&body), &[201, 409]).await?;
        if status == 409 {
            let path = format!("/v1/markets/{}", listing.ticker);
            (status, market) = connection.json(Method::GET, &path, None, None, &[200]).await?;
        }
        tracing::debug!(ticker = listing.ticker, status, "market");
        if text(&market, "state")? == "CREATED" {
            let path = format!("/v1/markets/{}/open", listing.ticker);
            connection.json(Method::POST, &path, Some(&self.key), None, &[200]).await?;
        }
        Ok(TestMarket { ticker: text(&market, "ticker")?, market_id: text(&market, "market_id")? })
    }

    /// Creates `count` objects over a few parallel connections; the result is in the order of their
    /// index.
    async fn side_by_side<T>(
        &self,
        count: usize,
        make: impl AsyncFn(&mut ApiConnection, usize) -> Result<T, PeopleError>,
    ) -> Result<Vec<T>, PeopleError> {
        let maker = async |first: usize| {
            let mut connection = ApiConnection::new(self.endpoint.clone());
            let mut made = Vec::new();
            for index in (first..count).step_by(MAKERS) {
                made.push((index, make(&mut connection, index).await?));
            }
            Ok::<_, PeopleError>(made)
        };
        let mut made = try_join_all((0..MAKERS.min(count)).map(maker)).await?.into_iter().flatten().collect::<Vec<_>>();
        made.sort_by_key(|(index, _)| *index);
        Ok(made.into_iter().map(|(_, thing)| thing).collect())
    }
}

fn text(answer: &Value, field: &'static str) -> Result<String, PeopleError> {
    answer[field].as_str().map(str::to_owned).ok_or(PeopleError::Answer(field))
}

/// Returns the expiry of a load test's market, in case nothing closes it earlier.
fn in_a_year() -> String {
    let expiry = time::OffsetDateTime::now_utc() + time::Duration::days(365);
    expiry
        .replace_nanosecond(0)
        .unwrap_or(expiry)
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap_or_default()
}
