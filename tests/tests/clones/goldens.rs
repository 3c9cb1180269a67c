//! Each golden of `examples/`, by its own README: planned, cloned, looked over, destroyed.
//!
//! The operators that some of them need are played here, as far as a clone can tell: they make what they are asked for.

mod bank;
mod boutique;
mod left;
mod operators;
mod signals;
mod store;

use std::collections::BTreeMap;

use tokio::sync::OnceCell;
use understudy_tests::shop::stage;
use understudy_tests::testbed::User;

use crate::manual::Manual;
use crate::run::{Ran, developer, understudy};

/// Follows the README of `golden` up to where it stands.
async fn manual(golden: &str) -> Manual {
    let bed = stage().await.bed();
    let followed = Manual::follow(bed, golden).await;
    followed.unwrap_or_else(|error| panic!("the README of {golden} cannot be followed: {error:#}"))
}

/// The bank, which two tests need.
pub async fn the_bank() -> &'static Manual {
    static BANK: OnceCell<Manual> = OnceCell::const_new();
    BANK.get_or_init(|| manual("bank")).await
}

/// The plan of the README's own command is the snapshot that a reviewer has read.
async fn planned(manual: &Manual, golden: &str) {
    let plan = readable(&manual.clone(true).await.unwrap().done());
    insta::assert_snapshot!(golden, plan);
}

/// The verdict table with each reason on a line of its own, and what was said besides; without what comes and goes as the golden
/// runs, and without the kinds that may not be listed, which are those of other tests too.
fn readable(ran: &Ran) -> String {
    const RUNNING: [&str; 8] = [
        "ControllerRevision",
        "EndpointSlice",
        "Endpoints",
        "Event",
        "Job",
        "Lease",
        "Pod",
        "ReplicaSet",
    ];
    let mut lines = Vec::new();
    for row in ran.stdout.lines().skip(1) {
        let (verdict, rest) = row.split_once(' ').unwrap_or((row, ""));
        let (object, why) = rest.trim_start().split_once("  ").unwrap_or((rest, ""));
        let kind = object.split('/').next().unwrap_or_default();
        let made_by_another = why.trim_start().starts_with("made by");
        if !RUNNING.contains(&kind) || (kind == "Job" && !made_by_another) {
            lines.push(format!(
                "{verdict:9}  {object}\n             {}",
                why.trim_start()
            ));
        }
    }
    let said = ran.stderr.lines().filter(|line| line.starts_with("warning: "));
    lines.extend(
        said.filter(|line| !line.contains("you may not list them"))
            .map(str::to_owned),
    );
    lines.join("\n")
}

/// Asserts that without any flag of the README `golden` is refused, by exactly these names, and that nothing was written.
async fn refused_without_flags(golden: &str, names: &[&str]) {
    let ran = developer(&[
        "clone",
        golden,
        "--pr",
        "7",
        "--policy",
        golden,
        "--dry-run",
        "-o",
        "json",
    ])
    .await;
    let refused: BTreeMap<String, String> = ran.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["verdict"] == "refuse")
        .map(|item| {
            let text = |field: &str| item[field].as_str().unwrap().to_owned();
            (format!("{}/{}", text("kind"), text("name")), text("remedy"))
        })
        .collect();
    assert_eq!(refused.keys().collect::<Vec<_>>(), names, "{}", ran.stderr);
    assert!(refused.values().all(|remedy| !remedy.is_empty()), "{refused:?}");
    assert_eq!(ran.code, if names.is_empty() { 0 } else { 5 }, "{}", ran.stderr);
    for name in names {
        assert!(ran.stderr.contains(name), "{name} is not named: {}", ran.stderr);
    }
}

/// Clones as the README says, and again: nothing is made twice, and nothing of the golden is left in it.
async fn cloned(manual: &Manual, golden: &str) {
    manual.clone(false).await.unwrap().done();
    let again = manual.clone(false).await.unwrap().done();
    assert!(again.stderr.contains(": 0 created, "), "{}", again.stderr);
    let clone = format!("{golden}-pr-7");
    left::assert_nothing(golden, &clone).await;
    understudy(User::Admin, &["verify", &clone]).await.done();
}

async fn destroyed(golden: &str) {
    let clone = format!("{golden}-pr-7");
    developer(&["destroy", &clone, "--yes", "--wait"]).await.done();
    let bed = stage().await.bed();
    let namespaces =
        kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(bed.client(User::Admin).await.unwrap());
    assert!(namespaces.get_opt(&clone).await.unwrap().is_none());
    assert!(namespaces.get_opt(golden).await.unwrap().is_some());
}
