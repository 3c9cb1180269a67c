//! Workloads of other vendors: what holds a Pod template is treated as Kubernetes' own workloads are.

use super::*;

/// A pool of workers whose operator nobody knows.
fn pool() -> Value {
    json!({ "apiVersion": "workers.example.com/v1", "kind": "WorkerPool", "metadata": { "name": "enrich" }, "spec": {
        "size": 8, "podTemplate": { "metadata": { "labels": { "app": "enrich" } }, "spec": {
            "containers": [{ "name": "enrich", "image": "registry.example.com/enrich:1", "env": [{ "name": "MODE", "value": "live" }] }],
            "volumes": [{ "name": "rules", "configMap": { "name": "rules" } }] } } } })
}

fn rollout() -> Value {
    json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": { "name": "shop" }, "spec": {
        "replicas": 10, "selector": { "matchLabels": { "app": "shop" } }, "strategy": { "canary": {} },
        "template": { "metadata": { "labels": { "app": "shop" } }, "spec": { "containers": [{ "name": "shop", "image": "registry.example.com/shop:1" }] } } } })
}

const KINDS: [&str; 2] = ["workers.example.com/WorkerPool", "argoproj.io/Rollout"];

fn plan_of(
    objects: impl IntoIterator<Item = Value>,
    spec: &CloneSpec,
    changes: Value,
) -> Result<Plan, Vec<Mistake>> {
    let snapshot = Snapshot {
        objects: objects.into_iter().map(object).collect(),
        ..shop()
    };
    let mut changes = changes;
    changes["kinds"] = json!(KINDS);
    planned(&snapshot, spec, &policy(changes))
}

fn wishes(images: &[&str], variables: &[&str]) -> CloneSpec {
    CloneSpec {
        images: images.iter().map(|image| image.parse().unwrap()).collect(),
        variables: variables
            .iter()
            .map(|variable| variable.parse().unwrap())
            .collect(),
        ..spec()
    }
}

#[test]
fn an_image_and_a_variable_of_another_vendors_workload_can_be_set_and_are_listed() {
    let wanted = wishes(
        &[
            "enrich=registry.example.com/enrich:pr-7",
            "shop/shop=registry.example.com/shop:pr-7",
        ],
        &["enrich:MODE=test"],
    );
    let plan = plan_of([pool(), rollout()], &wanted, json!({})).unwrap();
    let made_pool = made(&plan, "WorkerPool", "enrich");
    let container = &made_pool.data["spec"]["podTemplate"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example.com/enrich:pr-7");
    assert_eq!(container["env"], json!([{ "name": "MODE", "value": "test" }]));
    let listed: Vec<_> = plan
        .variables
        .iter()
        .map(|one| (one.workload.as_str(), one.name.as_str(), one.decided))
        .collect();
    assert_eq!(listed, [("WorkerPool/enrich", "MODE", Decided::SetByYou)]);
    // What was asked for is marked, so that a refresh keeps it.
    let live = Snapshot {
        objects: vec![made_pool.clone()],
        ..Snapshot::default()
    };
    let golden = Snapshot {
        objects: vec![object(pool())],
        ..shop()
    };
    let kept = kept(&live, &golden, "understudy");
    let images: Vec<String> = kept.images.iter().map(ToString::to_string).collect();
    assert_eq!(images, ["enrich/enrich=registry.example.com/enrich:pr-7"]);
    assert_eq!(kept.variables.len(), 1);
}

#[test]
fn replicas_beside_a_template_are_clamped_or_left_to_the_autoscaler() {
    let plan = plan_of([rollout()], &wishes(&[], &[]), json!({})).unwrap();
    assert_eq!(made(&plan, "Rollout", "shop").data["spec"]["replicas"], 1);
    assert_eq!(item(&plan, "Rollout", "shop").reason, "10 replicas become 1");
    let scaler = json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "shop" },
        "spec": { "scaleTargetRef": { "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "shop" }, "minReplicas": 2, "maxReplicas": 9 } });
    let plan = plan_of(
        [rollout(), scaler],
        &wishes(&[], &[]),
        json!({ "size": { "replicas": 2 }, "quota": { "pods": "1" } }),
    )
    .unwrap();
    assert_eq!(made(&plan, "Rollout", "shop").data["spec"].get("replicas"), None);
    assert_eq!(plan.shortages[0].by, ["Rollout/shop (2)"]);
}

#[test]
fn a_password_in_another_vendors_pod_is_the_environments_own() {
    let mut broker = pool();
    let container = &mut broker["spec"]["podTemplate"]["spec"]["containers"][0];
    container["image"] = json!("docker.io/library/rabbitmq:4");
    container["env"] = json!([{ "name": "RABBITMQ_DEFAULT_PASS", "value": "golden-broker-pw" }]);
    let plan = plan_of([broker], &wishes(&[], &[]), json!({})).unwrap();
    assert!(plan.uses_seed);
    let text = serde_json::to_string(made(&plan, "WorkerPool", "enrich")).unwrap();
    assert!(!text.contains("golden-broker-pw"), "{text}");
}

#[test]
fn what_the_cluster_would_refuse_of_another_vendors_pod_is_refused_before() {
    let mut wide = pool();
    wide["spec"]["podTemplate"]["spec"]["containers"][0]["args"] = json!(["--from=http://web.bank.svc"]);
    let plan = plan_of([wide], &wishes(&[], &[]), json!({})).unwrap();
    let refused: Vec<String> = plan.refusals().map(Item::id).collect();
    assert_eq!(refused, ["WorkerPool/enrich"]);
    assert!(
        item(&plan, "WorkerPool", "enrich")
            .reason
            .contains("protected-endpoint")
    );
}

#[test]
fn a_template_whose_operator_fills_in_the_image_uses_secrets_all_the_same() {
    let search = json!({ "apiVersion": "workers.example.com/v1", "kind": "WorkerPool", "metadata": { "name": "search" }, "spec": {
        "podTemplate": { "spec": { "containers": [{ "name": "search",
            "env": [{ "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "search-keys", "key": "key" } } }] }] } } } });
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "search-keys" }, "data": { "key": "c2tfbGl2ZV8wMTIzNDU2Nzg5" } });
    let plan = plan_of([search, secret], &wishes(&[], &[]), json!({})).unwrap();
    let refused: Vec<String> = plan.refusals().map(Item::id).collect();
    assert_eq!(refused, ["Secret/search-keys"]);
}

#[test]
fn a_changed_workload_of_another_vendor_takes_along_what_it_reads_and_what_leads_to_it() {
    let rules =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "rules" }, "data": {} });
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "enrich" }, "spec": { "selector": { "app": "enrich" } } });
    let spec = CloneSpec {
        changed: vec!["enrich".to_owned()],
        ..wishes(&[], &[])
    };
    let plan = plan_of([pool(), rollout(), rules, service], &spec, json!({})).unwrap();
    assert_eq!(
        makes(&plan),
        ["ConfigMap/rules", "Service/enrich", "WorkerPool/enrich"]
    );
}
