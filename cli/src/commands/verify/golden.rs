//! What is left of the goldens: references, marks, secret values.

use super::row::Row;
use super::rules::{self, Objection};
use super::sight::Sight;
use std::collections::BTreeSet;
use understudy::clone::{Snapshot, Traces, kind_of};
use understudy::keys;

/// Kinds that carry nobody's own texts: Kubernetes derives them.
const DERIVED: [&str; 6] = [
    "Event",
    "Lease",
    "EndpointSlice",
    "Endpoints",
    "ReplicaSet",
    "ControllerRevision",
];

/// Kinds that tell a golden's Services and hosts.
const HOSTS: [&str; 5] = ["Service", "Ingress", "HTTPRoute", "GRPCRoute", "TLSRoute"];

/// Nothing names a golden, its Services or its hosts.
pub fn references(sight: &Sight) -> Row {
    let traces = traces(sight);
    let mut count = 0;
    let (mut left, mut similar, mut shared) = (Vec::new(), Vec::new(), Vec::new());
    for (subject, object) in sight.subjects() {
        let kind = subject.object["kind"].as_str().unwrap_or_default();
        let guardrail = subject.object["metadata"]["labels"][keys::GUARDRAIL].is_string();
        if guardrail || DERIVED.contains(&kind) {
            continue;
        }
        count += 1;
        let found = traces.left(object);
        let here = |path: String| format!("{}: {path}", subject.id);
        left.extend(found.references.into_iter().map(here));
        shared.extend(found.shared.into_iter().map(here));
        let belongs = |(path, host): (String, String)| {
            format!(
                "{} belongs to {host}; whether it leads there cannot be told",
                here(path)
            )
        };
        similar.extend(found.similar.into_iter().map(belongs));
    }
    let mut looked = format!("every text of {count} objects, for {}", names(sight));
    if !shared.is_empty() {
        let policy = &sight.preview.policy;
        looked.push_str(&format!("; policy {policy} shares {}", shared.join(", ")));
    }
    Row::new("golden references", looked)
        .broken_by(left)
        .unknown_for(similar)
        .unknown_for(untold(sight))
        .unknown_for(unread(sight, &HOSTS))
        .hint(format!(
            "understudy diff {} shows what differs from a clone",
            sight.preview.name
        ))
}

/// Nothing that delivers a golden takes an object for its own.
pub fn marks(sight: &Sight) -> Row {
    let traces = traces(sight);
    let marked = sight.subjects().flat_map(|(subject, object)| {
        let marks = traces.marks(object);
        marks
            .into_iter()
            .map(move |mark| format!("{}: {mark}", subject.id))
    });
    let bear = sight
        .live
        .objects
        .iter()
        .filter(|object| Traces::is_marked(object));
    let kinds: BTreeSet<&str> = bear.map(kind_of).collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    Row::new(
        "GitOps marks",
        format!(
            "marks of Argo CD, Flux and Helm, beside those of {}",
            names(sight)
        ),
    )
    .broken_by(marked)
    .unknown_for(untold(sight))
    .unknown_for(unread(sight, &kinds))
    .hint("take the label or annotation off, or what delivers the golden may delete the object")
}

/// No secret value of a golden stands in it but those that the policy lists for copying.
pub fn secrets(sight: &Sight, objections: &[Objection]) -> Row {
    let known = sight.facts.fingerprints.len();
    Row::new(
        "secret values",
        format!("every value, for {known} fingerprints of the goldens' Secrets"),
    )
    .broken_by(rules::copies(objections))
    .unknown_for(sight.unread(&["Secret", "ConfigMap", "Pod"]))
    .unknown_for(unread(sight, &[]))
    .unknown_for(sight.unseen.goldens.clone())
    .unknown_for(sight.unseen.secrets.clone())
    .hint("ask somebody who may read the goldens' Secrets to verify it")
}

fn traces(sight: &Sight) -> Traces {
    let read = sight.goldens.values().filter_map(|golden| golden.as_ref().ok());
    Traces::new(read, sight.policy())
}

fn names(sight: &Sight) -> String {
    match sight.goldens.len() {
        0 => "no golden that is known".to_owned(),
        _ => sight.goldens.keys().cloned().collect::<Vec<_>>().join(", "),
    }
}

/// Why nothing can be said of what stands in the preview's own objects.
fn untold(sight: &Sight) -> Vec<String> {
    let hidden = sight.live.unreadable.iter().map(|hidden| hidden.kind.as_str());
    let kinds: Vec<&str> = hidden
        .filter(|kind| !DERIVED.contains(kind) && !rules::HARMLESS.contains(kind))
        .collect();
    sight.unread(&kinds)
}

/// Why nothing can be said beside `kinds` of the goldens.
fn unread(sight: &Sight, kinds: &[&str]) -> Vec<String> {
    let hidden = |golden: &Snapshot| {
        let hidden = kinds.iter().filter(|kind| !golden.could_read(kind));
        hidden
            .map(|kind| (*kind).to_owned())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut why = Vec::new();
    for (name, golden) in &sight.goldens {
        match golden {
            Err(error) => why.push(format!("golden {name}: {error}")),
            Ok(golden) => match hidden(golden) {
                kinds if kinds.is_empty() => {}
                kinds => why.push(format!("golden {name}: you may not list {kinds}")),
            },
        }
    }
    if sight.goldens.is_empty() {
        why.push("there is no golden that you may read, to compare it with".to_owned());
    }
    why
}
