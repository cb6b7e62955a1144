//! `loadtest hostile`: runs every known attack while a client trades that must not be affected.
//!
//!   stage ─▶ for each attack: victim alone ─▶ victim beside the *attacker*, a separate process ─▶ table
//!
//! The victim trades and reads at a low rate and within its limits, keeps one WebSocket and opens
//! others. Attackers use another address. The gateway passes if no request of the victim is refused
//! and none of its sockets is closed or stays silent, if its median latency stays within twice the
//! baseline and its p99 within five times the baseline (or below a few milliseconds, where the noise
//! of a shared machine is larger), and if the gateway returns the memory that the attack took, up to
//! half of what it had before or 32 MiB.

pub mod attack;
mod memory;
mod stage;
mod victim;
mod watch;

use std::process::Stdio;
use std::time::Duration;

use clap::{Args, ValueEnum as _};
use tokio::process::{Child, Command};

use crate::cost::Watched;
use crate::error::Error;
use crate::people::GatewayArgs;
use crate::say::say;
use attack::{Attack, AttackArgs, Target};
use memory::Memory;
use stage::AttackStage;
use victim::{Victim, VictimFigures};

/// Maximum ratio of the median under attack to the baseline.
const MEDIAN_TIMES: f64 = 2.0;

/// Maximum ratio of the p99 under attack to the baseline.
const P99_TIMES: f64 = 5.0;

/// A median below this passes in any case, in milliseconds.
const MEDIAN_GOOD_MS: f64 = 10.0;

/// A p99 below this passes in any case, in milliseconds.
const P99_GOOD_MS: f64 = 150.0;

/// Maximum memory in bytes that may remain taken after an attack.
const STAYS_MAX: u64 = 32 << 20;

/// Maximum ratio of a process's memory after an attack to that before, if that is more.
const MEMORY_TIMES: f64 = 1.5;

/// Pause between an attack and the next baseline.
const REST: Duration = Duration::from_secs(3);

/// Arguments of `loadtest hostile`.
#[derive(Clone, Debug, Args)]
pub struct HostileArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// Seconds of the baseline, and of each attack.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Run only these attacks (repeatable).
    #[arg(long)]
    only: Vec<Attack>,
    /// Number of levels of the deep book, and of live orders of the attacker.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u16).range(10..=9_900))]
    levels: u16,
    /// Number of markets for the attack that lists them.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=50_000))]
    markets: u16,
    /// Process id of the gateway, whose memory is reported.
    #[arg(long = "pid", value_name = "gateway=PID")]
    pid: Option<Watched>,
}

/// The result of one attack.
struct AttackResult {
    attack: Attack,
    peace: VictimFigures,
    war: VictimFigures,
    memory: Option<Memory>,
}

/// Runs all attacks. Returns true if none affected the victim.
pub async fn run(args: &HostileArgs) -> Result<bool, Error> {
    let stage = AttackStage::prepare(&args.gateway, args.levels, args.markets).await?;
    let attacks = if args.only.is_empty() { Attack::value_variants().to_vec() } else { args.only.clone() };
    let (length, mut held) = (Duration::from_secs(args.seconds.into()), true);
    say_heading();
    for attack in attacks {
        let outcome = one(args, &stage, attack, length).await?;
        held &= outcome.complaints().is_empty();
        outcome.say();
    }
    say!("\n{}", if held { "No attack affected the victim." } else { "Some attacks affected the victim." });
    Ok(held)
}

async fn one(args: &HostileArgs, stage: &AttackStage, attack: Attack, length: Duration) -> Result<AttackResult, Error> {
    let victim = Victim::new(stage);
    let resident = || args.pid.as_ref().and_then(|process| memory::resident(process.pid()));
    let before = resident();
    let peace = victim.live(length).await?;
    let mut attacker = start(args, stage, attack, length)?;
    // Only after the attacker has started to work.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let war = victim.live(length).await?;
    let during = resident();
    attacker.kill().await.map_err(Error::Attacker)?;
    tokio::time::sleep(REST).await;
    let after = resident();
    let memory = before.zip(during).zip(after).map(|((before, during), after)| Memory { before, during, after });
    Ok(AttackResult { attack, peace, war, memory })
}

/// Starts this program again as the attacker. It ends with this process, and by itself some time
/// later.
fn start(args: &HostileArgs, stage: &AttackStage, attack: Attack, length: Duration) -> Result<Child, Error> {
    let program = std::env::current_exe().map_err(Error::Attacker)?;
    let Target { url, deep, key } = stage.target(&args.gateway.url);
    let seconds = (length + Duration::from_secs(30)).as_secs().to_string();
    let arguments = ["attack", &attack.name(), "--url", &url, "--deep", &deep, "--seconds", &seconds];
    let mut command = Command::new(program);
    command.args(arguments).env("LFG_ATTACKER_KEY", key).stdout(Stdio::null()).kill_on_drop(true);
    command.spawn().map_err(Error::Attacker)
}

/// Runs `loadtest attack NAME`, in the attacker's process.
pub async fn attack(args: &AttackArgs) -> Result<bool, Error> {
    attack::run(args).await
}

fn say_heading() {
    say!(
        "\n  {:<20}{:>13}{:>10}{:>14}{:>10}{:>10}   {}",
        "attack",
        "p50 ms peace",
        "attacked",
        "p99 ms peace",
        "attacked",
        "refused",
        "gateway's memory in MB: before, during, after"
    );
}

impl AttackResult {
    fn say(&self) {
        let Self { attack, peace, war, memory } = self;
        let memory = memory.map_or_else(String::new, |memory| memory.to_string());
        let complaints = self.complaints();
        let verdict = if complaints.is_empty() { String::new() } else { format!("   FELT: {}", complaints.join(", ")) };
        say!(
            "  {:<20}{:>13.1}{:>10.1}{:>14.1}{:>10.1}{:>10}   {memory}{verdict}",
            attack.name(),
            peace.median(),
            war.median(),
            peace.p99(),
            war.p99(),
            war.refused,
        );
        for (what, count) in &war.refusals {
            say!("    {count} × {what}");
        }
    }

    fn complaints(&self) -> Vec<&'static str> {
        let Self { peace, war, memory, .. } = self;
        let slow = |now: f64, before: f64, times: f64, good: f64| now > good && now > before * times;
        let found = [
            (war.refused > 0, "refused"),
            (slow(war.median(), peace.median(), MEDIAN_TIMES, MEDIAN_GOOD_MS), "p50"),
            (slow(war.p99(), peace.p99(), P99_TIMES, P99_GOOD_MS), "p99"),
            (memory.is_some_and(|memory| memory.stays() > STAYS_MAX && memory.factor() > MEMORY_TIMES), "memory"),
        ];
        found.into_iter().filter_map(|(is_so, what)| is_so.then_some(what)).collect()
    }
}
