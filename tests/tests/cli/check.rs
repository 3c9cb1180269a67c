//! `understudy check` says what the API server says.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::ensure;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use understudy_tests::shop;
use understudy_tests::testbed::{User, eventually};

use crate::run::{Ran, SOON, developer, stage, understudy};

/// A preview of the developer's, sealed, its branch ready.
async fn preview() -> &'static str {
    static PREVIEW: OnceCell<()> = OnceCell::const_new();
    const NAME: &str = "checked";
    let made = PREVIEW.get_or_try_init(|| Box::pin(make_ready(NAME)));
    made.await.expect("a preview to check against");
    NAME
}

async fn make_ready(name: &str) -> anyhow::Result<()> {
    make(name, "default").await?;
    let api = namespaces(User::Admin).await;
    eventually(SOON, "the preview is ready", || async {
        let notes = api.get(name).await?.metadata.annotations.unwrap_or_default();
        ensure!(
            notes.contains_key("understudy.dev/guardrails"),
            "not sealed: {notes:?}"
        );
        ensure!(
            notes
                .get("understudy.dev/database.app")
                .is_some_and(|state| state == "ready"),
            "{notes:?}"
        );
        Ok(())
    })
    .await
}

/// Boxed: what sets the stage up is nested too deeply for the compiler to lay out within another future.
async fn client(user: User) -> Client {
    let stage = Box::pin(stage()).await;
    stage.bed().client(user).await.expect("the bed knows its users")
}

async fn namespaces(user: User) -> Api<Namespace> {
    Api::all(client(user).await)
}

/// Makes a preview as the developer, once admission knows its policy.
async fn make(name: &str, policy: &str) -> anyhow::Result<()> {
    let manifest = json!({ "metadata": { "name": name,
        "labels": { "understudy.dev/preview": "true", "understudy.dev/policy": policy } } });
    let namespace: Namespace = serde_json::from_value(manifest)?;
    let api = namespaces(User::Developer).await;
    let params = PostParams::default();
    eventually(SOON, "the preview is made", || api.create(&params, &namespace)).await?;
    Ok(())
}

/// A file with these objects.
async fn file(name: &str, objects: &[Value]) -> String {
    let path: PathBuf = stage().await.bed().path().join(format!("{name}.yaml"));
    let documents: Vec<String> = objects
        .iter()
        .map(|object| serde_saphyr::to_string(object).unwrap())
        .collect();
    std::fs::write(&path, documents.join("\n---\n")).unwrap();
    path.display().to_string()
}

/// The policy of the stage, as a file.
async fn policy_file() -> String {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "understudy.dev",
        "v1alpha1",
        "PreviewPolicy",
    ));
    let api: Api<DynamicObject> = Api::all_with(client(User::Developer).await, &resource);
    file("policy", &[json!(api.get("default").await.unwrap())]).await
}

/// What the API server says to the developer who would make `object`: nothing, or what follows the webhook's name.
async fn answer(namespace: &str, object: &Value) -> Option<String> {
    let (group, version) = object["apiVersion"]
        .as_str()
        .unwrap()
        .rsplit_once('/')
        .unwrap_or(("", "v1"));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
        group,
        version,
        object["kind"].as_str().unwrap(),
    ));
    let client = client(User::Developer).await;
    let api: Api<DynamicObject> = match object["kind"].as_str() {
        Some("Namespace") => Api::all_with(client, &resource),
        _ => Api::namespaced_with(client, namespace, &resource),
    };
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api
        .create(&params, &serde_json::from_value(object.clone()).unwrap())
        .await
    {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => {
            let (_, text) = status
                .message
                .split_once(".understudy.dev\" denied the request: ")
                .unwrap_or_else(|| panic!("{status:?}"));
            Some(text.to_owned())
        }
        Err(error) => panic!("{error}"),
    }
}

/// What the check said of each object, itself and its Pod: verdict and message.
fn said(ran: &Ran) -> Vec<(String, String)> {
    let report = ran.json();
    let objects = report["objects"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    objects
        .iter()
        .map(|one| (text(&one["verdict"]), text(&one["message"])))
        .collect()
}

fn object(api_version: &str, kind: &str, name: &str, content: Value) -> Value {
    let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name } });
    object
        .as_object_mut()
        .unwrap()
        .extend(content.as_object().cloned().unwrap());
    object
}

fn pod(env: Value) -> Value {
    json!({ "spec": { "containers": [{ "name": "main", "image": "registry.example.com/shop/web:1", "env": env }] } })
}

/// Manifests, what becomes of each, and the exit code.
fn table() -> Vec<(Value, &'static str, i32)> {
    let host = "other.preview.example.com";
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    let rule = json!({ "host": host, "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } });
    let ingress = object(
        "networking.k8s.io/v1",
        "Ingress",
        "web",
        json!({ "spec": { "rules": [rule] } }),
    );
    // What Argo CD applies is not rewritten beneath it.
    let mut tracked = ingress.clone();
    tracked["metadata"]["annotations"] =
        json!({ "argocd.argoproj.io/tracking-id": "web:networking.k8s.io/Ingress:x/web" });
    let mut steals = ingress.clone();
    steals["metadata"]["annotations"] =
        json!({ "nginx.ingress.kubernetes.io/server-snippet": "server_name shop.example.com;" });
    let mut namespace = object("v1", "Namespace", "checked-ttl", json!({}));
    namespace["metadata"]["labels"] = json!({ "understudy.dev/preview": "true" });
    namespace["metadata"]["annotations"] = json!({ "understudy.dev/ttl": "999h" });
    let wide = json!({ "spec": { "podSelector": {}, "ingress": [{}], "policyTypes": ["Ingress"] } });
    vec![
        (
            object(
                "v1",
                "Pod",
                "reaches",
                pod(json!([{ "name": "API", "value": "http://api.shop.svc:8080" }])),
            ),
            "refused",
            10,
        ),
        (
            object("networking.k8s.io/v1", "NetworkPolicy", "wide", wide),
            "refused",
            10,
        ),
        (ingress, "changed", 0),
        (steals, "refused", 10),
        (tracked, "refused", 10),
        (namespace, "refused", 10),
        (
            object(
                "apps/v1",
                "DaemonSet",
                "everywhere",
                json!({ "spec": { "selector": { "matchLabels": { "a": "b" } },
            "template": { "metadata": { "labels": { "a": "b" } }, "spec": pod(json!([]))["spec"] } } }),
            ),
            "refused",
            10,
        ),
        (
            object(
                "v1",
                "Service",
                "lb",
                json!({ "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] } }),
            ),
            "changed",
            0,
        ),
        (
            object(
                "v1",
                "ConfigMap",
                "plain",
                json!({ "data": { "COLOUR": "blue" } }),
            ),
            "allowed",
            0,
        ),
        (
            object(
                "v1",
                "Pod",
                "branched",
                pod(json!([{ "name": "DATABASE_URL", "value": "postgresql://shop:x@db.shop:5432/shop" }])),
            ),
            "changed",
            0,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn its_words_are_those_of_the_cluster_with_and_without_one() {
    let (preview, policy) = (preview().await, policy_file().await);
    for (index, (manifest, verdict, code)) in table().into_iter().enumerate() {
        let path = file(&format!("manifest-{index}"), std::slice::from_ref(&manifest)).await;
        let live = ["check", "--cluster", "-n", preview, "-o", "json", "-f", &path];
        let offline = [
            "check",
            "-n",
            preview,
            "--as",
            "developer",
            "--as-group",
            "developers",
            "--namespace-labels",
            "understudy.dev/parent=shop",
            "--policy-file",
            &policy,
            "-o",
            "json",
            "-f",
            &path,
        ];
        let expected = answer(preview, &manifest).await.unwrap_or_default();
        assert_eq!(
            expected.is_empty(),
            code == 0,
            "{manifest}: the API server says {expected:?}"
        );
        for arguments in [&live[..], &offline[..]] {
            let ran = developer(arguments).await;
            assert_eq!(
                said(&ran)[0],
                (verdict.to_owned(), expected.clone()),
                "{arguments:?}\n{}",
                ran.stderr
            );
            assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_is_checked_as_itself_and_as_its_pod() {
    let preview = preview().await;
    let reaches = pod(json!([{ "name": "API", "value": "http://api.shop.svc:8080" }]));
    let template = json!({ "metadata": { "labels": { "app": "web" } }, "spec": reaches["spec"] });
    let workload =
        json!({ "spec": { "selector": { "matchLabels": { "app": "web" } }, "template": template } });
    let manifest = object("apps/v1", "Deployment", "web", workload);
    assert_eq!(
        answer(preview, &manifest).await,
        None,
        "the Deployment itself passes"
    );
    let expected = answer(preview, &object("v1", "Pod", "web", reaches))
        .await
        .unwrap();
    let path = file("workload", &[manifest]).await;
    let ran = developer(&["check", "--cluster", "-n", preview, "-o", "json", "-f", &path]).await;
    assert_eq!(
        said(&ran),
        [
            ("allowed".to_owned(), String::new()),
            ("refused".to_owned(), expected.clone())
        ]
    );
    assert_eq!(ran.code, 10, "{ran:?}");
    let table = developer(&["check", "--cluster", "-n", preview, "-f", &path]).await;
    assert!(
        table.stdout.contains("Deployment/web, its Pod") && table.stdout.contains(&expected),
        "{}",
        table.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_said_and_has_an_exit_code_of_its_own() {
    let (preview, policy) = (preview().await, policy_file().await);
    let from = json!([{ "name": "DATABASE_URL", "valueFrom": { "configMapKeyRef": { "name": "app", "key": "url" } } }]);
    let manifest = object("v1", "Pod", "web", pod(from));
    let lonely = file("lonely", std::slice::from_ref(&manifest)).await;
    let ran = developer(&["check", "--policy-file", &policy, "-f", &lonely, "-o", "json"]).await;
    assert_eq!(
        (ran.code, ran.json()["objects"][0]["missing"][0].as_str()),
        (11, Some("ConfigMap app")),
        "{ran:?}"
    );
    assert!(
        ran.stderr.contains("hint: ") && ran.stderr.contains("--cluster"),
        "{}",
        ran.stderr
    );
    // The cluster knows that it is not there.
    let expected = answer(preview, &manifest).await.unwrap();
    let ran = developer(&["check", "--cluster", "-n", preview, "-f", &lonely, "-o", "json"]).await;
    assert_eq!(said(&ran), [("refused".to_owned(), expected)]);
    // And the manifest may bring it.
    let map = object(
        "v1",
        "ConfigMap",
        "app",
        json!({ "data": { "url": "postgresql://shop:x@db.shop/shop" } }),
    );
    let whole = file("whole", &[map, manifest]).await;
    let ran = developer(&["check", "--policy-file", &policy, "-f", &whole, "-o", "json"])
        .await
        .done();
    assert_eq!(ran.json()["objects"][1]["verdict"], "changed");
    assert!(
        !ran.stdout.contains("postgresql://"),
        "a value was printed: {}",
        ran.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cluster_is_needed_and_no_kubeconfig() {
    let bed = stage().await.bed();
    let policy = shop::example("policies/demo.yaml").display().to_string();
    let mut command = bed.understudy(User::Developer).unwrap();
    command.args([
        "check",
        "--kubeconfig",
        "/nonexistent",
        "--policy-file",
        &policy,
        "-f",
        "-",
    ]);
    command.stdin(Stdio::null());
    let ran: Ran = command.output().await.unwrap().into();
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = developer(&["check"]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    let secret = object(
        "v1",
        "Secret",
        "x",
        json!({ "stringData": { "password": "hunter2-hunter2-hunter2" } }),
    );
    let path = file("secret", &[secret]).await;
    let ran = developer(&["check", "--policy-file", &path, "-f", &path]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}"); // F06
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_only_observes_is_listed() {
    let bed = stage().await.bed();
    shop::policy(bed, |policy| {
        policy["metadata"]["name"] = json!("watching");
        policy["spec"]["enforcement"] = json!("warn");
        policy["spec"]["creators"] = json!({ "users": ["developer"] });
    })
    .await
    .unwrap();
    make("watched", "watching").await.unwrap();
    let wide = table().remove(1).0;
    shop::apply::<k8s_openapi::api::networking::v1::NetworkPolicy>(bed, Some("watched"), "wide", &wide)
        .await
        .unwrap();
    let ran = understudy(User::Admin, &["check", "--cluster", "-o", "json"]).await;
    assert_eq!(ran.code, 10, "{ran:?}");
    let report = ran.json();
    let found = report["objects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["object"] == "NetworkPolicy/wide")
        .cloned();
    let found = found.unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!(
        (&found["verdict"], &found["namespace"]),
        (&json!("refused"), &json!("watched"))
    );
    assert!(
        found["message"]
            .as_str()
            .unwrap()
            .starts_with("network-widened: "),
        "{found}"
    );
}
