//! What a server counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// Why we ended a connection, or could not begin it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There were too many, and this one mattered least.
    Full,
    /// It was silent or too slow.
    Slow,
    /// Its TLS was none that is spoken here, or its certificate was refused.
    Handshake,
    /// It spoke HTTP without TLS.
    Plaintext,
    /// Its HTTP was broken, or it went away in the middle.
    Broken,
}

impl Cause {
    fn label(self) -> Ended {
        let cause = match self {
            Cause::Full => "full",
            Cause::Slow => "slow",
            Cause::Handshake => "handshake",
            Cause::Plaintext => "plaintext",
            Cause::Broken => "broken",
        };
        Ended { cause }
    }
}

/// `understudy_connections_ended_total`
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Ended {
    cause: &'static str,
}

/// The counts of one server; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Open connections.
    pub open: Gauge,
    /// Connections that did not end by themselves.
    pub ended: Family<Ended, Counter>,
}

impl Counts {
    /// Counts one that ended so.
    pub fn end(&self, cause: Cause) {
        self.ended.get_or_create(&cause.label()).inc();
    }
}
