//! `loadtest seed`: a few accounts and markets to play with, made once.
//!
//! Harmless to repeat: markets are found by their tickers, accounts in the file of the first time.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::api::{ApiError, Connection};
use crate::people::{Account, Admin, GatewayArgs, Listing, Market, PeopleError};

const ACCOUNTS: usize = 3;
const CREDITS: u32 = 10_000;

const QUESTIONS: [(&str, &str); 4] = [
    ("RAIN-TOMORROW", "Will it rain in Lisbon tomorrow?"),
    ("MOON-2030", "Will a person walk on the Moon before 2030?"),
    ("MARATHON-2H", "Will a marathon be run in less than two hours this year?"),
    ("RUST-2027", "Will there be a Rust edition 2027?"),
];

/// Demo accounts and markets.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The file that remembers the accounts and their keys.
    #[arg(long, default_value = "demo.json")]
    out: PathBuf,
}

/// Seeding cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// Accounts or markets cannot be made.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not what an earlier run wrote.
    #[error("{path} is not a file of an earlier run ({error}); move it away")]
    Form {
        /// Which.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
}

/// What the file says. `api_key` and `market` stand first for those who only want one to try.
#[derive(Debug, Serialize, Deserialize)]
struct Demo {
    api_key: String,
    market: String,
    accounts: Vec<Account>,
    markets: Vec<Market>,
}

/// Makes what is not there yet, writes the file, and says what there is.
pub async fn run(args: &Args) -> Result<(), SeedError> {
    let admin = Admin::new(&args.gateway)?;
    let (accounts, reused) = match known(&args.out, &admin).await? {
        Some(accounts) => (accounts, true),
        None => (admin.accounts(ACCOUNTS, CREDITS).await?, false),
    };
    let markets = admin.markets(&listings()).await?;
    let demo = Demo { api_key: accounts[0].api_key.clone(), market: markets[0].ticker.clone(), accounts, markets };
    write(&args.out, &demo)?;
    say(&demo, reused, &args.out);
    Ok(())
}

/// The accounts of an earlier run, if the gateway still knows the first one's key.
async fn known(path: &Path, admin: &Admin) -> Result<Option<Vec<Account>>, SeedError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SeedError::File { path: path.to_owned(), error }),
    };
    let demo: Demo = serde_json::from_str(&text).map_err(|error| SeedError::Form { path: path.to_owned(), error })?;
    let Some(first) = demo.accounts.first() else { return Ok(None) };
    let mut connection = Connection::new(admin.endpoint.clone());
    let reply = connection.json(hyper::Method::GET, "/v1/wallet", Some(&first.key()?), None, &[200, 401]).await;
    let (status, _) = reply.map_err(PeopleError::from)?;
    Ok((status == 200).then_some(demo.accounts))
}

fn listings() -> Vec<Listing> {
    let listing = |(ticker, question): &(&str, &str)| Listing {
        ticker: (*ticker).to_owned(),
        question: (*question).to_owned(),
        tick_size: "0.01".to_owned(),
        maker_fee: "0",
        taker_fee: "0.02",
    };
    QUESTIONS.iter().map(listing).collect()
}

/// Keys are in it, so only its owner may read it; and it is whole or not there at all.
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
    crate::report::say!("accounts, {whence}:");
    for account in &demo.accounts {
        crate::report::say!("  {}", account.account_id);
    }
    crate::report::say!("markets, open:");
    for market in &demo.markets {
        crate::report::say!("  {:<16} {}", market.ticker, market.market_id);
    }
    crate::report::say!("keys in {}", path.display());
}

/// `ApiError` is where most of these begin.
impl From<ApiError> for SeedError {
    fn from(error: ApiError) -> Self {
        Self::People(error.into())
    }
}
