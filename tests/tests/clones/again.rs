//! `understudy diff` and `understudy refresh`: a clone beside its golden of today.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::{client, create, unique};
use understudy_tests::shop::{self, stage};
use understudy_tests::testbed::User;

use crate::run::{Ran, developer};

const OWN_IMAGE: &str = "registry.example.com/store/web:pr-1";

fn config(name: &str, mode: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "MODE": mode } })
}

fn workload(kind: &str, name: &str, container: Value) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name }, "spec": {
        "selector": { "matchLabels": { "app": name } }, "serviceName": name,
        "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [container] } } } })
}

/// A golden with a program, its settings, and a database of its own with a password.
pub async fn golden() -> String {
    let name = empty("store").await;
    let mut web = workload(
        "Deployment",
        "web",
        json!({ "name": "web", "image": "registry.example.com/store/web:1",
        "envFrom": [{ "configMapRef": { "name": "settings" } }] }),
    );
    web["spec"].as_object_mut().unwrap().remove("serviceName");
    let db = json!({ "name": "postgres", "image": "postgres:17",
        "env": [{ "name": "POSTGRES_PASSWORD", "value": "password-of-the-golden" }] });
    for (plural, manifest) in [
        ("configmaps", config("settings", "slow")),
        ("configmaps", config("outdated", "any")),
        ("deployments", web),
        ("statefulsets", workload("StatefulSet", "db", db)),
    ] {
        create(User::Admin, &name, plural, manifest).await.unwrap();
    }
    name
}

/// The golden of tomorrow: other settings, another image, one object less and one more.
async fn moves_on(golden: &str) {
    let client = client(User::Admin).await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), golden);
    let change = Patch::Merge(json!({ "data": { "MODE": "fast" } }));
    maps.patch("settings", &PatchParams::default(), &change)
        .await
        .unwrap();
    maps.delete("outdated", &Default::default()).await.unwrap();
    create(User::Admin, golden, "configmaps", config("added", "any"))
        .await
        .unwrap();
    let deployments: Api<Deployment> = Api::namespaced(client, golden);
    let image = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "web", "image": "registry.example.com/store/web:2" }] } } } });
    deployments
        .patch("web", &PatchParams::default(), &Patch::Strategic(image))
        .await
        .unwrap();
}

async fn moves_back(golden: &str) {
    let maps: Api<ConfigMap> = Api::namespaced(client(User::Admin).await, golden);
    let change = Patch::Merge(json!({ "data": { "MODE": "slow" } }));
    maps.patch("settings", &PatchParams::default(), &change)
        .await
        .unwrap();
}

fn found(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let rows = report["differences"].as_array().unwrap().iter();
    rows.map(|row| {
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        format!("{} {}", text("change"), text("object"))
    })
    .collect()
}

/// What a run said to programs: JSON and nothing else, one event a line.
fn events(ran: &Ran) -> Vec<Value> {
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    ran.stdout.lines().map(read).collect()
}

/// A golden that the developer may read, with nothing in it.
async fn empty(prefix: &str) -> String {
    let name = unique(prefix);
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "labels": { keys::GOLDEN: "true" } } });
    shop::apply::<Namespace>(stage().await.bed(), None, &name, &namespace)
        .await
        .unwrap();
    let view = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "view" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers" }] });
    create(User::Admin, &name, "rolebindings", view).await.unwrap();
    name
}

async fn password(namespace: &str) -> String {
    let sets: Api<StatefulSet> = Api::namespaced(client(User::Admin).await, namespace);
    let set = json!(sets.get("db").await.unwrap());
    set.pointer("/spec/template/spec/containers/0/env/0/value")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

async fn image(namespace: &str) -> String {
    let deployments: Api<Deployment> = Api::namespaced(client(User::Admin).await, namespace);
    let web = json!(deployments.get("web").await.unwrap());
    web.pointer("/spec/template/spec/containers/0/image")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_brings_the_golden_of_today_and_leaves_the_clone_its_own() {
    let golden = golden().await;
    let clone = format!("{golden}-pr-1");
    let own = format!("web={OWN_IMAGE}");
    developer(&["clone", &golden, "--pr", "1", "--image", &own, "--wait"])
        .await
        .done();
    let first = password(&clone).await;
    assert_ne!(first, "password-of-the-golden");
    let same = developer(&["diff", &clone, "-o", "json"]).await.done();
    assert_eq!(found(&same), Vec::<String>::new());

    moves_on(&golden).await;
    let by_hand = config("by-hand", "any");
    create(User::Developer, &clone, "configmaps", by_hand)
        .await
        .unwrap();
    let expected = [
        "missing ConfigMap/added",
        "changed ConfigMap/settings",
        "extra ConfigMap/by-hand",
        "extra ConfigMap/outdated",
    ];
    let differs = developer(&["diff", &clone, "-o", "json"]).await;
    assert_eq!(
        (found(&differs), differs.code),
        (expected.map(str::to_owned).to_vec(), 13),
        "{differs:?}"
    );
    // F06: what a program reads may be secret.
    assert!(
        !differs.stdout.contains("fast") && !differs.stdout.contains(&first),
        "{}",
        differs.stdout
    );
    let table = developer(&["diff", &clone]).await;
    assert!(table.stdout.contains("data.MODE"), "{}", table.stdout);

    let rehearsed = developer(&["refresh", &clone, "--dry-run", "-o", "json"])
        .await
        .done();
    assert_eq!(found(&rehearsed), found(&differs));
    assert_eq!(
        found(&developer(&["diff", &clone, "-o", "json"]).await),
        found(&differs)
    );

    let refreshed = developer(&["refresh", &clone, "--wait", "-o", "json"])
        .await
        .done();
    let events = events(&refreshed);
    let applied = events.iter().find(|event| event["event"] == "applied").unwrap();
    assert_eq!(
        [&applied["created"], &applied["changed"], &applied["deleted"]],
        [1, 1, 1]
    );
    assert_eq!(
        events.last(),
        Some(&json!({ "event": "done", "name": clone, "ready": true }))
    );
    assert!(
        refreshed.stderr.contains("ConfigMap/by-hand"),
        "{}",
        refreshed.stderr
    );
    assert_eq!(
        (image(&clone).await, password(&clone).await),
        (OWN_IMAGE.to_owned(), first)
    );
    let left = developer(&["diff", &clone, "-o", "json"]).await;
    assert_eq!(found(&left), ["extra ConfigMap/by-hand"]);
    let again = developer(&["refresh", &clone]).await.done();
    assert!(
        again.stderr.contains("0 created, 0 changed") && again.stderr.contains("0 deleted"),
        "{}",
        again.stderr
    );
    // What came with a refresh goes with a refresh.
    let maps: Api<ConfigMap> = Api::namespaced(client(User::Admin).await, &golden);
    maps.delete("added", &Default::default()).await.unwrap();
    developer(&["refresh", &clone]).await.done();
    let left = developer(&["diff", &clone, "-o", "json"]).await;
    assert_eq!(found(&left), ["extra ConfigMap/by-hand"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_somebody_set_since_stays_and_one_that_nobody_asked_for_does_not() {
    let (golden, other) = (golden().await, golden().await);
    let (set, left) = (format!("{golden}-pr-1"), format!("{other}-pr-1"));
    developer(&["clone", &golden, "--pr", "1"]).await.done();
    developer(&["clone", &other, "--pr", "1", "--exclude", "ConfigMap/outdated"])
        .await
        .done();
    let deployments: Api<Deployment> = Api::namespaced(client(User::Developer).await, &set);
    let image_of = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "web", "image": OWN_IMAGE }] } } } });
    let params = PatchParams {
        field_manager: Some("kubectl-set".to_owned()),
        ..PatchParams::default()
    };
    deployments
        .patch("web", &params, &Patch::Strategic(image_of))
        .await
        .unwrap();
    developer(&["diff", &set]).await.done();
    for (golden, clone) in [(&golden, &set), (&other, &left)] {
        moves_on(golden).await;
        developer(&["refresh", clone]).await.done();
        // What was not part of it at birth is no part of it now.
        developer(&["diff", clone]).await.done();
    }
    assert_eq!(image(&set).await, OWN_IMAGE);
    assert_eq!(image(&left).await, "registry.example.com/store/web:2");
    // A second refresh knows it as well, although the image is written by us now.
    moves_back(&golden).await;
    developer(&["refresh", &set]).await.done();
    assert_eq!(image(&set).await, OWN_IMAGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_given_as_a_secret_stays_as_it_was_given() {
    // F06
    let golden = golden().await;
    let clone = format!("{golden}-pr-1");
    let file = tempfile::NamedTempFile::new().unwrap();
    let store = b"\x00\xff\nhunter2\n";
    std::fs::write(&file, store).unwrap();
    let given = format!("keys/store.p12={}", file.path().display());
    let asked = ["clone", &golden, "--pr", "1", "--secret", &given];
    let planned = developer(&[&asked[..], &["--dry-run", "-o", "yaml"]].concat())
        .await
        .done();
    let made = developer(&asked).await.done();
    moves_on(&golden).await;
    let differs = developer(&["diff", &clone, "-o", "json"]).await;
    assert!(!differs.stdout.contains("Secret/keys"), "{}", differs.stdout);
    let refreshed = developer(&["refresh", &clone]).await.done();
    for ran in [planned, made, differs, refreshed] {
        // AP8KaHVudGVyMgo= is what was given.
        assert!(!format!("{ran:?}").contains("hunter2") && !format!("{ran:?}").contains("AP8Ka"));
    }
    let secrets: Api<Secret> = Api::namespaced(client(User::Admin).await, &clone);
    let kept = secrets.get("keys").await.unwrap().data.unwrap();
    assert_eq!(kept["store.p12"].0, store);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_goldens_and_a_part_of_one_are_refreshed_as_they_were_cloned() {
    let (golden, beside) = (golden().await, empty("rates").await);
    let rates = |text: String| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "rates" }, "data": { "URL": text } });
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80 }] } });
    create(User::Admin, &golden, "services", service).await.unwrap();
    let first = rates(format!("http://web.{golden}/v1"));
    create(User::Admin, &beside, "configmaps", first).await.unwrap();
    let (both, part) = (format!("{golden}-pr-1"), format!("{golden}-pr-2"));
    developer(&["clone", &golden, &beside, "--pr", "1"]).await.done();
    developer(&["clone", &golden, "--pr", "2", "--changed", "web"])
        .await
        .done();

    moves_on(&golden).await;
    let maps: Api<ConfigMap> = Api::namespaced(client(User::Admin).await, &beside);
    let second = Patch::Merge(rates(format!("http://web.{golden}/v2")));
    maps.patch("rates", &PatchParams::default(), &second)
        .await
        .unwrap();
    for clone in [&both, &part] {
        developer(&["refresh", clone]).await.done();
        let same = developer(&["diff", clone, "-o", "json"]).await.done();
        assert_eq!(found(&same), Vec::<String>::new());
        assert_eq!(image(clone).await, "registry.example.com/store/web:2");
    }
    let maps: Api<ConfigMap> = Api::namespaced(client(User::Admin).await, &both);
    let moved = maps.get("rates").await.unwrap().data.unwrap()["URL"].clone();
    assert_eq!(moved, format!("http://web.{both}/v2"));
    // What belongs to nothing that changed stays out of it.
    let maps: Api<ConfigMap> = Api::namespaced(client(User::Admin).await, &part);
    assert!(maps.get_opt("settings").await.unwrap().is_some());
    assert!(maps.get_opt("added").await.unwrap().is_none());

    let mut agent = workload(
        "DaemonSet",
        "agent",
        json!({ "name": "agent", "image": "agent:1" }),
    );
    agent["spec"].as_object_mut().unwrap().remove("serviceName");
    create(User::Admin, &golden, "daemonsets", agent).await.unwrap();
    let refused = developer(&["refresh", &both]).await;
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(
        refused.stderr.contains("DaemonSet/agent: ") && refused.stderr.contains("takes another clone"),
        "{}",
        refused.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_change_in_place_is_named_with_the_command_that_makes_it_again() {
    let golden = golden().await;
    let clone = format!("{golden}-pr-1");
    let service = |spec: Value| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": spec });
    let port = json!([{ "port": 80 }]);
    create(
        User::Admin,
        &golden,
        "services",
        service(json!({ "ports": port })),
    )
    .await
    .unwrap();
    developer(&["clone", &golden, "--pr", "1"]).await.done();

    let client = client(User::Admin).await;
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &golden);
    let services: Api<Service> = Api::namespaced(client, &golden);
    let mut set = json!(sets.get("db").await.unwrap());
    set["metadata"] = json!({ "name": "db" });
    set["spec"]["volumeClaimTemplates"] = json!([{ "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }]);
    sets.delete("db", &Default::default()).await.unwrap();
    services.delete("web", &Default::default()).await.unwrap();
    create(User::Admin, &golden, "statefulsets", set).await.unwrap();
    let headless = service(json!({ "clusterIP": "None", "ports": port }));
    create(User::Admin, &golden, "services", headless).await.unwrap();

    makes_again(&clone, "service", "web", "Service/web").await;
    makes_again(&clone, "statefulset", "db", "StatefulSet/db").await;
    developer(&["refresh", &clone]).await.done();
    developer(&["diff", &clone]).await.done();

    // The API server refuses an address that goes, and is silent about one that does not come.
    services.delete("web", &Default::default()).await.unwrap();
    let addressed = service(json!({ "ports": port }));
    create(User::Admin, &golden, "services", addressed).await.unwrap();
    let differs = developer(&["diff", &clone]).await;
    assert!(
        differs.stdout.contains("it cannot be changed in place"),
        "{differs:?}"
    );
    makes_again(&clone, "service", "web", "Service/web").await;
    developer(&["refresh", &clone]).await.done();
    developer(&["diff", &clone]).await.done();
}

/// A refresh of `clone` refuses to change this object; its command is carried out.
async fn makes_again(clone: &str, kind: &str, name: &str, object: &str) {
    let refused = developer(&["refresh", clone]).await;
    assert_eq!(refused.code, 5, "{refused:?}");
    let sentence = format!("error: {object} in {clone} has to be made again: ");
    let command = format!(
        "hint: kubectl delete {kind} {name} --namespace {clone}; then go on with: understudy refresh {clone}"
    );
    assert!(
        refused.stderr.contains(&sentence) && refused.stderr.contains(&command),
        "{}",
        refused.stderr
    );
    let mut kubectl = stage().await.bed().kubectl(User::Developer);
    kubectl.args(["delete", kind, name, "--namespace", clone]);
    assert!(kubectl.output().await.unwrap().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_that_is_no_clone_is_not_compared() {
    let name = understudy_tests::previews::ready_preview("plain").await;
    for verb in ["diff", "refresh"] {
        let ran = developer(&[verb, &name]).await;
        assert_eq!(ran.code, 5, "{ran:?}");
    }
    let missing = developer(&["diff", "no-such-preview"]).await;
    assert_eq!(missing.code, 6, "{missing:?}");
}
