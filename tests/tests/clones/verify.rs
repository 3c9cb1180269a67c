//! `understudy verify`: a good clone is proven, and each thing that is broken behind admission's back breaks its row.

use std::collections::BTreeSet;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use understudy_tests::previews::create;
use understudy_tests::shop::{self, PASSWORD, STRIPE_KEY, stage};
use understudy_tests::testbed::User;

use crate::run::{Ran, developer, understudy};

async fn clone(pr: &str) -> String {
    developer(&["clone", "shop", "--pr", pr, "--ttl", "1h", "--wait"])
        .await
        .done();
    format!("shop-pr-{pr}")
}

/// What `verify` says as the administrator, who may read everything.
async fn verified(name: &str) -> Ran {
    let ran = understudy(User::Admin, &["verify", name, "-o", "json"]).await;
    for output in [&ran.stdout, &ran.stderr] {
        assert!(
            !output.contains(PASSWORD) && !output.contains(STRIPE_KEY),
            "{output}"
        );
    }
    ran
}

/// The rows that are in `state`.
fn rows(ran: &Ran, state: &str) -> BTreeSet<String> {
    let report = ran.json();
    let rows = report["rows"].as_array().unwrap().iter();
    rows.filter(|row| row["state"] == state)
        .map(|row| row["check"].as_str().unwrap().to_owned())
        .collect()
}

/// Exactly these rows are broken, and the exit code says so.
async fn assert_broken(name: &str, expected: &[&str]) {
    let ran = verified(name).await;
    let expected: BTreeSet<String> = expected.iter().map(|check| (*check).to_owned()).collect();
    assert_eq!(rows(&ran, "broken"), expected, "{}", ran.stdout);
    assert_eq!(ran.code, 14, "{}", ran.stderr);
}

async fn assert_proven(name: &str) {
    let ran = verified(name).await;
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
}

/// Objects of `kind`, written as a part of the control plane whose writing admission does not review: a stand-in for the
/// time when nobody reviewed.
async fn past_admission(namespace: &str, group: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let bed = stage().await.bed();
    let client = bed.impersonating("system:kube-controller-manager").await.unwrap();
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
    Api::namespaced_with(client, namespace, &resource)
}

async fn patch(api: &Api<DynamicObject>, name: &str, change: Value) {
    api.patch(name, &PatchParams::default(), &Patch::Merge(change))
        .await
        .unwrap();
}

async fn make(api: &Api<DynamicObject>, api_version: &str, kind: &str, mut manifest: Value) {
    manifest["apiVersion"] = json!(api_version);
    manifest["kind"] = json!(kind);
    let object = serde_json::from_value(manifest).unwrap();
    api.create(&Default::default(), &object).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_is_proven_and_each_breach_breaks_its_own_row() {
    let name = clone("811").await;
    assert_proven(&name).await;

    let cron_jobs = past_admission(&name, "batch", "CronJob", "cronjobs").await;
    patch(
        &cron_jobs,
        "nightly-mail",
        json!({ "spec": { "suspend": false } }),
    )
    .await;
    assert_broken(&name, &["schedules"]).await;
    patch(&cron_jobs, "nightly-mail", json!({ "spec": { "suspend": true } })).await;

    let ingresses = past_admission(&name, "networking.k8s.io", "Ingress", "ingresses").await;
    let rule = json!({ "host": "shop.example.com", "http": { "paths": [{ "path": "/", "pathType": "Prefix",
        "backend": { "service": { "name": "web", "port": { "number": 80 } } } }] } });
    make(
        &ingresses,
        "networking.k8s.io/v1",
        "Ingress",
        json!({ "metadata": { "name": "thief" }, "spec": { "rules": [rule] } }),
    )
    .await;
    assert_broken(&name, &["hosts", "golden references"]).await;
    ingresses.delete("thief", &Default::default()).await.unwrap();

    let secrets = past_admission(&name, "", "Secret", "secrets").await;
    let url = understudy_tests::previews::secret("shop", "shop-db").await["url"].clone();
    make(
        &secrets,
        "v1",
        "Secret",
        json!({ "metadata": { "name": "copied" }, "stringData": { "x": url } }),
    )
    .await;
    assert_broken(&name, &["golden references", "secret values"]).await;
    secrets.delete("copied", &Default::default()).await.unwrap();

    let services = past_admission(&name, "", "Service", "services").await;
    // The quota alone keeps NodePorts out.
    let port =
        json!({ "externalIPs": ["203.0.113.7"], "selector": { "app": "web" }, "ports": [{ "port": 80 }] });
    make(
        &services,
        "v1",
        "Service",
        json!({ "metadata": { "name": "open" }, "spec": port }),
    )
    .await;
    assert_broken(&name, &["exposure"]).await;
    services.delete("open", &Default::default()).await.unwrap();

    let accounts = past_admission(&name, "", "ServiceAccount", "serviceaccounts").await;
    let role = json!({ "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/shop" });
    make(
        &accounts,
        "v1",
        "ServiceAccount",
        json!({ "metadata": { "name": "cloudy", "annotations": role } }),
    )
    .await;
    assert_broken(&name, &["identities"]).await;
    accounts.delete("cloudy", &Default::default()).await.unwrap();

    let mark =
        |value: Value| json!({ "metadata": { "annotations": { "argocd.argoproj.io/tracking-id": value } } });
    let golden = past_admission("shop", "apps", "Deployment", "deployments")
        .await
        .get("web")
        .await
        .unwrap();
    let tracked = golden.metadata.annotations.unwrap()["argocd.argoproj.io/tracking-id"].clone();
    let deployments = past_admission(&name, "apps", "Deployment", "deployments").await;
    patch(&deployments, "web", mark(json!(tracked))).await;
    assert_broken(&name, &["GitOps marks"]).await;
    patch(&deployments, "web", mark(Value::Null)).await;

    assert_proven(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_golden_is_proven_with_what_the_policy_shares() {
    let shares = json!([{ "service": "shop/api", "podLabels": { "app.kubernetes.io/component": "api" }, "ports": [8080] }]);
    shop::policy(stage().await.bed(), |policy| {
        policy["metadata"]["name"] = json!("sharing");
        policy["spec"]["sharing"] = json!({ "services": shares });
    })
    .await
    .unwrap();
    let part = [
        "clone",
        "shop",
        "--pr",
        "814",
        "--changed",
        "web",
        "--policy",
        "sharing",
        "--wait",
    ];
    developer(&part).await.done();
    let name = "shop-pr-814";
    let services = past_admission(name, "", "Service", "services").await;
    let spec = services.get("api").await.unwrap().data["spec"].clone();
    assert_eq!(spec["externalName"], "api.shop.svc.cluster.local");

    let ran = verified(name).await;
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let shared = "policy sharing shares Service/api: spec.externalName";
    assert!(ran.stdout.contains(shared), "{}", ran.stdout);
    developer(&["diff", name]).await.done();

    // By its name and by nothing else, and no other of the golden's.
    let redis = json!({ "spec": { "externalName": "redis.shop.svc.cluster.local" } });
    patch(&services, "api", redis).await;
    assert_broken(name, &["destinations", "golden references"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_reaches_the_template_is_found_by_its_own_session() {
    let name = clone("812").await;
    assert_proven(&name).await;
    let server = stage().await.bed().previews().connect("postgres").await.unwrap();
    let role = understudy_tests::previews::secret(&name, "understudy-db-app").await["username"].clone();
    for (breach, mended) in [
        (
            format!("GRANT shop TO \"{role}\""),
            format!("REVOKE shop FROM \"{role}\""),
        ),
        (
            format!("GRANT CONNECT ON DATABASE shop_seed TO \"{role}\""),
            format!("REVOKE CONNECT ON DATABASE shop_seed FROM \"{role}\""),
        ),
        (
            format!("ALTER ROLE \"{role}\" CREATEDB"),
            format!("ALTER ROLE \"{role}\" NOCREATEDB"),
        ),
    ] {
        server.batch_execute(&breach).await.unwrap();
        assert_broken(&name, &["databases"]).await;
        server.batch_execute(&mended).await.unwrap();
        assert_proven(&name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_may_not_read_is_unknown_and_no_proof() {
    let name = clone("813").await;
    let ran = developer(&["verify", &name, "-o", "json"]).await;
    assert_eq!(ran.code, 14, "{ran:?}");
    assert_eq!(rows(&ran, "broken"), BTreeSet::new(), "{}", ran.stdout);
    let unknown = rows(&ran, "unknown");
    assert!(
        unknown.contains("secret values") && unknown.contains("databases"),
        "{unknown:?}"
    );
    // With the authority at hand, the branch's own Secret is enough.
    let authority = stage().await.bed().ca_file().display().to_string();
    let ran = developer(&["verify", &name, "--database-ca", &authority, "-o", "json"]).await;
    assert!(rows(&ran, "proven").contains("databases"), "{}", ran.stdout);
    let comment = developer(&["verify", &name, "-o", "markdown"]).await;
    assert!(
        comment.stdout.contains("| ❔ unknown | secret values |"),
        "{}",
        comment.stdout
    );
    let missing = developer(&["verify", "no-such-preview"]).await;
    assert_eq!(missing.code, 6, "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_golden_whose_secrets_one_may_not_read_leaves_their_values_unknown() {
    let golden = super::again::golden().await;
    let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"] }]);
    let reader = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "secrets" }, "rules": rules });
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "secrets" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "secrets" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers" }] });
    create(User::Admin, &golden, "roles", reader).await.unwrap();
    create(User::Admin, &golden, "rolebindings", binding)
        .await
        .unwrap();
    developer(&["clone", &golden, "--pr", "1", "--wait"]).await.done();
    let name = format!("{golden}-pr-1");
    // Its own golden's may be read; a value of another's, such as the shop's, would stay unknown.
    let ran = developer(&["verify", &name, "-o", "json"]).await;
    let report = ran.json();
    let mut report = report["rows"].as_array().unwrap().iter();
    let secrets = report.find(|row| row["check"] == "secret values").unwrap();
    assert_eq!(secrets["state"], "unknown", "{secrets}");
    let evidence = secrets["evidence"].as_array().unwrap();
    assert!(
        evidence.contains(&json!("shop: you may not list Secret")),
        "{secrets}"
    );
    let own = |why: &Value| why.as_str().unwrap().contains(&golden);
    assert!(!evidence.iter().any(own), "{secrets}");
}
