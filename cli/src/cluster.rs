//! The cluster, as whoever runs this may see and change it. The one place that holds the client.

mod access;
mod apply;
mod attached;
mod connect;
mod failure;
mod inspect;
mod patience;
mod pull;
mod read;
mod rehearse;
mod routes;
mod secret;
mod seed;
mod seen;
mod world;
mod write;

pub use apply::{Known, Outcome};
pub use connect::connect;
pub use failure::{explain, not_found};
pub use inspect::{CONFIGURATION, HOME, Inspection, LEADER, Right, SERVICE, Trial};
pub use read::{Existing, Installed, Workloads};
pub use rehearse::Rehearsal;
pub use seen::Seen;
pub use world::as_charted;
pub use write::{MANAGER, of_this_age};

use kube::Client;
use kube::discovery::ApiResource;
use std::collections::BTreeMap;

/// Requests in flight at once.
pub(crate) const PARALLEL: usize = 16;

/// A cluster that answers.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    /// Where it is, for people.
    pub url: String,
}

/// Which resource serves which `apiVersion` and kind.
pub type Resources = BTreeMap<(String, String), ApiResource>;
