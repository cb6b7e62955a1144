//! The requests of processes to Kafka and Postgres, from their metrics.

use std::collections::BTreeMap;
use std::str::FromStr;

use hyper::Method;
use service::kafka::requests::{RECORDS, REQUESTS};
use service::statements::STATEMENTS;

use crate::api::{ApiConnection, ApiError, Endpoint};

/// A process that exposes metrics.
#[derive(Clone, Debug)]
pub struct Scraped {
    /// The name in the report.
    name: String,
    endpoint: Endpoint,
}

impl FromStr for Scraped {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, url) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form NAME=URL"))?;
        let endpoint = Endpoint::new(url).map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), endpoint })
    }
}

/// The requests of one process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KafkaRequests {
    /// Number of requests to Kafka, by kind.
    pub requests: BTreeMap<String, u64>,
    /// Number of records sent and received.
    pub records: u64,
    /// Number of statements sent to Postgres.
    pub statements: u64,
}

impl KafkaRequests {
    /// Returns the number of all requests.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// Returns the number of requests of a kind.
    pub fn of(&self, kind: &str) -> u64 {
        self.requests.get(kind).copied().unwrap_or(0)
    }

    /// Subtracts the counts in `before`.
    pub fn less(&mut self, before: &Self) {
        self.records = self.records.saturating_sub(before.records);
        self.statements = self.statements.saturating_sub(before.statements);
        for (kind, count) in &mut self.requests {
            *count = count.saturating_sub(before.of(kind));
        }
    }

    /// Adds the counts of another process.
    pub fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.statements += other.statements;
        for (kind, count) in &other.requests {
            *self.requests.entry(kind.clone()).or_default() += count;
        }
    }

    /// Parses metrics in Prometheus's text format.
    fn read(text: &str) -> Self {
        let mut asked = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((metric, value)) = line.rsplit_once(' ') else { continue };
            let (name, labels) = metric.split_once('{').unwrap_or((metric, ""));
            let Ok(value) = value.parse::<u64>() else { continue };
            match name {
                REQUESTS => *asked.requests.entry(label(labels, "kind").to_owned()).or_default() += value,
                RECORDS => asked.records += value,
                STATEMENTS => asked.statements += value,
                _ => {}
            }
        }
        asked
    }
}

/// Returns the value of a label without quotes in it.
fn label<'a>(labels: &'a str, name: &str) -> &'a str {
    let value = labels.split(',').find_map(|label| label.trim_end_matches('}').strip_prefix(name)?.strip_prefix("=\""));
    value.map_or("", |value| value.trim_end_matches('"'))
}

/// Returns the counts of each process so far.
pub async fn asked(scraped: &[Scraped]) -> Result<BTreeMap<String, KafkaRequests>, ApiError> {
    let mut all: BTreeMap<String, KafkaRequests> = BTreeMap::new();
    for Scraped { name, endpoint } in scraped {
        let reply = ApiConnection::new(endpoint.clone()).send(Method::GET, "/metrics", None, None).await?;
        if reply.status != 200 {
            let (request, body) = ("GET /metrics".to_owned(), String::from_utf8_lossy(&reply.body).into_owned());
            return Err(ApiError::Unexpected { request, status: reply.status, body });
        }
        all.entry(name.clone()).or_default().add(&KafkaRequests::read(&String::from_utf8_lossy(&reply.body)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_summed_by_kind_over_clients() {
        let text = "# TYPE lfg_kafka_requests_total counter\n\
            lfg_kafka_requests_total{process=\"engine\",client=\"shard\",kind=\"Fetch\"} 7\n\
            lfg_kafka_requests_total{process=\"engine\",client=\"membership\",kind=\"Fetch\"} 2\n\
            lfg_kafka_requests_total{process=\"engine\",client=\"writer\",kind=\"Produce\"} 5\n\
            lfg_kafka_records_total{process=\"engine\",client=\"writer\",direction=\"sent\"} 40\n\
            lfg_postgres_statements_total{process=\"projections\"} 3\n\
            lfg_other_total{kind=\"Fetch\"} 9\n";
        let mut asked = KafkaRequests::read(text);
        assert_eq!((asked.of("Fetch"), asked.of("Produce"), asked.total(), asked.records), (9, 5, 14, 40));
        asked.less(&KafkaRequests { requests: [("Fetch".to_owned(), 4)].into(), records: 1, statements: 1 });
        assert_eq!((asked.of("Fetch"), asked.of("Produce"), asked.records, asked.statements), (5, 5, 39, 2));
    }

    #[test]
    fn a_process_is_a_name_and_a_url() {
        assert!("engine=http://127.0.0.1:9100".parse::<Scraped>().is_ok());
        for wrong in ["engine", "engine=", "engine=127.0.0.1"] {
            assert!(wrong.parse::<Scraped>().is_err(), "{wrong}");
        }
    }
}
