//! Several goldens in one clone: a checkout service tested together with the payment service it calls.
//!
//! The first one names the clone. Objects of the others move into its namespace before anything is planned: every reference
//! to them, wherever it stands, means the first from then on, and so becomes the clone's with all others. References to a
//! golden database keep their name, by which the policy knows it.

use super::hosts::TextHosts;
use super::kinds::{Treatment, treatment};
use super::references::{Found, References};
use super::snapshot::controller;
use super::snapshot::{Snapshot, group_of, kind_of, name_of};
use crate::policy::PreviewPolicySpec;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// `others` moved into `first`.
pub fn merge(mut first: Snapshot, others: Vec<Snapshot>, policy: &PreviewPolicySpec) -> Snapshot {
    let names: Vec<String> = others.iter().map(|other| other.name().to_owned()).collect();
    for mut other in others {
        other.objects.iter_mut().for_each(|object| attach(object, &names));
        first.collisions.extend(collisions(&first, &other, policy));
        let moved = moved(&first, &other, policy);
        for object in first.objects.iter_mut().chain(&mut other.objects) {
            rename(object, &moved);
        }
        first.objects.append(&mut other.objects);
        first.unreadable.append(&mut other.unreadable);
    }
    first
        .unreadable
        .sort_by(|a, b| (&a.kind, &a.why).cmp(&(&b.kind, &b.why)));
    first.unreadable.dedup();
    first
}

/// What means `other` and is to mean `first`.
fn moved(first: &Snapshot, other: &Snapshot, policy: &PreviewPolicySpec) -> References {
    let is_database = |name: &str| {
        let own = format!("{name}.{}.svc", other.name());
        let mut hosts = policy
            .databases
            .iter()
            .flat_map(|database| &database.matches.hosts);
        hosts.any(|pattern| crate::host::matches(pattern, &own))
    };
    let services = other.of("Service").map(name_of);
    let (databases, services): (Vec<&str>, Vec<&str>) = services.partition(|name| is_database(name));
    References::new(
        other.name(),
        first.name(),
        services.into_iter().map(str::to_owned),
        TextHosts::default(),
    )
    .keeping(databases.into_iter().map(str::to_owned).collect())
}

fn rename(object: &mut DynamicObject, moved: &References) {
    let mut found = Found::default();
    if kind_of(object) == "Secret" {
        for value in object.data["data"]
            .as_object_mut()
            .into_iter()
            .flatten()
            .map(|(_, value)| value)
        {
            super::rewrite::in_base64(value, |text| moved.place(text, "", &mut found));
        }
    } else {
        moved.walk(&mut object.data, "", &mut found);
    }
    for value in object
        .metadata
        .annotations
        .iter_mut()
        .flatten()
        .map(|(_, value)| value)
    {
        moved.place(value, "", &mut found);
    }
}

/// A route that names no namespace is attached to a Gateway of its own golden, and stays so.
fn attach(object: &mut DynamicObject, goldens: &[String]) {
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    if group_of(object) != "gateway.networking.k8s.io" || !goldens.contains(&namespace) {
        return;
    }
    let parents = object
        .data
        .pointer_mut("/spec/parentRefs")
        .and_then(Value::as_array_mut);
    for parent in parents.into_iter().flatten() {
        if parent.get("namespace").is_none() {
            parent["namespace"] = json!(namespace);
        }
    }
}

/// Kinds and names of what both would have in the clone.
fn collisions(first: &Snapshot, other: &Snapshot, policy: &PreviewPolicySpec) -> BTreeSet<(String, String)> {
    let made = |object: &&DynamicObject| {
        matches!(
            treatment(group_of(object), kind_of(object), policy),
            Treatment::Make(_)
        ) && controller(object).is_none()
            && !super::rewrite::is_made_everywhere(object)
    };
    let id = |object: &DynamicObject| (kind_of(object).to_owned(), name_of(object).to_owned());
    let mine: BTreeSet<_> = first.objects.iter().filter(made).map(id).collect();
    other
        .objects
        .iter()
        .filter(made)
        .map(id)
        .filter(|id| mine.contains(id))
        .collect()
}
