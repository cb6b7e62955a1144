//! What connections of a port may do.

use std::net::IpAddr;
use std::time::Duration;

use crate::buckets::Rate;

/// What connections of a port may do.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// Of these, connections of one address ([`Peer`](super::Peer)).
    pub each_address: usize,
    /// Addresses that stand for many clients, as a load balancer's does: they are bound by
    /// `connections` alone.
    pub shared_addresses: Vec<IpAddr>,
    /// From the connection to the first request's whole head.
    pub first_within: Duration,
    /// Without a request in progress.
    pub idle_within: Duration,
    /// Without progress of an answer that is being written.
    pub write_within: Duration,
    /// How long requests in progress may take to end when the process stops.
    pub drain_within: Duration,
    /// Requests in progress on one HTTP/2 connection.
    pub streams: u32,
    /// Connections that one address may begin.
    pub each_address_rate: Option<Rate>,
}
