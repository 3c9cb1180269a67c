//! Ctrl-C at each step of a clone: what is done stays whole, and the way on or back is said.

use std::process::Stdio;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Child;
use understudy_tests::shop;
use understudy_tests::testbed::{User, eventually};

use crate::run::{Ran, SOON, command, developer, stage, variable};

fn interrupt(child: &Child) {
    let process = child.id().expect("it runs").to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &process])
        .status();
    assert!(sent.unwrap().success());
}

/// Runs `understudy ARGUMENTS`, presses Ctrl-C `times` once it has said `cue`, and waits for its end.
async fn stopped(mut command: tokio::process::Command, cue: &str, times: usize) -> Ran {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    let listen = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            said.push_str(&line);
            said.push('\n');
            if line.contains(cue) {
                for _ in 0..times {
                    interrupt(&child);
                }
            }
        }
    };
    tokio::time::timeout(SOON, listen)
        .await
        .expect("it ends by itself");
    let ended = child.wait_with_output().await.unwrap();
    Ran {
        stderr: said,
        ..Ran::from(ended)
    }
}

async fn exists(name: &str) -> bool {
    let api: Api<Namespace> = Api::all(stage().await.bed().client(User::Admin).await.unwrap());
    api.get_opt(name).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_reading_nothing_has_happened() {
    // F03
    let bed = stage().await.bed();
    let proxy = bed.proxy().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let as_developer = command(User::Developer, &[]).await;
    let text = std::fs::read_to_string(variable(&as_developer, "KUBECONFIG")).unwrap();
    let path = directory.path().join("held.kubeconfig");
    let held = text.replace(&bed.server(), &format!("https://{}", proxy.address()));
    std::fs::write(&path, held).unwrap();
    proxy.pause();
    for times in [1, 2] {
        let mut clone = command(User::Developer, &["clone", "shop", "--pr", "297"]).await;
        clone.env("KUBECONFIG", &path);
        let ran = stopped(clone, "reading shop", times).await;
        assert_eq!(ran.code, 130, "{ran:?}");
        for said in [
            "error: stopped",
            "nothing was written",
            "hint: begin again with: understudy clone shop --pr 297",
        ] {
            assert!(ran.stderr.contains(said), "{said:?} is missing: {}", ran.stderr);
        }
    }
    assert!(!exists("shop-pr-297").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_waiting_for_an_image_nothing_has_happened() {
    // F03
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let image = format!("web={}/shop/web:1", silent.local_addr().unwrap());
    let arguments = [
        "clone",
        "shop",
        "--pr",
        "298",
        "--image",
        &image,
        "--wait-image",
        "5m",
    ];
    let ran = stopped(command(User::Developer, &arguments).await, "asking for", 1).await;
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.stderr.contains("nothing was written"), "{}", ran.stderr);
    assert!(!exists("shop-pr-298").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_applying_and_while_waiting_the_way_on_and_back_is_said() {
    // F03
    let bed = stage().await.bed();
    // Its Pods wait for a database that never comes.
    shop::policy(bed, |policy| {
        policy["metadata"]["name"] = json!("stuck");
        policy["spec"]["creators"] = json!({ "users": ["developer"] });
        policy["spec"]["databases"][0]["branch"]["postgres"]["template"] = json!("no_such_template");
    })
    .await
    .unwrap();
    let clone = |pr: &'static str| async move {
        let arguments = [
            "clone",
            "shop",
            "--pr",
            pr,
            "--policy",
            "stuck",
            "--wait",
            "--timeout",
            "10m",
        ];
        command(User::Developer, &arguments).await
    };
    eventually(SOON, "admission knows the policy", || async {
        let ran = developer(&["clone", "shop", "--pr", "299", "--policy", "stuck"]).await;
        anyhow::ensure!(ran.code == 0, "{}", ran.stderr);
        Ok(())
    })
    .await
    .unwrap();
    for (pr, cue, times) in [
        ("300", "making namespace", 1),
        ("301", "applying", 1),
        ("302", "applying", 2),
        ("303", "waiting for the workloads", 1),
        ("304", "waiting for the workloads", 2),
    ] {
        let ran = stopped(clone(pr).await, cue, times).await;
        assert_eq!(ran.code, 130, "{cue}: {ran:?}");
        let (on, back) = (
            format!("understudy clone shop --pr {pr} --policy stuck --wait"),
            format!("understudy destroy shop-pr-{pr}"),
        );
        assert!(
            ran.stderr.contains(&on) && ran.stderr.contains(&back),
            "{cue}: {}",
            ran.stderr
        );
    }
    // The way on leads there, and the way back too.
    developer(&["clone", "shop", "--pr", "301", "--policy", "stuck"])
        .await
        .done();
    developer(&["destroy", "shop-pr-302", "--yes"]).await.done();
}
