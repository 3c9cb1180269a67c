//! `protected-endpoint`: something would still reach a protected namespace, host or database.
//!
//! Sees a Pod after `database-rewritten`, so what is left is what no branch stands for. Names container, variable, file and
//! host, never a value.

mod branch;
mod leads;
mod names;
mod node;
mod pod;
mod text;

use super::{Draft, Facts, Request, Rule, pod_environment};
use crate::admission::kinds;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::ProtectedEndpoint,
    applies,
    review,
};

fn applies(request: &Request) -> bool {
    pod_environment(request)
        || [
            ("", "services"),
            ("", "endpoints"),
            ("discovery.k8s.io", "endpointslices"),
            ("networking.k8s.io", "ingresses"),
        ]
        .iter()
        .any(|(group, resource)| request.is(group, resource))
        || kinds::is_vendors(request)
}

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let bounds = facts.bounds(&request.namespace);
    let violations = if pod_environment(request) {
        let resolved = draft.environments(facts);
        let pod = draft.current();
        let open = facts.policy().map(|policy| &policy.network);
        let mut found = pod::reached(&pod, &resolved, &bounds);
        found.extend(node::probes(&pod, &bounds, open));
        found.extend(node::volumes(&pod, &bounds, open));
        found.extend(pod::fields(&pod, &bounds));
        found.extend(pod::files(&pod, facts, &bounds));
        found.extend(names::names(&pod, facts, &bounds));
        found
    } else if request.is("", "services") || request.is("networking.k8s.io", "ingresses") {
        let mut found = leads::service(request, facts, &bounds);
        found.extend(text::annotations(request, facts, &bounds));
        found
    } else if request.is("", "endpoints") || request.is("discovery.k8s.io", "endpointslices") {
        leads::endpoints(request, facts, &bounds)
    } else {
        // What is refused for its kind need not be read.
        if !kinds::is_allowed(request, facts) {
            return;
        }
        let mut found = leads::backends(request, facts);
        found.extend(text::anywhere(&request.object, &bounds));
        found.extend(text::annotations(request, facts, &bounds));
        found
    };
    violations.into_iter().for_each(|violation| draft.deny(violation));
}

/// `what` is `why`; what to do is the same everywhere.
fn violation(field: impl Into<String>, message: String) -> Violation {
    Violation::new(Reason::ProtectedEndpoint, field, message)
        .remedy("point it at the preview's own Service, or ask for a database of the policy")
}
