//! `admission.k8s.io/v1` on the wire.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>. Not `kube`'s types:
//! those send the patch as an array of numbers instead of base64 (kube-rs/kube#1781).

use super::{Decision, Operation, Request, User};
use crate::violation::{Violation, printable};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// Longest warning that the API server passes on.
const WARNING_BUDGET: usize = 120;

/// Which endpoint answers; changes nothing in a decision, only how a patch is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// `/mutate`.
    Mutate,
    /// `/validate`.
    Validate,
}

/// Why bytes are no review that could be answered.
#[derive(Debug, thiserror::Error)]
pub enum MalformedReview {
    /// Not JSON, or not of the expected shape.
    #[error("not an AdmissionReview: {0}")]
    Json(#[from] serde_json::Error),
    /// A version of the API that is not spoken here.
    #[error("apiVersion must be admission.k8s.io/v1")]
    Version,
    /// No uid to answer to.
    #[error("request.uid must be between 1 and 128 characters")]
    Uid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    api_version: String,
    request: WireRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRequest {
    uid: String,
    #[serde(default)]
    kind: WireKind,
    resource: WireResource,
    #[serde(default, deserialize_with = "or_default")]
    sub_resource: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    namespace: String,
    operation: Operation,
    #[serde(default, deserialize_with = "or_default")]
    user_info: User,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    old_object: Value,
}

#[derive(Deserialize)]
struct WireResource {
    #[serde(default)]
    group: String,
    resource: String,
}

#[derive(Deserialize, Default)]
struct WireKind {
    #[serde(default)]
    kind: String,
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads one review.
pub fn parse(bytes: &[u8]) -> Result<Request, MalformedReview> {
    let review: Review = serde_json::from_slice(bytes)?;
    if review.api_version != "admission.k8s.io/v1" {
        return Err(MalformedReview::Version);
    }
    let request = review.request;
    if request.uid.is_empty() || request.uid.len() > 128 {
        return Err(MalformedReview::Uid);
    }
    Ok(Request {
        uid: request.uid,
        kind: request.kind.kind,
        group: request.resource.group,
        resource: request.resource.resource,
        sub_resource: request.sub_resource,
        name: request.name,
        namespace: request.namespace,
        operation: request.operation,
        user: request.user_info,
        object: request.object,
        old_object: request.old_object,
    })
}

/// The AdmissionReview that carries `decision` back.
pub fn answer(uid: &str, decision: &Decision) -> Value {
    let mut response = match decision {
        Decision::Allow { warnings } | Decision::Observed { warnings, .. } => {
            json!({ "allowed": true, "warnings": shortened(warnings) })
        }
        Decision::Patch {
            operations, warnings, ..
        } => {
            let patch = STANDARD.encode(serde_json::to_vec(operations).expect("a patch is JSON"));
            json!({ "allowed": true, "patchType": "JSONPatch", "patch": patch, "warnings": shortened(warnings) })
        }
        Decision::Deny(violations) => json!({ "allowed": false, "status": status(violations) }),
    };
    response["uid"] = json!(uid);
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
}

/// All violations at once. `reason` stays unset: with `Invalid`, kubectl prints only the causes and drops our name.
fn status(violations: &[Violation]) -> Value {
    let causes: Vec<Value> = violations
        .iter()
        .map(|violation| json!({ "reason": violation.reason.code(), "field": printable(&violation.field), "message": violation.cause() }))
        .collect();
    let message = violations
        .iter()
        .map(Violation::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    json!({ "code": 422, "message": message, "details": { "causes": causes } })
}

fn shortened(warnings: &[String]) -> Vec<String> {
    warnings
        .iter()
        .map(|text| printable(text).chars().take(WARNING_BUDGET).collect())
        .collect()
}
