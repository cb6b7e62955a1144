//! The number of connections that this process accepts: the configured one, limited by the file
//! descriptors that the system gives.

use crate::config::Config;
use service::admin;

/// Descriptors for files, pipes and the runtime.
const FILES: usize = 64;

/// Descriptors for each shard: sockets to brokers, and the wake-up pipes of its consumers.
const OF_SHARD: usize = 16;

/// The connections that are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sockets {
    /// All clients' connections, WebSockets included.
    pub connections: usize,
    /// Connections of one address.
    pub each_address: usize,
    /// WebSockets. The other connections are for requests.
    pub websockets: usize,
}

/// The system gives too few descriptors to serve any client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{given} open descriptors are too few: {kept} are kept for brokers, databases and probes\nhint: raise the hard limit (`ulimit -Hn`, LimitNOFILE)"
)]
pub struct TooFew {
    given: u64,
    kept: usize,
}

impl Sockets {
    /// Computes the limits from the number of descriptors.
    pub fn of(config: &Config, descriptors: u64) -> Result<Self, TooFew> {
        let pools = config.pool.max.saturating_mul(1 + config.replicas.urls.len());
        let kept = admin::CONNECTIONS + pools + OF_SHARD * usize::from(config.log.shards) + FILES;
        let left = usize::try_from(descriptors).unwrap_or(usize::MAX).saturating_sub(kept);
        let connections = left.min(config.connections.all);
        if connections == 0 {
            return Err(TooFew { given: descriptors, kept });
        }
        let quarter = (connections / 4).max(1);
        let websockets = usize::try_from(config.websockets_max).unwrap_or(usize::MAX);
        Ok(Self {
            connections,
            each_address: config.connections.each_address.unwrap_or(quarter).min(connections),
            websockets: websockets.min(connections - connections / 8),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::config;

    #[test]
    fn no_more_sockets_are_taken_than_there_are_descriptors_for() {
        let kept = 64 + 16 + 16 * 4 + 64;
        let with = |given: u64| Sockets::of(&config(&[]), given);
        assert_eq!(with(u64::MAX), Ok(Sockets { connections: 32_768, each_address: 8_192, websockets: 20_000 }));
        assert_eq!(with(1_024), Ok(Sockets { connections: 816, each_address: 204, websockets: 714 }));
        assert_eq!(with(kept), Err(TooFew { given: kept, kept: 208 }));
        let replicas = config(&["--database-replicas", "postgres://a,postgres://b"]);
        assert_eq!(Sockets::of(&replicas, kept + 33).unwrap().connections, 1, "each has a pool");
        let told = config(&["--connections-max", "100", "--connections-per-address", "7", "--websockets-max", "9"]);
        let few = Sockets { connections: 100, each_address: 7, websockets: 9 };
        assert_eq!(Sockets::of(&told, 1_024), Ok(few));
    }
}
