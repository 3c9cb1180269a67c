//! `admission.k8s.io/v1` on the wire.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>. Not `kube`'s types:
//! those send the patch as an array of numbers instead of base64 (kube-rs/kube#1781).

mod read;

use super::{Decision, Request};
use crate::violation::{Violation, printable};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use read::{Read, read};
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
    #[error("apiVersion must be admission.k8s.io/v1, in the review with uid {0:?}")]
    Version(String),
    /// Nothing is asked.
    #[error("there is no request")]
    Request,
    /// No uid to answer to.
    #[error("request.uid must be between 1 and 128 characters")]
    Uid,
}

/// Reads one review. The objects stay `Null` where no rule speaks of their kind, and are not even looked at where the API
/// server's own order tells so before they come: most of what is made in a preview passes as it is.
pub fn parse(bytes: &[u8]) -> Result<Request, MalformedReview> {
    let first = read(bytes, false)?;
    if first.is_lacking {
        return checked(read(bytes, true)?);
    }
    checked(first)
}

fn checked(read: Read) -> Result<Request, MalformedReview> {
    if read.api_version.as_deref() != Some("admission.k8s.io/v1") {
        let uid = read.request.map(|request| request.uid).unwrap_or_default();
        return Err(MalformedReview::Version(uid.chars().take(128).collect()));
    }
    let request = read.request.ok_or(MalformedReview::Request)?;
    if request.uid.is_empty() || request.uid.len() > 128 {
        return Err(MalformedReview::Uid);
    }
    Ok(request)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_none_of_ours_is_read_up_to_its_objects_where_the_api_server_says_what_they_are() {
        let head = r#""kind":{"kind":"Deployment"},"resource":{"group":"apps","resource":"deployments"},"namespace":"shop-pr-7""#;
        let who = r#""operation":"CREATE","userInfo":{"username":"dev"}"#;
        let review =
            |request: String| format!(r#"{{"apiVersion":"admission.k8s.io/v1","request":{{{request}"#);
        let read = parse(review(format!(r#""uid":"u",{head},{who},"object":{{"#)).as_bytes()).unwrap();
        assert_eq!((read.uid.as_str(), read.user.name.as_str()), ("u", "dev"));
        assert_eq!(
            (read.resource.as_str(), read.namespace.as_str()),
            ("deployments", "shop-pr-7")
        );
        // In any other order, or of ours: what breaks off is no review.
        let pod = head.replace("deployments", "pods").replace("apps", "");
        for request in [
            format!(r#"{head},{who},"object":{{"#),
            format!(r#""uid":"u",{who},{head},"object":{{"#),
            format!(r#""uid":"u",{head},"userInfo":{{}},"operation":"CREATE","object":{{"#),
            format!(r#""uid":"u",{pod},{who},"object":{{"#),
        ] {
            assert!(parse(review(request.clone()).as_bytes()).is_err(), "{request}");
        }
        let unversioned = format!(r#"{{"request":{{"uid":"u",{head},{who},"object":{{"#);
        assert!(parse(unversioned.as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_read_is_what_no_rule_speaks_of_whatever_it_holds() {
        let telling = json!({ "metadata": {
            "labels": { "understudy.dev/preview": "true", "understudy.dev/golden": "true" },
            "annotations": { "understudy.dev/reviewed": "v1", "understudy.dev/owner": "somebody" },
        }, "spec": { "template": {} } });
        let resources = [
            ("", "pods", ""),
            ("", "pods", "ephemeralcontainers"),
            ("", "pods", "resize"),
            ("", "configmaps", ""),
            ("", "events", ""),
            ("", "namespaces", ""),
            ("", "persistentvolumeclaims", ""),
            ("", "secrets", ""),
            ("", "serviceaccounts", ""),
            ("", "services", ""),
            ("apps", "daemonsets", ""),
            ("apps", "deployments", ""),
            ("batch", "cronjobs", ""),
            ("batch", "jobs", ""),
            ("example.com", "widgets", ""),
            ("example.com", "widgets", "scale"),
            ("networking.k8s.io", "ingresses", ""),
            ("networking.k8s.io", "networkpolicies", ""),
            ("rbac.authorization.k8s.io", "roles", ""),
        ];
        let mut unread = Vec::new();
        for (group, resource, sub_resource) in resources {
            for operation in ["CREATE", "UPDATE"] {
                let review = json!({ "apiVersion": "admission.k8s.io/v1", "request": {
                    "uid": "u", "operation": operation, "namespace": "shop-pr-7", "object": telling, "oldObject": telling,
                    "resource": { "group": group, "resource": resource }, "subResource": sub_resource,
                } });
                let read = parse(review.to_string().as_bytes()).unwrap();
                let objects = json!({ "object": telling, "oldObject": telling }).to_string();
                let head = json!({ "uid": "u", "operation": operation, "namespace": "shop-pr-7", "subResource": sub_resource,
                    "resource": { "group": group, "resource": resource } }).to_string();
                let (objects, head) = (&objects[1..objects.len() - 1], &head[1..head.len() - 1]);
                for request in [format!("{head},{objects}"), format!("{objects},{head}")] {
                    let review = format!(r#"{{"request":{{{request}}},"apiVersion":"admission.k8s.io/v1"}}"#);
                    assert_eq!(parse(review.as_bytes()).unwrap(), read, "the order means nothing");
                }
                let whole = Request {
                    object: telling.clone(),
                    old_object: telling.clone(),
                    ..read.clone()
                };
                if read.object.is_null() {
                    assert!(
                        !crate::admission::concerns(&whole),
                        "{operation} {resource}/{sub_resource}"
                    );
                    unread.push(format!("{operation} {resource}/{sub_resource}"));
                } else {
                    assert_eq!(read, whole);
                }
            }
        }
        assert!(unread.contains(&"CREATE deployments/".to_owned()), "{unread:?}");
        assert!(unread.contains(&"UPDATE deployments/".to_owned()), "{unread:?}");
        // A mark may come later to what was reviewed when it was made.
        assert!(!unread.contains(&"UPDATE pods/".to_owned()), "{unread:?}");
    }
}
