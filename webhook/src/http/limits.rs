//! What one server grants: how many clients, and how long each may take over what.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Duration;

/// Descriptors that are not connections of clients: connections to the API server, files, the other listener.
const RESERVED: u64 = 128;

/// The limits of one server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections; one more, and the one that matters least is closed.
    pub connections: usize,
    /// From accepting a connection until TLS is set up.
    pub handshake: Duration,
    /// From the first byte of a request until its head is complete.
    pub head: Duration,
    /// Before the first request, and between two. Longer than the 90 s after which Go's clients close an idle connection themselves: a server
    /// that closes first may close just when a request is on its way, which Go does not send again.
    pub idle: Duration,
    /// For what the client still sends after the last response; closing on it would take the response back.
    pub lingering: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 1024,
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(5),
            idle: Duration::from_secs(180),
            lingering: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// With as many `connections` as the process may have open files, if those are fewer.
    pub fn within_open_files(mut self) -> Self {
        let files = open_files();
        let granted = files.saturating_sub(RESERVED).max(files / 2);
        self.connections = self
            .connections
            .min(usize::try_from(granted).unwrap_or(usize::MAX));
        self
    }
}

/// How many files this process may have open, after raising the soft limit to the hard one.
///
/// The soft limit is 1,024 on many machines for the sake of `select(2)`, which nothing here uses.
fn open_files() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if current != maximum && setrlimit(Resource::Nofile, raised).is_ok() {
        return maximum.unwrap_or(u64::MAX);
    }
    current.unwrap_or(u64::MAX)
}
