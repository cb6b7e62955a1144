//! `loadtest demo`: creates accounts and markets, trades for a minute, then verifies every figure.
//!
//!   people ─▶ listen ─▶ plan ─▶ drive ─▶ settle ─▶ verify ─▶ report

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use schemas::{AccountId, MarketId};
use service::LogArgs;

use crate::cost::{Before, Scraped, Watched};
use crate::drive::{self, DriveSetup, Driven};
use crate::error::Error;
use crate::floor::{self, Floor};
use crate::listen::Listeners;
use crate::log::AuditedLog;
use crate::log_error::LogError;
use crate::people::{GatewayArgs, TestAccount, TestAdmin, TestListing};
use crate::phase::Phase;
use crate::plan::{self, CANCELS_PER_ORDER, Shape};
use crate::report::{self, LatencyRow};
use crate::say::{grouped, say};
use crate::verify::settle::{SettleTimes, VerifiedStores};
use crate::verify::{self, Check, MAY_BE_EMPTY};

/// Number of accounts that subscribe to their own orders.
const LISTENING_ACCOUNTS: usize = 5;

/// The initial credits of each account.
const CREDITS: u32 = 100_000;

/// How long the floor is measured within a demo.
const FLOOR_LENGTH: Duration = Duration::from_secs(10);

/// The maximum delay with which Kafka clients and Postgres publish their counters.
const COUNTED_WITHIN: Duration = Duration::from_millis(1_200);

/// Connections to the read models.
#[derive(Clone, Debug, Args)]
pub struct ReadModelArgs {
    /// Postgres.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Redis.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: String,
    /// Maximum seconds until the read models reach the log's end.
    #[arg(long, default_value_t = 60)]
    pub patience: u64,
}

impl ReadModelArgs {
    /// Connects to both stores.
    pub async fn connect(&self, log: &LogArgs) -> Result<VerifiedStores, Error> {
        let postgres = verify::postgres::Postgres::connect(&self.database_url).await?;
        let redis = verify::redis::Redis::connect(&self.redis_url, &log.topic_prefix, log.shards).await?;
        Ok(VerifiedStores { postgres, redis })
    }

    /// Returns how long the stores may take to reach the log's end.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

/// The size of a run.
#[derive(Clone, Debug, Args)]
pub struct CrowdArgs {
    /// Number of markets, created for this run.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=128))]
    pub markets: u16,
    /// Number of accounts, created for this run.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub accounts: u16,
    /// Number of connections kept open.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    pub connections: u16,
    /// Orders per request, all of one account; above 1 there are no cancels and no sells.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub batch: u8,
    /// The same seed gives the same orders.
    #[arg(long, default_value_t = 20_261_122)]
    pub seed: u64,
}

/// Arguments of `loadtest demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    models: ReadModelArgs,
    #[command(flatten)]
    crowd: CrowdArgs,
    /// Orders per second; cancels are additional.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Duration in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// First measure the bare loop through Kafka at the same rate.
    #[arg(long)]
    with_floor: bool,
    /// A process whose processor time is reported, with its descendants' (repeatable).
    #[arg(long = "pid", value_name = "NAME=PID")]
    pids: Vec<Watched>,
    /// A process whose metrics contain its requests to Kafka (repeatable).
    #[arg(long = "metrics", value_name = "NAME=URL")]
    metrics: Vec<Scraped>,
}

/// Everything that a run needs.
pub struct DemoRun {
    /// The accounts' keys, the markets, and the gateway.
    pub stage: Arc<DriveSetup>,
    /// Account ids by index.
    pub accounts: Vec<AccountId>,
    /// Market ids by index.
    pub markets: Vec<MarketId>,
    /// The WebSocket listeners.
    pub listeners: Listeners,
}

impl DemoRun {
    /// Creates accounts and markets for this run, and listens to them.
    pub async fn prepare(gateway: &GatewayArgs, crowd: &CrowdArgs) -> Result<Self, Error> {
        let started = Instant::now();
        let admin = TestAdmin::new(gateway)?;
        let run = uuid::Uuid::new_v4().as_u64_pair().0;
        let markets = admin.markets(&listings(crowd.markets, run)).await?;
        let accounts = admin.accounts(usize::from(crowd.accounts), CREDITS).await?;
        let what = format!(
            "{} accounts with {} credits each, {} open markets",
            accounts.len(),
            grouped(u64::from(CREDITS)),
            markets.len()
        );
        report::step("prepare", &what, started.elapsed());

        let started = Instant::now();
        let ids = |account: &TestAccount| account.id();
        let account_ids = accounts.iter().map(ids).collect::<Result<Vec<_>, _>>()?;
        let market_ids = markets.iter().map(|market| market.id()).collect::<Result<Vec<_>, _>>()?;
        let keys = accounts.iter().map(TestAccount::key).collect::<Result<Vec<_>, _>>()?;
        let listening: Vec<_> =
            account_ids.iter().copied().zip(keys.iter().cloned()).take(LISTENING_ACCOUNTS).collect();
        let listeners = Listeners::start(&admin.endpoint, &market_ids, &listening).await?;
        let what = format!("book and trades of every market, orders of {} accounts, on WebSocket", listening.len());
        report::step("listen", &what, started.elapsed());

        let stage = DriveSetup {
            endpoint: admin.endpoint,
            keys,
            markets: markets.into_iter().map(|market| market.market_id).collect(),
            run,
            connections: usize::from(crowd.connections),
            batch: usize::from(crowd.batch),
        };
        Ok(Self { stage: Arc::new(stage), accounts: account_ids, markets: market_ids, listeners })
    }

    /// Returns the requests of a workload that this kind of run sends.
    pub fn plan(&self, shape: &Shape) -> Arc<[plan::Intent]> {
        let plan = plan::plan(shape);
        if self.stage.batch > 1 { drive::orders_of(plan).into() } else { plan.into() }
    }

    /// Reads the log until all work has ended, then compares every result with the fold.
    pub async fn verify(
        &self,
        log: &mut AuditedLog,
        log_args: &LogArgs,
        args: &ReadModelArgs,
        driven: &Driven,
    ) -> Result<Vec<Check>, Error> {
        let mut models = args.connect(log_args).await?;
        let settled = verify::settle::settle(log, &models, args.patience()).await?;
        tell_settled(log, settled);
        let started = Instant::now();
        let fold = &log.fold;
        let ids = verify::answers::RunIds { accounts: &self.accounts, markets: &self.markets };
        let mut checks = verify::answers::check(&driven.answers, fold, ids);
        checks.push(Check::holds(
            "every request that was due was sent",
            driven.answers.len(),
            driven.unsent == 0,
            || format!("{} were not: too many waited for a connection", driven.unsent),
        ));
        checks.extend(verify::log::check(fold, log.map));
        checks.extend(verify::money::check(fold));
        checks.extend(verify::purses::check(fold));
        checks.extend(verify::websocket::check(&self.listeners, fold, &self.markets).await);
        checks.extend(verify::settle::compare(log, &mut models, args.patience()).await?);
        report::step("verify", "every read model compared with the log", started.elapsed());
        // A run with batches sends only orders.
        let has_cancels = self.stage.batch == 1;
        let may_be_empty = |check: &Check| {
            MAY_BE_EMPTY.contains(&check.name.as_str()) || !has_cancels && check.name == verify::answers::CANCELS
        };
        Ok(checks.into_iter().map(|check| if may_be_empty(&check) { check } else { check.required() }).collect())
    }

    /// Prints the number of each response, and what the listeners received.
    pub fn tell_answers(&self, driven: &Driven) {
        report::heading("Answers");
        report::answers(&driven.answers);
        if driven.idle_cancels > 0 {
            say!("            {} cancels had no order to cancel", grouped(driven.idle_cancels));
        }
        let heard = grouped(self.listeners.messages());
        say!("  {:<9} {heard} messages received on {} connections", "WebSocket", self.listeners.feeds().count());
    }
}

/// Prints how much was read, and when the read models reached the log's end.
pub fn tell_settled(log: &AuditedLog, settled: SettleTimes) {
    let (outcomes, stale) = (grouped(log.fold.outcomes), grouped(log.stale));
    report::step(
        "fold",
        &format!("{outcomes} outcomes of the log folded independently, {stale} stale"),
        settled.folded,
    );
    let (postgres, redis) = (report::seconds(settled.postgres), report::seconds(settled.redis));
    let what = format!("Postgres at the end of the log after {postgres}, Redis after {redis}");
    report::step("settle", &what, settled.postgres.max(settled.redis));
}

/// Returns the markets of a run: named after it, with and without fees, with coarse and fine ticks.
fn listings(count: u16, run: u64) -> Vec<TestListing> {
    let listing = |index: u16| {
        let (maker_fee, taker_fee) = if index.is_multiple_of(2) { ("0.01", "0.07") } else { ("0", "0") };
        TestListing {
            ticker: format!("LOAD-{run:016X}-{index}"),
            question: format!("Does market {index} of this load test hold?"),
            rules: "Nobody answers this market: it is there to be traded.\nIf somebody answers it, it is void.".into(),
            sources: vec!["The report of `loadtest verify`".into()],
            category: "load-test",
            tags: vec![format!("run-{run:x}"), format!("part-{}", index % 4)],
            event: None,
            tick_size: format!("0.{:04}", plan::tick(usize::from(index))),
            maker_fee,
            taker_fee,
        }
    };
    (0..count).map(listing).collect()
}

/// Runs the demo. Returns true if all checks pass.
pub async fn run(args: &DemoArgs) -> Result<bool, Error> {
    let beside = match args.crowd.batch {
        1 => format!("and {} cancels/s", grouped(u64::from(args.rate) / 5)),
        batch => format!("in batches of {batch}"),
    };
    say!(
        "LFG load test: {} orders/s ({beside}) for {} s in an open loop, {} markets, {} accounts\n",
        grouped(args.rate.into()),
        args.seconds,
        args.crowd.markets,
        args.crowd.accounts
    );
    let rate = f64::from(args.rate) * (1.0 + CANCELS_PER_ORDER);
    let floor = if args.with_floor { Some(measure_floor(&args.log, rate).await?) } else { None };
    let run = DemoRun::prepare(&args.gateway, &args.crowd).await?;
    let shape = Shape {
        rate: f64::from(args.rate),
        length: Duration::from_secs(args.seconds.into()),
        markets: usize::from(args.crowd.markets),
        accounts: usize::from(args.crowd.accounts),
        seed: args.crowd.seed,
    };
    let plan = run.plan(&shape);
    let phase = tokio::task::block_in_place(|| Phase::begin(&args.log)).map_err(LogError::from)?;
    let models = args.models.connect(&args.log).await?;
    let (started, before) = (Instant::now(), Before::now(&args.pids, &args.metrics, &models).await?);
    let driven = drive::drive(run.stage.clone(), plan, 0, true).await?;
    let share =
        before.share().map_or_else(String::new, |share| format!("; the load test itself took {share:.2} processors"));
    let what =
        format!("{} requests over {} connections{share}", grouped(driven.answers.len() as u64), args.crowd.connections);
    report::step("drive", &what, started.elapsed());
    // librdkafka and Postgres publish their counters up to a second late.
    tokio::time::sleep(COUNTED_WITHIN).await;
    let cost = before.until_now(&models).await?;
    let mut log = AuditedLog::open(&args.log)?.during(phase);
    let checks = run.verify(&mut log, &args.log, &args.models, &driven).await?;
    run.tell_answers(&driven);
    tell_latencies(&driven, floor.as_ref());
    if let Some(phase) = &log.phase {
        let causes = tokio::task::block_in_place(|| phase.causes(&args.log))?;
        report::phase(phase, &causes, driven.answers.len() as u64, driven.orders.count());
    }
    report::cost(&cost, driven.orders.count());
    Ok(report::checks(&checks))
}

async fn measure_floor(log: &LogArgs, rate: f64) -> Result<Floor, Error> {
    let started = Instant::now();
    let floor = floor::measure(log, rate, FLOOR_LENGTH).await?;
    report::step("floor", "the bare loop through Kafka, at the same rate", started.elapsed());
    Ok(floor)
}

/// Prints the table of latencies, and their ratios to the floor.
fn tell_latencies(driven: &Driven, floor: Option<&Floor>) {
    report::heading("Latency from intended send time to the answer, in ms");
    let mut rows = vec![
        LatencyRow { name: "orders", took: driven.took, latencies: &driven.orders },
        LatencyRow { name: "cancels", took: driven.took, latencies: &driven.cancels },
    ];
    if let Some(floor) = floor {
        rows.push(LatencyRow { name: "floor (Kafka alone)", took: floor.took, latencies: &floor.latencies });
    }
    report::latencies(&rows);
    if let Some(floor) = floor {
        report::ratio("orders to floor", &driven.orders, &floor.latencies);
    }
}
