//! Creates what victim and attackers need: two accounts, a market for the victim, a deep book of
//! the attacker's orders, refused orders, and many markets.

use std::fmt::Write as _;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::attack::Target;
use crate::api::{ApiConnection, ApiError, Credentials, Endpoint};
use crate::error::Error;
use crate::people::{GatewayArgs, TestAccount, TestAdmin, TestListing, TestMarket};
use crate::report;

/// The initial credits of each account.
const CREDITS: u32 = 100_000;

/// Number of orders sent at a time.
const BATCH: u16 = 100;

/// Number of the attacker's refused orders.
const REFUSED: u16 = 200;

/// How often a request that is beyond the account's rate is sent again, at most.
const SENT_AGAIN: u32 = 200;

/// The pause before that.
const REFILL: Duration = Duration::from_millis(250);

/// The accounts and markets of all attacks.
pub struct AttackStage {
    pub endpoint: Endpoint,
    pub victim: Credentials,
    /// The market in which the victim trades.
    pub market: TestMarket,
    attacker: TestAccount,
    deep: TestMarket,
}

impl AttackStage {
    /// Creates the accounts, markets and orders.
    pub async fn prepare(gateway: &GatewayArgs, levels: u16, markets: u16) -> Result<Self, Error> {
        let started = std::time::Instant::now();
        let admin = TestAdmin::new(gateway)?;
        let run = uuid::Uuid::new_v4().as_u64_pair().0;
        let mut listings = vec![listing(run, "quiet"), listing(run, "deep")];
        listings.extend((0..markets).map(|number| listing(run, &format!("more-{number}"))));
        let mut made = admin.markets(&listings).await?.into_iter();
        let accounts = admin.accounts(2, CREDITS).await?;
        let (Some(market), Some(deep), [victim, attacker]) = (made.next(), made.next(), accounts.as_slice()) else {
            return Err(Error::Incomplete("markets and accounts of the attack"));
        };
        let stage = Self { endpoint: admin.endpoint, victim: victim.key()?, market, attacker: attacker.clone(), deep };
        stage.deepen(levels).await?;
        stage.be_refused().await?;
        let what = format!("a book of {levels} levels, {markets} markets, {REFUSED} refused orders");
        report::step("prepare", &what, started.elapsed());
        Ok(stage)
    }

    /// Returns the target for an attacker.
    pub fn target(&self, url: &str) -> Target {
        let key = self.attacker.api_key.clone();
        Target { url: url.to_owned(), deep: self.deep.market_id.clone(), key }
    }

    /// Places one order of one contract at each price, up to so many.
    async fn deepen(&self, levels: u16) -> Result<(), Error> {
        let prices: Vec<u16> = (1..=levels).collect();
        for prices in prices.chunks(BATCH.into()) {
            let order = |ticks: &u16| {
                let (market, price) = (&self.deep.market_id, format!("0.{ticks:04}"));
                json!({"place": {"market_id": market, "contract": "YES", "side": "BUY", "type": "LIMIT", "price": price,
                    "quantity": 1}})
            };
            let requests: Vec<Value> = prices.iter().map(order).collect();
            self.send("/v1/orders/batch", &json!({ "requests": requests }), &[200, 202]).await?;
        }
        Ok(())
    }

    /// Sends orders that the account cannot pay for.
    async fn be_refused(&self) -> Result<(), Error> {
        for _ in 0..REFUSED / BATCH {
            let order = json!({"place": {"market_id": self.deep.market_id, "contract": "YES", "side": "BUY",
                "type": "LIMIT", "price": "0.9000", "quantity": 1_000_000}});
            let requests: Vec<Value> = (0..BATCH).map(|_| order.clone()).collect();
            self.send("/v1/orders/batch", &json!({ "requests": requests }), &[200, 202]).await?;
        }
        Ok(())
    }

    /// Sends a request; one that is beyond the account's rate again, when its bucket has filled.
    async fn send(&self, path: &str, body: &Value, statuses: &[u16]) -> Result<(), Error> {
        let key = self.attacker.key()?;
        let mut connection = ApiConnection::new(self.endpoint.clone());
        let mut left = SENT_AGAIN;
        loop {
            match connection.json(Method::POST, path, Some(&key), Some(body), statuses).await {
                Err(ApiError::Unexpected { status: 429, .. }) if left > 0 => {
                    left -= 1;
                    tokio::time::sleep(REFILL).await;
                }
                sent => return sent.map(drop).map_err(Error::from),
            }
        }
    }
}

fn listing(run: u64, name: &str) -> TestListing {
    let mut ticker = String::from("FIRE-");
    write!(ticker, "{run:016X}-{name}").expect("writing to memory cannot fail");
    TestListing {
        ticker: ticker.to_uppercase(),
        question: format!("Does `{name}` hold?"),
        rules: "Nobody answers this market.".into(),
        sources: vec!["The report of `loadtest hostile`".into()],
        category: "load-test",
        tags: Vec::new(),
        event: None,
        tick_size: "0.0001".into(),
        maker_fee: "0",
        taker_fee: "0",
    }
}
