//! The plan of a small shop as a real team would have it.

use super::*;
use crate::policy::PreviewPolicySpec;
use crate::protected::Protected;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde_json::{Value, json};

fn shop() -> Snapshot {
    Snapshot {
        golden: ObjectMeta {
            name: Some("shop".to_owned()),
            uid: Some("00000000-0000-4000-8000-000000000000".to_owned()),
            labels: Some(
                [("understudy.dev/golden", "true"), ("istio-injection", "enabled")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ),
            ..ObjectMeta::default()
        },
        objects: serde_json::from_str(include_str!("tests/shop.json")).unwrap(),
        unreadable: Vec::new(),
    }
}

fn policy(changes: Value) -> PreviewPolicySpec {
    let mut policy = json!({
        "hosts": { "domain": "preview.example.com" },
        "secrets": { "copy": ["shop-api"] },
        "databases": [{
            "name": "app",
            "match": { "hosts": ["db.shop.svc.cluster.local", "postgres.databases.example.com"], "databases": ["shop"], "secrets": ["shop-db/url"] },
            "branch": { "postgres": {
                "adminSecret": { "namespace": "understudy-system", "name": "pg" },
                "template": "shop_seed", "reach": { "cidrs": ["10.9.0.0/24"], "port": 5432 }
            } }
        }]
    });
    for (key, value) in changes.as_object().unwrap() {
        policy[key] = value.clone();
    }
    serde_json::from_value(policy).unwrap()
}

fn spec() -> CloneSpec {
    CloneSpec {
        name: "shop-pr-7".to_owned(),
        pr: Some(7),
        images: vec!["web=registry.example.com/shop/web:pr-7".parse().unwrap()],
        ..CloneSpec::default()
    }
}

fn planned(snapshot: &Snapshot, spec: &CloneSpec, policy: &PreviewPolicySpec) -> Result<Plan, Vec<Mistake>> {
    plan(
        snapshot,
        spec,
        Rules {
            policy_name: "demo",
            policy,
            protected: &Protected::new(["shop".to_owned(), "bank".to_owned()], [policy]),
        },
        "2026-02-01T12:00:00Z".parse().unwrap(),
    )
}

fn shop_plan() -> Plan {
    planned(&shop(), &spec(), &policy(json!({}))).unwrap()
}

fn item<'p>(plan: &'p Plan, kind: &str, name: &str) -> &'p Item {
    plan.items
        .iter()
        .find(|item| item.kind == kind && item.name == name)
        .unwrap()
}

fn made<'p>(plan: &'p Plan, kind: &str, name: &str) -> &'p DynamicObject {
    &item(plan, kind, name).made.as_ref().unwrap().1
}

fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap()
}

#[test]
fn every_object_of_the_shop_has_its_verdict() {
    let plan = shop_plan();
    let table: Vec<String> = plan
        .items
        .iter()
        .map(|item| format!("{:9} {} — {}", item.verdict, item.id(), item.reason))
        .collect();
    insta::assert_snapshot!(table.join("\n"));
    assert_eq!(plan.items.len(), shop().objects.len());
    assert_eq!(plan.warnings, Vec::<String>::new());
    assert_eq!(plan.hosts, ["shop-pr-7.preview.example.com"]);
}

#[test]
fn what_is_made_of_the_shop_is_its_own() {
    let plan = shop_plan();
    let objects: Vec<Value> = Wave::ALL
        .iter()
        .flat_map(|wave| plan.wave(*wave))
        .map(|object| serde_json::to_value(object).unwrap())
        .collect();
    insta::assert_json_snapshot!(objects);
}

#[test]
fn the_namespace_is_born_a_preview() {
    let namespace = shop_plan().namespace;
    insta::assert_json_snapshot!(namespace);
}

#[test]
fn nothing_of_the_original_is_left() {
    let plan = shop_plan();
    for object in Wave::ALL.iter().flat_map(|wave| plan.wave(*wave)) {
        let text = serde_json::to_string(object).unwrap();
        for mark in [
            "00000000-0000",
            "resourceVersion",
            "managedFields",
            "ownerReferences",
            "finalizers",
            "\"status\"",
            "10.96.",
            "nodePort",
            "volumeName",
            "argocd.argoproj.io",
            "meta.helm.sh",
            "helm.sh/chart",
            "\"Helm\"",
            "restartedAt",
            "role-arn",
            "letsencrypt",
            "shop-tls",
            "\"shop.example.com",
            "//shop.example.com",
            ".shop.svc",
            "redis.shop:",
            "hunter2",
            "shop-db",
            "controller-uid",
        ] {
            assert!(!text.contains(mark), "{mark} in {text}");
        }
        assert_eq!(object.metadata.namespace.as_deref(), Some("shop-pr-7"));
    }
}

#[test]
fn planning_twice_gives_the_same_plan() {
    assert_eq!(shop_plan(), shop_plan());
    let mut shuffled = shop();
    shuffled.objects.reverse();
    assert_eq!(
        planned(&shuffled, &spec(), &policy(json!({}))).unwrap(),
        shop_plan()
    );
}

#[test]
fn selectors_still_select_their_pods() {
    let plan = shop_plan();
    for (service, workload) in [("web", "web"), ("api", "api"), ("redis", "redis")] {
        let kind = if workload == "redis" {
            "StatefulSet"
        } else {
            "Deployment"
        };
        let selector = made(&plan, "Service", service).data["spec"]["selector"]
            .as_object()
            .unwrap()
            .clone();
        let workload = &made(&plan, kind, workload).data["spec"];
        for selector in [
            &selector,
            workload["selector"]["matchLabels"].as_object().unwrap(),
        ] {
            for (key, value) in selector {
                assert_eq!(&workload["template"]["metadata"]["labels"][key], value, "{key}");
            }
        }
        assert_eq!(selector["app.kubernetes.io/instance"], "shop-pr-7");
    }
}

#[test]
fn a_secret_that_nobody_makes_again_is_refused_by_name() {
    let plan = planned(&shop(), &spec(), &policy(json!({ "secrets": {} }))).unwrap();
    let refused: Vec<_> = plan.refusals().collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].id(), "Secret/shop-api");
    assert!(
        refused[0]
            .reason
            .contains("Deployment/api, variable STRIPE_API_KEY"),
        "{}",
        refused[0].reason
    );
    assert!(
        refused[0].remedy.contains("secrets.copy of PreviewPolicy demo"),
        "{}",
        refused[0].remedy
    );
}

#[test]
fn unreadable_secrets_are_marked_or_refused() {
    let mut snapshot = shop();
    snapshot
        .objects
        .retain(|object| object.types.as_ref().unwrap().kind != "Secret");
    snapshot.unreadable.push(Unreadable {
        kind: "Secret".to_owned(),
        why: "forbidden".to_owned(),
    });
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    assert_eq!(item(&plan, "Secret", "shop-db").verdict, Verdict::ReCreate);
    // Listed for copying, but what cannot be read cannot be copied.
    let refused: Vec<_> = plan.refusals().map(Item::id).collect();
    assert_eq!(refused, ["Secret/shop-api"]);
    assert!(
        item(&plan, "Secret", "shop-api")
            .reason
            .contains("could not be read with your rights")
    );
}

#[test]
fn without_a_policy_database_the_golden_connection_is_not_copied_either() {
    let plan = planned(&shop(), &spec(), &policy(json!({ "databases": [] }))).unwrap();
    let refused: Vec<_> = plan.refusals().map(Item::id).collect();
    assert_eq!(refused, ["Deployment/worker", "Secret/shop-db"]);
    let worker = item(&plan, "Deployment", "worker");
    assert!(
        worker.reason.contains(
            "variable SPRING_DATASOURCE_URL would reach the database server db.shop.svc.cluster.local"
        ),
        "{}",
        worker.reason
    );
    assert!(!worker.reason.contains("hunter2"));
}

#[test]
fn a_database_that_is_part_of_the_golden_is_part_of_the_clone() {
    let mut snapshot = shop();
    for object in &mut snapshot.objects {
        if object.metadata.name.as_deref() == Some("web")
            && object.types.as_ref().unwrap().kind == "Deployment"
        {
            object.data["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] =
                json!("postgres://u:p@redis.shop/x");
        }
    }
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    assert_eq!(plan.refusals().count(), 0);
    let container = &made(&plan, "Deployment", "web").data["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"][0]["value"], "postgres://u:p@redis.shop-pr-7/x");
}

#[test]
fn unknown_and_dangerous_kinds_are_refused_all_at_once() {
    // D03
    let mut snapshot = shop();
    snapshot.objects.extend([
        object(json!({ "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": { "name": "web" } })),
        object(json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "agent" } })),
        object(json!({ "apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": { "name": "s" } })),
        object(json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "root" }, "spec": {
            "template": { "spec": { "hostNetwork": true, "volumes": [{ "name": "h", "hostPath": { "path": "/" } }],
                "containers": [{ "name": "root", "securityContext": { "privileged": true } }] } } } })),
    ]);
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    let refused: Vec<_> = plan.refusals().map(Item::id).collect();
    assert_eq!(
        refused,
        [
            "DaemonSet/agent",
            "Deployment/root",
            "SealedSecret/s",
            "ServiceMonitor/web"
        ]
    );
    assert!(plan.refusals().all(|item| item.remedy.contains("--without")));
    let spec = CloneSpec {
        without: ["daemonset", "Deployment/root", "SealedSecret/s", "ServiceMonitor"]
            .map(|w| w.parse().unwrap())
            .into(),
        ..spec()
    };
    assert_eq!(
        planned(&snapshot, &spec, &policy(json!({})))
            .unwrap()
            .refusals()
            .count(),
        0
    );
}

#[test]
fn hosts_without_a_domain_are_refused() {
    let plan = planned(&shop(), &spec(), &policy(json!({ "hosts": {} }))).unwrap();
    let refused: Vec<_> = plan.refusals().collect();
    assert_eq!(refused[0].id(), "Ingress/web");
    assert!(refused[0].remedy.contains("spec.hosts.domain"));
}

#[test]
fn further_hosts_are_named_after_their_services() {
    let mut snapshot = shop();
    snapshot.objects.push(object(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "zz", "namespace": "shop" },
        "spec": {
            "defaultBackend": { "service": { "name": "web", "port": { "number": 80 } } },
            "rules": [
                { "host": "api.shop.example.com", "http": { "paths": [{ "path": "/", "backend": { "service": { "name": "api" } } }] } },
                { "host": "api2.shop.example.com", "http": { "paths": [{ "path": "/", "backend": { "service": { "name": "api" } } }] } }
            ]
        }
    })));
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    let hosts: Vec<_> = made(&plan, "Ingress", "zz").data["spec"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["host"].as_str().unwrap().to_owned())
        .collect();
    let domain = "shop-pr-7.preview.example.com";
    assert_eq!(
        hosts,
        [
            format!("api--{domain}"),
            format!("api2--{domain}"),
            format!("web--{domain}")
        ]
    );
    assert!(
        hosts
            .iter()
            .all(|host| crate::names::owns_host("shop-pr-7", "preview.example.com", host))
    );
}

#[test]
fn a_database_inside_the_golden_is_not_cloned_beside_its_branch() {
    let mut snapshot = shop();
    snapshot
        .objects
        .retain(|object| object.metadata.name.as_deref() != Some("db"));
    snapshot.objects.extend([
        object(json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "db" }, "spec": { "selector": { "app": "db" } } })),
        object(json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "postgres" }, "spec": {
            "template": { "metadata": { "labels": { "app": "db" } }, "spec": { "containers": [
                { "name": "postgres", "envFrom": [{ "secretRef": { "name": "postgres" } }] }] } } } })),
    ]);
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    assert_eq!(item(&plan, "Service", "db").verdict, Verdict::Skip);
    assert_eq!(item(&plan, "StatefulSet", "postgres").verdict, Verdict::Skip);
    assert_eq!(plan.refusals().count(), 0);
}

#[test]
fn a_whole_secret_of_connections_is_not_missed() {
    let mut snapshot = shop();
    for object in &mut snapshot.objects {
        if object.metadata.name.as_deref() == Some("worker") {
            object.data["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
                json!([{ "secretRef": { "name": "shop-db" } }]);
        }
    }
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    assert_eq!(plan.refusals().count(), 0);
    let container = &made(&plan, "Deployment", "worker").data["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["envFrom"], json!([]));
    assert_eq!(
        container["env"][0]["valueFrom"]["secretKeyRef"]["name"],
        "understudy-db-app"
    );
}

#[test]
fn jobs_run_once_more_only_where_the_policy_says_so() {
    let plan = planned(&shop(), &spec(), &policy(json!({ "jobs": "recreate" }))).unwrap();
    let job = &made(&plan, "Job", "migrate").data["spec"];
    assert_eq!(job.get("selector"), None);
    assert!(!job.to_string().contains("controller-uid"));
    assert_eq!(item(&plan, "Job", "nightly-mail-123").verdict, Verdict::Skip);
}

#[test]
fn mistakes_are_named_all_at_once() {
    // F05
    let wrong = CloneSpec {
        name: "shop--7".to_owned(),
        ttl: Some("999h".parse().unwrap()),
        images: ["nope=a", "web=a", "web=b"]
            .map(|image| image.parse().unwrap())
            .into(),
        ..CloneSpec::default()
    };
    let mistakes = planned(&shop(), &wrong, &policy(json!({}))).unwrap_err();
    let texts: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_doubtful_reference_is_a_warning_with_its_path() {
    let mut snapshot = shop();
    snapshot.objects.push(object(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "java" }, "data": { "package": "com.shop" }
    })));
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    assert_eq!(plan.warnings.len(), 1);
    assert!(
        plan.warnings[0].starts_with("ConfigMap/java: data.package holds \"com.shop\""),
        "{}",
        plan.warnings[0]
    );
}

#[test]
fn the_lineage_holds_no_trace_of_a_secret_value() {
    let (a, mut other) = (shop_plan(), shop());
    for object in &mut other.objects {
        if object.metadata.name.as_deref() == Some("shop-api") {
            object.data["data"]["STRIPE_API_KEY"] = json!("b3RoZXI=");
        }
    }
    let b = planned(&other, &spec(), &policy(json!({}))).unwrap();
    assert_eq!(a.namespace, b.namespace);
}

#[test]
fn what_admission_would_refuse_is_said_before_anything_is_written() {
    let mut snapshot = shop();
    for object in &mut snapshot.objects {
        if object.metadata.name.as_deref() == Some("web")
            && object.types.as_ref().unwrap().kind == "Deployment"
        {
            object.data["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] =
                json!("http://ledger.bank.svc:80");
        }
    }
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    let refused: Vec<_> = plan.refusals().collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].id(), "Deployment/web");
    assert!(
        refused[0]
            .reason
            .starts_with("protected-endpoint: container web, variable API_URL"),
        "{}",
        refused[0].reason
    );
}

#[test]
fn what_the_golden_misses_is_a_warning() {
    let mut snapshot = shop();
    snapshot
        .objects
        .retain(|object| object.metadata.name.as_deref() != Some("worker-config"));
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    assert_eq!(plan.refusals().count(), 0);
    assert!(
        plan.warnings[0].contains("ConfigMap worker-config"),
        "{:?}",
        plan.warnings
    );
}
