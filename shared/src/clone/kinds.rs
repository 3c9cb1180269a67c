//! Which kinds a clone knows, and why others are left out. Every kind that is not here is refused by name.

use super::verdict::Wave;

/// How a kind is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Made in this wave, by its own file below `rewrite`.
    Make(Wave),
    /// Not part of a clone, for this reason.
    Skip(&'static str),
    /// Refused, for this reason and with this remedy.
    Refuse(&'static str, &'static str),
}

use Treatment::{Make, Refuse, Skip};

const OWNED: &str = "its controller makes it again";
const RUN: &str = "it records one run, not what is wanted";
const POLICY_LIMITS: &str = "the policy sets a preview's own limits";
const BACKUP: &str = "backups are the golden's";
const CERTIFICATE: &str = "cert-manager makes it while it issues a certificate";

/// Group, kind, treatment; the core group is empty.
const KINDS: &[(&str, &str, Treatment)] = &[
    ("", "ConfigMap", Make(Wave::Config)),
    ("", "Secret", Make(Wave::Config)),
    ("", "ServiceAccount", Make(Wave::Config)),
    ("", "Service", Make(Wave::Config)),
    ("rbac.authorization.k8s.io", "Role", Make(Wave::Config)),
    ("rbac.authorization.k8s.io", "RoleBinding", Make(Wave::Config)),
    ("", "PersistentVolumeClaim", Make(Wave::Data)),
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
    ("metrics.k8s.io", "PodMetrics", Skip(RUN)),
    ("resource.k8s.io", "ResourceClaim", Skip(OWNED)),
    ("cert-manager.io", "CertificateRequest", Skip(CERTIFICATE)),
    ("acme.cert-manager.io", "Order", Skip(CERTIFICATE)),
    ("acme.cert-manager.io", "Challenge", Skip(CERTIFICATE)),
    (
        "cert-manager.io",
        "Certificate",
        Skip("a preview's hosts are served by the wildcard certificate of its domain"),
    ),
    (
        "kube-green.com",
        "SleepInfo",
        Skip("a preview sleeps by its policy"),
    ),
    ("velero.io", "Backup", Skip(BACKUP)),
    ("postgresql.cnpg.io", "Backup", Skip(BACKUP)),
    ("postgresql.cnpg.io", "ScheduledBackup", Skip(BACKUP)),
    (
        "bitnami.com",
        "SealedSecret",
        Refuse(
            "a sealed Secret is bound to its name and namespace and cannot be copied",
            "list the Secret it makes under secrets.copy of the policy",
        ),
    ),
];

/// How objects of `kind` in `group` are treated.
pub(super) fn treatment(group: &str, kind: &str) -> Treatment {
    KINDS.iter().find(|(g, k, _)| *g == group && *k == kind).map_or(
        Refuse("clones do not know this kind", "keep it outside of the golden"),
        |(_, _, treatment)| *treatment,
    )
}

/// Whether no object of `kind`, in whichever group, is ever part of a clone.
pub(super) fn is_never_made(kind: &str) -> bool {
    let mut known = KINDS.iter().filter(|(_, known, _)| *known == kind).peekable();
    known.peek().is_some() && known.all(|(_, _, treatment)| matches!(treatment, Skip(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_one_treatment() {
        let kinds: BTreeSet<_> = KINDS.iter().map(|(group, kind, _)| (group, kind)).collect();
        assert_eq!(kinds.len(), KINDS.len());
    }

    #[test]
    fn an_unknown_kind_is_refused() {
        // D03
        assert!(matches!(treatment("argoproj.io", "Rollout"), Refuse(..)));
        assert!(matches!(treatment("example.com", "Deployment"), Refuse(..)));
    }
}
