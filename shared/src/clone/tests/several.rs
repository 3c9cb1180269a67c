//! Several goldens in one clone, and clones of manifests.

use super::*;

fn payments() -> Snapshot {
    let objects = [
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "pay", "namespace": "payments" }, "spec": {
            "selector": { "matchLabels": { "app": "pay" } }, "template": { "metadata": { "labels": { "app": "pay" } }, "spec": { "containers": [{ "name": "pay", "image": "pay:1",
                "env": [{ "name": "SHOP_URL", "value": "http://api.shop:8080" }, { "name": "LEDGER_URL", "value": "postgres://u:p@ledger.payments.svc/ledger" }] }] } } } }),
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "pay", "namespace": "payments" }, "spec": { "selector": { "app": "pay" }, "ports": [{ "port": 80 }] } }),
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "ledger", "namespace": "payments" }, "spec": { "type": "ExternalName", "externalName": "pg.example.com" } }),
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default", "namespace": "payments" } }),
    ];
    Snapshot {
        golden: ObjectMeta {
            name: Some("payments".to_owned()),
            ..ObjectMeta::default()
        },
        objects: objects.map(object).into(),
        ..Snapshot::default()
    }
}

fn calling() -> Snapshot {
    let mut shop = shop();
    for object in &mut shop.objects {
        if object.metadata.name.as_deref() == Some("web")
            && object.types.as_ref().unwrap().kind == "Deployment"
        {
            object.data["spec"]["template"]["spec"]["containers"][0]["env"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "name": "PAY_URL", "value": "http://pay.payments.svc.cluster.local/charge" }));
        }
    }
    shop
}

fn databases() -> PreviewPolicySpec {
    let branch = json!({ "postgres": { "adminSecret": { "namespace": "understudy-system", "name": "pg" }, "template": "t", "reach": { "cidrs": ["10.9.0.0/24"], "port": 5432 } } });
    policy(json!({ "databases": [
        { "name": "app", "match": { "hosts": ["db.shop.svc.cluster.local"], "databases": ["shop"], "secrets": ["shop-db/url"] }, "branch": branch },
        { "name": "ledger", "match": { "hosts": ["ledger.payments.svc.cluster.local"] }, "branch": branch }
    ] }))
}

#[test]
fn what_several_goldens_say_of_each_other_means_the_clone() {
    let policy = databases();
    let snapshot = merge(calling(), vec![payments()], &policy);
    let plan = planned(&snapshot, &spec(), &policy).unwrap();
    assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
    let variable = |kind: &str, name: &str, variable: &str| {
        let container = &made(&plan, kind, name).data["spec"]["template"]["spec"]["containers"][0];
        let entries = container["env"].as_array().unwrap().clone();
        entries
            .into_iter()
            .find(|entry| entry["name"] == variable)
            .unwrap()
    };
    assert_eq!(
        variable("Deployment", "web", "PAY_URL")["value"],
        "http://pay.shop-pr-7.svc.cluster.local/charge"
    );
    assert_eq!(
        variable("Deployment", "pay", "SHOP_URL")["value"],
        "http://api.shop-pr-7:8080"
    );
    // The policy knows the other golden's database by its own name.
    assert_eq!(
        variable("Deployment", "pay", "LEDGER_URL")["valueFrom"]["secretKeyRef"]["name"],
        "understudy-db-ledger"
    );
    assert!(
        item(&plan, "Service", "ledger")
            .reason
            .contains("golden database ledger")
    );
    assert_eq!(
        made(&plan, "Deployment", "pay").metadata.namespace.as_deref(),
        Some("shop-pr-7")
    );
    assert_eq!(
        plan.namespace.metadata.labels.as_ref().unwrap()["understudy.dev/parent"],
        "shop"
    );
}

#[test]
fn a_part_of_several_goldens_calls_each_service_where_the_policy_shares_it() {
    let service = |service: &str| json!({ "service": service, "podLabels": { "app": "any" }, "ports": [80] });
    let policy =
        policy(json!({ "sharing": { "services": [service("payments/pay"), service("shop/redis")] } }));
    let changed = CloneSpec {
        changed: vec!["web".to_owned()],
        ..spec()
    };
    let plan = planned(&merge(calling(), vec![payments()], &policy), &changed, &policy).unwrap();
    let leads_to = |name: &str| made(&plan, "Service", name).data["spec"]["externalName"].clone();
    assert_eq!(leads_to("pay"), "pay.payments.svc.cluster.local");
    assert_eq!(leads_to("redis"), "redis.shop.svc.cluster.local");
    let reason = &item(&plan, "Service", "pay").reason;
    assert!(
        reason.starts_with("it leads to the one of payments, "),
        "{reason}"
    );
}

#[test]
fn what_two_goldens_both_have_is_refused_by_name() {
    let mut other = payments();
    other.objects.push(object(json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "payments" }, "spec": {} })));
    let policy = databases();
    let plan = planned(&merge(shop(), vec![other], &policy), &spec(), &policy).unwrap();
    let refused: Vec<String> = plan.refusals().map(Item::id).collect();
    assert_eq!(refused, ["Service/web", "Service/web"]);
    assert!(plan.refusals().next().unwrap().reason.contains("several goldens"));
}

#[test]
fn manifests_bring_their_own_secrets_and_leave_what_is_the_clusters() {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "shop-api" }, "data": { "STRIPE_API_KEY": "c2tfdGVzdF8x" } });
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "x" } });
    let mut snapshot = shop();
    snapshot
        .objects
        .retain(|object| object.metadata.name.as_deref() != Some("shop-api"));
    snapshot.objects.extend([secret, role].map(object));
    snapshot.from_manifests = true;
    snapshot.cluster_wide = [(
        "rbac.authorization.k8s.io/v1".to_owned(),
        "ClusterRole".to_owned(),
    )]
    .into();
    let plan = planned(&snapshot, &spec(), &policy(json!({ "secrets": {} }))).unwrap();
    assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
    assert_eq!(item(&plan, "Secret", "shop-api").reason, "the manifests give it");
    assert!(
        item(&plan, "ClusterRole", "x")
            .reason
            .contains("the whole cluster")
    );
}
