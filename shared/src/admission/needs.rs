//! What the shell has to read for a request: exactly that, live, by name.

use super::{Request, containers, is_birth_of_a_pod};
use crate::environment::{self, Kind, REFERENCE_LIMIT, Reference};
use crate::keys;
use std::collections::BTreeSet;

/// Whether what `request` has to be reviewed with may stand in ConfigMaps and Secrets.
pub fn reads(request: &Request) -> bool {
    is_birth_of_a_pod(request) || request.is("", "pods/ephemeralcontainers")
}

/// The ConfigMaps and Secrets of the request's namespace that its review depends on.
///
/// Branch Secrets are not among them: they are ours, a stand-in takes their place.
pub fn needs(request: &Request) -> BTreeSet<Reference> {
    if !reads(request) {
        return BTreeSet::new();
    }
    let mounted = environment::mounted(&request.object)
        .into_iter()
        .map(|mounted| mounted.reference);
    let all = containers(&request.object)
        .flat_map(|(_, _, container)| environment::references(container))
        .chain(mounted);
    let ours = |reference: &Reference| {
        reference.kind == Kind::Secret && reference.name.starts_with(keys::BRANCH_SECRET_PREFIX)
    };
    // What lies beyond stays unknown, and the Pod is refused for it.
    all.filter(|reference| !ours(reference))
        .take(REFERENCE_LIMIT)
        .collect()
}
