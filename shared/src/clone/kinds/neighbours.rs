//! Kinds of other vendors that clones know something of. A kind that is not here is copied by the general rules, where the
//! policy allows it.

use super::Treatment::{self, Make, Refuse, Skip, SkipUnlessListed};
use crate::clone::verdict::Wave;

const BACKUP: &str = "backups are the golden's";
const CLUSTER: &str = "it belongs to a CloudNativePG cluster, which is no part of a clone";
const CERTIFICATE: &str = "cert-manager makes it while it issues a certificate";
const WILDCARD: &str = "a preview's hosts are served by the wildcard certificate of its domain";
const DELIVERY: &str = "it delivers the golden; nothing but its own clone looks after a preview";
const SLEEP: &str = "a preview sleeps by its policy";
const NETWORK: &str = "the policy decides what a preview may talk to";
const REPORT: &str = "it reports on the golden";
const MONITORING: &str = "previews are not watched unless the policy lists the kind";
const SNAPSHOT: &str = "snapshots are the golden's";
const GRANT: &str = "it lets others refer to the golden";
const CLOUD: &str = "a clone of it would make another thing in a cloud account";

/// Stands for every kind of its group that has no row of its own.
pub(super) const ANY: &str = "*";

/// Group, kind, treatment.
pub(super) const KINDS: &[(&str, &str, Treatment)] = &[
    // Delivery: what carries its marks would prune or fight the clone.
    ("argoproj.io", "Application", Skip(DELIVERY)),
    ("argoproj.io", "ApplicationSet", Skip(DELIVERY)),
    ("argoproj.io", "AppProject", Skip(DELIVERY)),
    ("kustomize.toolkit.fluxcd.io", ANY, Skip(DELIVERY)),
    ("helm.toolkit.fluxcd.io", ANY, Skip(DELIVERY)),
    ("source.toolkit.fluxcd.io", ANY, Skip(DELIVERY)),
    ("image.toolkit.fluxcd.io", ANY, Skip(DELIVERY)),
    ("notification.toolkit.fluxcd.io", ANY, Skip(DELIVERY)),
    ("fluxcd.controlplane.io", ANY, Skip(DELIVERY)),
    ("helm.cattle.io", ANY, Skip(DELIVERY)),
    // Secrets.
    ("external-secrets.io", "ExternalSecret", Make(Wave::Config)),
    (
        "external-secrets.io",
        "SecretStore",
        Skip("its name says nothing of what it reads; a preview asks the policy's stores"),
    ),
    (
        "external-secrets.io",
        "PushSecret",
        Skip("it writes into a store"),
    ),
    (
        "bitnami.com",
        "SealedSecret",
        Refuse(
            "a sealed Secret is bound to its name and namespace and cannot be copied",
            "list the Secret it makes under secrets.copy of the policy, make it an ExternalSecret, or give it with --secret",
        ),
    ),
    // Certificates.
    ("cert-manager.io", "CertificateRequest", Skip(CERTIFICATE)),
    ("acme.cert-manager.io", ANY, Skip(CERTIFICATE)),
    ("cert-manager.io", "Certificate", Skip(WILDCARD)),
    ("cert-manager.io", "Issuer", Skip(WILDCARD)),
    // Routing.
    ("gateway.networking.k8s.io", "HTTPRoute", Make(Wave::Routes)),
    ("gateway.networking.k8s.io", "GRPCRoute", Make(Wave::Routes)),
    ("gateway.networking.k8s.io", "TLSRoute", Make(Wave::Routes)),
    (
        "gateway.networking.k8s.io",
        "Gateway",
        Refuse(
            "a Gateway of its own would ask for a load balancer and for the golden's addresses",
            "let previews share a Gateway outside of the golden",
        ),
    ),
    ("gateway.networking.k8s.io", "ReferenceGrant", Skip(GRANT)),
    // Databases.
    (
        "postgresql.cnpg.io",
        "Cluster",
        Refuse(
            "its copy would start empty, or beside the golden's archive",
            "add the database to spec.databases of the policy: the preview gets a branch",
        ),
    ),
    ("postgresql.cnpg.io", "Pooler", Skip(CLUSTER)),
    ("postgresql.cnpg.io", "Database", Skip(CLUSTER)),
    ("postgresql.cnpg.io", "Publication", Skip(CLUSTER)),
    ("postgresql.cnpg.io", "Subscription", Skip(CLUSTER)),
    ("postgresql.cnpg.io", "Backup", Skip(BACKUP)),
    ("postgresql.cnpg.io", "ScheduledBackup", Skip(BACKUP)),
    ("velero.io", ANY, Skip(BACKUP)),
    ("snapshot.storage.k8s.io", ANY, Skip(SNAPSHOT)),
    // Size and sleep.
    ("keda.sh", "ScaledObject", Make(Wave::Workloads)),
    ("keda.sh", "ScaledJob", Make(Wave::Workloads)),
    ("keda.sh", "TriggerAuthentication", Make(Wave::Config)),
    (
        "autoscaling.k8s.io",
        ANY,
        Skip("the policy sets a preview's own limits"),
    ),
    ("kube-green.com", "SleepInfo", Skip(SLEEP)),
    ("downscaler.cloud", ANY, Skip(SLEEP)),
    // What watches, reports and fences.
    (
        "monitoring.coreos.com",
        ANY,
        SkipUnlessListed(Wave::Routes, MONITORING),
    ),
    ("wgpolicyk8s.io", ANY, Skip(REPORT)),
    ("openreports.io", ANY, Skip(REPORT)),
    ("aquasecurity.github.io", ANY, Skip(REPORT)),
    ("reports.kyverno.io", ANY, Skip(REPORT)),
    ("cilium.io", "CiliumEndpoint", Skip(REPORT)),
    ("cilium.io", "CiliumNetworkPolicy", Skip(NETWORK)),
    ("crd.projectcalico.org", "NetworkPolicy", Skip(NETWORK)),
    ("projectcalico.org", "NetworkPolicy", Skip(NETWORK)),
    ("networking.k8s.aws", ANY, Skip(NETWORK)),
    ("metrics.k8s.io", ANY, Skip(REPORT)),
    // Claims on a cloud.
    (
        "iam.cnrm.cloud.google.com",
        ANY,
        Refuse(CLOUD, "keep it outside of the golden"),
    ),
    (
        "sql.cnrm.cloud.google.com",
        ANY,
        Refuse(CLOUD, "keep it outside of the golden"),
    ),
    (
        "rds.services.k8s.aws",
        ANY,
        Refuse(CLOUD, "keep it outside of the golden"),
    ),
    (
        "iam.services.k8s.aws",
        ANY,
        Refuse(CLOUD, "keep it outside of the golden"),
    ),
];
