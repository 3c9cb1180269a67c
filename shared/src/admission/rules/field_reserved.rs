//! `field-reserved`: keys that only admission, the controller or an administrator write; who may is said by
//! [`contract::KEYS`].
//!
//! When a namespace becomes a preview such a key passes where it holds what admission would write now, so that
//! validation and a re-invocation accept admission's own work.

use super::{Draft, Facts, Request, Rule, annotation, label, life, preview_namespace};
use crate::admission::grant::{self, Grant, POD_SECURITY_ENFORCE};
use crate::contract::{self, Key, Place, Writer};
use crate::keys;
use crate::policy::PodSecurity;
use crate::reason::Reason;
use crate::violation::{Violation, printable};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) const RULE: Rule = Rule {
    reason: Reason::FieldReserved,
    applies: preview_namespace,
    review,
};

/// How much of a key that somebody made up a warning shows: warnings have 120 characters.
const SHOWN: usize = 60;

fn review(request: &Request, facts: &Facts, draft: &mut Draft) {
    if life(request) {
        later(request, facts, draft);
    } else if request.label(keys::PREVIEW) == Some("true") {
        at_birth(request, Grant::at_birth(request, facts).as_ref(), draft);
    }
    pod_security(request, facts, draft);
    unknown(request, draft);
}

fn at_birth(request: &Request, grant: Option<&Grant>, draft: &mut Draft) {
    for (row, key) in held(request) {
        let Some(found) = value(&request.object, row.place, key) else {
            continue;
        };
        let allowed = match row.birth {
            Writer::Anyone => true,
            // What stood there before, `not-adoptable` speaks of.
            Writer::Keepers => value(&request.old_object, row.place, key) == Some(found),
            Writer::Admission | Writer::Controller | Writer::Nobody => {
                grant.is_some_and(|grant| grant.allows(key, found))
            }
        };
        // A row with a rule of its own has it for its birth too.
        if !allowed && row.reason == Reason::FieldReserved {
            refuse(draft, row, key);
        }
    }
}

fn later(request: &Request, facts: &Facts, draft: &mut Draft) {
    let controller = facts.installation.is_controller(&request.user);
    for (row, key) in held(request) {
        let changed = value(&request.object, row.place, key) != value(&request.old_object, row.place, key);
        let allowed = match row.later {
            Writer::Anyone => true,
            Writer::Controller => controller,
            Writer::Admission | Writer::Keepers | Writer::Nobody => false,
        };
        if changed && !allowed && row.reason == Reason::FieldReserved {
            refuse(draft, row, key);
        }
    }
}

/// The keys of the contract that the old or the new object holds, each with its row.
fn held(request: &Request) -> impl Iterator<Item = (&'static Key, &str)> {
    ours(request)
        .into_iter()
        .filter_map(|(place, key)| Some((contract::key(place, key)?, key)))
}

/// Every key of our group on the old or the new object, in the order of the fields.
fn ours<'r>(request: &'r Request) -> BTreeSet<(Place, &'r str)> {
    let of = |object: &'r Value, place: Place| {
        let keys = object["metadata"][place.field()].as_object();
        keys.into_iter()
            .flat_map(serde_json::Map::keys)
            .filter(|key| keys::is_ours(key))
            .map(move |key| (place, key.as_str()))
    };
    [Place::Label, Place::Annotation]
        .into_iter()
        .flat_map(|place| of(&request.object, place).chain(of(&request.old_object, place)))
        .collect()
}

fn value<'o>(object: &'o Value, place: Place, key: &str) -> Option<&'o str> {
    object["metadata"][place.field()][key].as_str()
}

fn refuse(draft: &mut Draft, row: &Key, key: &str) {
    let field = match row.place {
        Place::Label => label(key),
        Place::Annotation => annotation(key),
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

/// Says which of our keys mean nothing. A warning and no refusal: a newer command line may write a key that this
/// version does not know yet, and would stop working with it.
fn unknown(request: &Request, draft: &mut Draft) {
    for (place, key) in ours(request) {
        let new =
            value(&request.object, place, key).is_some() && value(&request.old_object, place, key).is_none();
        if !new || contract::key(place, key).is_some() {
            continue;
        }
        let other = match place {
            Place::Label => Place::Annotation,
            Place::Annotation => Place::Label,
        };
        let shown: String = printable(key).chars().take(SHOWN).collect();
        draft.warn(match contract::key(other, key) {
            Some(_) => format!(
                "{shown} belongs among the {}; here it means nothing",
                other.field()
            ),
            None => format!("{shown} means nothing to this version of Understudy"),
        });
    }
}

/// Equal to or stricter than the policy's level, never looser than it is, at the latest version.
///
/// Not looser than it is, even where the policy would allow it: that much the API server can hold without us.
fn pod_security(request: &Request, facts: &Facts, draft: &mut Draft) {
    let Some(policy) = facts.policies.get(grant::named_policy(request)) else {
        return;
    };
    let labels = |object: &Value| object["metadata"]["labels"].clone();
    if !request.is_create() && labels(&request.object) == labels(&request.old_object) {
        return;
    }
    let before = request
        .old_label(POD_SECURITY_ENFORCE)
        .filter(|_| life(request) && !facts.installation.is_controller(&request.user))
        .and_then(PodSecurity::from_level);
    let least = before.map_or(policy.pod_security, |before| before.max(policy.pod_security));
    let found = &request.object["metadata"]["labels"][POD_SECURITY_ENFORCE];
    let strict_enough = match found {
        Value::Null => !life(request) || request.old_label(POD_SECURITY_ENFORCE).is_none(),
        Value::String(level) => PodSecurity::from_level(level).is_some_and(|level| level >= least),
        _ => false,
    };
    let mut violation = |key: &str, message: String| {
        draft.deny(Violation::new(Reason::FieldReserved, label(key), message));
    };
    if !strict_enough {
        let message = format!("found {found}, must be {} or stricter", least.level());
        violation(POD_SECURITY_ENFORCE, message);
    }
    let version = format!("{POD_SECURITY_ENFORCE}-version");
    if let Some(found) = request.label(&version).filter(|found| *found != "latest") {
        violation(&version, format!("found {found:?}, must be \"latest\" or absent"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::{Decision, Operation, User};
    use serde_json::json;

    fn warnings(labels: Value, annotations: Value, old: Value) -> Vec<String> {
        let request = Request {
            uid: String::new(),
            kind: "Namespace".to_owned(),
            group: String::new(),
            resource: "namespaces".to_owned(),
            sub_resource: String::new(),
            name: "shop-pr-7".to_owned(),
            namespace: "shop-pr-7".to_owned(),
            operation: Operation::Create,
            user: User::default(),
            object: json!({ "metadata": { "labels": labels, "annotations": annotations } }),
            old_object: old,
        };
        let mut draft = Draft::new(&request.object);
        unknown(&request, &mut draft);
        match draft.decide(&request.object).0 {
            Decision::Allow { warnings } => warnings,
            other => panic!("a typing error is no refusal: {other:?}"),
        }
    }

    #[test]
    fn a_key_of_ours_that_means_nothing_gets_a_warning() {
        let typed = warnings(
            json!({}),
            json!({ "understudy.dev/tll": "2h", "other.dev/x": "y" }),
            Value::Null,
        );
        assert_eq!(
            typed,
            ["understudy.dev/tll means nothing to this version of Understudy"]
        );
        let misplaced = warnings(json!({ keys::TTL: "2h" }), json!({}), Value::Null);
        assert_eq!(
            misplaced,
            ["understudy.dev/ttl belongs among the annotations; here it means nothing"]
        );
        let long = format!("understudy.dev/{}\u{1b}", "x".repeat(63));
        let all = warnings(json!({}), json!({ long: "" }), Value::Null);
        assert!(all[0].chars().count() <= 120, "{all:?}");
    }

    #[test]
    fn a_known_key_and_one_that_was_there_before_get_none() {
        let known = json!({ keys::TTL: "2h", "understudy.dev/database.app": "ready" });
        assert!(warnings(json!({ keys::PR: "7" }), known, Value::Null).is_empty());
        let odd = json!({ "understudy.dev/odd": "" });
        let old = json!({ "metadata": { "annotations": odd } });
        assert!(warnings(json!({}), odd, old).is_empty());
    }
}
