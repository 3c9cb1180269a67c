//! Who may write which of our keys, and what else admission and the ValidatingAdmissionPolicies must agree on.
//!
//! One table, read twice: by the rules of admission, and by the chart, whose `templates/_tables.tpl` is generated from
//! it. So a policy in the API server cannot refuse what a rule allows, nor forget a key that a rule knows. What needs
//! parsing or reading stands in the rules alone.

use crate::keys;
use crate::reason::Reason;
use jiff::Timestamp;

/// Where a key stands on a Namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// `metadata.labels`.
    Label,
    /// `metadata.annotations`.
    Annotation,
}

impl Place {
    /// The field of `metadata`.
    pub fn field(self) -> &'static str {
        match self {
            Place::Label => "labels",
            Place::Annotation => "annotations",
        }
    }
}

/// Who may write a key. Exempt users may write every key on purpose, so they are not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Whom RBAC lets write the namespace; what the value may be is said by other rules.
    Anyone,
    /// Admission, under the name of whoever asks: the key holds what admission would write now, or is absent.
    Admission,
    /// Our controller.
    Controller,
    /// Service accounts of the chart value `goldenKeepers`, which may add the label and never take it off.
    Keepers,
    /// Nobody.
    Nobody,
}

/// One key of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key; one that ends in a dot stands for all that begin with it.
    pub name: &'static str,
    /// Label or annotation.
    pub place: Place,
    /// Who may write it in the request by which the namespace becomes a preview: its creation, or its adoption.
    pub birth: Writer,
    /// Who may add, change or remove it on a preview.
    pub later: Writer,
    /// The code with which a later change is refused.
    pub reason: Reason,
}

impl Key {
    /// Whether `key` in `place` is this one.
    pub fn is(&self, place: Place, key: &str) -> bool {
        let same = match self.name.ends_with('.') {
            true => key.len() > self.name.len() && key.starts_with(self.name),
            false => key == self.name,
        };
        self.place == place && same
    }

    /// Whether what was written at birth stays.
    pub fn is_fixed_at_birth(&self) -> bool {
        self.later == Writer::Nobody
    }

    /// Whether the value is ours to write. Such a key may not stand on a namespace in advance, since a namespace that
    /// becomes a preview would bring it along.
    pub fn is_reserved(&self) -> bool {
        self.birth != Writer::Anyone && self.birth != Writer::Keepers
    }
}

const fn label(name: &'static str, birth: Writer, later: Writer, reason: Reason) -> Key {
    Key {
        name,
        place: Place::Label,
        birth,
        later,
        reason,
    }
}

const fn annotation(name: &'static str, birth: Writer, later: Writer) -> Key {
    Key {
        name,
        place: Place::Annotation,
        birth,
        later,
        reason: Reason::FieldReserved,
    }
}

use Writer::{Admission, Anyone, Controller, Keepers, Nobody};

/// Every key of the contract on a Namespace.
pub const KEYS: &[Key] = &[
    label(keys::PREVIEW, Anyone, Nobody, Reason::LabelRemoved),
    label(keys::GOLDEN, Keepers, Keepers, Reason::FieldReserved),
    label(keys::POLICY, Anyone, Nobody, Reason::PolicyChanged),
    label(keys::PARENT, Anyone, Nobody, Reason::ParentChanged),
    label(keys::PR, Anyone, Nobody, Reason::ParentChanged),
    label(keys::ORIGIN, Admission, Nobody, Reason::FieldReserved),
    label(keys::ENFORCEMENT, Admission, Controller, Reason::FieldReserved),
    label(keys::PHASE, Admission, Controller, Reason::FieldReserved),
    annotation(keys::TTL, Anyone, Anyone),
    annotation(keys::ON_EXPIRY, Anyone, Anyone),
    annotation(keys::EXPIRES_AT, Admission, Anyone),
    // The controller, where a policy that only observed begins to enforce: the lease counts from then on.
    annotation(keys::ADOPTED_AT, Admission, Controller),
    annotation(keys::CREATOR, Admission, Nobody),
    Key {
        name: keys::OWNER,
        place: Place::Annotation,
        birth: Admission,
        later: Nobody,
        reason: Reason::OwnerForged,
    },
    annotation(keys::REPOSITORY, Anyone, Anyone),
    annotation(keys::BRANCH, Anyone, Anyone),
    annotation(keys::COMMIT, Anyone, Anyone),
    annotation(keys::TITLE, Anyone, Anyone),
    annotation(keys::DATABASES, Anyone, Anyone),
    annotation(keys::SLEEP, Anyone, Anyone),
    annotation(keys::LINEAGE, Anyone, Nobody),
    annotation(keys::REVIVE, Anyone, Nobody),
    annotation(keys::GUARDRAILS, Nobody, Controller),
    annotation(keys::DATABASE_PREFIX, Nobody, Controller),
    annotation(keys::MESSAGE, Nobody, Controller),
    annotation(keys::URL, Nobody, Controller),
    annotation(keys::APPROVALS, Nobody, Nobody),
];

/// The row of `key` in `place`; `None` for a key that this version does not know there.
pub fn key(place: Place, key: &str) -> Option<&'static Key> {
    KEYS.iter().find(|row| row.is(place, key))
}

/// Every gate of ours on a Pod.
pub const GATES: [&str; 3] = [keys::GATE_GUARDRAILS, keys::GATE_DATABASE, keys::GATE_REVIEW];

/// The kinds that guardrails are of, `(group, resource)`.
pub const GUARDRAIL_KINDS: [(&str, &str); 5] = [
    ("", "limitranges"),
    ("", "resourcequotas"),
    ("", "secrets"),
    ("networking.k8s.io", "networkpolicies"),
    ("rbac.authorization.k8s.io", "rolebindings"),
];

/// What our controller may bind in a preview: the ClusterRole, and the one service account of ours it is for. `None`
/// means the people and service accounts that the policy names.
pub const BOUND_ROLES: [(&str, Option<&str>); 3] = [
    (keys::ROLE_USER, None),
    (keys::ROLE_ADMISSION, Some(keys::ADMISSION_ACCOUNT)),
    (keys::ROLE_CONTROLLER, Some(keys::CONTROLLER_ACCOUNT)),
];

/// Groups that hold everybody who can log in, or who cannot.
pub const PUBLIC_GROUPS: [&str; 3] = [
    "system:authenticated",
    "system:unauthenticated",
    "system:serviceaccounts",
];

/// Users of the control plane itself. The first is what kube-controller-manager goes by where its controllers have no
/// credentials of their own.
pub const CONTROL_PLANE_USERS: [&str; 2] = ["system:kube-controller-manager", "system:kube-scheduler"];

/// Service accounts of kube-controller-manager, in kube-system: what they write follows from objects that were
/// reviewed, and some are a single worker for the whole cluster. Source: Kubernetes 1.36,
/// plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go, and the one that hands out tokens. An account
/// that is not listed is reviewed like anybody.
pub const CONTROL_PLANE_ACCOUNTS: [&str; 45] = [
    "attachdetach-controller",
    "certificate-controller",
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemon-set-controller",
    "deployment-controller",
    "device-taint-eviction-controller",
    "disruption-controller",
    "endpoint-controller",
    "endpointslice-controller",
    "endpointslicemirroring-controller",
    "ephemeral-volume-controller",
    "expand-controller",
    "generic-garbage-collector",
    "horizontal-pod-autoscaler",
    "job-controller",
    "kube-apiserver-serving-clustertrustbundle-publisher",
    "legacy-service-account-token-cleaner",
    "namespace-controller",
    "node-controller",
    "persistent-volume-binder",
    "pod-garbage-collector",
    "podcertificaterequestcleaner",
    "podgroup-protection-controller",
    "pv-protection-controller",
    "pvc-protection-controller",
    "replicaset-controller",
    "replication-controller",
    "resource-claim-controller",
    "resourcepoolstatusrequest-controller",
    "resourcequota-controller",
    "root-ca-cert-publisher",
    "route-controller",
    "selinux-warning-controller",
    "service-account-controller",
    "service-cidrs-controller",
    "service-controller",
    "statefulset-controller",
    "storage-version-garbage-collector",
    "storage-version-migrator-controller",
    "tokens-controller",
    "ttl-after-finished-controller",
    "ttl-controller",
    "validatingadmissionpolicy-status-controller",
    "volumeattributesclass-protection-controller",
];

/// What the control plane's own users make that is reviewed all the same, `(group, resource)`: what runs.
pub const REVIEWED_OF_CONTROL_PLANE: [(&str, &str); 2] = [("", "pods"), ("batch", "jobs")];

/// Whether the review mark on a Pod counts.
///
/// Outside previews a mark may have been planted beforehand by whoever may write `pods/status` there, which no policy
/// watches (every kubelet would pay for it). So in an adopted namespace it counts on Pods that are younger than the
/// adoption: `adopted` is fixed by the contract, and a creation time by the API server. Both are in whole seconds, hence
/// a Pod of the same second counts as older, and is reviewed once more.
pub fn mark_counts(adopted: Option<Timestamp>, pod_created: Timestamp) -> bool {
    adopted.is_none_or(|adopted| pod_created.as_second() > adopted.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_stands_in_the_table_once() {
        let names: BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), KEYS.len());
        assert!(names.iter().all(|name| keys::is_ours(name)));
    }

    #[test]
    fn a_family_of_keys_is_one_row() {
        assert!(key(Place::Annotation, "understudy.dev/database.app").is_some());
        assert!(key(Place::Annotation, "understudy.dev/database.").is_none());
        assert!(
            key(Place::Annotation, "understudy.dev/databases").is_some_and(|row| row.name == keys::DATABASES)
        );
        assert!(key(Place::Label, "understudy.dev/ttl").is_none(), "an annotation");
    }

    #[test]
    fn what_is_ours_to_write_at_birth_is_never_a_users_to_write_before() {
        for row in KEYS {
            assert_eq!(
                row.is_reserved(),
                matches!(row.birth, Writer::Admission | Writer::Nobody),
                "{}",
                row.name
            );
        }
        assert!(
            key(Place::Annotation, keys::GUARDRAILS).unwrap().is_reserved(),
            "the seal"
        );
    }

    #[test]
    fn a_mark_from_before_the_adoption_does_not_count() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let adopted = at("2026-06-01T12:00:00.9Z");
        assert!(mark_counts(None, at("2026-06-01T11:00:00Z")), "born as a preview");
        assert!(!mark_counts(Some(adopted), at("2026-06-01T11:59:59Z")));
        assert!(
            !mark_counts(Some(adopted), at("2026-06-01T12:00:00Z")),
            "which was first?"
        );
        assert!(mark_counts(Some(adopted), at("2026-06-01T12:00:01Z")));
    }
}
