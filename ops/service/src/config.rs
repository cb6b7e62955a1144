//! Arguments that the programs share; each can be given as a flag or in the environment.
//!
//! Flatten the groups into a program's own `clap` structs: `#[command(flatten)] log: LogArgs`.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command};
use schemas::shard_map::ShardMap;
use schemas::topics::Topics;

use crate::Tls;
use crate::tls::TlsError;

/// Parses a secret. An error names the argument and the reason, and never shows the value, as
/// clap's own errors would.
#[derive(Clone, Copy, Debug)]
pub struct Hidden<T>(pub fn(&str) -> Result<T, String>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Hidden<T> {
    type Value = T;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let parsed = value.to_str().ok_or_else(|| "is not UTF-8".to_owned()).and_then(self.0);
        parsed.map_err(|why| {
            let name = arg.map(ToString::to_string).unwrap_or_default();
            clap::Error::raw(ErrorKind::ValueValidation, format!("the value of {name}: {why}\n")).with_cmd(cmd)
        })
    }
}

/// Settings of the Kafka clients.
#[derive(Clone, Debug, Args)]
pub struct KafkaArgs {
    /// Kafka's bootstrap servers, `host:port[,host:port…]`.
    #[arg(long = "kafka-brokers", env = "KAFKA_BROKERS", value_name = "HOST:PORT,…")]
    pub brokers: String,
    /// A property for every Kafka client, `name=value` (repeatable; comma-separated in the
    /// environment): for TLS and SASL.
    #[arg(
        long = "kafka-property",
        env = "KAFKA_PROPERTIES",
        value_name = "NAME=VALUE",
        value_delimiter = ',',
        value_parser = Hidden(property),
        hide_env_values = true
    )]
    pub properties: Vec<(String, String)>,
}

/// The log: the cluster, the names of its topics, and its number of shards.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// The cluster.
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Prefix of the topics' names (and of Redis keys).
    #[arg(long, env = "LFG_TOPIC_PREFIX", default_value = "lfg")]
    pub topic_prefix: String,
    /// Number of shards. Part of the data: it must equal the topics' number of partitions.
    #[arg(long, env = "LFG_SHARDS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=SHARDS_MAX))]
    pub shards: u16,
    /// How durable acknowledged records must be.
    #[command(flatten)]
    pub copies: Copies,
}

/// Required replication of the topics. `engine topics` creates them with these values; topics with
/// less are refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Args)]
pub struct Copies {
    /// Number of brokers with a copy of each record.
    #[arg(long, env = "LFG_REPLICATION", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub replication: u16,
    /// Number of copies that must be in sync before a record is acknowledged.
    #[arg(long, env = "LFG_MIN_IN_SYNC", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub min_in_sync: u16,
}

impl Copies {
    /// One copy of each record: for tests, and for a stack on one machine. A broken disk loses
    /// acknowledged orders.
    pub const ONE: Self = Self { replication: 1, min_in_sync: 1 };
}

const SHARDS_MAX: i64 = schemas::limits::SHARDS_MAX as i64;

impl LogArgs {
    /// The names of the topics.
    pub fn topics(&self) -> Topics {
        Topics::new(&self.topic_prefix)
    }

    /// Returns the map of accounts and markets to shards.
    pub fn shard_map(&self) -> ShardMap {
        ShardMap::new(self.shards).expect("clap checked the range")
    }
}

/// The admin port.
#[derive(Clone, Debug, Args)]
pub struct AdminArgs {
    /// Address of /livez, /readyz and /metrics, for probes and Prometheus. Port 0 takes a free one,
    /// which the log output names.
    #[arg(
        id = "admin-listen",
        long = "admin-listen",
        env = "LFG_ADMIN_LISTEN",
        default_value = "127.0.0.1:0",
        value_name = "IP:PORT"
    )]
    pub listen: SocketAddr,
}

/// TLS of a port for clients. Without the address, there is none.
#[derive(Clone, Debug, Args)]
pub struct TlsArgs {
    /// The address for clients over TLS, besides the one without. Port 0 takes a free one, which
    /// the log output names.
    #[arg(
        id = "tls-listen",
        long = "tls-listen",
        env = "LFG_TLS_LISTEN",
        value_name = "IP:PORT",
        requires_all = ["tls-certificate", "tls-key"]
    )]
    pub listen: Option<SocketAddr>,
    /// The certificate with its chain, a PEM file. It and the key are read again when they change,
    /// and on SIGHUP.
    #[arg(id = "tls-certificate", long = "tls-certificate", env = "LFG_TLS_CERTIFICATE", value_name = "FILE")]
    pub certificate: Option<PathBuf>,
    /// The certificate's private key, a PEM file.
    #[arg(id = "tls-key", long = "tls-key", env = "LFG_TLS_KEY", value_name = "FILE")]
    pub key: Option<PathBuf>,
}

impl TlsArgs {
    /// Returns the address and what TLS begins with there, if there is to be TLS.
    pub fn load(&self) -> Result<Option<(SocketAddr, Tls)>, TlsError> {
        let (Some(listen), Some(certificate), Some(key)) = (self.listen, &self.certificate, &self.key) else {
            return Ok(None);
        };
        Tls::load(certificate, key).map(|tls| Some((listen, tls)))
    }
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("is not of the form name=value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::FirstAdmin;

    #[derive(Debug, Parser)]
    struct Program {
        #[arg(long, value_parser = Hidden(str::parse::<FirstAdmin>))]
        first_admin: Option<FirstAdmin>,
        #[arg(long = "kafka-property", value_parser = Hidden(property))]
        properties: Vec<(String, String)>,
    }

    #[test]
    fn a_wrong_secret_is_not_shown() {
        for (flag, value) in [("--first-admin", "1=c0ffee,2=c0ffee"), ("--kafka-property", "c0ffee")] {
            let refused = Program::try_parse_from(["program", flag, value]).unwrap_err();
            let said = format!("{refused} {refused:?}");
            assert!(said.contains(flag) && !said.contains("c0ffee"), "{said}");
        }
        let sound = Program::try_parse_from(["program", "--kafka-property", "sasl.password=c0ffee"]).unwrap();
        assert_eq!((sound.properties.len(), sound.first_admin.is_none()), (1, true));
    }
}
