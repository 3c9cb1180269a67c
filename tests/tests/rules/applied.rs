//! What those see who apply the same again and again: once it is there, it stays as it is.

use std::process::Stdio;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use understudy_tests::previews::{grant_everything, objects, pod, ready_preview, stage};
use understudy_tests::testbed::User;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_manifest_applied_twice_changes_nothing_the_second_time() {
    // C01, C05
    let namespace = ready_preview("twice").await;
    let pods = objects(User::Developer, &namespace, "v1", "Pod", "pods").await;
    let manifest = pod(
        "web",
        json!([{ "name": "DATABASE_URL", "value": "postgres://u:p@db.shop/shop" }]),
    );
    let params = PatchParams::apply("kubectl").force();
    let first = pods
        .patch("web", &params, &Patch::Apply(&manifest))
        .await
        .unwrap();
    // A Pod's environment is immutable, so an apply that fought the rewrite would be refused by the API server.
    let second = pods
        .patch(
            "web",
            &PatchParams::apply("other"),
            &Patch::Apply(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": { "seen": "true" } } })),
        )
        .await
        .unwrap();
    assert_eq!(
        first.data["spec"]["containers"],
        second.data["spec"]["containers"]
    );
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": { "type": "LoadBalancer", "ports": [{ "port": 80 }] } });
    let services = objects(User::Developer, &namespace, "v1", "Service", "services").await;
    let one = services
        .patch("web", &params, &Patch::Apply(&service))
        .await
        .unwrap();
    let two = services
        .patch("web", &params, &Patch::Apply(&service))
        .await
        .unwrap();
    assert_eq!(
        one.metadata.resource_version, two.metadata.resource_version,
        "the second apply is no change"
    );
}

/// Objects of each of which a rule changes something. Not Pods: whoever applies a rewritten one again is refused by
/// Kubernetes, to which its environment is fixed.
fn rewritten() -> Vec<(&'static str, Value)> {
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    let rule = json!({ "host": "shop.example.com", "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } });
    let job = json!({ "template": { "spec": { "restartPolicy": "Never",
        "containers": [{ "name": "x", "image": "registry.example.com/x:1" }] } } });
    vec![
        (
            "services",
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" },
            "spec": { "type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{ "port": 80 }] } }),
        ),
        (
            "serviceaccounts",
            json!({ "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": "web", "annotations": { "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x" } } }),
        ),
        (
            "cronjobs",
            json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "web" },
            "spec": { "schedule": "0 0 1 1 *", "jobTemplate": { "spec": job } } }),
        ),
        (
            "ingresses",
            json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "web" },
            "spec": { "rules": [rule] } }),
        ),
    ]
}

/// `kubectl` as the developer with `manifest` as its input; how it ended and all it said.
async fn kubectl(namespace: &str, arguments: &[&str], manifest: &Value) -> (Option<i32>, String) {
    let mut command = stage().await.bed().kubectl(User::Developer);
    command
        .args(["--namespace", namespace])
        .args(arguments)
        .arg("--filename=-");
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(manifest.to_string().as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_diff_finds_nothing_after_kubectl_apply() {
    // C05
    let namespace = ready_preview("diff").await;
    grant_everything(&namespace).await;
    let items: Vec<Value> = rewritten().into_iter().map(|(_, manifest)| manifest).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    let (code, said) = kubectl(&namespace, &["diff"], &list).await;
    assert_eq!(code, Some(1), "nothing is there yet: {said}");
    for apply in [&["apply"][..], &["apply", "--server-side", "--force-conflicts"]] {
        let (code, said) = kubectl(&namespace, apply, &list).await;
        assert_eq!(code, Some(0), "{said}");
        let diff: Vec<&str> = ["diff"].into_iter().chain(apply[1..].iter().copied()).collect();
        let (code, said) = kubectl(&namespace, &diff, &list).await;
        assert_eq!(code, Some(0), "{diff:?} finds: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_manager_leaves_what_was_rewritten_as_it_is() {
    // C05
    let namespace = ready_preview("managers").await;
    grant_everything(&namespace).await;
    for (plural, manifest) in rewritten() {
        let [version, kind] = ["apiVersion", "kind"].map(|key| manifest[key].as_str().unwrap());
        let api = objects(User::Developer, &namespace, version, kind, plural).await;
        let apply = async |manager: &str, force: bool, manifest: &Value| {
            let params = PatchParams {
                force,
                ..PatchParams::apply(manager)
            };
            let mut applied = api.patch("web", &params, &Patch::Apply(manifest)).await.unwrap();
            applied.data.as_object_mut().map(|data| data.remove("status"));
            // Not the version: the API server counts one up where a field that somebody else takes away was applied again, in
            // the next second at the earliest.
            (applied.data, applied.metadata.annotations)
        };
        let first = apply("first", false, &manifest).await;
        // Of its own it says one label.
        let own = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "web", "labels": { "seen": "true" } } });
        for (manager, force, manifest, what) in [
            ("second", false, &own, "a label"),
            ("second", false, &own, "the label again"),
            ("first", false, &manifest, "the first one again"),
            // The whole, by force: it is rewritten as it was for the first one, and then nothing moves.
            ("second", true, &manifest, "the whole by force"),
            ("second", true, &manifest, "by force again"),
        ] {
            assert_eq!(apply(manager, force, manifest).await, first, "{kind}: {what}");
        }
    }
}
