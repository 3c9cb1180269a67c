//! `understudy doctor` on an installation that each test breaks in one way and mends again: a bed of its own.

use std::future::Future;
use std::process::Stdio;

use anyhow::{Result, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use understudy::policy::PreviewPolicy;
use understudy_tests::shop::apply;
use understudy_tests::testbed::{
    InstallOptions, NAMESPACE, Options, Role, TestBed, Understudy, User, eventually,
};

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

fn expired_authority() -> ByteString {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 2);
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    ByteString(certificate.pem().into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_ca_bundle_is_the_cause() {
    // C19
    let (understudy, _turn) = ward().await;
    let bed = understudy.bed();
    // It would put the caBundle right within seconds.
    understudy.stop(Role::Control).await.unwrap();
    let logs = "logs deployment/understudy-controller";
    let expected: Expected<'_> = &[
        ("certificate", &["failed: ", "another authority issued it", logs]),
        ("reach", &["failed: ", "does not trust the certificate", logs]),
        ("leader", &["failed: ", "nobody leads"]),
    ];
    let other = ByteString(std::fs::read(bed.ca_file()).unwrap());
    let examine = names(understudy, User::Admin, expected);
    let first = astray(bed, "clientConfig/caBundle", json!(other), examine).await;
    let expected: Expected<'_> = &[
        ("certificate", &["failed: ", "the caBundle is unusable", logs]),
        ("reach", &["failed: ", "cannot ask admission"]),
    ];
    let nonsense = ByteString(b"nonsense".to_vec());
    let examine = names(understudy, User::Admin, expected);
    let second = astray(bed, "clientConfig/caBundle", json!(nonsense), examine).await;
    let expected: Expected<'_> = &[(
        "certificate",
        &["failed: ", "the caBundle expired at 2020-01-02", logs],
    )];
    let examine = names(understudy, User::Admin, expected);
    let third = astray(bed, "clientConfig/caBundle", json!(expired_authority()), examine).await;
    understudy.start(Role::Control).await.unwrap();
    understudy.wait_until_ready(Role::Control).await.unwrap();
    mended(understudy, [first, second, third]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_endpoints_is_the_cause() {
    // C19
    let (understudy, _turn) = ward().await;
    let services: Api<Service> =
        Api::namespaced(understudy.bed().client(User::Admin).await.unwrap(), NAMESPACE);
    let lead = async |spec: Value| {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let patched = services
            .patch("understudy-webhook", &PatchParams::default(), &patch)
            .await;
        patched.expect("a Service may be changed");
    };
    // Its connections end with it: an open one would be used for as long as it lives.
    understudy.stop(Role::Serve).await.unwrap();
    lead(json!({ "type": "ClusterIP", "externalName": null, "selector": { "no": "such-pod" } })).await;
    let expected: Expected<'_> = &[
        ("service", &["failed: ", "no ready endpoint", "get pods"]),
        (
            "programs",
            &[
                "failed: ",
                "understudy-admission is scaled to zero",
                "scale deployment",
            ],
        ),
        ("reach", &["failed: ", "no Pod of admission is ready", "get pods"]),
    ];
    let first = names(understudy, User::Admin, expected).await;
    // Who may not read the Service still learns that nobody answers.
    let second = names(
        understudy,
        User::Developer,
        &[("reach", &["failed: ", "cannot ask admission"])],
    )
    .await;
    lead(json!({ "type": "ExternalName", "externalName": "localhost", "selector": null, "clusterIP": null, "clusterIPs": null })).await;
    understudy.start(Role::Serve).await.unwrap();
    understudy.wait_until_ready(Role::Serve).await.unwrap();
    mended(understudy, [first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_that_arrives_nowhere_is_the_cause() {
    // C19
    let (understudy, _turn) = ward().await;
    let expected: Expected<'_> = &[
        (
            "service",
            &["failed: ", "call port 1, and the Service has", "helm upgrade"],
        ),
        (
            "reach",
            &[
                "failed: ",
                "nothing listens at localhost",
                "describe service understudy-webhook",
            ],
        ),
    ];
    let examine = names(understudy, User::Admin, expected);
    let first = astray(understudy.bed(), "clientConfig/service/port", json!(1), examine).await;
    // A packet that is dropped and a process that does not read look the same from the API server.
    understudy.pause(Role::Serve).unwrap();
    let expected: Expected<'_> = &[(
        "reach",
        &["failed: ", "the traffic is dropped", "get networkpolicies"],
    )];
    let second = names(understudy, User::Developer, expected).await;
    understudy.resume(Role::Serve).unwrap();
    mended(understudy, [first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_configuration_and_a_loosened_one_are_the_cause() {
    let (understudy, _turn) = ward().await;
    let bed = understudy.bed();
    let expected: Expected<'_> = &[
        (
            "webhooks",
            &[
                "failed: ",
                "mutatingwebhookconfiguration understudy is missing",
                "helm upgrade",
            ],
        ),
        ("reach", &["failed: ", "mutation is not asked", "helm upgrade"]),
    ];
    let mutating = objects(bed, "MutatingWebhookConfiguration").await;
    let first = without(mutating, "understudy", names(understudy, User::Admin, expected)).await;
    let expected: Expected<'_> = &[(
        "webhooks",
        &["failed: ", "failurePolicy is \"Ignore\"", "helm upgrade"],
    )];
    let examine = names(understudy, User::Admin, expected);
    let second = astray(bed, "failurePolicy", json!("Ignore"), examine).await;
    mended(understudy, [first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_holds_nothing_is_the_cause() {
    let (understudy, _turn) = ward().await;
    let bindings = objects(understudy.bed(), "ValidatingAdmissionPolicyBinding").await;
    let examine = async {
        let missing: Expected<'_> = &[(
            "layers",
            &["failed: ", "no binding of understudy-contract", "helm upgrade"],
        )];
        names(understudy, User::Admin, missing).await?;
        // Who may not read the policies cannot tell an exemption from a gap.
        names(
            understudy,
            User::Developer,
            &[("layers", &["unknown: ", "a golden on trial passed"])],
        )
        .await
    };
    let examined = without(bindings, "understudy-contract", examine).await;
    mended(understudy, [examined]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_leads_nowhere_is_named() {
    let (understudy, _turn) = ward().await;
    let bed = understudy.bed();
    let policy = json!({
        "apiVersion": "understudy.dev/v1alpha1", "kind": "PreviewPolicy", "metadata": { "name": "leads-nowhere" },
        "spec": { "hosts": { "domain": "preview.example.com" }, "enforcement": "warn", "databases": [{
            "name": "app", "match": { "hosts": ["db.shop"] },
            "branch": { "postgres": { "adminSecret": { "namespace": NAMESPACE, "name": "no-such-secret" }, "template": "seed",
                "reach": { "cidrs": ["192.0.2.1/32"], "port": 5432 } } } }] },
    });
    apply::<PreviewPolicy>(bed, None, "leads-nowhere", &policy)
        .await
        .unwrap();
    let missing = "there is no Secret understudy-system/no-such-secret";
    let expected: Expected<'_> = &[
        (
            "policies",
            &[
                "failed: ",
                "leads-nowhere, database app",
                missing,
                "create secret",
            ],
        ),
        ("policies", &["warning: ", "leads-nowhere admits nobody"]),
        (
            "policies",
            &[
                "warning: ",
                "leads-nowhere only observes",
                "understudy check --cluster",
            ],
        ),
    ];
    let named = names(understudy, User::Admin, expected).await;
    let policies: Api<PreviewPolicy> = Api::all(bed.client(User::Admin).await.unwrap());
    policies
        .delete("leads-nowhere", &DeleteParams::default())
        .await
        .unwrap();
    mended(understudy, [named]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_golden_whose_secrets_admission_may_not_read_is_unknown_until_somebody_lets_it() {
    let (understudy, _turn) = ward().await;
    let bed = understudy.bed();
    let golden = |labels: Value| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "gold", "labels": labels } });
    apply::<Namespace>(
        bed,
        None,
        "gold",
        &golden(json!({ "understudy.dev/golden": "true" })),
    )
    .await
    .unwrap();
    let asks: Expected<'_> = &[(
        "goldens",
        &[
            "unknown: ",
            "a secret of gold",
            "create rolebinding understudy-golden-reader",
        ],
    )];
    let first = names(understudy, User::Admin, asks).await;
    // By the very command that it gives.
    let command = rows(&doctor(understudy, User::Admin, &["-o", "json"]).await, "goldens").join(" ");
    let command = command.split("→ kubectl ").last().unwrap().trim().to_owned();
    let ran = bed
        .kubectl(User::Admin)
        .args(command.split(' '))
        .output()
        .await
        .unwrap();
    assert!(ran.status.success(), "{command}: {ran:?}");
    let ran = doctor(understudy, User::Admin, &["-o", "json"]).await;
    let second = rows(&ran, "goldens");
    apply::<Namespace>(bed, None, "gold", &golden(json!({})))
        .await
        .unwrap();
    mended(understudy, [first]).await;
    assert_eq!(second, ["ok: 1 golden: gold → "]);
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
