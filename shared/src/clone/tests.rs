//! The plan of a small shop as a real team would have it.

mod again;
mod contracts;
mod credentials;
mod hosts;
mod missing;
mod neighbours;
mod partial;
mod refusals;
mod several;
mod vendors;
mod wishes;

use super::*;
use crate::policy::PreviewPolicySpec;
use crate::protected::Protected;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use proptest::prelude::*;
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
        ..Snapshot::default()
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
            protected: &Protected::new(
                ["shop".to_owned(), "bank".to_owned()],
                [policy],
                &Default::default(),
            ),
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

/// Everything that the clone makes, by kind and name.
fn makes(plan: &Plan) -> Vec<String> {
    let made = plan.items.iter().filter(|item| item.made.is_some());
    made.map(Item::id).collect()
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
fn a_doubtful_reference_in_a_secret_is_named_by_its_place_alone() {
    let mut snapshot = shop();
    let secret = snapshot
        .objects
        .iter_mut()
        .find(|object| object.metadata.name.as_deref() == Some("shop-api"));
    // Y29tLnNob3A= is com.shop
    secret.unwrap().data["data"]["PACKAGE"] = json!("Y29tLnNob3A=");
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    let expected =
        "Secret/shop-api: data[PACKAGE] holds what looks like a reference to shop and was left as it is";
    assert_eq!(plan.warnings, [expected]);
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
fn a_reference_to_what_is_left_out_is_a_warning() {
    let mut snapshot = shop();
    snapshot.objects.push(object(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "split" }, "data": { "DB_HOST": "db.shop.svc" }
    })));
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
    assert!(
        plan.warnings[0].contains("data.DB_HOST held \"db.shop.svc\""),
        "{}",
        plan.warnings[0]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_planned_object_leads_back_to_the_golden(
        host in "(web|redis|api)\\.shop|[a-z]{1,8}\\.shop\\.svc(\\.cluster\\.local\\.?)?|redis-0\\.redis\\.shop\\.svc|(SHOP|shop)\\.example\\.com|WEB\\.Shop\\.svc",
        before in "([ -~é]{0,12}[ :/=,\"@])?",
        after in "([ :/,\"?][ -~é]{0,12})?",
        place in 0..3_usize,
    ) {
        let text = format!("{before}{host}{after}");
        let mut snapshot = shop();
        for object in &mut snapshot.objects {
            if object.metadata.name.as_deref() == Some("api") && object.types.as_ref().unwrap().kind == "Deployment" {
                let container = &mut object.data["spec"]["template"]["spec"]["containers"][0];
                match place {
                    0 => container["env"][2]["value"] = json!(text),
                    1 => container["args"] = json!([text]),
                    _ => container["livenessProbe"] = json!({ "exec": { "command": ["curl", text] } }),
                }
            }
        }
        let first = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
        prop_assert_eq!(&first, &planned(&snapshot, &spec(), &policy(json!({}))).unwrap());
        for object in Wave::ALL.iter().flat_map(|wave| first.wave(*wave)) {
            let json = serde_json::to_string(object).unwrap();
            for host in crate::host::candidates(&json).map(|part| part.text).filter(|part| part.contains('.')) {
                let leads = crate::host::namespace(host).as_deref() == Some("shop");
                prop_assert!(!leads && !host.eq_ignore_ascii_case("shop.example.com"), "{} in {}", host, json);
            }
        }
    }
}
