//! `understudy doctor` on an installation that each test breaks in one way and mends again: a bed of its own.

mod rules;
mod way;

use std::future::Future;
use std::process::Stdio;

use anyhow::{Result, ensure};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use understudy_tests::testbed::{InstallOptions, Options, TestBed, Understudy, User, eventually};

use crate::run::{Ran, SOON};

/// The installation, and the turn to break it.
async fn ward() -> (&'static Understudy, MutexGuard<'static, ()>) {
    static WARD: OnceCell<Understudy> = OnceCell::const_new();
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    let opened = WARD.get_or_try_init(|| async {
        let bed = TestBed::start(Options {
            postgres: false,
            ..Options::default()
        })
        .await?;
        bed.install(InstallOptions::default()).await
    });
    (opened.await.expect("an installation to examine"), turn)
}

async fn doctor(understudy: &Understudy, user: User, arguments: &[&str]) -> Ran {
    let mut command = understudy.bed().understudy(user).expect("the program is built");
    command.arg("doctor").args(arguments).stdin(Stdio::null());
    command.output().await.expect("it starts").into()
}

/// What `check` found, `STATE: found → mend` each.
fn rows(ran: &Ran, check: &str) -> Vec<String> {
    let report = ran.json();
    let all = report["findings"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.iter()
        .filter(|row| row["check"] == check)
        .map(|row| {
            format!(
                "{}: {} → {}",
                text(&row["state"]),
                text(&row["found"]),
                text(&row["mend"])
            )
        })
        .collect()
}

/// Checks, each with parts of one of its rows.
type Expected<'a> = &'a [(&'a str, &'a [&'a str])];

/// Waits until the doctor says all of `expected`: a check, and parts of one of its rows. What was broken is mended before
/// anybody looks at the answer, or one failure would be everybody's.
async fn names(understudy: &Understudy, user: User, expected: Expected<'_>) -> Result<()> {
    eventually(SOON, "the doctor names the cause", || async {
        let ran = doctor(understudy, user, &["-o", "json"]).await;
        for (check, parts) in expected {
            let rows = rows(&ran, check);
            let said = rows.iter().any(|row| parts.iter().all(|part| row.contains(part)));
            ensure!(said, "{check} does not say {parts:?}: {rows:#?}\n{}", ran.stderr);
        }
        let failed = expected.iter().any(|(_, parts)| parts.contains(&"failed: "));
        ensure!(
            ran.code == if failed { 12 } else { 0 },
            "exit code {}: {}",
            ran.code,
            ran.stdout
        );
        Ok(())
    })
    .await
}

/// Objects of admission registration, as the admin.
async fn objects(bed: &TestBed, kind: &str) -> Api<DynamicObject> {
    let group = "admissionregistration.k8s.io";
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
    Api::all_with(bed.client(User::Admin).await.unwrap(), &resource)
}

/// Takes an object away while `examine` runs.
async fn without<F: Future<Output = Result<()>>>(
    api: Api<DynamicObject>,
    name: &str,
    examine: F,
) -> Result<()> {
    let mut saved = api.get(name).await.unwrap();
    api.delete(name, &DeleteParams::default()).await.unwrap();
    let examined = examine.await;
    saved.metadata.resource_version = None;
    saved.metadata.uid = None;
    saved.metadata.managed_fields = None;
    api.create(&PostParams::default(), &saved).await.unwrap();
    examined
}

/// Changes the mutating configuration's entries by JSON patch while `examine` runs.
async fn astray<F: Future<Output = Result<()>>>(
    bed: &TestBed,
    path: &str,
    value: Value,
    examine: F,
) -> Result<()> {
    let api = objects(bed, "MutatingWebhookConfiguration").await;
    let saved = api.get("understudy").await.unwrap();
    let entries = saved.data["webhooks"].as_array().unwrap().len();
    let operations: Vec<Value> = (0..entries)
        .map(|entry| json!({ "op": "add", "path": format!("/webhooks/{entry}/{path}"), "value": value }))
        .collect();
    let patch = serde_json::from_value(json!(operations)).unwrap();
    api.patch("understudy", &PatchParams::default(), &Patch::Json::<()>(patch))
        .await
        .unwrap();
    let examined = examine.await;
    let back = json!({ "webhooks": saved.data["webhooks"] });
    api.patch("understudy", &PatchParams::default(), &Patch::Merge(&back))
        .await
        .unwrap();
    examined
}

/// Waits until nothing is wrong any more, for whoever comes next, and only then asserts what was `examined`.
async fn mended<const N: usize>(understudy: &Understudy, examined: [Result<()>; N]) {
    let well: Expected<'_> = &[("reach", &["ok: "]), ("layers", &["ok: in force"])];
    let mended = names(understudy, User::Developer, well).await;
    for examined in examined {
        examined.unwrap();
    }
    mended.expect("the installation is sound again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_installation_passes_every_check() {
    let (understudy, _turn) = ward().await;
    let ran = doctor(understudy, User::Admin, &["-o", "json"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    for check in [
        "server",
        "definition",
        "webhooks",
        "certificate",
        "service",
        "programs",
        "reach",
        "rights",
        "leader",
        "previews",
        "goldens",
    ] {
        let rows = rows(&ran, check);
        assert!(
            !rows.is_empty() && rows.iter().all(|row| row.starts_with("ok: ")),
            "{check}: {rows:?}"
        );
    }
    let layers = rows(&ran, "layers");
    assert!(
        layers[0].starts_with("ok: ") && layers[1].contains("you are exempt"),
        "{layers:?}"
    );
    // The chart's own policy has no domain.
    assert!(rows(&ran, "policies")[0].contains("hosts.domain"));
    let table = doctor(understudy, User::Admin, &[]).await.done();
    assert!(
        table.stdout.starts_with("STATE") && table.stdout.contains("→ kubectl edit previewpolicy default"),
        "{}",
        table.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_may_not_read_is_unknown_and_admission_is_tried_all_the_same() {
    let (understudy, _turn) = ward().await;
    let ran = doctor(understudy, User::Developer, &["-o", "json"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    for check in [
        "webhooks",
        "certificate",
        "service",
        "programs",
        "rights",
        "leader",
    ] {
        let rows = rows(&ran, check);
        assert!(
            rows.iter().all(|row| row.starts_with("unknown: ")),
            "{check}: {rows:?}"
        );
    }
    assert!(rows(&ran, "reach")[0].starts_with("ok: "));
    assert!(
        rows(&ran, "layers")
            .iter()
            .any(|row| row.starts_with("ok: in force")),
        "{:?}",
        rows(&ran, "layers")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_understudy_is_diagnosed_too() {
    let bed = TestBed::start(Options {
        postgres: false,
        ..Options::default()
    })
    .await
    .unwrap();
    let mut command = bed.understudy(User::Admin).unwrap();
    command.args(["doctor", "-o", "json"]).stdin(Stdio::null());
    let ran: Ran = command.output().await.unwrap().into();
    assert_eq!(ran.code, 12, "{ran:?}");
    assert!(rows(&ran, "server")[0].starts_with("ok: "));
    assert!(rows(&ran, "definition")[0].contains("not installed"));
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
}
