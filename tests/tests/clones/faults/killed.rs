//! D05: `understudy clone` is killed after every step; running it again converges.

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use understudy_tests::previews::{objects, secret};
use understudy_tests::shop::stage;
use understudy_tests::testbed::User;

use crate::goldens::the_bank;
use crate::run::developer;

const CLONE: &str = "bank-pr-5";
/// Far more steps than there are.
const MOST: usize = 200;

/// Runs `understudy` until it has said `steps` things, and kills it. Whether it had ended by itself before.
async fn killed_after(steps: usize, arguments: &[&str]) -> Result<bool> {
    let mut command = stage().await.bed().understudy(User::Developer)?;
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
    for _ in 0..steps {
        if lines.next_line().await?.is_none() {
            anyhow::ensure!(child.wait().await?.success(), "it failed by itself");
            return Ok(true);
        }
    }
    child.start_kill()?;
    child.wait().await?;
    Ok(false)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_is_killed_after_any_step_goes_on_where_it_was() {
    // D05
    the_bank().await;
    // The same key at every run: whatever differs at the end would be the killing's work.
    let key = stage().await.bed().path().join("killed.env");
    std::fs::write(&key, "JWT_KEY=of-this-preview-alone\n").unwrap();
    let key = format!("jwt-key={}", key.display());
    let arguments = [
        "clone", "bank", "--pr", "5", "--policy", "bank", "--secret", &key, "--output", "json",
    ];
    let mut steps = 1;
    while !killed_after(steps, &arguments).await.unwrap() {
        steps += 1;
        assert!(steps < MOST, "it never ends");
    }
    assert!(steps > 20, "it was hardly killed: {steps}");

    let again = developer(&arguments).await.done();
    let mut events = again
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let applied = events.find(|event| event["event"] == "applied").unwrap();
    assert_eq!(
        (&applied["created"], &applied["changed"]),
        (&Value::from(0), &Value::from(0)),
        "{applied}"
    );
    // Everything that was planned, and nothing else that a clone makes.
    let mut plan = arguments.to_vec();
    plan.push("--dry-run");
    let plan = developer(&plan).await.done().json();
    let planned: BTreeSet<(String, String)> = plan["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["wave"].is_string())
        .map(|item| {
            (
                item["kind"].as_str().unwrap().to_owned(),
                item["name"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    for (version, kind, plural) in [
        ("v1", "ConfigMap", "configmaps"),
        ("v1", "Secret", "secrets"),
        ("v1", "Service", "services"),
        ("v1", "ServiceAccount", "serviceaccounts"),
        ("apps/v1", "Deployment", "deployments"),
        ("apps/v1", "StatefulSet", "statefulsets"),
        ("batch/v1", "CronJob", "cronjobs"),
        ("networking.k8s.io/v1", "Ingress", "ingresses"),
    ] {
        let api = objects(User::Admin, CLONE, version, kind, plural).await;
        let found: BTreeSet<String> = api
            .list(&Default::default())
            .await
            .unwrap()
            .into_iter()
            .filter_map(|object| object.metadata.name)
            .filter(|name| {
                !["kube-root-ca.crt", "default", understudy::keys::SEED_SECRET.0].contains(&name.as_str())
            })
            .collect();
        let expected: BTreeSet<String> = planned
            .iter()
            .filter(|(planned, _)| planned == kind)
            .map(|(_, name)| name.clone())
            .collect();
        assert_eq!(found, expected, "{kind}");
    }
    // Whichever run made it, the password is one.
    let accounts = secret(CLONE, "accounts-db").await;
    let config = objects(User::Admin, CLONE, "v1", "ConfigMap", "configmaps").await;
    let url = config.get("accounts-db-config").await.unwrap().data["data"]["ACCOUNTS_DB_URI"].clone();
    assert!(
        url.as_str()
            .unwrap()
            .contains(&format!(":{}@", accounts["password"]))
    );
    developer(&["destroy", CLONE, "--yes", "--wait"]).await.done();
}
