//! Free addresses on this machine.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

/// Where we look for free ports: below the ranges from which Linux and macOS serve outgoing
/// connections, so that nobody's client takes a port between our look and our use.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// How far into the range we have come.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// The wished port if it is free, else another one.
pub fn wished(port: u16) -> Result<u16> {
    if is_free(port) { Ok(port) } else { free() }
}

/// A port that nobody listens on, another one with each call.
pub fn free() -> Result<u16> {
    // Programs that look at the same time begin at different places.
    let first = process::id().wrapping_mul(61);
    for _ in 0..COUNT {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = first.wrapping_add(step) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset)?;
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!("none of the ports from {FIRST} on is free")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_not_given_out() {
        let port = free().unwrap();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_ne!(wished(port).unwrap(), port);
        drop(taken);
        assert_eq!(wished(port).unwrap(), port);
    }

    #[test]
    fn ports_differ_from_call_to_call() {
        assert_ne!(free().unwrap(), free().unwrap());
    }
}
