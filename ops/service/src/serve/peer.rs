//! Who is at the other end of a connection.

use std::net::IpAddr;

/// Who is at the other end: an IPv4 address, or the first 64 bits of an IPv6 address, which one
/// client has to itself. An extension of every request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Peer(IpAddr);

impl Peer {
    /// The client of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(IpAddr::V4(address)),
            IpAddr::V6(address) => Self(IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into())),
        }
    }

    /// The address that stands for it.
    pub fn address(self) -> IpAddr {
        self.0
    }
}
