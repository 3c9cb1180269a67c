//! `not-adoptable`: what can never be a preview, and what would have to be adopted.

use super::{Draft, Facts, Request, Rule, label, preview_namespace};
use crate::keys;
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::NotAdoptable,
    applies: preview_namespace,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft) {
    if request.label(keys::PREVIEW) != Some("true") || request.old_label(keys::PREVIEW) == Some("true") {
        return;
    }
    let name = request.name.as_str();
    let never = if name == "default" || name.starts_with("kube-") {
        Some("belongs to the cluster")
    } else if name == facts.installation.namespace {
        Some("is Understudy's own")
    } else if request.label(keys::GOLDEN).is_some() || request.old_label(keys::GOLDEN).is_some() {
        Some("is a golden: it is cloned, never turned into a preview")
    } else if facts.protected.has_namespace(name) {
        Some("is protected by a policy")
    } else {
        None
    };
    let violation = |message| Violation::new(Reason::NotAdoptable, label(keys::PREVIEW), message);
    match never {
        Some(why) => draft.deny(violation(format!("namespace {name} {why}"))),
        None if request.is_create() => {}
        None => draft.deny(
            violation(format!(
                "namespace {name} exists already; only a new namespace can become a preview"
            ))
            .remedy("create another one that carries the label from birth, or use: understudy clone"),
        ),
    }
}
