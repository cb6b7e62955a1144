//! `loadtest hostile`: one client beside another that means harm, in peace and under each attack.
//!
//!   stage ─▶ for each attack: victim in peace ─▶ *attacker, a process of its own* beside the victim ─▶ table
//!
//! The victim trades and reads at a low rate, keeps one WebSocket and opens others, and keeps
//! within its share. Attackers come from another address. What is held against the gateway: the
//! victim is refused nothing, and no WebSocket of its own is closed or told nothing; its median
//! stays within twice what it is in peace and its p99 within five times (or below a few
//! milliseconds, where a shared machine's own noise is larger); and the gateway gives back the
//! memory that an attack took, to within half as much again or 32 MiB of what it had before.

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
use crate::report;
use attack::{Attack, AttackArgs, Target};
use memory::Memory;
use stage::AttackStage;
use victim::{Victim, VictimFigures};

/// How much slower the median may be.
const MEDIAN_TIMES: f64 = 2.0;

/// How much slower the p99 may be.
const P99_TIMES: f64 = 5.0;

/// Below this a median is good, whatever it was in peace; in milliseconds.
const MEDIAN_GOOD_MS: f64 = 10.0;

/// Below this a p99 is good, likewise.
const P99_GOOD_MS: f64 = 150.0;

/// Memory that may stay taken after an attack.
const STAYS_MAX: u64 = 32 << 20;

/// What a process may have after an attack, of what it had before, if that is more.
const MEMORY_TIMES: f64 = 1.5;

/// Time between an attack and the next peace.
const REST: Duration = Duration::from_secs(3);

/// The victim and its attackers.
#[derive(Clone, Debug, Args)]
pub struct HostileArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// Seconds of peace, and of each attack.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// These attacks alone (repeatable).
    #[arg(long)]
    only: Vec<Attack>,
    /// Levels of the deep book, and live orders of the attacker.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u16).range(10..=9_900))]
    levels: u16,
    /// Markets that are listed in vain.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=50_000))]
    markets: u16,
    /// The gateway's process, whose memory is told.
    #[arg(long = "pid", value_name = "gateway=PID")]
    pid: Option<Watched>,
}

/// What an attack led to.
struct AttackResult {
    attack: Attack,
    peace: VictimFigures,
    war: VictimFigures,
    memory: Option<Memory>,
}

/// Runs all attacks. True if the victim felt none of them.
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
    report::say!("\n{}", if held { "The victim felt nothing." } else { "The victim felt some of them." });
    Ok(held)
}

async fn one(args: &HostileArgs, stage: &AttackStage, attack: Attack, length: Duration) -> Result<AttackResult, Error> {
    let victim = Victim::new(stage);
    let resident = || args.pid.as_ref().and_then(|process| memory::resident(process.pid()));
    let before = resident();
    let peace = victim.live(length).await?;
    let mut attacker = start(args, stage, attack, length)?;
    // Once it is at work.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let war = victim.live(length).await?;
    let during = resident();
    attacker.kill().await.map_err(Error::Attacker)?;
    tokio::time::sleep(REST).await;
    let after = resident();
    let memory = before.zip(during).zip(after).map(|((before, during), after)| Memory { before, during, after });
    Ok(AttackResult { attack, peace, war, memory })
}

/// Starts this program again, as the attacker. It ends with us, and by itself some time later.
fn start(args: &HostileArgs, stage: &AttackStage, attack: Attack, length: Duration) -> Result<Child, Error> {
    let program = std::env::current_exe().map_err(Error::Attacker)?;
    let Target { url, deep, key } = stage.target(&args.gateway.url);
    let seconds = (length + Duration::from_secs(30)).as_secs().to_string();
    let arguments = ["attack", &attack.name(), "--url", &url, "--deep", &deep, "--seconds", &seconds];
    let mut command = Command::new(program);
    command.args(arguments).env("LFG_ATTACKER_KEY", key).stdout(Stdio::null()).kill_on_drop(true);
    command.spawn().map_err(Error::Attacker)
}

/// `loadtest attack NAME`: what the attacker's process does.
pub async fn attack(args: &AttackArgs) -> Result<bool, Error> {
    attack::run(args).await
}

fn say_heading() {
    report::say!(
        "\n  {:<20}{:>13}{:>10}{:>14}{:>10}{:>10}   {}",
        "attack",
        "p50 ms peace",
        "attacked",
        "p99 ms peace",
        "attacked",
        "refused",
        "memory of the gateway in MB: before, during, after"
    );
}

impl AttackResult {
    fn say(&self) {
        let Self { attack, peace, war, memory } = self;
        let memory = memory.map_or_else(String::new, |memory| memory.to_string());
        let complaints = self.complaints();
        let verdict = if complaints.is_empty() { String::new() } else { format!("   FELT: {}", complaints.join(", ")) };
        report::say!(
            "  {:<20}{:>13.1}{:>10.1}{:>14.1}{:>10.1}{:>10}   {memory}{verdict}",
            attack.name(),
            peace.median(),
            war.median(),
            peace.p99(),
            war.p99(),
            war.refused,
        );
        for (what, count) in &war.refusals {
            report::say!("    {count} × {what}");
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
