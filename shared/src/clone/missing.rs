//! What a clone refers to by name and does not have, although its golden has it: somebody left it out, or it cannot come
//! along. Most such references are no mistake of the golden's, and nothing but waiting Pods would tell.
//!
//! Fields are read by the conventions of the API: an object with `kind` and `name` says which, and in some fields the kind
//! goes without saying. What a reference calls optional may be missing.

use super::claims;
use super::rewrite::is_made_everywhere;
use super::snapshot::{Snapshot, controller, kind_of, name_of};
use super::verdict::{Item, Verdict};
use crate::violation::printable;
use kube::core::DynamicObject;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Fields whose text names an object of this kind.
const NAMES: [(&str, &str); 4] = [
    ("serviceAccountName", "ServiceAccount"),
    ("claimName", "PersistentVolumeClaim"),
    ("secretName", "Secret"),
    ("serviceName", "Service"),
];

/// Fields whose object, or whose list of them, names objects of this kind where it does not say which.
const REFERENCES: [(&str, &str); 10] = [
    ("configMap", "ConfigMap"),
    ("configMapRef", "ConfigMap"),
    ("configMapKeyRef", "ConfigMap"),
    ("secretRef", "Secret"),
    ("secretKeyRef", "Secret"),
    ("service", "Service"),
    ("serviceRef", "Service"),
    ("backendRefs", "Service"),
    ("scaleTargetRef", "Deployment"),
    ("authenticationRef", "TriggerAuthentication"),
];

/// One reference: where it stands, and what it means.
struct Reference<'o> {
    path: String,
    kind: &'o str,
    name: &'o str,
}

/// A sentence for each object that something of the clone misses, with the first path that names it.
pub(super) fn warnings(items: &[Item], snapshot: &Snapshot, clone: &str) -> Vec<String> {
    let left_out = left_out(items, snapshot);
    let mut warnings = Vec::new();
    for item in items {
        let Some((_, object)) = &item.made else { continue };
        // What stands in these are values.
        if ["ConfigMap", "Secret"].contains(&kind_of(object)) {
            continue;
        }
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        references(&object.data, "", clone, &mut found);
        for Reference { path, kind, name } in found {
            let Some(missing) = left_out.get(&(kind, name)).filter(|_| seen.insert((kind, name))) else {
                continue;
            };
            let why = match missing.verdict {
                Verdict::Refuse => "it is refused",
                _ => missing.reason.as_str(),
            };
            warnings.push(printable(&format!(
                "{}: {path} names {kind} {name}, which is no part of the clone: {why}",
                item.id()
            )));
        }
    }
    warnings
}

/// What of the golden is not made, and what nobody makes instead.
fn left_out<'i>(items: &'i [Item], snapshot: &'i Snapshot) -> BTreeMap<(&'i str, &'i str), &'i Item> {
    let makes = |kind: &str, name: &str| {
        let mut made = items.iter().filter(|item| item.made.is_some());
        made.any(|item| item.kind == kind && item.name == name)
    };
    let comes_anyway = |object: &DynamicObject| {
        let maker =
            claims::maker(snapshot, name_of(object)).filter(|_| kind_of(object) == "PersistentVolumeClaim");
        is_made_everywhere(object)
            || controller(object).is_some()
            || maker.is_some_and(|set| makes("StatefulSet", set))
    };
    let come: BTreeSet<_> = snapshot
        .objects
        .iter()
        .filter(|object| comes_anyway(object))
        .map(|object| (kind_of(object), name_of(object)))
        .collect();
    let unmade = items.iter().filter(|item| {
        let is_left = match item.verdict {
            Verdict::Skip => true,
            // The refusal of a Secret names who would miss it.
            Verdict::Refuse => item.kind != "Secret",
            _ => false,
        };
        is_left && !come.contains(&(item.kind.as_str(), item.name.as_str()))
    });
    let mut left: BTreeMap<_, _> = unmade
        .map(|item| ((item.kind.as_str(), item.name.as_str()), item))
        .collect();
    // Several groups may have a kind of one name.
    for item in items.iter().filter(|item| item.made.is_some()) {
        left.remove(&(item.kind.as_str(), item.name.as_str()));
    }
    left
}

fn references<'o>(value: &'o Value, path: &str, clone: &str, found: &mut Vec<Reference<'o>>) {
    match value {
        Value::Object(fields) => {
            found.extend(reference(value, None, path, clone));
            for (key, inner) in fields {
                let path = match path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                let kind_in = |table: &[(&str, &'static str)]| {
                    let row = table.iter().find(|(field, _)| field == key);
                    row.map(|(_, kind)| *kind)
                };
                if let (Some(kind), Some(name)) = (kind_in(&NAMES), inner.as_str()) {
                    let path = path.clone();
                    found.push(Reference { path, kind, name });
                }
                match (kind_in(&REFERENCES), inner) {
                    (Some(kind), Value::Array(items)) => {
                        let items = items.iter().enumerate();
                        found.extend(items.filter_map(|(index, item)| {
                            reference(item, Some(kind), &format!("{path}[{index}]"), clone)
                        }));
                    }
                    (kind, inner) if kind.is_some() => found.extend(reference(inner, kind, &path, clone)),
                    _ => {}
                }
                references(inner, &path, clone, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                references(item, &format!("{path}[{index}]"), clone, found);
            }
        }
        _ => {}
    }
}

/// The object that `value` names in the clone's namespace; of `usual` kind where it does not say.
fn reference<'o>(value: &'o Value, usual: Option<&'o str>, path: &str, clone: &str) -> Option<Reference<'o>> {
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    let elsewhere = text("namespace").is_some_and(|namespace| namespace != clone);
    if elsewhere || value.get("optional") == Some(&Value::Bool(true)) {
        return None;
    }
    Some(Reference {
        path: path.to_owned(),
        kind: text("kind").or(usual)?,
        name: text("name")?,
    })
}
