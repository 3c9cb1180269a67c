//! What cannot be cloned is refused by name, with a remedy; what can be is not.

use super::*;

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
    assert_eq!(
        refused,
        ["ConfigMap/worker-config", "Deployment/worker", "Secret/shop-db"]
    );
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
        object(json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "web" } })),
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
            "Widget/web"
        ]
    );
    assert!(
        plan.refusals()
            .all(|item| item.remedy.matches("leave it out").count() == 1)
    );
    let spec = CloneSpec {
        selection: Selection {
            exclude: ["daemonset", "Deployment/root", "SealedSecret/s", "Widget"]
                .map(|w| w.parse().unwrap())
                .into(),
            ..Selection::default()
        },
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

#[test]
fn a_connection_inside_a_file_is_refused_without_its_password() {
    let mut snapshot = shop();
    snapshot.objects.push(object(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "spring" },
        "data": { "application.yaml": "datasource:\n  url: jdbc:postgresql://db.shop:5432/shop?user=shop&password=hunter2\n" }
    })));
    let plan = planned(&snapshot, &spec(), &policy(json!({}))).unwrap();
    let refused: Vec<_> = plan.refusals().collect();
    assert_eq!(
        refused.iter().map(|item| item.id()).collect::<Vec<_>>(),
        ["ConfigMap/spring"]
    );
    assert!(
        refused[0]
            .reason
            .contains("application.yaml holds a connection to golden database app"),
        "{}",
        refused[0].reason
    );
    assert!(!format!("{plan:?}").contains("hunter2"));
}
