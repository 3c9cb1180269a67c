//! A clone of what changed only: the workloads that are named and what belongs to them. The rest is the golden's, reached
//! through those of its Services that the policy shares.

use super::hosts::ROUTES;
use super::mistake::Mistake;
use super::snapshot::{Snapshot, group_of, kind_of, name_of};
use super::survey;
use super::templates::{self, containers, templates};
use crate::environment;
use crate::policy::PreviewPolicySpec;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Which objects a partial clone consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Partial {
    /// Kinds and names.
    wanted: BTreeSet<(String, String)>,
    /// Services of the golden that the clone reaches under their own names.
    shared: BTreeSet<String>,
}

impl Partial {
    /// What belongs to the workloads `changed`.
    pub(super) fn new(
        snapshot: &Snapshot,
        changed: &[String],
        policy: &PreviewPolicySpec,
    ) -> Result<Self, Vec<Mistake>> {
        let named = |object: &DynamicObject| changed.iter().any(|name| name == name_of(object));
        let workloads: Vec<_> = templates(snapshot).filter(|(object, _)| named(object)).collect();
        let known = || {
            let names: BTreeSet<&str> = templates(snapshot).map(|(object, _)| name_of(object)).collect();
            names.into_iter().collect::<Vec<_>>().join(", ")
        };
        let unknown: Vec<Mistake> = changed
            .iter()
            .filter(|name| {
                !workloads
                    .iter()
                    .any(|(object, _)| name_of(object) == name.as_str())
            })
            .map(|name| Mistake::UnknownWorkload {
                name: name.clone(),
                known: known(),
            })
            .collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let mut partial = Partial::default();
        for (object, template) in &workloads {
            partial.want(object);
            partial.reads(template);
        }
        partial.reached_by(snapshot, &workloads);
        partial.rights(snapshot);
        partial.shared = snapshot
            .of("Service")
            .filter(|service| {
                policy
                    .sharing
                    .has(golden_of(service, snapshot.name()), name_of(service))
            })
            .map(|service| name_of(service).to_owned())
            .filter(|name| !partial.has("Service", name))
            .collect();
        Ok(partial)
    }

    /// Why `object` is not part of the clone, if it is not.
    pub(super) fn leaves_out(&self, object: &DynamicObject, policy: &str) -> Option<String> {
        let (kind, name) = (kind_of(object), name_of(object));
        // What becomes of a Secret depends on who uses it.
        if self.has(kind, name) || self.shares(object) || (kind == "Secret" && group_of(object).is_empty()) {
            return None;
        }
        Some(if kind == "Service" {
            format!("it belongs to nothing of --changed, and policy {policy} does not share it")
        } else {
            "it belongs to nothing of --changed".to_owned()
        })
    }

    /// Whether `object` is a Service of the golden that the clone calls.
    pub(super) fn shares(&self, object: &DynamicObject) -> bool {
        kind_of(object) == "Service" && group_of(object).is_empty() && self.shared.contains(name_of(object))
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        self.wanted.contains(&(kind.to_owned(), name.to_owned()))
    }

    fn want(&mut self, object: &DynamicObject) {
        self.wanted
            .insert((kind_of(object).to_owned(), name_of(object).to_owned()));
    }

    fn want_named(&mut self, kind: &str, name: Option<&Value>) {
        if let Some(name) = name.and_then(Value::as_str) {
            self.wanted.insert((kind.to_owned(), name.to_owned()));
        }
    }

    /// What the Pods of a template read and run as.
    fn reads(&mut self, template: &Value) {
        for reference in containers(template).flat_map(environment::references) {
            self.wanted
                .insert((reference.kind.name().to_owned(), reference.name));
        }
        for name in templates::mounted(template) {
            self.wanted.insert(("ConfigMap".to_owned(), name.to_owned()));
        }
        let spec = &template["spec"];
        self.want_named("ServiceAccount", spec.get("serviceAccountName"));
        for volume in spec["volumes"].as_array().into_iter().flatten() {
            self.want_named(
                "PersistentVolumeClaim",
                volume.pointer("/persistentVolumeClaim/claimName"),
            );
        }
    }

    /// Services of the workloads, what scales these, and routes to those.
    fn reached_by(&mut self, snapshot: &Snapshot, workloads: &[(&DynamicObject, &Value)]) {
        for service in snapshot.of("Service") {
            if workloads
                .iter()
                .any(|(object, _)| super::golden::selects(service, object))
            {
                self.want(service);
            }
        }
        for scaler in survey::scalers(snapshot) {
            let target = scaler
                .data
                .pointer("/spec/scaleTargetRef/name")
                .and_then(Value::as_str);
            if workloads
                .iter()
                .any(|(object, _)| Some(name_of(object)) == target)
            {
                self.want(scaler);
                // What KEDA signs in with to see whether there is work.
                let triggers = scaler.data["spec"]["triggers"].as_array();
                for trigger in triggers.into_iter().flatten() {
                    self.want_named(
                        "TriggerAuthentication",
                        trigger.pointer("/authenticationRef/name"),
                    );
                }
            }
        }
        for route in ROUTES.iter().flat_map(|kind| snapshot.of(kind)) {
            let mut backends = BTreeSet::new();
            backend_names(&route.data, &mut backends);
            if backends.iter().any(|name| self.has("Service", name)) {
                self.want(route);
            }
        }
        for external in snapshot.of("ExternalSecret") {
            if self.has("Secret", super::secrets::target(external)) {
                self.want(external);
            }
        }
    }

    /// Roles of the ServiceAccounts that the workloads run as.
    fn rights(&mut self, snapshot: &Snapshot) {
        for binding in snapshot.of("RoleBinding") {
            let mut subjects = binding.data["subjects"].as_array().into_iter().flatten();
            let ours = subjects.any(|subject| {
                subject["kind"] == "ServiceAccount"
                    && self.has("ServiceAccount", subject["name"].as_str().unwrap_or_default())
            });
            if ours {
                self.want(binding);
                self.want_named("Role", binding.data.pointer("/roleRef/name"));
            }
        }
    }
}

/// Which of several goldens `object` is of; `first` where it does not say.
pub(super) fn golden_of<'o>(object: &'o DynamicObject, first: &'o str) -> &'o str {
    object.metadata.namespace.as_deref().unwrap_or(first)
}

/// A Service of the clone's own that leads to the golden's.
pub(super) fn alias(service: &DynamicObject, golden: &str, clone: &str) -> DynamicObject {
    let mut alias = DynamicObject {
        types: service.types.clone(),
        metadata: Default::default(),
        data: json!({ "spec": {
            "type": "ExternalName", "externalName": format!("{}.{golden}.svc.cluster.local", name_of(service))
        } }),
    };
    alias.metadata.name = service.metadata.name.clone();
    alias.metadata.namespace = Some(clone.to_owned());
    alias
}

/// Names of the Services that a route leads to.
fn backend_names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                match (key.as_str(), inner) {
                    ("service", Value::Object(service)) => {
                        found.extend(service.get("name").and_then(Value::as_str).map(str::to_owned));
                    }
                    ("backendRefs", Value::Array(backends)) => {
                        let names = backends.iter().filter_map(|backend| backend["name"].as_str());
                        found.extend(names.map(str::to_owned));
                    }
                    (_, inner) => backend_names(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| backend_names(item, found)),
        _ => {}
    }
}
