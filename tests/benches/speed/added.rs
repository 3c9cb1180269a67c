//! What a webhook adds to the creation of a Pod inside the API server: nobody asked, the echo, an echo that sets a label, ours;
//! taking turns.
//!
//! Dry runs, one after the other, at `/mutate` and `/validate` with the chart's own rules. The policies are in force for all
//! three; they let nothing in without the mark of a review, so that what nobody or the echo is asked about has it already.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use understudy::keys;
use understudy_bench::{Size, pod};
use understudy_tests::testbed::{User, eventually};

use crate::cluster::{ASKED, Cluster};
use crate::figures::Figures;
use crate::servers::{Kind, PATCHED};

const TIMES: usize = 600;
const ROUNDS: usize = 6;
const WHO: [&str; 4] = ["nobody", "echo", "patching", "ours"];

/// Measures and prints.
pub async fn measure(cluster: &Cluster) -> Result<()> {
    let developer = cluster.bed.client(User::Developer).await?;
    let echo = cluster.echo(Kind::Echo).await?;
    let patching = cluster.echo(Kind::Patching).await?;
    let serve = cluster.serve("added").await?;
    serve.ready().await?;
    cluster.register("echo", echo.address, &echo.authority).await?;
    cluster
        .register("patching", patching.address, &patching.authority)
        .await?;
    cluster.register("ours", serve.address, &serve.authority).await?;
    sources(cluster).await?;
    let pods: Api<Pod> = Api::namespaced(developer, &cluster.preview);
    println!("\n# Added to the creation of a 7 KB Pod inside the API server, ms; {TIMES} dry runs each\n");
    println!("| references | asked | p50 | p99 | added p50, and of each round | added p99 |");
    println!("|--:|---|--:|--:|---|--:|");
    for references in [0, 5] {
        let asked = WHO.map(|who| manifest(&cluster.preview, who, references));
        let asked: Vec<Pod> = asked
            .into_iter()
            .map(serde_json::from_value)
            .collect::<Result<_, _>>()?;
        eventually(Duration::from_secs(60), "the API server asks", || async {
            ensure!(is_reviewed(&create(&pods, &asked[3]).await?), "not reviewed");
            ensure!(is_patched(&create(&pods, &asked[2]).await?), "not patched");
            Ok(())
        })
        .await?;
        let ran = echo.ran()?;
        let mut all: [Figures; 4] = Default::default();
        let mut added: [Figures; 4] = Default::default();
        for _ in 0..ROUNDS {
            let mut round: [Figures; 4] = Default::default();
            for turn in 0..TIMES / ROUNDS {
                for which in 0..WHO.len() {
                    let which = (which + turn) % WHO.len();
                    let started = Instant::now();
                    let made = create(&pods, &asked[which]).await?;
                    round[which].took(started.elapsed());
                    ensure!(is_reviewed(&made), "not reviewed: {made:?}");
                    ensure!(
                        is_patched(&made) == (WHO[which] == "patching"),
                        "who patched? {made:?}"
                    );
                }
            }
            for (which, figures) in round.iter().enumerate() {
                added[which].push(figures.median() - round[0].median());
                all[which].extend(figures.clone());
            }
        }
        ensure!(echo.ran()? > ran, "nobody asked the echo");
        for (which, figures) in all.iter().enumerate() {
            println!(
                "| {references} | {} | {:.2} | {:.2} | {:.2}, {:.2} | {:.2} |",
                WHO[which],
                figures.median(),
                figures.at(0.99),
                figures.median() - all[0].median(),
                added[which],
                figures.at(0.99) - all[0].at(0.99),
            );
        }
    }
    Ok(())
}

async fn create(pods: &Api<Pod>, pod: &Pod) -> Result<Pod> {
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    pods.create(&dry_run, pod).await.context("failed to create a Pod")
}

/// Whether it has our mark and is held by nothing: the preview is sealed and the references were read.
fn is_reviewed(pod: &Pod) -> bool {
    let mark = pod
        .metadata
        .annotations
        .iter()
        .flatten()
        .any(|(key, _)| key == keys::REVIEWED);
    let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref());
    mark && gates.is_none_or(Vec::is_empty)
}

fn is_patched(pod: &Pod) -> bool {
    pod.metadata
        .labels
        .iter()
        .flatten()
        .any(|(key, _)| key == PATCHED)
}

/// A Pod about which `who` is asked, with this many references to ConfigMaps and Secrets.
fn manifest(preview: &str, who: &str, references: usize) -> Value {
    let plain = json!({ "name": "DATABASE_URL", "value": "postgres://u:p@db:5432/own" });
    let mut pod = pod(preview, Size::Usual.bytes(), &plain);
    // What the API server adds by itself, and may not be told.
    pod["metadata"]["labels"][ASKED] = json!(who);
    if who != "ours" {
        pod["metadata"]["annotations"][keys::REVIEWED] = json!("v1");
    }
    pod["metadata"]["ownerReferences"] = json!([]);
    let spec = pod["spec"].as_object_mut().expect("a spec");
    for own in [
        "volumes",
        "priority",
        "preemptionPolicy",
        "serviceAccount",
        "serviceAccountName",
    ] {
        spec.remove(own);
    }
    let container = &mut pod["spec"]["containers"][0];
    container["volumeMounts"] = json!([]);
    for number in 0..references {
        let (kind, reference) = match number % 2 {
            0 => ("secretKeyRef", format!("secret-{number}")),
            _ => ("configMapKeyRef", format!("map-{number}")),
        };
        let env = container["env"].as_array_mut().expect("variables");
        let from = json!({ kind: { "name": reference, "key": "a" } });
        env.push(json!({ "name": format!("REFERENCE_{number}"), "valueFrom": from }));
    }
    pod
}

/// What five references lead to.
async fn sources(cluster: &Cluster) -> Result<()> {
    let admin = cluster.bed.client(User::Admin).await?;
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), &cluster.preview);
    let maps: Api<ConfigMap> = Api::namespaced(admin, &cluster.preview);
    for number in [0, 2, 4] {
        let secret = json!({ "metadata": { "name": format!("secret-{number}") }, "stringData": { "a": "https://api.example.com" } });
        secrets
            .create(&PostParams::default(), &serde_json::from_value(secret)?)
            .await?;
    }
    for number in [1, 3] {
        let map = json!({ "metadata": { "name": format!("map-{number}") }, "data": { "a": "https://api.example.com" } });
        maps.create(&PostParams::default(), &serde_json::from_value(map)?)
            .await?;
    }
    Ok(())
}
