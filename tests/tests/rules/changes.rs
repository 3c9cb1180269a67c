//! Every row that changes an object: what comes out is what the rule means, and a second time changes nothing.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::{
    assert_refused, create, objects, own_policy, pod, preview_under, sealed, vendors_kind,
};
use understudy_tests::testbed::User;

/// A policy with something in every section that changes objects.
async fn policy() -> String {
    own_policy("changes", |spec| {
        spec["placement"] = json!({
            "nodeSelector": { "kubernetes.io/os": "linux" },
            "tolerations": [{ "key": "previews", "operator": "Exists", "effect": "NoSchedule" }],
        });
        spec["quarantine"] = json!({ "env": { "SMTP_HOST": "sink.previews" } });
        spec["hosts"]["tlsSecret"] = json!("wildcard");
        spec["kinds"] = json!(["gateway.networking.k8s.io/HTTPRoute"]);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_come_out_as_the_policy_wants_them() {
    vendors_kind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes").await;
    let namespace = preview_under(&policy().await, "changes").await;
    sealed(&namespace).await;
    understudy_tests::previews::grant_everything(&namespace).await;
    let make = async |plural: &str, manifest: Value| {
        create(User::Developer, &namespace, plural, manifest)
            .await
            .unwrap_or_else(|error| panic!("{plural}: {error}"))
    };

    let mut manifest = pod(
        "web",
        json!([{ "name": "SMTP_HOST", "value": "smtp.example.com" }]),
    );
    manifest["spec"]["nodeSelector"] = json!({ "kubernetes.io/os": "windows" });
    let made = make("pods", manifest).await;
    assert_eq!(made["spec"]["nodeSelector"]["kubernetes.io/os"], "linux");
    let tolerations = made["spec"]["tolerations"].as_array().unwrap();
    assert!(
        tolerations
            .iter()
            .any(|toleration| toleration["key"] == "previews"),
        "{tolerations:?}"
    );
    assert_eq!(made["spec"]["containers"][0]["env"][0]["value"], "sink.previews");
    assert!(made["metadata"]["annotations"][keys::REVIEWED].is_string());

    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" },
        "spec": { "type": "LoadBalancer", "ports": [{ "port": 80, "nodePort": 30123 }], "externalTrafficPolicy": "Local" } });
    let made = make("services", service).await;
    assert_eq!(made["spec"]["type"], "ClusterIP");
    assert!(made["spec"]["ports"][0]["nodePort"].is_null(), "{}", made["spec"]);

    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "web", "annotations": { "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/production" } } });
    assert!(make("serviceaccounts", account).await["metadata"]["annotations"].is_null());

    let job = json!({ "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "x", "image": "registry.example.com/x:1" }] } } });
    let cron = json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly" },
        "spec": { "schedule": "* * * * *", "jobTemplate": { "spec": job } } });
    assert_eq!(make("cronjobs", cron).await["spec"]["suspend"], true);

    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    let rule = json!({ "host": "shop.example.com", "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } });
    let ingress = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": { "name": "web", "annotations": { "cert-manager.io/cluster-issuer": "letsencrypt" } },
        "spec": { "rules": [rule], "tls": [{ "hosts": ["shop.example.com"], "secretName": "shop" }] } });
    let made = make("ingresses", ingress).await;
    let host = format!("{namespace}.preview.example.com");
    assert_eq!(made["spec"]["rules"][0]["host"], host.as_str());
    assert_eq!(
        made["spec"]["tls"][0],
        json!({ "hosts": [host], "secretName": "wildcard" })
    );
    assert!(made["metadata"]["annotations"].is_null());

    let route = json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": { "name": "web" },
        "spec": { "hostnames": ["shop.example.com"], "rules": [{ "backendRefs": [{ "name": "web", "port": 80 }] }] } });
    assert_eq!(
        make("httproutes", route).await["spec"]["hostnames"],
        json!([format!("{namespace}.preview.example.com")])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_schedule_makes_is_refused_and_what_somebody_starts_runs() {
    let namespace = understudy_tests::previews::ready_preview("jobs").await;
    let spec = json!({ "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "x", "image": "registry.example.com/x:1" }] } } });
    let cron = json!({ "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": { "name": "nightly", "labels": { "kustomize.toolkit.fluxcd.io/name": "shop" } },
        "spec": { "schedule": "0 0 1 1 *", "jobTemplate": { "spec": spec } } });
    let made = create(User::Developer, &namespace, "cronjobs", cron)
        .await
        .unwrap();
    assert_ne!(
        made["spec"]["suspend"], true,
        "it lives in Git, where nothing may differ"
    );
    let owner = json!([{ "apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": made["metadata"]["uid"], "controller": true }]);
    let mut job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "nightly-1", "ownerReferences": owner }, "spec": spec });
    assert_refused(
        create(User::Developer, &namespace, "jobs", job.clone()).await,
        "objects.understudy.dev",
        &["quarantined"],
    );
    job["metadata"]["annotations"] = json!({ "cronjob.kubernetes.io/instantiate": "manual" });
    create(User::Developer, &namespace, "jobs", job).await.unwrap();
}

/// One half of what Argo CD would show as out of sync: fields of Git that the live object has otherwise. Fields that only the
/// live object has are defaults, and nobody's, unless the other half says whose.
fn out_of_sync(git: &Value, live: &Value, path: &str, found: &mut Vec<String>) {
    match (git, live) {
        (Value::Object(git), Value::Object(_)) => {
            for (key, value) in git {
                out_of_sync(value, &live[key.as_str()], &format!("{path}.{key}"), found);
            }
        }
        (Value::Array(git), Value::Array(live)) if git.len() == live.len() => {
            for (index, (git, live)) in git.iter().zip(live).enumerate() {
                out_of_sync(git, live, &format!("{path}[{index}]"), found);
            }
        }
        _ if git == live => {}
        _ => found.push(format!("{path}: Git has {git}, live is {live}")),
    }
}

/// The other half: fields that the applier owns since it applied, and that are not in Git, so that it would take them away the
/// next time. `owned` is what the API server keeps of that (`fieldsV1`, KEP-555).
fn not_in_git(owned: &Value, git: &Value, path: &str, found: &mut Vec<String>) {
    for (key, inner) in owned.as_object().into_iter().flatten() {
        let in_git = match key.split_once(':') {
            Some(("f", name)) => git.get(name),
            Some(("k", item)) => {
                let item: Value = serde_json::from_str(item).expect("the keys of an item");
                // A key that Git leaves out is a default.
                let is = |one: &&Value| {
                    let mut keys = item.as_object().into_iter().flatten();
                    keys.all(|(key, value)| one.get(key).is_none_or(|found| found == value))
                };
                git.as_array().into_iter().flatten().find(is)
            }
            _ => Some(git),
        };
        match in_git {
            Some(in_git) => not_in_git(inner, in_git, &format!("{path}.{key}"), found),
            None => found.push(format!("{path}.{key}: Git has nothing there")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_lives_in_git_differs_afterwards() {
    // C05
    let namespace = understudy_tests::previews::ready_preview("git").await;
    let tracked = |kind: &str| json!({ "name": "web", "annotations": { "argocd.argoproj.io/tracking-id": format!("shop:{kind}:x/web") } });
    let template = json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [
        { "name": "web", "image": "registry.example.com/web:1", "env": [{ "name": "DATABASE_URL", "value": "postgres://u:p@db.shop/shop" }] }] } });
    let cron = json!({ "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "x", "image": "registry.example.com/x:1" }] } } });
    let own = format!("{namespace}.preview.example.com");
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    for (plural, git) in [
        (
            "deployments",
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": tracked("Deployment"),
            "spec": { "selector": { "matchLabels": { "app": "web" } }, "template": template } }),
        ),
        (
            "services",
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": tracked("Service"), "spec": { "ports": [{ "port": 80 }] } }),
        ),
        (
            "configmaps",
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": tracked("ConfigMap"), "data": { "a": "b" } }),
        ),
        (
            "cronjobs",
            json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": tracked("CronJob"),
            "spec": { "schedule": "0 0 1 1 *", "jobTemplate": { "spec": cron } } }),
        ),
        (
            "ingresses",
            json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": tracked("Ingress"),
            "spec": { "rules": [{ "host": own, "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } }] } }),
        ),
    ] {
        let text = |key: &str| git[key].as_str().unwrap();
        let api = objects(
            User::Developer,
            &namespace,
            text("apiVersion"),
            text("kind"),
            plural,
        )
        .await;
        let applied = PatchParams::apply("argocd-controller");
        let live = api.patch("web", &applied, &Patch::Apply(&git)).await;
        let live = live.unwrap_or_else(|error| panic!("{plural}: {error}"));
        let live = serde_json::to_value(live).unwrap();
        let mut managers = live["metadata"]["managedFields"].as_array().unwrap().iter();
        let owned = managers
            .find(|entry| entry["manager"] == "argocd-controller")
            .unwrap();
        let mut found = Vec::new();
        out_of_sync(&git, &live, plural, &mut found);
        not_in_git(&owned["fieldsV1"], &git, plural, &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
    // What would have to differ is refused instead, and the refusal says by whom it is applied.
    let mut metadata = tracked("Service");
    metadata["name"] = json!("outside");
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] } });
    let message = assert_refused(
        create(User::Developer, &namespace, "services", service).await,
        "objects.understudy.dev",
        &["gitops-managed"],
    );
    assert!(message.contains("Argo CD applies this from Git"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lives_in_git_is_changed_where_the_policy_says_always_and_nothing_where_it_says_never() {
    let service = |name: &str, annotations: Value| {
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "annotations": annotations },
            "spec": { "type": "NodePort", "ports": [{ "port": 80 }] } })
    };
    let tracked = json!({ "argocd.argoproj.io/tracking-id": "shop:/Service:x/web" });
    let under = async |rewrites: &str| {
        let policy = own_policy(rewrites, |spec| spec["rewrites"] = json!(rewrites)).await;
        let namespace = preview_under(&policy, rewrites).await;
        sealed(&namespace).await;
        namespace
    };
    let (always, never) = tokio::join!(under("always"), under("never"));
    let made = create(
        User::Developer,
        &always,
        "services",
        service("web", tracked.clone()),
    )
    .await
    .unwrap();
    assert_eq!(made["spec"]["type"], "ClusterIP");
    for annotations in [tracked, json!({})] {
        let refused = create(User::Developer, &never, "services", service("web", annotations)).await;
        let message = assert_refused(refused, "objects.understudy.dev", &["exposure-lowered"]);
        assert!(message.contains("rewrites: never"), "{message}");
    }
    // A Pod is in nobody's Git.
    let env = json!([{ "name": "DATABASE_URL", "value": "postgres://u:p@db.shop/shop" }]);
    for namespace in [always, never] {
        let made = create(User::Developer, &namespace, "pods", pod("web", env.clone()))
            .await
            .unwrap();
        let source = &made["spec"]["containers"][0]["env"][0]["valueFrom"];
        assert_eq!(source["secretKeyRef"]["name"], "understudy-db-app", "{source}");
    }
}
