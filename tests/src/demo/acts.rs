//! The acts of the demo, in order.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::Api;
use kube::api::ListParams;
use tokio::process::Command;
use understudy::keys;

use super::narrator::Narrator;
use super::{BORN, CLONE, POLICY, SECOND};
use crate::shop::{self, GOLDEN};
use crate::testbed::{TestBed, User, eventually};

/// The longest that one thing may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs a command to its end; its standard output, or an error with what it said.
pub async fn output(mut command: Command) -> Result<String> {
    let output = command.output().await?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if !output.status.success() {
        bail!("{}", said(&output.stderr));
    }
    Ok(said(&output.stdout))
}

/// `kubectl` as `user`, with what it prints.
pub async fn kubectl(bed: &TestBed, user: User, arguments: &[&str]) -> Result<String> {
    let mut command = bed.kubectl(user);
    command.args(arguments);
    output(command).await
}

/// The golden, as a team left it.
pub async fn golden(bed: &TestBed, tell: &mut Narrator) -> Result<()> {
    tell.act("A golden environment: the shop, installed by Helm, watched by Argo CD, with a real database");
    shop::without_policy(bed).await?;
    pods_run(bed, GOLDEN).await?;
    tell.command("kubectl --namespace shop get deployments,statefulsets,cronjobs,ingresses,services");
    let kinds = "deployments,statefulsets,cronjobs,ingresses,services";
    tell.line(kubectl(bed, User::Developer, &["--namespace", GOLDEN, "get", kinds]).await?);
    let orders = count(&bed.golden().connect("shop").await?).await?;
    tell.held(format!(
        "every Pod of the golden runs, and its database holds {orders} orders"
    ));
    Ok(())
}

/// Whatever carries the label gets everything, whoever made it.
pub async fn born_with_the_label(bed: &TestBed, tell: &mut Narrator) -> Result<()> {
    tell.act("A namespace born with the label, made by anybody with anything, under the chart's own policy");
    tell.command(&format!(
        "kubectl create --filename namespace.yaml    # {}: \"true\", {}: 24h",
        keys::PREVIEW,
        keys::TTL
    ));
    let manifest = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": BORN, "labels": { keys::PREVIEW: "true" }, "annotations": { keys::TTL: "24h" } },
    });
    let api: Api<Namespace> = Api::all(bed.client(User::Developer).await?);
    let started = std::time::Instant::now();
    api.create(&Default::default(), &serde_json::from_value(manifest)?)
        .await?;
    eventually(PATIENCE, "it is sealed", || async {
        let annotations = api.get(BORN).await?.metadata.annotations.unwrap_or_default();
        ensure!(annotations.contains_key(keys::GUARDRAILS), "{annotations:?}");
        anyhow::Ok(())
    })
    .await?;
    let sealed = started.elapsed().as_millis();
    let kinds = "limitranges,resourcequotas,networkpolicies,rolebindings";
    tell.line(
        kubectl(
            bed,
            User::Admin,
            &["--namespace", BORN, "get", kinds, "--output", "name"],
        )
        .await?,
    );
    tell.held(format!(
        "sealed {sealed} ms after it was made: limits, quota, default-deny, access, a lease, an owner"
    ));
    Ok(())
}

/// The command line makes a whole preview.
pub async fn clone(bed: &TestBed, tell: &mut Narrator) -> Result<()> {
    tell.act("A clone for pull request 7, made by a developer who may not read the golden's database Secret");
    tell.command(
        "kubectl apply --filename examples/policies/demo.yaml    # by the administrator: databases, a domain",
    );
    shop::policy(bed, |_| {}).await?;
    known(bed).await?;
    let image = "web=registry.example.com/shop/web:pr-7-abc123";
    tell.command(&format!(
        "understudy clone {GOLDEN} --pr 7 --policy {POLICY} --image {image} --wait"
    ));
    let mut command = bed.understudy(User::Developer)?;
    command.args([
        "clone",
        GOLDEN,
        "--pr",
        "7",
        "--policy",
        POLICY,
        "--image",
        image,
        "--wait",
        "--timeout",
        "90s",
    ]);
    let status = command.status().await.context("failed to run understudy")?;
    ensure!(status.success(), "understudy clone ended with {status}");
    pods_run(bed, CLONE).await?;
    tell.held(format!("every Pod of {CLONE} runs"));
    let list = kubectl(
        bed,
        User::Developer,
        &[
            "--namespace",
            CLONE,
            "get",
            "deployment",
            "web",
            "--output",
            "jsonpath={..image}",
        ],
    )
    .await?;
    ensure!(
        list == "registry.example.com/shop/web:pr-7-abc123",
        "web runs {list}"
    );
    tell.held("web runs the pull request's image; everything else the golden's".to_owned());
    Ok(())
}

/// Waits until admission has heard of the new policy, a moment after it is stored.
async fn known(bed: &TestBed) -> Result<()> {
    let api: Api<Namespace> = Api::all(bed.client(User::Developer).await?);
    let manifest = serde_json::json!({
        "metadata": { "name": SECOND, "labels": { keys::PREVIEW: "true", keys::POLICY: POLICY } },
    });
    let namespace = serde_json::from_value(manifest)?;
    let params = kube::api::PostParams {
        dry_run: true,
        ..Default::default()
    };
    eventually(PATIENCE, "admission knows the policy", || async {
        api.create(&params, &namespace).await
    })
    .await?;
    Ok(())
}

/// The preview's database is a copy of its own.
pub async fn branch(bed: &TestBed, tell: &mut Narrator) -> Result<()> {
    tell.act("Its database: a branch of its own, reached by every connection in it");
    let secrets: Api<Secret> = Api::namespaced(bed.client(User::Admin).await?, CLONE);
    let secret = secrets.get(&keys::branch_secret("app")).await?;
    let value = |key: &str| -> Result<String> {
        let data = secret
            .data
            .as_ref()
            .and_then(|data| data.get(key))
            .context("the branch Secret lacks a key")?;
        Ok(String::from_utf8(data.0.clone())?)
    };
    let branch = bed
        .previews()
        .connect_as(&value("username")?, &value("password")?, &value("dbname")?)
        .await?;
    let golden = bed.golden().connect("shop").await?;
    let before = (count(&golden).await?, count(&branch).await?);
    ensure!(
        before.0 == before.1 && before.0 > 0,
        "golden and branch hold {before:?} orders"
    );
    tell.held(format!(
        "the branch {} holds the template's {} orders",
        value("dbname")?,
        before.1
    ));
    branch
        .batch_execute("DELETE FROM shop.order_lines; DELETE FROM shop.orders")
        .await?;
    let after = (count(&golden).await?, count(&branch).await?);
    ensure!(
        after == (before.0, 0),
        "after deleting in the branch, golden and branch hold {after:?} orders"
    );
    tell.held(format!(
        "all orders deleted in the branch; the golden still holds {}",
        after.0
    ));
    let manifest = kubectl(
        bed,
        User::Developer,
        &[
            "--namespace",
            CLONE,
            "get",
            "pods,configmaps,deployments",
            "--output",
            "yaml",
        ],
    )
    .await?;
    ensure!(
        !manifest.contains(shop::PASSWORD),
        "the golden's password stands in the preview"
    );
    tell.held("no Pod, Deployment or ConfigMap of the preview holds the golden's password".to_owned());
    Ok(())
}

/// The leases run out.
pub async fn the_end(bed: &TestBed, tell: &mut Narrator) -> Result<()> {
    tell.act("The end: the leases run out");
    let namespaces: Api<Namespace> = Api::all(bed.client(User::Admin).await?);
    let soon = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 10)?;
    for name in [CLONE, SECOND, BORN] {
        let end = format!("{}={soon}", keys::EXPIRES_AT);
        tell.command(&format!("kubectl annotate --overwrite namespace {name} {end}"));
        kubectl(
            bed,
            User::Developer,
            &["annotate", "--overwrite", "namespace", name, &end],
        )
        .await?;
    }
    let went = [CLONE, SECOND, BORN].map(|name| {
        let namespaces = namespaces.clone();
        async move {
            eventually(PATIENCE, &format!("{name} is gone"), || async {
                let found = namespaces.get_opt(name).await?;
                let message = found
                    .as_ref()
                    .and_then(|found| found.metadata.annotations.as_ref()?.get(keys::MESSAGE));
                ensure!(found.is_none(), "{message:?}");
                anyhow::Ok(())
            })
            .await
        }
    });
    futures::future::try_join_all(went).await?;
    tell.held("all three namespaces are gone".to_owned());
    let server = bed.previews().connect("postgres").await?;
    eventually(PATIENCE, "no branch is left", || async {
        let query = "SELECT (SELECT count(*) FROM pg_database WHERE datname LIKE 'preview\\_%') \
                     + (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'preview\\_%')";
        let left: i64 = server.query_one(query, &[]).await?.get(0);
        ensure!(left == 0, "{left} databases and roles are left");
        anyhow::Ok(())
    })
    .await?;
    tell.held("no database and no role of a preview is left on the server".to_owned());
    pods_run(bed, GOLDEN).await?;
    tell.held("the golden runs as before".to_owned());
    Ok(())
}

/// Waits until there are Pods in `namespace` and all of them run or have done their work.
async fn pods_run(bed: &TestBed, namespace: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(bed.client(User::Admin).await?, namespace);
    eventually(PATIENCE, &format!("every Pod of {namespace} runs"), || async {
        let found = pods.list(&ListParams::default()).await?.items;
        ensure!(!found.is_empty(), "there are no Pods yet");
        for pod in found {
            let phase = pod.status.and_then(|status| status.phase).unwrap_or_default();
            let name = pod.metadata.name.unwrap_or_default();
            ensure!(
                phase == "Running" || phase == "Succeeded",
                "Pod {name} is {phase}"
            );
        }
        anyhow::Ok(())
    })
    .await
}

async fn count(client: &tokio_postgres::Client) -> Result<i64> {
    Ok(client
        .query_one("SELECT count(*) FROM shop.orders", &[])
        .await?
        .get(0))
}
