//! Reviews: whatever bytes come, no crash; a patch applies, is what the answer carries, and settles; nothing that is said
//! holds a secret or drives a terminal.

use crate::SECRET;
use crate::stage::FACTS;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use understudy::admission::{
    Decision, Facts, Request, adopts, answer, concerns, needs, parse, review, validate,
};

/// The bytes of one AdmissionReview.
pub fn check(bytes: &[u8]) {
    let Ok(request) = parse(bytes) else { return };
    let (_, _, _) = (needs(&request), adopts(&request), concerns(&request));
    // What stands in the request is no secret to whoever sent it.
    let known = bytes
        .windows(SECRET.len())
        .any(|window| window == SECRET.as_bytes());
    for facts in FACTS.iter() {
        let decision = review(&request, facts);
        said(&request, &decision, known);
        settles(&request, &decision, facts, known);
    }
}

/// Mutation settles: what it makes of an object passes, and so does an object that it lets pass.
pub fn settles(request: &Request, decision: &Decision, facts: &Facts, known: bool) {
    let object = match decision {
        Decision::Deny(_) => return,
        Decision::Allow { .. } | Decision::Observed { .. } => request.object.clone(),
        Decision::Patch { operations, .. } => {
            let mut object = request.object.clone();
            json_patch::patch(&mut object, operations).expect("a patch applies");
            object
        }
    };
    let again = Request {
        object,
        ..request.clone()
    };
    let validated = validate(&again, facts);
    let passed = matches!(validated, Decision::Allow { .. } | Decision::Observed { .. });
    assert!(passed, "{:?}\n{decision:?}\n{validated:?}", again.object);
    said(&again, &validated, known);
}

/// The answer carries the decision, and neither it nor what is logged says what nobody may read.
fn said(request: &Request, decision: &Decision, known: bool) {
    let answer = answer(&request.uid, decision);
    let response = &answer["response"];
    assert_eq!(response["uid"], request.uid.as_str());
    assert_eq!(response["allowed"], !matches!(decision, Decision::Deny(_)));
    let mut texts = vec![
        answer.to_string(),
        format!("{:?} {}", decision.reasons(), decision.verdict()),
    ];
    if let Decision::Patch {
        operations, notes, ..
    } = decision
    {
        let patch = STANDARD
            .decode(response["patch"].as_str().expect("a patch"))
            .expect("base64");
        let carried: Value = serde_json::from_slice(&patch).expect("a patch is JSON");
        assert_eq!(
            carried,
            serde_json::to_value(operations).expect("a patch is JSON")
        );
        texts.extend([carried.to_string(), format!("{notes:?}")]);
    }
    for text in texts {
        assert!(known || !text.contains(SECRET), "a secret is said: {text}");
    }
    printable(&response["warnings"]);
    printable(&response["status"]);
}

/// No control character in anything that a terminal shows; violations are separated by line breaks.
fn printable(value: &Value) {
    match value {
        Value::String(text) => {
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        }
        Value::Array(items) => items.iter().for_each(printable),
        Value::Object(fields) => fields.values().for_each(printable),
        _ => {}
    }
}

/// What keys and strings of a review are likely to be.
pub const WORDS: &[&str] = &[
    "metadata",
    "labels",
    "annotations",
    "name",
    "namespace",
    "generateName",
    "ownerReferences",
    "controller",
    "kind",
    "deletionTimestamp",
    "creationTimestamp",
    "finalizers",
    "uid",
    "apiVersion",
    "spec",
    "status",
    "request",
    "object",
    "oldObject",
    "operation",
    "CREATE",
    "UPDATE",
    "DELETE",
    "CONNECT",
    "userInfo",
    "username",
    "groups",
    "resource",
    "subResource",
    "group",
    "dev",
    "olga",
    "root",
    "system:masters",
    "developers",
    "system:serviceaccount:ci:bot",
    "system:serviceaccount:understudy-system:understudy-controller",
    "system:kube-controller-manager",
    "system:serviceaccount:argocd:argocd-application-controller",
    "system:node:a",
    "system:nodes",
    "system:serviceaccount:kube-system:cronjob-controller",
    "shop-pr-7",
    "shop",
    "payments-prod",
    "true",
    "false",
    "default",
    "containers",
    "initContainers",
    "ephemeralContainers",
    "env",
    "envFrom",
    "value",
    "valueFrom",
    "secretKeyRef",
    "configMapKeyRef",
    "secretRef",
    "configMapRef",
    "fileKeyRef",
    "fieldRef",
    "fieldPath",
    "metadata.labels['a']",
    "metadata.namespace",
    "resourceFieldRef",
    "prefix",
    "optional",
    "key",
    "url",
    "jdbc",
    "dsn",
    "host",
    "password",
    "mysql",
    "pgpass",
    "shop-db",
    "plain",
    "worker",
    "gone",
    "understudy-db-app",
    "understudy-db-audit-log",
    "command",
    "args",
    "livenessProbe",
    "httpGet",
    "tcpSocket",
    "exec",
    "lifecycle",
    "postStart",
    "preStop",
    "port",
    "image",
    "volumes",
    "configMap",
    "secret",
    "secretName",
    "projected",
    "sources",
    "serviceAccountToken",
    "audience",
    "csi",
    "driver",
    "items",
    "hostAliases",
    "ip",
    "dnsConfig",
    "searches",
    "nameservers",
    "dnsPolicy",
    "nodeSelector",
    "tolerations",
    "priorityClassName",
    "priority",
    "preemptionPolicy",
    "schedulingGates",
    "resources",
    "limits",
    "requests",
    "cpu",
    "memory",
    "8",
    "500m",
    "restartPolicy",
    "Always",
    "serviceAccountName",
    "type",
    "LoadBalancer",
    "NodePort",
    "ExternalName",
    "ClusterIP",
    "externalName",
    "externalIPs",
    "ports",
    "nodePort",
    "loadBalancerIP",
    "clusterIP",
    "subsets",
    "addresses",
    "endpoints",
    "rules",
    "http",
    "paths",
    "backend",
    "service",
    "tls",
    "hosts",
    "hostnames",
    "parentRefs",
    "backendRefs",
    "defaultBackend",
    "ingressClassName",
    "ingress",
    "egress",
    "from",
    "to",
    "ipBlock",
    "cidr",
    "except",
    "namespaceSelector",
    "podSelector",
    "matchLabels",
    "matchExpressions",
    "operator",
    "In",
    "values",
    "endPort",
    "protocol",
    "policyTypes",
    "roleRef",
    "subjects",
    "apiGroups",
    "verbs",
    "resourceNames",
    "data",
    "stringData",
    "binaryData",
    "suspend",
    "schedule",
    "jobTemplate",
    "template",
    "selector",
    "replicas",
    "secretStoreRef",
    "remoteRef",
    "dataFrom",
    "extract",
    "find",
    "pods",
    "services",
    "configmaps",
    "secrets",
    "namespaces",
    "serviceaccounts",
    "ingresses",
    "networkpolicies",
    "roles",
    "rolebindings",
    "jobs",
    "cronjobs",
    "daemonsets",
    "deployments",
    "endpointslices",
    "httproutes",
    "grpcroutes",
    "ingressroutes",
    "externalsecrets",
    "secretstores",
    "pushsecrets",
    "apps",
    "batch",
    "networking.k8s.io",
    "rbac.authorization.k8s.io",
    "discovery.k8s.io",
    "gateway.networking.k8s.io",
    "traefik.io",
    "external-secrets.io",
    "ephemeralcontainers",
    "understudy.dev/preview",
    "understudy.dev/golden",
    "understudy.dev/policy",
    "understudy.dev/parent",
    "understudy.dev/pr",
    "understudy.dev/origin",
    "understudy.dev/phase",
    "understudy.dev/ttl",
    "understudy.dev/expires-at",
    "understudy.dev/adopted-at",
    "understudy.dev/creator",
    "understudy.dev/owner",
    "understudy.dev/databases",
    "understudy.dev/guardrails",
    "understudy.dev/guardrail",
    "understudy.dev/database.app",
    "understudy.dev/on-expiry",
    "understudy.dev/reviewed",
    "understudy.dev/review",
    "understudy.dev/database",
    "pod-security.kubernetes.io/enforce",
    "pod-security.kubernetes.io/enforce-version",
    "privileged",
    "restricted",
    "latest",
    "kubernetes.io/metadata.name",
    "team",
    "argocd.argoproj.io/tracking-id",
    "kustomize.toolkit.fluxcd.io/name",
    "eks.amazonaws.com/role-arn",
    "azure.workload.identity/use",
    "nginx.ingress.kubernetes.io/server-snippet",
    "nginx.ingress.kubernetes.io/server-alias",
    "cert-manager.io/cluster-issuer",
    "cronjob.kubernetes.io/instantiate",
    "vault.hashicorp.com/agent-inject",
    "vault:secret",
    "amazonaws.com",
    "sk_live_0123456789",
    "SMTP_HOST",
    "STRIPE_KEY",
    "DATABASE_URL",
    "DB_HOST",
    "DB_PORT",
    "DB_NAME",
    "DB_USER",
    "DB_PASSWORD",
    "PGHOST",
    "PGUSER",
    "PGDATABASE",
    "UNDERSTUDY_APP_HOST",
    "SPRING_DATASOURCE_URL",
    "$(DB_HOST)",
    "$(DB_PASSWORD)",
    "$(A)",
    "$$",
    "A",
    "B",
    "postgres://u:p@db.shop:5432/shop",
    "postgresql+psycopg2://u:p@db.shop/shop?sslmode=require",
    "host=db.shop dbname=shop",
    "jdbc:postgresql://db.shop/shop?user=u&password=p&currentSchema=x",
    "mysql://u:p@db.shop/x",
    "db.shop",
    "db.shop:5432",
    "DB.Shop.svc.cluster.local.",
    "db",
    "alias",
    "circle",
    "hop.tools",
    "a.rds.example.com",
    "x.prod.example.com",
    "mail.example.com",
    "10.96.0.12",
    "174063628",
    "0xa60000c",
    "fd00::12",
    "[fd00::12]:5432",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "10.9.0.0/24",
    "2h",
    "7d",
    "99999999999d",
    "2026-06-02T12:00:00Z",
    "not a time",
    "shop.example.com",
    "shop-pr-7.preview.example.com",
    "api--shop-pr-7.preview.example.com",
    "*.preview.example.com",
    "Host(`a.b`)",
    "a/b~c",
    "~1",
    "../x",
    "\u{1b}[31m",
    "\u{202e}",
    "\u{0}",
    "é",
    "",
];
