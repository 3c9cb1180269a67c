//! The objects a policy puts into each preview, and when they count as sealed.
//!
//! Guarantees: [`desired`] is a pure function of the preview's immutable identity and its policy, so admission and the
//! controller agree on [`seal_hash`] without talking to each other. [`matches`] compares whole specs: a field that
//! somebody added (an allow-all rule beside ours) is a difference. Restoring is by replacement, never by server-side apply,
//! which leaves such fields where they are.

mod access;
mod limits;
mod network;

pub(crate) use access::with_access;
pub use limits::{exceeded, resources};
pub use network::SMTP;

use crate::keys;
use crate::names;
use crate::policy::PreviewPolicySpec;
use crate::preview::Preview;
use crate::quantity;
use serde_json::{Value, json};

/// The kinds of guardrail objects, in the order in which they are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1` LimitRange.
    LimitRange,
    /// `v1` ResourceQuota.
    ResourceQuota,
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy,
    /// `rbac.authorization.k8s.io/v1` RoleBinding.
    RoleBinding,
}

impl Kind {
    /// All kinds, in creation order.
    pub const ALL: [Kind; 4] = [
        Kind::LimitRange,
        Kind::ResourceQuota,
        Kind::NetworkPolicy,
        Kind::RoleBinding,
    ];

    /// `apiVersion` and `kind`.
    pub fn api(self) -> (&'static str, &'static str) {
        match self {
            Kind::LimitRange => ("v1", "LimitRange"),
            Kind::ResourceQuota => ("v1", "ResourceQuota"),
            Kind::NetworkPolicy => ("networking.k8s.io/v1", "NetworkPolicy"),
            Kind::RoleBinding => ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        }
    }
}

/// One guardrail as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Guardrail {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The whole object.
    pub object: Value,
}

/// Every guardrail of `preview` under `policy`; `own` is the namespace Understudy runs in.
pub fn desired(preview: &Preview, policy: &PreviewPolicySpec, own: &str) -> Vec<Guardrail> {
    let mut all = vec![
        guardrail(
            preview,
            Kind::LimitRange,
            "understudy",
            json!({ "spec": limits::limit_range(&policy.limits) }),
        ),
        guardrail(
            preview,
            Kind::ResourceQuota,
            "understudy",
            json!({ "spec": { "hard": policy.quota.0 } }),
        ),
    ];
    let databases = preview.branched(policy);
    for (name, spec) in network::policies(
        &policy.network,
        policy.quarantine.smtp,
        &databases,
        &policy.sharing,
    ) {
        all.push(guardrail(
            preview,
            Kind::NetworkPolicy,
            &name,
            json!({ "spec": spec }),
        ));
    }
    for (name, binding) in access::bindings(preview, &policy.access, own) {
        all.push(guardrail(preview, Kind::RoleBinding, &name, binding));
    }
    all
}

/// The hash that the annotation `guardrails` holds once all of `guardrails` are in force.
pub fn seal_hash(guardrails: &[Guardrail]) -> String {
    let text = guardrails
        .iter()
        .map(|guardrail| guardrail.object.to_string())
        .collect::<Vec<_>>()
        .join("\n");
    names::hash(&text, 16)
}

/// The hash that says `preview` is sealed under `policy` as it is now.
pub fn wanted_seal(preview: &Preview, policy: &PreviewPolicySpec, own: &str) -> String {
    seal_hash(&desired(preview, policy, own))
}

/// Whether `preview` is sealed under `policy`: its annotation holds the hash of what is wanted now.
pub fn is_sealed(preview: &Preview, policy: &PreviewPolicySpec, own: &str) -> bool {
    preview.sealed.is_some() && preview.sealed.as_deref() == Some(wanted_seal(preview, policy, own).as_str())
}

/// Whether the live object is the desired one, whole: our label and everything that takes effect.
pub fn matches(live: &Value, desired: &Value) -> bool {
    let label = |object: &Value| object["metadata"]["labels"][keys::GUARDRAIL].clone();
    let parts = ["spec", "subjects", "roleRef"];
    label(live) == label(desired) && parts.iter().all(|part| same(&live[*part], &desired[*part]))
}

/// Whether a ResourceQuota is in force: the quota controller has filled in every limit.
/// Source: <https://kubernetes.io/docs/concepts/policy/resource-quotas/>.
pub fn quota_in_force(live: &Value) -> bool {
    live["spec"]["hard"].as_object().is_some_and(|hard| {
        hard.iter()
            .all(|(resource, amount)| same(&live["status"]["hard"][resource.as_str()], amount))
    })
}

/// Equal, with quantities compared by amount and empty maps and lists equal to absent ones.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(left), Value::Object(right)) => left
            .keys()
            .chain(right.keys())
            .all(|key| same(&a[key.as_str()], &b[key.as_str()])),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same(a, b))
        }
        (Value::String(left), Value::String(right)) => quantity::same_amount(left, right),
        (Value::Null, Value::Object(other)) | (Value::Object(other), Value::Null) => {
            other.values().all(|value| same(value, &Value::Null))
        }
        (Value::Null, Value::Array(other)) | (Value::Array(other), Value::Null) => other.is_empty(),
        _ => a == b,
    }
}

fn guardrail(preview: &Preview, kind: Kind, name: &str, body: Value) -> Guardrail {
    let (api_version, kind_name) = kind.api();
    let mut object = json!({
        "apiVersion": api_version,
        "kind": kind_name,
        "metadata": {
            "name": name,
            "namespace": preview.name,
            "labels": { keys::GUARDRAIL: name, "app.kubernetes.io/managed-by": "understudy" },
        }
    });
    for (key, value) in body.as_object().into_iter().flatten() {
        object[key.as_str()] = value.clone();
    }
    Guardrail {
        kind,
        name: name.to_owned(),
        object,
    }
}

#[cfg(test)]
mod tests;
