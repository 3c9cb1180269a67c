//! The fixed world that reviews happen in: the golden `shop`, a policy with every section, and the preview `shop-pr-7` in
//! several states.

use crate::SECRET;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use understudy::admission::{Exempt, Facts, Installation};
use understudy::environment::{Data, Fact, Kind, Reference};
use understudy::fingerprints::{Fingerprints, Origin};
use understudy::guardrails;
use understudy::keys;
use understudy::policy::{Enforcement, PreviewPolicySpec, Rewrites};
use understudy::preview::Preview;
use understudy::protected::Protected;
use understudy::services::{Service, Services};

/// The preview's namespace.
pub const PREVIEW: &str = "shop-pr-7";
/// Where Understudy runs.
pub const OWN: &str = "understudy-system";

/// What is known at a review: sealed and ready, born but not sealed, not known yet, under policies that only observe,
/// that rewrite what lives in Git as well, and that rewrite nothing.
pub static FACTS: LazyLock<Vec<Facts>> = LazyLock::new(|| {
    let sealed = facts(policy(), true, false);
    let unsealed = facts(policy(), false, true);
    let unknown = Facts {
        preview: None,
        pods: Fact::Absent,
        ..unsealed.clone()
    };
    let observing = facts(
        PreviewPolicySpec {
            enforcement: Enforcement::Warn,
            ..policy()
        },
        true,
        false,
    );
    let always = facts(
        PreviewPolicySpec {
            rewrites: Rewrites::Always,
            ..policy()
        },
        true,
        false,
    );
    let never = facts(
        PreviewPolicySpec {
            rewrites: Rewrites::Never,
            ..policy()
        },
        false,
        true,
    );
    vec![sealed, unsealed, unknown, observing, always, never]
});

/// A policy that says something in every section.
pub fn policy() -> PreviewPolicySpec {
    serde_json::from_value(json!({
        "enforcement": "enforce",
        "creators": { "users": ["dev", "olga"], "groups": ["developers"], "serviceAccounts": ["ci/bot"] },
        "trusted": { "serviceAccounts": ["argocd/argocd-application-controller", "ci/bot"] },
        "adopt": { "existing": "any", "selector": { "team": "shop" } },
        "lifetime": { "default": "24h", "min": "1h", "max": "7d" },
        "capacity": { "starting": 2 },
        "quota": { "pods": "20", "requests.cpu": "2", "limits.memory": "8Gi" },
        "limits": {
            "default": { "cpu": "500m", "memory": "512Mi" }, "defaultRequest": { "cpu": "100m" }, "max": { "cpu": "2" }
        },
        "network": {
            "ingressFrom": [{ "namespaceLabels": { "kubernetes.io/metadata.name": "ingress-nginx" } }],
            "egress": {
                "dns": [{ "namespaceLabels": { "kubernetes.io/metadata.name": "kube-system" } }],
                "internet": true, "cidrs": ["10.7.0.0/16", "fd07::/64"],
                "namespaces": [{ "namespaceLabels": { "team": "payments" } }],
                "exceptCidrs": ["10.0.0.0/8", "fc00::/7"]
            }
        },
        "access": { "owner": true, "groups": ["reviewers"], "serviceAccounts": ["ci/bot"] },
        "kinds": ["gateway.networking.k8s.io/HTTPRoute", "external-secrets.io/ExternalSecret", "traefik.io/IngressRoute"],
        "podSecurity": "baseline",
        "placement": {
            "nodeSelector": { "example.com/pool": "previews" },
            "tolerations": [{ "key": "previews", "operator": "Exists", "effect": "NoSchedule" }],
            "priorityClassName": "preview", "daemonSets": "refuse"
        },
        "hosts": { "domain": "preview.example.com", "tlsSecret": "wildcard", "ingressClass": "nginx" },
        "size": { "replicas": 1 },
        "jobs": "skip",
        "databases": [
            {
                "name": "app",
                "match": { "hosts": ["db.shop.svc.cluster.local"], "databases": ["shop"], "secrets": ["shop-db/url", "shop-db/password"] },
                "branch": { "postgres": {
                    "adminSecret": { "namespace": OWN, "name": "pg" }, "template": "shop_seed", "connectionLimit": 10,
                    "statementTimeout": "5m", "reach": { "cidrs": ["10.9.0.0/24"], "port": 5432 }
                } }
            },
            {
                "name": "audit-log",
                "match": { "hosts": ["*.rds.example.com"] },
                "branch": { "postgres": {
                    "adminSecret": { "namespace": OWN, "name": "pg" }, "template": "audit",
                    "reach": { "namespaceLabels": { "kubernetes.io/metadata.name": "databases" }, "port": 6432 }
                } }
            }
        ],
        "secrets": { "copy": ["registry"], "stores": ["vault"], "keyPrefixes": ["preview/"], "csi": "refuse" },
        "protected": { "namespaces": ["payments-prod"], "hosts": ["*.prod.example.com", "mail.example.com"] },
        "quarantine": { "cronJobs": "suspend", "smtp": "deny", "env": { "SMTP_HOST": "sink", "STRIPE_KEY": "sk_$test" } },
        "rewrites": "unless-gitops"
    }))
    .expect("a policy")
}

/// The preview under `policy`, sealed or not.
pub fn preview(policy: &PreviewPolicySpec, sealed: bool) -> Preview {
    let state = if sealed { "ready" } else { "pending: waiting" };
    let metadata = json!({
        "name": PREVIEW, "uid": "2c1d", "creationTimestamp": "2026-06-01T10:00:00Z",
        "labels": { keys::PREVIEW: "true", keys::PARENT: "shop" },
        "annotations": {
            keys::database_state("app"): state, keys::database_state("audit-log"): state,
            keys::EXPIRES_AT: "2026-06-02T10:00:00Z", keys::CREATOR: "dev", keys::OWNER: "dev"
        }
    });
    let metadata = serde_json::from_value(metadata).expect("metadata");
    let mut preview = Preview::of(&metadata).expect("a preview");
    preview.sealed = sealed.then(|| guardrails::seal_hash(&guardrails::desired(&preview, policy, OWN)));
    preview
}

/// Services whose names and addresses lead into the golden, out of it and in circles.
pub fn services() -> Services {
    let mut services = Services::default();
    let mut put = |namespace: &str, name: &str, addresses: &[&str], external: Option<&str>| {
        let cluster_ips = addresses
            .iter()
            .map(|address| address.parse::<IpAddr>().expect("an address"))
            .collect();
        services.put(
            namespace,
            name,
            Service {
                cluster_ips,
                external_name: external.map(str::to_owned),
            },
        );
    };
    put("shop", "db", &["10.96.0.12", "fd00::12"], None);
    put("shop", "web", &[], None);
    put(PREVIEW, "web", &["10.96.0.99"], None);
    put(PREVIEW, "alias", &[], Some("db.shop.svc.cluster.local"));
    put(PREVIEW, "circle", &[], Some("circle.shop-pr-7.svc"));
    put("tools", "hop", &[], Some("alias.shop-pr-7"));
    services
}

/// What no preview may reach under `policy`.
pub fn protected(policy: &PreviewPolicySpec) -> Protected {
    Protected::new(["shop".to_owned()], [policy], &services())
}

/// Everything that is known, under `policy`.
pub fn facts(policy: PreviewPolicySpec, sealed: bool, pods: bool) -> Facts {
    let mut fingerprints = Fingerprints::default();
    let origin = Origin {
        namespace: "shop".to_owned(),
        name: "stripe".to_owned(),
        key: "key".to_owned(),
    };
    fingerprints.add(origin, b"sk_live_0123456789");
    Facts {
        now: "2026-06-01T12:00:00Z".parse().expect("a time"),
        installation: Arc::new(Installation {
            namespace: OWN.to_owned(),
            exempt: Exempt {
                users: vec!["root".to_owned()],
                groups: vec!["system:masters".to_owned()],
            },
            system_service_accounts: vec!["argocd/argocd-application-controller".to_owned()],
            system_users: vec!["eks:network-policy-controller".to_owned()],
        }),
        protected: Arc::new(protected(&policy)),
        preview: Some(preview(&policy, sealed)),
        policies: Arc::new([(keys::DEFAULT_POLICY.to_owned(), policy)].into()),
        services: Arc::new(services()),
        fingerprints: Arc::new(fingerprints),
        pods: Fact::Present(pods),
        wanted_seal: None,
        sources: sources(),
    }
}

/// Secrets that hold [`SECRET`] in every way a password is written down, and ConfigMaps.
fn sources() -> std::collections::BTreeMap<Reference, Fact<Data>> {
    let url = format!("postgres://u:{SECRET}@db.shop:5432/shop?sslmode=require&token={SECRET}");
    let jdbc = format!("jdbc:postgresql://db.shop/shop?user=u&password={SECRET}&currentSchema=x");
    let keywords = format!("host=db.shop dbname=shop user=u password='{SECRET}' application_name=web");
    let secret = json!({
        "url": url, "jdbc": jdbc, "dsn": keywords, "host": "db.shop", "name": "shop", "user": "u", "password": SECRET,
        "mysql": format!("mysql://u:{SECRET}@db.shop/x"), "pgpass": format!("db.shop:5432:shop:u:{SECRET}")
    });
    let config = json!({ "DB_HOST": "db.shop", "DB_NAME": "shop", "LOG": "debug", "JDBC": "jdbc:postgresql://db.shop/shop" });
    let data = |value: Value| Fact::Present(serde_json::from_value::<Data>(value).expect("texts"));
    let reference = |kind, name: &str| Reference {
        kind,
        name: name.to_owned(),
    };
    [
        (reference(Kind::Secret, "shop-db"), data(secret)),
        (
            reference(Kind::Secret, "plain"),
            data(
                json!({ "password": SECRET, "file": format!("[db]\nhost = db.shop\npassword = {SECRET}\n") }),
            ),
        ),
        (reference(Kind::ConfigMap, "worker"), data(config)),
        (reference(Kind::ConfigMap, "gone"), Fact::Absent),
    ]
    .into()
}
