//! Clones of what changed only.

use super::*;

fn changed(names: &[&str]) -> CloneSpec {
    CloneSpec {
        changed: names.iter().map(|name| (*name).to_owned()).collect(),
        ..spec()
    }
}

fn sharing() -> PreviewPolicySpec {
    policy(json!({ "sharing": { "services": [
        { "service": "shop/api", "podLabels": { "app.kubernetes.io/component": "api" }, "ports": [8080] },
        { "service": "shop/db", "podLabels": { "app": "db" }, "ports": [5432] }
    ] } }))
}

#[test]
fn what_changed_is_cloned_and_the_rest_is_the_goldens_where_the_policy_shares_it() {
    let plan = planned(&shop(), &changed(&["web"]), &sharing()).unwrap();
    assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
    assert_eq!(
        makes(&plan),
        [
            "Deployment/web",
            "HorizontalPodAutoscaler/web",
            "Ingress/web",
            "Service/api",
            "Service/web",
            "Service/web-public"
        ]
    );
    let alias = super::made(&plan, "Service", "api");
    assert_eq!(
        alias.data,
        json!({ "spec": { "type": "ExternalName", "externalName": "api.shop.svc.cluster.local" } })
    );
    // A database is never shared, and what is neither part of it nor shared says so.
    assert!(
        item(&plan, "Service", "db")
            .reason
            .contains("golden database app")
    );
    assert!(
        item(&plan, "Service", "redis")
            .reason
            .contains("does not share it")
    );
    assert_eq!(
        item(&plan, "Deployment", "api").reason,
        "it belongs to nothing of --changed"
    );
}

#[test]
fn what_a_changed_workload_reads_comes_along_and_what_it_misses_is_told() {
    let plan = planned(
        &shop(),
        &CloneSpec {
            images: Vec::new(),
            ..changed(&["worker"])
        },
        &policy(json!({})),
    )
    .unwrap();
    assert_eq!(makes(&plan), ["ConfigMap/worker-config", "Deployment/worker"]);
    assert!(
        plan.warnings.iter().any(|warning| warning.contains("redis.shop")),
        "{:?}",
        plan.warnings
    );
}

#[test]
fn what_calls_a_service_by_its_bare_name_misses_it_unless_it_is_shared() {
    let mut snapshot = shop();
    for object in &mut snapshot.objects {
        if object.metadata.name.as_deref() == Some("web")
            && object.types.as_ref().unwrap().kind == "Deployment"
        {
            object.data["spec"]["template"]["spec"]["containers"][0]["args"] =
                json!(["--api=http://api:8080", "--cache=redis:6379"]);
        }
    }
    let plan = planned(&snapshot, &changed(&["web"]), &sharing()).unwrap();
    let bare: Vec<&String> = plan
        .warnings
        .iter()
        .filter(|warning| warning.contains("args"))
        .collect();
    assert_eq!(
        bare,
        [
            "Deployment/web: spec.template.spec.containers[web].args[1] held \"redis\", a Service that is no part of the clone; what uses it will not reach anything"
        ]
    );
}

#[test]
fn a_workload_that_is_not_there_is_a_mistake() {
    // F05
    let mistakes = planned(&shop(), &changed(&["wbe"]), &sharing()).unwrap_err();
    assert!(
        mistakes[0]
            .to_string()
            .starts_with("--changed wbe: the golden has no workload called that; it has api, ")
    );
}
