//! Routes of the Gateway API: hosts below the policy's domain, attached to the Gateway that the golden's are attached to.
//!
//! Source: <https://gateway-api.sigs.k8s.io/reference/spec/#httproutespec>.

use super::{Context, Notes, ingress};
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) fn rewrite(object: &mut DynamicObject, context: &Context<'_>, notes: &mut Notes) {
    let by = format!("{}/{}", super::kind_of(object), super::name_of(object));
    if context.policy.hosts.domain.is_empty() {
        return ingress::no_domain(context, notes);
    }
    let Some(spec) = object.data.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let hostnames: Vec<String> = spec
        .get("hostnames")
        .and_then(Value::as_array)
        .map(|hosts| {
            hosts
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    // Without a host it takes whatever its listener gets.
    let asked = if hostnames.is_empty() {
        vec![String::new()]
    } else {
        hostnames
    };
    let mut new = BTreeSet::new();
    let mut ordered = Vec::new();
    for host in &asked {
        let Some(made) = context.hosts.get(host) else {
            continue;
        };
        if new.insert(made) {
            ordered.push(made);
        }
        notes.change(if host.is_empty() {
            format!("it serves {made} only")
        } else {
            format!("{host} becomes {made}")
        });
    }
    spec.insert("hostnames".to_owned(), json!(ordered));
    for parent in spec
        .get_mut("parentRefs")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if parent.get("namespace").is_none()
            && let Value::Object(fields) = parent
        {
            fields.insert("namespace".to_owned(), json!(context.golden));
            let gateway = fields.get("name").and_then(Value::as_str).unwrap_or_default();
            notes.warnings.push(format!(
                "{by}: it is attached to Gateway {gateway} of {}, whose listeners have to admit routes from previews (allowedRoutes)",
                context.golden
            ));
        }
    }
    let annotations = object.metadata.annotations.get_or_insert_default();
    ingress::annotations(annotations, context, notes);
    if annotations.is_empty() {
        object.metadata.annotations = None;
    }
}
