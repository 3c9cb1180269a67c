//! What admission would answer to a manifest: the same rules as the cluster's, with facts from files or from a cluster.
//!
//! Pure: no client, no clock. `manifest → subjects → world → verdicts`.

mod manifest;
mod subject;
mod verdict;
mod world;

pub use manifest::objects;
pub use subject::{Catalogue, Served, Subject, groups_of, pod_of};
pub use verdict::{Outcome, Part, Verdict, judge};
pub use world::{Standing, World};
