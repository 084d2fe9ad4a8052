//! Addresses for the servers of a test.

use std::net::{Ipv4Addr, SocketAddr};

use uuid::Uuid;

/// A port at a loopback address that no other test uses, so that a server can go away for a while
/// and come back.
///
/// At 127.0.0.1 another connection may be given the port meanwhile, and a client that dials the
/// port of a server that is away may even be connected to itself: connections on loopback come from
/// 127.0.0.1.
pub fn address_of_our_own(port: u16) -> SocketAddr {
    let [a, b, c, ..] = *Uuid::new_v4().as_bytes();
    SocketAddr::from((Ipv4Addr::new(127, a.max(1), b, c.clamp(1, 254)), port))
}
