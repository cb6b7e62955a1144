//! Plain text for people: tables of latencies, answers and checks.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::drive::{Answer, Asked};
use crate::latency::Latencies;
use crate::verify::Check;

const WIDTH: usize = 96;

/// 1234567 as 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration to a tenth of a second.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// A step that is done: its name, what it did, how long it took.
pub fn step(name: &str, what: &str, took: Duration) {
    println!("  {name:<9} {what:<74} {:>8}", seconds(took));
}

/// A heading.
pub fn heading(text: &str) {
    println!("\n{text}");
}

/// One row of the table of latencies.
pub struct Row<'a> {
    /// Of what.
    pub name: &'a str,
    /// Over how long.
    pub took: Duration,
    /// The latencies.
    pub latencies: &'a Latencies,
}

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];

/// Latencies in milliseconds.
pub fn latencies(rows: &[Row]) {
    print!("  {:<22}{:>9}{:>9}", "", "count", "a second");
    for (name, _) in QUANTILES {
        print!("{name:>9}");
    }
    println!("{:>9}", "max");
    for row in rows {
        let rate = row.latencies.count() as f64 / row.took.as_secs_f64();
        print!("  {:<22}{:>9}{rate:>9.0}", row.name, grouped(row.latencies.count()));
        for (_, share) in QUANTILES {
            print!("{:>9.2}", row.latencies.quantile_ms(share));
        }
        println!("{:>9.2}", row.latencies.max_ms());
    }
}

/// How many times as long something took as the floor.
pub fn ratio(name: &str, latencies: &Latencies, floor: &Latencies) {
    print!("  {name:<22}{:>9}{:>9}", "", "");
    for (_, share) in QUANTILES {
        print!("{:>9}", format!("×{:.1}", latencies.quantile_ms(share) / floor.quantile_ms(share)));
    }
    println!("{:>9}", format!("×{:.1}", latencies.max_ms() / floor.max_ms()));
}

/// How many of each answer.
pub fn answers(answers: &[Answer]) {
    let mut counts: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for answer in answers {
        let kind = match answer.asked {
            Asked::Order { .. } => "orders",
            Asked::Cancel { .. } => "cancels",
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

/// `name  a, b, c`, over as many lines as it takes.
fn wrapped(name: &str, cells: &[String]) {
    let mut line = format!("  {name:<9} ");
    for (index, cell) in cells.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        if line.chars().count() + separator.len() + cell.chars().count() > WIDTH {
            println!("{line}{}", separator.trim_end());
            line = format!("  {:<9} {cell}", "");
        } else {
            line.push_str(separator);
            line.push_str(cell);
        }
    }
    println!("{line}");
}

/// The table of checks. True if all hold.
pub fn checks(checks: &[Check]) -> bool {
    heading(&format!("{:<85}{:>9}", "Checks", "compared"));
    for check in checks {
        let mark = if check.faults.is_empty() { "ok  " } else { "FAIL" };
        println!("  {mark} {:<78} {:>9}", check.name, grouped(check.compared));
        for fault in check.faults.told() {
            println!("         {fault}");
        }
        let untold = check.faults.count() - check.faults.told().len() as u64;
        if untold > 0 {
            println!("         … and {} more", grouped(untold));
        }
    }
    let failed = checks.iter().filter(|check| !check.faults.is_empty()).count();
    println!();
    match failed {
        0 => println!("All {} checks hold.", checks.len()),
        1 => println!("1 of {} checks FAILED.", checks.len()),
        _ => println!("{failed} of {} checks FAILED.", checks.len()),
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
