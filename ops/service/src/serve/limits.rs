//! What connections of a port may do.

use std::net::IpAddr;
use std::time::Duration;

use crate::buckets::BucketRate;

/// Bytes of a request's head over HTTP/1, and of what is kept of its body before a handler takes
/// it.
pub const HEAD_MAX: u32 = 64 * 1024;

/// Bytes of a request's head over HTTP/2. h2 takes `HEAD_MAX`, because what it refuses by itself is
/// answered without a body.
pub const HEAD_MAX_HTTP2: usize = 16 * 1024;

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
    /// Requests on one connection: its last answer ends it in order.
    pub requests: u64,
    /// Connections that one address may begin.
    pub each_address_rate: Option<BucketRate>,
}
