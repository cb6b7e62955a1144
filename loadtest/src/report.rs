//! Plain-text reports: tables of latencies, responses and checks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::cost::{Cost, KafkaRequests, StoreWork, Usage};
use crate::drive::{RequestKind as Request, RequestResult};
use crate::latency::Latencies;
use crate::phase::{Causes, Phase};
use crate::say::{grouped, say};
use crate::verify::Check;

const WIDTH: usize = 96;

/// Formats a duration to a tenth of a second.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Prints a finished step: its name, its result, and how long it took.
pub fn step(name: &str, what: &str, took: Duration) {
    say!("  {name:<9} {what:<74} {:>8}", seconds(took));
}

/// Prints a heading.
pub fn heading(text: &str) {
    say!("\n{text}");
}

/// One row of the table of latencies.
pub struct LatencyRow<'a> {
    /// The name of the requests.
    pub name: &'a str,
    /// The period measured.
    pub took: Duration,
    /// The latencies.
    pub latencies: &'a Latencies,
}

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];

/// Prints the table of latencies in milliseconds.
pub fn latencies(rows: &[LatencyRow]) {
    let names: String = QUANTILES.iter().map(|(name, _)| format!("{name:>9}")).collect();
    say!("  {:<22}{:>9}{:>9}{names}{:>9}", "", "count", "a second", "max");
    for LatencyRow { name, took, latencies } in rows {
        let rate = latencies.count() as f64 / took.as_secs_f64();
        let quantiles = cells(|share| format!("{:.2}", latencies.quantile_ms(share)));
        let count = grouped(latencies.count());
        say!("  {name:<22}{count:>9}{rate:>9.0}{quantiles}{:>9.2}", latencies.max_ms());
    }
}

/// Prints the ratio of latencies to the floor.
pub fn ratio(name: &str, latencies: &Latencies, floor: &Latencies) {
    let quantiles = cells(|share| format!("×{:.1}", latencies.quantile_ms(share) / floor.quantile_ms(share)));
    let longest = format!("×{:.1}", latencies.max_ms() / floor.max_ms());
    say!("  {name:<22}{:>9}{:>9}{quantiles}{longest:>9}", "", "");
}

/// Formats one cell per quantile.
fn cells(cell: impl Fn(f64) -> String) -> String {
    QUANTILES.iter().fold(String::new(), |mut line, (_, share)| {
        write!(line, "{:>9}", cell(*share)).expect("writing to memory cannot fail");
        line
    })
}

/// Prints the number of each kind of response.
pub fn answers(answers: &[RequestResult]) {
    let mut counts: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for answer in answers {
        let kind = match answer.asked {
            Request::Order { .. } => "orders",
            Request::Cancel { .. } => "cancels",
        };
        *counts.entry((kind, answer.result.label())).or_default() += 1;
    }
    for kind in ["orders", "cancels"] {
        let cells: Vec<String> = counts
            .iter()
            .filter(|((of, _), _)| *of == kind)
            .map(|((_, label), count)| format!("{} × {label}", grouped(*count)))
            .collect();
        wrapped(kind, &cells);
    }
}

/// Prints the log's counts for a phase in which `requests` were sent, `orders` of them orders.
pub fn phase(phase: &Phase, causes: &Causes, requests: u64, orders: u64) {
    heading("The log: all counting outcomes of all shards, from the first request until no work was open");
    say!("  {:<44}{:>11}{:>12}", "", "count", "a request");
    let row = |name: &str, count: u64, aim: &str| {
        say!("  {name:<44}{:>11}{:>12.3}   {aim}", grouped(count), share(count, requests));
    };
    row("outcomes", causes.total(), "aim: at most 1.10");
    row("  client requests", causes.clients, "");
    row("  messages between shards (Receive)", causes.messages, "");
    row("  acknowledgements (Acknowledge)", causes.acknowledgements, "");
    row("  due work (AdvanceTime, Announce)", causes.time, "");
    say!("  {:<44}{:>11}{:>12}", "", "", "of 100 orders");
    let row = |name: &str, count: u64, aim: &str| {
        say!("  {name:<44}{:>11}{:>12.2}   {aim}", grouped(count), 100.0 * share(count, orders));
    };
    row("requests parked", phase.parked, "");
    row("asks of purses that lacked credits or room", phase.asks, "");
    row("  the first ask of each purse", phase.asks - phase.repeated_asks(), "");
    row("  later asks: steady trading", phase.repeated_asks(), "aim: fewer than 2");
}

fn share(count: u64, of: u64) -> f64 {
    count as f64 / of.max(1) as f64
}

/// Prints the cost per order, by process.
pub fn cost(cost: &Cost, orders: u64) {
    let each = |count: u64| count as f64 / orders.max(1) as f64;
    if !cost.used.is_empty() {
        heading("Cost of an order, from the first request to a second after the last answer");
        say!("  {:<14}{:>9}{:>10}{:>32}{:>20}", "", "CPU in ms", "waits", "requests to Kafka", "records of Kafka");
        say!("  {:<14}{:>9}{:>10}{:>32}{:>20}", "", "", "", "all   Produce     Fetch", "sent and received");
        let (mut together, mut asked_together) = (Usage::default(), KafkaRequests::default());
        for (name, used) in &cost.used {
            let asked = cost.asked.get(name);
            cost_row(name, *used, asked, each);
            together += used.unwrap_or_default();
            asked_together.add(asked.unwrap_or(&KafkaRequests::default()));
        }
        cost_row("together", Some(together), Some(&asked_together), each);
    }
    let StoreWork { redis_calls, commits, rows, .. } = cost.stored;
    let hot = cost.stored.hot_share().map_or_else(String::new, |share| format!(", {share:.0} % of updates in place"));
    say!(
        "  Redis: {:.2} commands an order. Postgres: {:.3} transactions, {:.3} statements, {:.2} rows{hot}.",
        each(redis_calls),
        each(commits),
        each(cost.asked.values().map(|asked| asked.statements).sum()),
        each(rows)
    );
}

fn cost_row(name: &str, used: Option<Usage>, asked: Option<&KafkaRequests>, each: impl Fn(u64) -> f64) {
    let Some(Usage { cpu, switches }) = used else { return say!("  {name:<14} does not exist") };
    let micros = u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
    let kafka = asked.map_or_else(String::new, |asked| {
        let [all, produce, fetch] = [asked.total(), asked.of("Produce"), asked.of("Fetch")].map(&each);
        format!("{all:>12.3}{produce:>10.3}{fetch:>10.3}{:>20.2}", each(asked.records))
    });
    say!("  {name:<14}{:>9.3}{:>10.2}{kafka}", each(micros) / 1_000.0, each(switches));
}

/// Prints `name  a, b, c`, wrapped over several lines.
fn wrapped(name: &str, cells: &[String]) {
    let mut line = format!("  {name:<9} ");
    for (index, cell) in cells.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        if line.chars().count() + separator.len() + cell.chars().count() > WIDTH {
            say!("{line}{}", separator.trim_end());
            line = format!("  {:<9} {cell}", "");
        } else {
            line.push_str(separator);
            line.push_str(cell);
        }
    }
    say!("{line}");
}

/// Prints the table of checks. Returns true if all pass.
pub fn checks(checks: &[Check]) -> bool {
    heading(&format!("{:<86}{:>9}", "Checks", "compared"));
    for check in checks {
        if check.is_empty() {
            say!("  none {:<69} {}", check.name, "nothing to compare");
            continue;
        }
        let mark = if check.faults.is_empty() { "ok  " } else { "FAIL" };
        say!("  {mark} {:<78} {:>9}", check.name, grouped(check.compared));
        for fault in check.faults.told() {
            say!("         {fault}");
        }
        let untold = check.faults.count() - check.faults.told().len() as u64;
        if untold > 0 {
            say!("         … and {} more", grouped(untold));
        }
    }
    let failed = checks.iter().filter(|check| !check.faults.is_empty()).count();
    let empty = checks.iter().filter(|check| check.is_empty()).count();
    say!("");
    match failed {
        0 if empty > 0 => say!("{} checks hold, {empty} had nothing to compare.", checks.len() - empty),
        0 => say!("All {} checks hold.", checks.len()),
        1 => say!("1 of {} checks FAILED.", checks.len()),
        _ => say!("{failed} of {} checks FAILED.", checks.len()),
    }
    failed == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
