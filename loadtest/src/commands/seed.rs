//! `loadtest seed`: creates a few demo accounts and markets, once.
//!
//! Safe to repeat: finds existing markets by their tickers and existing accounts in the file of the
//! first run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::api::{ApiConnection, ApiError};
use crate::people::{GatewayArgs, PeopleError, TestAccount, TestAdmin, TestListing, TestMarket};
use crate::say::say;

const ACCOUNTS: usize = 3;
const CREDITS: u32 = 10_000;

/// The market event that some of the markets belong to.
const EVENT: &str = "rust-edition";
const EVENT_TITLE: &str = "When does the next edition of Rust come?";

/// A market: ticker, question, rules, source, category, tags, and whether it is in the event.
type Text = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static [&'static str], bool);

const MARKETS: [Text; 5] = [
    (
        "RAIN-TOMORROW",
        "Will it rain in Lisbon tomorrow?",
        "YES if the station Lisboa (Geofísico) reports at least 0.1 mm of rain between 00:00 and 24:00, local time, of the day \
         after this market opened. NO if it reports less.\nIf it reports nothing within a week, the market is void.",
        "https://www.ipma.pt",
        "weather",
        &["rain", "lisbon", "daily"],
        false,
    ),
    (
        "MOON-2030",
        "Will a person walk on the Moon before 2030?",
        "YES if a person stands on the surface of the Moon before 2030-01-01T00:00:00Z, and two space agencies confirm it. \
         Otherwise NO.",
        "https://www.nasa.gov",
        "science",
        &["space", "moon"],
        false,
    ),
    (
        "MARATHON-2H",
        "Will a marathon be run in less than two hours this year?",
        "YES if World Athletics ratifies a time below 2:00:00 in a marathon of this calendar year. A race outside of its rules \
         does not count. Otherwise NO, on the last day of March of the next year.",
        "https://worldathletics.org/records",
        "sports",
        &["athletics", "records"],
        false,
    ),
    (
        "RUST-2027",
        "Will the next edition of Rust be that of 2027?",
        "YES if a stable release of rustc takes `--edition 2027`, and no earlier one took a later edition than 2024. Otherwise NO.",
        "https://doc.rust-lang.org/edition-guide",
        "technology",
        &["rust", "software"],
        true,
    ),
    (
        "RUST-2028",
        "Will the next edition of Rust be that of 2028?",
        "YES if a stable release of rustc takes `--edition 2028`, and no earlier one took a later edition than 2024. Otherwise NO.",
        "https://doc.rust-lang.org/edition-guide",
        "technology",
        &["rust", "software"],
        true,
    ),
];

/// Demo accounts and markets.
#[derive(Debug, clap::Args)]
pub struct SeedArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The file with the accounts and their keys.
    #[arg(long, default_value = "demo.json")]
    out: PathBuf,
}

/// Why seeding failed.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// Accounts or markets cannot be created.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// An earlier run did not write this file.
    #[error("{path} is not a file of an earlier run ({error}); move it away")]
    Form {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: serde_json::Error,
    },
}

/// The file's content. `api_key` and `market` come first for readers who only need one to try.
#[derive(Debug, Serialize, Deserialize)]
struct Demo {
    api_key: String,
    market: String,
    accounts: Vec<TestAccount>,
    markets: Vec<TestMarket>,
}

/// Creates what is missing, writes the file, and prints a summary.
pub async fn run(args: &SeedArgs) -> Result<(), SeedError> {
    let admin = TestAdmin::new(&args.gateway)?;
    let (accounts, reused) = match known(&args.out, &admin).await? {
        Some(accounts) => (accounts, true),
        None => (admin.accounts(ACCOUNTS, CREDITS).await?, false),
    };
    admin.market_event(EVENT, EVENT_TITLE).await?;
    let markets = admin.markets(&listings()).await?;
    let demo = Demo { api_key: accounts[0].api_key.clone(), market: markets[0].ticker.clone(), accounts, markets };
    write(&args.out, &demo)?;
    say(&demo, reused, &args.out);
    Ok(())
}

/// Returns the accounts of an earlier run, if the gateway still knows the first one's key.
async fn known(path: &Path, admin: &TestAdmin) -> Result<Option<Vec<TestAccount>>, SeedError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SeedError::File { path: path.to_owned(), error }),
    };
    let demo: Demo = serde_json::from_str(&text).map_err(|error| SeedError::Form { path: path.to_owned(), error })?;
    let Some(first) = demo.accounts.first() else { return Ok(None) };
    let mut connection = ApiConnection::new(admin.endpoint.clone());
    let reply = connection.json(hyper::Method::GET, "/v1/wallet", Some(&first.key()?), None, &[200, 401]).await;
    let (status, _) = reply.map_err(PeopleError::from)?;
    Ok((status == 200).then_some(demo.accounts))
}

fn listings() -> Vec<TestListing> {
    let listing = |(ticker, question, rules, source, category, tags, in_event): &Text| TestListing {
        ticker: (*ticker).to_owned(),
        question: (*question).to_owned(),
        rules: (*rules).to_owned(),
        sources: vec![(*source).to_owned()],
        category,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        event: in_event.then_some(EVENT),
        tick_size: "0.01".to_owned(),
        maker_fee: "0",
        taker_fee: "0.02",
    };
    MARKETS.iter().map(listing).collect()
}

/// Writes the file atomically, readable only by its owner because it contains keys.
fn write(path: &Path, demo: &Demo) -> Result<(), SeedError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let fault = |error| SeedError::File { path: path.to_owned(), error };
    let json = serde_json::to_string_pretty(demo).map_err(|error| fault(error.into()))?;
    let fresh = path.with_extension("json.new");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh).map_err(fault)?;
    file.write_all(json.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(fault)?;
    std::fs::rename(&fresh, path).map_err(fault)
}

fn say(demo: &Demo, reused: bool, path: &Path) {
    let whence = if reused { "of an earlier run" } else { "new, with 10,000 credits each" };
    say!("accounts, {whence}:");
    for account in &demo.accounts {
        say!("  {}", account.account_id);
    }
    say!("markets, open:");
    for market in &demo.markets {
        say!("  {:<16} {}", market.ticker, market.market_id);
    }
    say!("keys in {}", path.display());
}

/// Most of these errors begin as an `ApiError`.
impl From<ApiError> for SeedError {
    fn from(error: ApiError) -> Self {
        Self::People(error.into())
    }
}
