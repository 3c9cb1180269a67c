//! Kubernetes' own kinds.

use super::Treatment::{self, Make, Refuse, Skip};
use crate::clone::verdict::Wave;

const OWNED: &str = "its controller makes it again";
const RUN: &str = "it records one run, not what is wanted";
const POLICY_LIMITS: &str = "the policy sets a preview's own limits";

/// Group, kind, treatment; the core group is empty. What is not here and is no vendor's is refused.
pub(super) const KINDS: &[(&str, &str, Treatment)] = &[
    ("", "ConfigMap", Make(Wave::Config)),
    ("", "Secret", Make(Wave::Config)),
    ("", "ServiceAccount", Make(Wave::Config)),
    ("", "Service", Make(Wave::Config)),
    ("rbac.authorization.k8s.io", "Role", Make(Wave::Config)),
    ("rbac.authorization.k8s.io", "RoleBinding", Make(Wave::Config)),
    ("", "PersistentVolumeClaim", Make(Wave::Data)),
    ("resource.k8s.io", "ResourceClaimTemplate", Make(Wave::Config)),
    ("apps", "StatefulSet", Make(Wave::Workloads)),
    ("apps", "Deployment", Make(Wave::Workloads)),
    ("batch", "Job", Make(Wave::Workloads)),
    ("batch", "CronJob", Make(Wave::Workloads)),
    ("autoscaling", "HorizontalPodAutoscaler", Make(Wave::Workloads)),
    ("networking.k8s.io", "Ingress", Make(Wave::Routes)),
    (
        "",
        "Pod",
        Skip("a bare Pod is one instance; a clone is made of what makes Pods"),
    ),
    ("", "Endpoints", Skip(OWNED)),
    ("", "Event", Skip(RUN)),
    ("events.k8s.io", "Event", Skip(RUN)),
    ("", "PodTemplate", Skip("nothing uses it")),
    (
        "",
        "ReplicationController",
        Refuse("it is superseded", "turn it into a Deployment"),
    ),
    ("", "ResourceQuota", Skip(POLICY_LIMITS)),
    ("", "LimitRange", Skip(POLICY_LIMITS)),
    ("apps", "ReplicaSet", Skip(OWNED)),
    ("apps", "ControllerRevision", Skip(OWNED)),
    (
        "apps",
        "DaemonSet",
        Refuse(
            "a DaemonSet would run on every node for every preview",
            "keep it outside of the golden",
        ),
    ),
    (
        "networking.k8s.io",
        "NetworkPolicy",
        Skip("the policy decides what a preview may talk to"),
    ),
    (
        "policy",
        "PodDisruptionBudget",
        Skip("a preview has nothing that must stay available"),
    ),
    ("discovery.k8s.io", "EndpointSlice", Skip(OWNED)),
    ("coordination.k8s.io", "Lease", Skip(RUN)),
    ("storage.k8s.io", "CSIStorageCapacity", Skip(OWNED)),
    ("resource.k8s.io", "ResourceClaim", Skip(OWNED)),
];
