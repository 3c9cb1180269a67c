//! Ten likely mistakes, each answered with what, why and the next command.

use std::process::Stdio;

use serde_json::json;
use understudy_tests::shop;
use understudy_tests::testbed::{InstallOptions, Options, TestBed, User, eventually};

use crate::run::{Ran, SOON, developer, stage, understudy};

/// Asserts that `ran` failed with `code`, said `what`, and gave a hint that contains `next`.
fn assert_helped(ran: &Ran, code: i32, what: &str, next: &str) {
    assert_eq!(ran.code, code, "{}", ran.stderr);
    let error = ran
        .stderr
        .lines()
        .find(|line| line.starts_with("error: "))
        .unwrap_or_default();
    assert!(!error.is_empty(), "no error line: {}", ran.stderr);
    assert!(ran.stderr.contains(what), "{what:?} is missing: {}", ran.stderr);
    let hint: String = ran
        .stderr
        .lines()
        .skip_while(|line| !line.starts_with("hint: "))
        .collect::<Vec<_>>()
        .join("\n");
    assert!(hint.contains(next), "no hint with {next:?}: {}", ran.stderr);
    assert!(
        !ran.stderr.contains(shop::PASSWORD) && !ran.stderr.contains(shop::STRIPE_KEY),
        "{}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kubeconfig() {
    // F01
    let bed = stage().await.bed();
    let mut command = bed.understudy(User::Developer).unwrap();
    command
        .args(["list", "--kubeconfig", "/nonexistent/kubeconfig"])
        .stdin(Stdio::null());
    let ran: Ran = command.output().await.unwrap().into();
    assert_helped(&ran, 3, "/nonexistent/kubeconfig", "KUBECONFIG");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_golden() {
    assert_helped(
        &developer(&["clone", "no-such", "--pr", "1"]).await,
        6,
        "no-such",
        "understudy.dev/golden",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_policy() {
    let ran = developer(&["clone", "shop", "--pr", "1", "--policy", "no-such"]).await;
    assert_helped(&ran, 6, "no-such", "kubectl get previewpolicies");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ttl_beyond_the_policy() {
    // F05
    let ran = developer(&["clone", "shop", "--pr", "1", "--ttl", "999h"]).await;
    assert_helped(&ran, 5, "2h", "--ttl");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_takes_the_place_of_none() {
    let ran = developer(&[
        "clone",
        "shop",
        "--pr",
        "1",
        "--image",
        "registry.example.com/web:1",
    ])
    .await;
    assert_helped(
        &ran,
        2,
        "no container, workload or repository called registry.example.com/web",
        "NAME=",
    );
    let ran = developer(&[
        "clone",
        "shop",
        "--pr",
        "1",
        "--image",
        "nginx=registry.example.com/web:1",
    ])
    .await;
    assert_helped(
        &ran,
        2,
        "no container, workload or repository called nginx",
        "NAME=",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_namespace_exists_and_is_not_ours() {
    // D02
    let bed = stage().await.bed();
    let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop-pr-77" } });
    shop::apply::<k8s_openapi::api::core::v1::Namespace>(bed, None, "shop-pr-77", &manifest)
        .await
        .unwrap();
    assert_helped(
        &developer(&["clone", "shop", "--pr", "77"]).await,
        7,
        "shop-pr-77",
        "--name",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rights() {
    // D01
    let ran = understudy(User::Outsider, &["clone", "shop", "--pr", "1"]).await;
    assert_helped(&ran, 4, "outsider", "auth can-i");
}

#[tokio::test(flavor = "multi_thread")]
async fn understudy_is_not_installed() {
    let bed = TestBed::start(Options {
        postgres: false,
        ..Options::default()
    })
    .await
    .unwrap();
    let mut command = bed.understudy(User::Admin).unwrap();
    command.args(["clone", "shop", "--pr", "1"]).stdin(Stdio::null());
    let ran: Ran = command.output().await.unwrap().into();
    assert_helped(&ran, 8, "not installed", "helm");
    // Installed, but nobody answers: nothing that is made could become a preview.
    let stopped = InstallOptions {
        start: false,
        ..InstallOptions::default()
    };
    bed.install(stopped).await.unwrap();
    let golden = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop", "labels": { "understudy.dev/golden": "true" } } });
    shop::apply::<k8s_openapi::api::core::v1::Namespace>(&bed, None, "shop", &golden)
        .await
        .unwrap();
    let mut command = bed.understudy(User::Admin).unwrap();
    command.args(["clone", "shop", "--pr", "1"]).stdin(Stdio::null());
    let ran: Ran = command.output().await.unwrap().into();
    assert_helped(&ran, 8, "namespaces.understudy.dev", "understudy doctor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_template_and_an_unreachable_server_are_said_by_describe() {
    let bed = stage().await.bed();
    let broken = |name: &'static str, field: &'static str, value: serde_json::Value| async move {
        shop::policy(bed, |object| {
            object["metadata"]["name"] = json!(name);
            object["spec"]["creators"] = json!({ "users": ["developer"] });
            object["spec"]["databases"][0]["branch"]["postgres"][field] = value;
        })
        .await
    };
    broken("no-template", "template", json!("no_such_template"))
        .await
        .unwrap();
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "nowhere" }, "stringData": {
        "host": "127.0.0.1", "port": "1", "username": "x", "password": "y", "sslmode": "disable" } });
    shop::apply::<k8s_openapi::api::core::v1::Secret>(bed, Some("understudy-system"), "nowhere", &secret)
        .await
        .unwrap();
    broken(
        "no-server",
        "adminSecret",
        json!({ "namespace": "understudy-system", "name": "nowhere" }),
    )
    .await
    .unwrap();
    for (pr, policy, said) in [
        (
            "81",
            "no-template",
            "template database no_such_template does not exist",
        ),
        ("82", "no-server", "cannot work with PostgreSQL at 127.0.0.1:1"),
    ] {
        let ran = eventually(SOON, "the clone is made", || async {
            let ran = developer(&[
                "clone",
                "shop",
                "--pr",
                pr,
                "--policy",
                policy,
                "--wait",
                "--timeout",
                "5s",
            ])
            .await;
            // Admission's memory learns of a new policy a moment after it is there.
            anyhow::ensure!(!ran.stderr.contains("policy-missing"), "{}", ran.stderr);
            Ok::<_, anyhow::Error>(ran)
        })
        .await
        .unwrap();
        assert_helped(&ran, 9, said, "describe");
        let name = format!("shop-pr-{pr}");
        let described = developer(&["describe", &name]).await.done();
        assert!(described.stdout.contains(said), "{}", described.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_durations_that_are_none_are_refused_before_anything_is_read() {
    // F05
    for arguments in [
        ["--pr", "0", "--ttl", "1h"],
        ["--pr", "1", "--ttl", "soon"],
        ["--pr", "1", "--image", "web="],
    ] {
        let ran = developer(&[&["clone", "shop"][..], &arguments[..]].concat()).await;
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
    }
}
