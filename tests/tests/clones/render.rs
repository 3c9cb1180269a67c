//! `understudy render`: what a GitOps repository can hold, and a preview that comes of it.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use understudy_tests::previews::sealed;
use understudy_tests::shop::{PASSWORD, STRIPE_KEY, stage};
use understudy_tests::testbed::User;

use crate::run::developer;

const IMAGE: &str = "web=registry.example.com/shop/web:pr-801";

/// `kubectl apply` of `text`, by whoever delivers it.
async fn applied(text: &str) -> String {
    let mut command = stage().await.bed().kubectl(User::Admin);
    command.args(["apply", "--server-side", "--filename", "-"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_renderings_are_the_same_bytes_and_hold_no_value_of_a_secret() {
    // F06
    let arguments = ["render", "shop", "--pr", "801", "--image", IMAGE];
    let first = developer(&arguments).await.done();
    let second = developer(&arguments).await.done();
    assert_eq!(first.stdout, second.stdout);
    for output in [&first.stdout, &first.stderr] {
        for value in [PASSWORD, STRIPE_KEY, "c2tfdGVzdF9vZl90aGVfZGVtb19vbmx5"] {
            assert!(!output.contains(value), "{output}");
        }
    }
    assert!(
        first.stderr.contains("Secret shop-api is left out"),
        "{}",
        first.stderr
    );
    let documents: Vec<Value> = serde_saphyr::from_multiple(&first.stdout).unwrap();
    assert_eq!(documents[0]["kind"], "Namespace");
    assert_eq!(
        documents[0]["metadata"]["labels"]["understudy.dev/preview"],
        "true"
    );
    assert!(documents.iter().all(|document| document["kind"] != "Secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rendered_becomes_a_preview_when_somebody_applies_it() {
    let rendered = developer(&["render", "shop", "--pr", "802", "--image", IMAGE])
        .await
        .done();
    let said = applied(&rendered.stdout).await;
    assert!(
        said.contains("namespace/shop-pr-802 serverside-applied"),
        "{said}"
    );
    sealed("shop-pr-802").await;
    let again = applied(&rendered.stdout).await;
    assert_eq!(again.lines().count(), said.lines().count());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_cloned_cannot_be_rendered_either() {
    // F05
    let unknown = developer(&["render", "no-such-golden", "--pr", "803"]).await;
    assert_eq!(unknown.code, 6, "{unknown:?}");
    let nameless = developer(&["render", "shop"]).await;
    assert_eq!(nameless.code, 2, "{nameless:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_every_clone_gets_anew_stands_in_no_repository() {
    // F06
    let golden = crate::again::golden().await;
    let ran = developer(&["render", &golden, "--pr", "1"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    assert!(
        ran.stderr.contains("StatefulSet/db carries a password"),
        "{}",
        ran.stderr
    );
}
