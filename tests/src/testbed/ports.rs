//! Ports for servers that refuse port 0.
//!
//! They are looked for below the range from which the kernel takes the near ends of outgoing connections (32768 and
//! up on Linux): a port that `bind(:0)` named could serve such a connection when a test starts its server again.
//! Between the look and the server's own bind another process may come first, so a start that fails on its port is
//! tried again with another ([`is_taken`]).

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context, Result};

const RANGE: std::ops::Range<u16> = 20_000..30_000;

/// How often a server is started anew because its port was taken.
pub const ATTEMPTS: usize = 5;

static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port that nobody listens on and that this process was not given before.
pub fn free() -> Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let first = rand::random_range(RANGE);
    let port = (first..RANGE.end)
        .chain(RANGE.start..first)
        .filter(|port| !given.contains(port))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .with_context(|| {
            format!(
                "failed to find a free port between {} and {}",
                RANGE.start, RANGE.end
            )
        })?;
    given.insert(port);
    Ok(port)
}

/// Whether a server's log says that its port was taken.
pub fn is_taken(log: &str) -> bool {
    let log = log.to_lowercase();
    log.contains("address already in use") || log.contains("could not bind")
}
