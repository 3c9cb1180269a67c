//! `daemonset-refused`: one Pod on every node is rarely what a preview is for.

use super::{Draft, Facts, Request, Rule};
use crate::policy::Permission;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::DaemonSetRefused,
    applies: |request| request.is("apps", "daemonsets") && request.is_create(),
    review,
};

fn review(_: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    if facts
        .policy()
        .is_some_and(|policy| policy.placement.daemon_sets == Permission::Allow)
    {
        return;
    }
    let message = "a DaemonSet would run one Pod of this preview on every node";
    let remedy =
        "use a Deployment, or ask an administrator for spec.placement.daemonSets: allow in the policy";
    draft.deny(Violation::new(Reason::DaemonSetRefused, "kind", message).remedy(remedy));
}
