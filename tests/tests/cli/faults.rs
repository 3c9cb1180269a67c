//! Clusters that cannot be used: each is told apart, with an exit code and the next command.

use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use tempfile::TempDir;
use understudy_tests::previews;
use understudy_tests::shop;
use understudy_tests::testbed::{InstallOptions, Options, TestBed, User};

use crate::run::{Ran, command, developer, variable};

/// The developer's kubeconfig, changed by `edit`.
async fn kubeconfig(directory: &TempDir, edit: impl FnOnce(&mut Value)) -> PathBuf {
    let as_developer = command(User::Developer, &[]).await;
    let text = fs::read_to_string(variable(&as_developer, "KUBECONFIG")).unwrap();
    let mut config: Value = serde_saphyr::from_str(&text).unwrap();
    edit(&mut config);
    let path = directory.path().join("kubeconfig");
    fs::write(&path, config.to_string()).unwrap();
    path
}

async fn list(kubeconfig: &Path) -> Ran {
    developer(&["list", "--kubeconfig", kubeconfig.to_str().unwrap()]).await
}

/// One error line, a cause, a hint with `next`, the code; and no credential.
fn assert_told(ran: &Ran, code: i32, cause: &str, next: &str) {
    let said = &ran.stderr;
    assert_eq!(ran.code, code, "{said}");
    let lines = |label: &str| said.lines().filter(|line| line.starts_with(label)).count();
    assert_eq!((lines("error: "), lines("hint: ")), (1, 1), "{said}");
    assert!(
        lines("caused by: ") >= 1 && said.contains(cause),
        "{cause:?} is missing: {said}"
    );
    let hint = said
        .lines()
        .find(|line| line.starts_with("hint: "))
        .unwrap_or_default();
    assert!(hint.contains(next), "{next:?} is missing: {said}");
    assert!(!said.contains("hunter2") && ran.stdout.is_empty(), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_is_not_there() {
    // F01
    let ran = developer(&["list", "--context", "elsewhere"]).await;
    assert_told(&ran, 3, "elsewhere", "kubectl config get-contexts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_expired() {
    // F01, F06
    let directory = tempfile::tempdir().unwrap();
    let expired = kubeconfig(&directory, |config| {
        for user in config["users"].as_array_mut().unwrap() {
            user["user"] = json!({ "token": "hunter2" });
        }
    });
    assert_told(&list(&expired.await).await, 4, "expired", "kubectl auth whoami");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_or_is_another() {
    // F01
    let directory = tempfile::tempdir().unwrap();
    let away = kubeconfig(&directory, |config| {
        config["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
    });
    assert_told(
        &list(&away.await).await,
        3,
        "https://127.0.0.1:1",
        "kubectl cluster-info",
    );
    let stranger = kubeconfig(&directory, |config| {
        config["clusters"][0]["cluster"]
            .as_object_mut()
            .unwrap()
            .remove("certificate-authority");
    });
    assert_told(
        &list(&stranger.await).await,
        3,
        "certificate",
        "certificate authority",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_that_is_none_is_not_quoted() {
    // F01, F06
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    fs::write(&path, "users:\n- token: hunter2\n  - : {").unwrap();
    assert_told(
        &list(&path).await,
        3,
        "no YAML of a kubeconfig",
        "kubectl config view",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_whose_webhook_configuration_is_gone() {
    // F01
    let bed = TestBed::start(Options {
        postgres: false,
        ..Options::default()
    });
    let bed = bed.await.unwrap();
    let stopped = InstallOptions {
        start: false,
        ..InstallOptions::default()
    };
    bed.install(stopped).await.unwrap();
    let golden = json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": "shop", "labels": { "understudy.dev/golden": "true" } } });
    shop::apply::<k8s_openapi::api::core::v1::Namespace>(&bed, None, "shop", &golden)
        .await
        .unwrap();
    let api: Api<MutatingWebhookConfiguration> = Api::all(bed.client(User::Admin).await.unwrap());
    api.delete("understudy", &DeleteParams::default()).await.unwrap();
    let mut command = bed.understudy(User::Admin).unwrap();
    command.args(["clone", "shop", "--pr", "1", "--quiet"]);
    let ran: Ran = command.output().await.unwrap().into();
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert!(ran.stderr.contains("understudy doctor"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_golden_that_is_a_preview_or_nothing_is_refused_before_anything_is_written() {
    // F05
    let name = previews::unique("twice");
    previews::make(User::Developer, previews::preview(&name, json!({})))
        .await
        .unwrap();
    let ran = developer(&["clone", &name, "--pr", "1"]).await;
    assert_told(
        &ran_without_talk(ran),
        5,
        "clones are made of goldens",
        "understudy.dev/golden",
    );
    let ran = developer(&["clone", "default", "--pr", "1"]).await;
    assert_told(
        &ran_without_talk(ran),
        5,
        "administrator",
        "kubectl label namespace default",
    );
    let mut namespaces = developer(&["list", "-o", "json"]).await.done().json().to_string();
    namespaces.retain(|c| c != ' ');
    assert!(!namespaces.contains(&format!("{name}-pr-1")), "{namespaces}");
}

/// What was said before the failure is beside the point.
fn ran_without_talk(ran: Ran) -> Ran {
    let failure = ran.stderr.lines().skip_while(|line| !line.starts_with("error: "));
    Ran {
        stderr: failure.collect::<Vec<_>>().join("\n"),
        ..ran
    }
}
