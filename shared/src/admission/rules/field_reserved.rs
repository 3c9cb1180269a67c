//! `field-reserved`: keys that only admission, the controller or an administrator write.
//!
//! At birth such a key passes when it holds what admission would write now, so that validation and a re-invocation
//! accept admission's own work.

use super::{Draft, Facts, Request, Rule, annotation, birth, label, life, preview_namespace};
use crate::admission::grant::{self, Grant, POD_SECURITY_ENFORCE};
use crate::keys;
use crate::policy::PodSecurity;
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) const RULE: Rule = Rule {
    reason: Reason::FieldReserved,
    applies: preview_namespace,
    review,
};

/// Labels that creators may not choose.
const LABELS: [&str; 4] = [keys::ORIGIN, keys::ENFORCEMENT, keys::PHASE, keys::GOLDEN];
/// Annotations that creators may not choose. `owner` has a rule of its own; `expires-at` may move later.
const ANNOTATIONS: [&str; 5] = [
    keys::CREATOR,
    keys::GUARDRAILS,
    keys::MESSAGE,
    keys::URL,
    keys::APPROVALS,
];
/// What the controller writes while a preview lives.
const CONTROLLERS: [&str; 4] = [keys::PHASE, keys::GUARDRAILS, keys::MESSAGE, keys::URL];

fn review(request: &Request, facts: &Facts, draft: &mut Draft) {
    let controller = facts.installation.is_controller(&request.user);
    if birth(request) {
        at_birth(request, Grant::at_birth(request, facts).as_ref(), draft);
    } else if life(request) {
        for key in reserved(request, "labels", &LABELS).chain(reserved(request, "annotations", &ANNOTATIONS))
        {
            let (map, key) = key;
            let controllers = CONTROLLERS.contains(&key) || key.starts_with(keys::DATABASE_PREFIX);
            if request.object["metadata"][map][key] != request.old_object["metadata"][map][key]
                && !(controller && controllers)
            {
                refuse(draft, map, key);
            }
        }
    }
    pod_security(request, facts, draft);
}

fn at_birth(request: &Request, grant: Option<&Grant>, draft: &mut Draft) {
    let mut keys_at_birth: Vec<(&str, &str)> = reserved(request, "labels", &LABELS)
        .chain(reserved(request, "annotations", &ANNOTATIONS))
        .collect();
    keys_at_birth.push(("annotations", keys::EXPIRES_AT));
    for (map, key) in keys_at_birth {
        let Some(value) = request.object["metadata"][map][key].as_str() else {
            continue;
        };
        if !grant.is_some_and(|grant| grant.allows(key, value)) {
            refuse(draft, map, key);
        }
    }
}

/// The reserved keys of `map`, with every `database.*` that the old or the new object holds.
fn reserved<'r>(
    request: &'r Request,
    map: &'static str,
    fixed: &'static [&'static str],
) -> impl Iterator<Item = (&'static str, &'r str)> {
    let held = [&request.object, &request.old_object]
        .into_iter()
        .filter_map(move |object| object["metadata"][map].as_object())
        .flat_map(|map| map.keys().map(String::as_str))
        .filter(|key| key.starts_with(keys::DATABASE_PREFIX));
    let all: BTreeSet<&str> = fixed.iter().copied().chain(held).collect();
    all.into_iter().map(move |key| (map, key))
}

fn refuse(draft: &mut Draft, map: &str, key: &str) {
    let field = if map == "labels" {
        label(key)
    } else {
        annotation(key)
    };
    draft.deny(
        Violation::new(
            Reason::FieldReserved,
            field,
            "is written by Understudy or by administrators only",
        )
        .remedy("leave it out"),
    );
}

/// Equal to or stricter than the policy's level, at the latest version.
fn pod_security(request: &Request, facts: &Facts, draft: &mut Draft) {
    let Some(policy) = facts.policies.get(grant::named_policy(request)) else {
        return;
    };
    let labels = |object: &Value| object["metadata"]["labels"].clone();
    let found = &request.object["metadata"]["labels"][POD_SECURITY_ENFORCE];
    if !request.is_create() && labels(&request.object) == labels(&request.old_object) {
        return;
    }
    let strict_enough = match found {
        Value::Null => request.is_create() || request.old_label(POD_SECURITY_ENFORCE).is_none(),
        Value::String(level) => {
            PodSecurity::from_level(level).is_some_and(|level| level >= policy.pod_security)
        }
        _ => false,
    };
    let mut violation = |key: &str, message: String| {
        draft.deny(Violation::new(Reason::FieldReserved, label(key), message));
    };
    if !strict_enough {
        let message = format!(
            "found {found}, must be {} or stricter",
            policy.pod_security.level()
        );
        violation(POD_SECURITY_ENFORCE, message);
    }
    let version = format!("{POD_SECURITY_ENFORCE}-version");
    if let Some(found) = request.label(&version).filter(|found| *found != "latest") {
        violation(&version, format!("found {found:?}, must be \"latest\" or absent"));
    }
}
