//! The rules of admission over what is there, whoever let it in: an object that is right needs neither refusal nor change.

use super::row::Row;
use super::sight::Sight;
use crate::check::{Subject, pod_of};
use serde_json::Value;
use understudy::admission::{Decision, User, objections, review};
use understudy::holding;
use understudy::keys;
use understudy::reason::Reason;

/// A promise that rules keep.
struct Promise {
    check: &'static str,
    reasons: &'static [Reason],
    kinds: &'static [&'static str],
    hint: &'static str,
}

const PROMISES: &[Promise] = &[
    Promise {
        check: "hosts",
        reasons: &[Reason::HostRewritten, Reason::HostStolen],
        kinds: &["Ingress", "HTTPRoute", "GRPCRoute", "TLSRoute"],
        hint: "give it a host of the preview's own: understudy refresh writes it anew",
    },
    Promise {
        check: "destinations",
        reasons: &[Reason::ProtectedEndpoint, Reason::UnreadableEnvironment],
        kinds: &[
            "Service",
            "Endpoints",
            "EndpointSlice",
            "Deployment",
            "StatefulSet",
            "CronJob",
            "Job",
            "Pod",
        ],
        hint: "understudy check --cluster says what admission objects to",
    },
    Promise {
        check: "connections",
        reasons: &[Reason::DatabaseRewritten],
        kinds: &["Pod"],
        hint: "delete the Pod: its owner makes it again, on the branch",
    },
    Promise {
        check: "identities",
        reasons: &[Reason::IdentityDropped],
        kinds: &["ServiceAccount", "Pod"],
        hint: "take the annotations of the cloud identity off",
    },
    Promise {
        check: "schedules",
        reasons: &[Reason::Quarantined],
        kinds: &["CronJob", "Job", "Pod"],
        hint: "suspend it: kubectl patch cronjob NAME --patch '{\"spec\":{\"suspend\":true}}'",
    },
    Promise {
        check: "exposure",
        reasons: &[Reason::ExposureLowered],
        kinds: &["Service"],
        hint: "make it a ClusterIP",
    },
    Promise {
        check: "network",
        reasons: &[Reason::NetworkWidened],
        kinds: &["NetworkPolicy"],
        hint: "delete the NetworkPolicy that allows more than the policy does",
    },
    Promise {
        check: "access",
        reasons: &[Reason::RoleEscalated],
        kinds: &["Role", "RoleBinding"],
        hint: "delete the Role or RoleBinding that gives more than the policy does",
    },
    Promise {
        check: "secret stores",
        reasons: &[Reason::SecretStoreForbidden],
        kinds: &["ExternalSecret"],
        hint: "ask one of the policy's stores",
    },
    Promise {
        check: "kinds",
        reasons: &[Reason::KindNotAllowed, Reason::DaemonSetRefused],
        kinds: &[],
        hint: "delete it, or have an administrator list the kind in the policy",
    },
];

/// Said of Pods while they wait, and of values that could not be read.
const NOT_A_BREACH: [Reason; 3] = [Reason::Held, Reason::EnvironmentUnresolved, Reason::Placed];

/// What a rule holds against an object.
pub struct Objection {
    reason: Reason,
    what: String,
}

/// What the rules hold against everything in the preview.
pub fn all(sight: &Sight) -> Vec<Objection> {
    let mut found = Vec::new();
    for (subject, _) in sight
        .subjects()
        .filter(|(subject, _)| is_reviewed(&subject.object))
    {
        let objects = if subject.object["kind"] == "Pod" {
            objections(&holding::creation(&subject.object), &sight.facts)
        } else {
            objections(&subject.creation(User::default()), &sight.facts)
        };
        // What a rule would change of a Pod is changed when the workload makes one; what it would refuse is never made.
        let refused = pod_of(&subject.object).map(|pod| review(&pod, &sight.facts));
        let refused = match refused {
            Some(Decision::Deny(violations)) => violations,
            _ => Vec::new(),
        };
        let refused = refused
            .into_iter()
            .map(|violation| (violation.reason, format!("its Pods: {}", violation.cause())));
        let of_the_cluster = |reason: Reason| reason == Reason::KindNotAllowed && is_owned(&subject.object);
        let counted = objects
            .into_iter()
            .chain(refused)
            .filter(|(reason, _)| !NOT_A_BREACH.contains(reason) && !of_the_cluster(*reason));
        found.extend(counted.map(|(reason, what)| Objection {
            reason,
            what: format!("{}: {what} ({reason}){}", subject.id, let_in(&subject)),
        }));
    }
    found
}

/// One row a promise, and one for every rule that has none of its own. Copies of secret values have theirs elsewhere.
pub fn rows(sight: &Sight, objections: &[Objection]) -> Vec<Row> {
    let named = |reason: Reason| PROMISES.iter().any(|promise| promise.reasons.contains(&reason));
    let mut rows: Vec<Row> = PROMISES
        .iter()
        .map(|promise| {
            let looked = if promise.kinds.is_empty() {
                format!("{} objects", sight.live.objects.len())
            } else {
                format!("{} of {}", sight.count(promise.kinds), promise.kinds.join(", "))
            };
            let against = objections
                .iter()
                .filter(|one| promise.reasons.contains(&one.reason));
            Row::new(promise.check, looked)
                .broken_by(against.map(|one| one.what.clone()))
                .unknown_for(sight.unread(promise.kinds))
                .unknown_for(unseen(sight, promise))
                .unknown_for(unlisted(sight).filter(|_| promise.kinds.is_empty()))
                .hint(promise.hint)
        })
        .collect();
    let others = objections
        .iter()
        .filter(|one| !named(one.reason) && one.reason != Reason::SecretCopied);
    rows.push(
        Row::new("other rules", format!("{} objects", sight.live.objects.len()))
            .broken_by(others.map(|one| one.what.clone()))
            .hint("understudy check --cluster says what admission objects to"),
    );
    rows
}

/// Why nothing can be said of what is protected: goldens, by their names and by where their Services lead.
fn unseen(sight: &Sight, promise: &Promise) -> Vec<String> {
    if promise.reasons.contains(&Reason::ProtectedEndpoint) {
        [sight.unseen.goldens.as_slice(), &sight.unseen.services].concat()
    } else {
        Vec::new()
    }
}

/// Kinds that neither run nor open anything, and that those with access to a preview need not be able to list.
pub const HARMLESS: [&str; 6] = [
    "CSIStorageCapacity",
    "ControllerRevision",
    "PodTemplate",
    "ReplicationController",
    "ResourceClaim",
    "ResourceClaimTemplate",
];

/// Why nothing can be said of kinds that no row names.
fn unlisted(sight: &Sight) -> Option<String> {
    let named = PROMISES.iter().flat_map(|promise| promise.kinds);
    let known: Vec<&str> = named.copied().chain(HARMLESS).collect();
    let hidden = sight.live.unreadable.iter().map(|hidden| hidden.kind.as_str());
    let hidden: Vec<&str> = hidden.filter(|kind| !known.contains(kind)).collect();
    (!hidden.is_empty()).then(|| format!("you may not list {}", hidden.join(", ")))
}

/// What the rules hold against copies of secret values.
pub fn copies(objections: &[Objection]) -> impl Iterator<Item = String> {
    let copies = objections.iter().filter(|one| one.reason == Reason::SecretCopied);
    copies.map(|one| one.what.clone())
}

/// Every Pod was reviewed on its way in, or replaced by one that was.
pub fn pods(sight: &Sight) -> Row {
    let pods: Vec<Subject> = sight
        .subjects()
        .map(|(subject, _)| subject)
        .filter(|subject| {
            subject.object["kind"] == "Pod" && subject.object["metadata"]["deletionTimestamp"].is_null()
        })
        .collect();
    let unmarked = pods
        .iter()
        .filter(|pod| !holding::is_marked(&pod.object, &sight.facts))
        .map(|pod| format!("{} carries no review mark that counts", pod.id));
    Row::new("pods", format!("the review marks of {} Pods", pods.len()))
        .broken_by(unmarked)
        .unknown_for(sight.unread(&["Pod"]))
        .hint(format!(
            "kubectl delete pods --all --namespace {}",
            sight.preview.name
        ))
}

fn let_in(subject: &Subject) -> String {
    match subject.object["metadata"]["annotations"][keys::EXEMPTED_BY].as_str() {
        Some(who) => format!("; {who} let it in"),
        None => String::new(),
    }
}

fn is_owned(object: &Value) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.is_some_and(|owners| !owners.is_empty())
}

/// Guardrails and branches have a look of their own; the rest is what Kubernetes derives from what is looked at.
fn is_reviewed(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    let kind = object["kind"].as_str().unwrap_or_default();
    if metadata["labels"][keys::GUARDRAIL].is_string() || !metadata["deletionTimestamp"].is_null() {
        return false;
    }
    match kind {
        "Event" | "Lease" | "ReplicaSet" | "ControllerRevision" | "ResourceQuota" | "LimitRange" => false,
        "EndpointSlice" => !is_owned(object),
        "Endpoints" => metadata["annotations"]["endpoints.kubernetes.io/last-change-trigger-time"].is_null(),
        "ConfigMap" => name != "kube-root-ca.crt",
        "Pod" => !holding_ended(object),
        _ => true,
    }
}

fn holding_ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}
