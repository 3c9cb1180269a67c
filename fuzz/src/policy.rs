//! Policies: any JSON that is one makes guardrails of bounded size, and what they open may be opened by a user too.

use crate::review::settles;
use crate::stage::{self, OWN, PREVIEW};
use serde_json::{Value, json};
use std::net::IpAddr;
use understudy::admission::{Decision, Request, User, review};
use understudy::guardrails::{self, Guardrail, Kind};
use understudy::networks::{self, Networks};
use understudy::policy::PreviewPolicySpec;
use understudy::protected::{Bounds, Place};

/// The spec of a policy.
pub fn check(bytes: &[u8]) {
    let Ok(policy) = serde_json::from_slice::<PreviewPolicySpec>(bytes) else {
        return;
    };
    let written = serde_json::to_value(&policy).expect("a policy is JSON");
    assert_eq!(
        serde_json::from_value::<PreviewPolicySpec>(written.clone())
            .ok()
            .as_ref(),
        Some(&policy)
    );

    let preview = stage::preview(&policy, true);
    let desired = guardrails::desired(&preview, &policy, OWN);
    assert!(desired.len() <= 10 + policy.databases.len());
    let size: usize = desired
        .iter()
        .map(|guardrail| guardrail.object.to_string().len())
        .sum();
    assert!(
        size <= 8192 + 16 * written.to_string().len(),
        "{size} bytes of guardrails"
    );
    assert!(
        desired
            .iter()
            .all(|one| guardrails::matches(&one.object, &one.object))
    );
    assert!(guardrails::is_sealed(&preview, &policy, OWN));

    let protected = stage::protected(&policy);
    let services = stage::services();
    let bounds = Bounds::of(&protected, &services, PREVIEW);
    assert!(
        bounds
            .reached("postgres://u:p@db.shop/shop", Place::Value)
            .is_some(),
        "a policy opens a golden"
    );
    let readable = networks(&policy);
    pods(&policy);
    if readable {
        own_network_policies(&policy, &desired);
    }
}

/// Comparing networks; whether every network of the policy can be read.
fn networks(policy: &PreviewPolicySpec) -> bool {
    let egress = &policy.network.egress;
    let reaches = policy
        .databases
        .iter()
        .flat_map(|database| &database.branch.postgres.reach.cidrs);
    let all: Vec<&String> = egress
        .cidrs
        .iter()
        .chain(&egress.except_cidrs)
        .chain(reaches)
        .take(32)
        .collect();
    for address in ["10.9.0.1", "93.184.216.34", "169.254.169.254", "fd00::12", "::1"] {
        let address: IpAddr = address.parse().expect("an address");
        let reachable = Networks::reachable(&policy.network, address);
        assert!(reachable || !Networks::parse(&egress.cidrs).contain(address));
        let block = format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 });
        assert_eq!(
            networks::beyond(&block, &[], egress).is_none(),
            reachable,
            "{block}"
        );
    }
    for cidr in &all {
        let own = std::slice::from_ref(*cidr);
        let _ = networks::beyond(cidr, own, egress);
        if Networks::parse(own) != Networks::default() && egress.cidrs.contains(cidr) {
            assert_eq!(networks::beyond(cidr, &[], egress), None, "{cidr}");
        }
    }
    all.iter()
        .all(|cidr| Networks::parse(std::slice::from_ref(*cidr)) != Networks::default())
}

/// A user may open what the policy opens: its own NetworkPolicies under other names pass.
fn own_network_policies(policy: &PreviewPolicySpec, desired: &[Guardrail]) {
    let facts = stage::facts(policy.clone(), true, false);
    for guardrail in desired
        .iter()
        .filter(|guardrail| guardrail.kind == Kind::NetworkPolicy)
    {
        let mut object = guardrail.object.clone();
        object["metadata"] = json!({ "name": "mine", "namespace": PREVIEW });
        let decision = review(&request(object, "networkpolicies"), &facts);
        assert!(
            !matches!(decision, Decision::Deny(_)),
            "{decision:?}\n{}",
            guardrail.object
        );
    }
}

/// Pods under this policy: mutation settles.
fn pods(policy: &PreviewPolicySpec) {
    let container = json!({ "name": "main", "env": [
        { "name": "DATABASE_URL", "value": "postgres://u:p@db.shop/shop" }, { "name": "DB_HOST", "value": "other.example.com" },
        { "name": "SMTP_HOST", "value": "x" }, { "name": "P", "valueFrom": { "secretKeyRef": { "name": "shop-db", "key": "url" } } },
    ] });
    for (sealed, spec) in [
        (true, json!({ "containers": [container] })),
        (
            false,
            json!({ "containers": [container], "nodeSelector": { "a": "b" }, "tolerations": [], "priority": 0 }),
        ),
    ] {
        let facts = stage::facts(policy.clone(), sealed, false);
        let request = request(
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" }, "spec": spec }),
            "pods",
        );
        settles(&request, &review(&request, &facts), &facts, false);
    }
    let container = json!({ "name": "main" });
    if let Some(resources) = guardrails::resources(&container, &policy.limits) {
        let filled = json!({ "name": "main", "resources": resources });
        assert_eq!(guardrails::resources(&filled, &policy.limits), None);
        let _ = guardrails::exceeded(&json!({ "spec": { "containers": [filled] } }), &policy.limits);
    }
}

fn request(object: Value, resource: &str) -> Request {
    let user = User {
        name: "dev".to_owned(),
        groups: vec!["developers".to_owned()],
    };
    Request {
        namespace: PREVIEW.to_owned(),
        ..Request::creation(object, resource, user)
    }
}

/// What keys and strings of a policy are likely to be.
pub const WORDS: &[&str] = &[
    "enforcement",
    "enforce",
    "warn",
    "creators",
    "users",
    "groups",
    "serviceAccounts",
    "ci/bot",
    "trusted",
    "adopt",
    "existing",
    "any",
    "empty",
    "never",
    "selector",
    "lifetime",
    "default",
    "min",
    "max",
    "1h",
    "24h",
    "7d",
    "3660d",
    "capacity",
    "starting",
    "quota",
    "pods",
    "requests.cpu",
    "limits",
    "defaultRequest",
    "cpu",
    "memory",
    "500m",
    "4Gi",
    "999999999999.999Pi",
    "banana",
    "network",
    "ingressFrom",
    "namespaceLabels",
    "kubernetes.io/metadata.name",
    "shop",
    "shop-pr-7",
    "kube-system",
    "egress",
    "dns",
    "internet",
    "cidrs",
    "namespaces",
    "exceptCidrs",
    "0.0.0.0/0",
    "::/0",
    "10.0.0.0/8",
    "10.9.0.0/24",
    "10.9.0.1/32",
    "10.9.0.7/8",
    "fd00::/8",
    "fc00::/7",
    "::ffff:10.0.0.0/104",
    "169.254.169.254/32",
    "1.2.3.4",
    "access",
    "owner",
    "kinds",
    "gateway.networking.k8s.io/HTTPRoute",
    "podSecurity",
    "privileged",
    "baseline",
    "restricted",
    "placement",
    "nodeSelector",
    "tolerations",
    "key",
    "operator",
    "Exists",
    "Equal",
    "value",
    "effect",
    "NoSchedule",
    "priorityClassName",
    "daemonSets",
    "refuse",
    "allow",
    "hosts",
    "domain",
    "preview.example.com",
    "tlsSecret",
    "ingressClass",
    "size",
    "replicas",
    "jobs",
    "recreate",
    "skip",
    "databases",
    "name",
    "app",
    "a-b",
    "match",
    "secrets",
    "shop-db/url",
    "branch",
    "postgres",
    "adminSecret",
    "namespace",
    "template",
    "connectionLimit",
    "statementTimeout",
    "reach",
    "port",
    "copy",
    "stores",
    "keyPrefixes",
    "csi",
    "injectors",
    "fileKeyRef",
    "protected",
    "*.shop",
    "*.",
    "*",
    "db.shop",
    "db",
    ".",
    "quarantine",
    "cronJobs",
    "suspend",
    "run",
    "smtp",
    "deny",
    "env",
    "SMTP_HOST",
    "DATABASE_URL",
    "DB_HOST",
    "$(A)",
    "$",
    "postgres://u:p@db.shop/shop",
    "rewrites",
    "always",
    "unless-gitops",
    "spec",
    "a/b~c",
    "\u{1b}",
    "",
];
