//! `not-adoptable`: what can never be a preview, and what would have to be adopted.

use super::{Draft, Facts, Request, Rule, label, preview_namespace};
use crate::admission::{adopts, grant};
use crate::environment::Fact;
use crate::keys;
use crate::policy::{Adopt, Existing};
use crate::reason::Reason;
use crate::violation::Violation;

pub(super) const RULE: Rule = Rule {
    reason: Reason::NotAdoptable,
    applies: preview_namespace,
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
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
    if let Some(why) = never {
        draft.deny(refused(format!("namespace {name} {why}")));
    } else if adopts(request)
        && let Some(policy) = facts.policies.get(grant::named_policy(request))
        && let Some(why) = against(&policy.adopt, request, &facts.pods)
    {
        let remedy = "create another one that carries the label from birth, or use: understudy clone";
        draft.deny(refused(format!("namespace {name} exists already and {why}")).remedy(remedy));
    }
}

fn refused(message: String) -> Violation {
    Violation::new(Reason::NotAdoptable, label(keys::PREVIEW), message)
}

/// Why the policy does not let this existing namespace become a preview.
fn against(adopt: &Adopt, request: &Request, pods: &Fact<bool>) -> Option<String> {
    match adopt.existing {
        Existing::Never => Some("the policy adopts none (adopt.existing: never)".to_owned()),
        Existing::Empty => match pods {
            Fact::Present(false) => None,
            Fact::Present(true) => {
                Some("holds Pods; the policy adopts empty ones only (adopt.existing: empty)".to_owned())
            }
            _ => Some("whether it holds Pods could not be seen; try again in a moment".to_owned()),
        },
        Existing::Any => {
            // As it was: a label that comes in the same request would choose itself.
            let lacking = adopt
                .selector
                .iter()
                .find(|(key, value)| request.old_label(key) != Some(value.as_str()));
            lacking.map(|(key, value)| {
                format!("does not carry {key}={value}, which the policy asks for (adopt.selector)")
            })
        }
    }
}
