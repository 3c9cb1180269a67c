//! `understudy check` says what the API server says.

mod manifests;

use std::process::Stdio;

use serde_json::json;
use understudy_tests::shop;
use understudy_tests::testbed::User;

use crate::run::{Ran, developer, stage, understudy};
use manifests::{answer, file, make, object, pod, policy_file, preview, said, table};

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
async fn what_may_not_be_read_is_said_beside_the_answer() {
    let preview = preview().await;
    let path = file("unread", &[object("v1", "Pod", "web", pod(json!([])))]).await;
    let arguments = ["check", "--cluster", "-n", preview, "-o", "json", "-f", &path];
    let hidden = "shop: you may not list Secret";
    let ran = developer(&arguments).await;
    let unread = ran.json()["unread"].clone();
    assert!(
        unread.as_array().unwrap().iter().any(|why| why == hidden),
        "{unread}"
    );
    assert!(ran.stderr.contains(hidden), "{}", ran.stderr);
    let ran = understudy(User::Admin, &arguments).await;
    assert_eq!(ran.json()["unread"], json!([]));
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
