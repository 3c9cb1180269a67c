//! D05: `understudy clone` is killed around every request by which it writes; running it again converges.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use serde_json::Value;
use understudy_tests::previews::{objects, secret};
use understudy_tests::shop::stage;
use understudy_tests::testbed::User;

use super::requests::{self, Request};
use crate::goldens::the_bank;
use crate::run::developer;

const CLONE: &str = "bank-pr-5";
/// Far more requests than there are.
const MOST: usize = 200;

/// Where a request stood when the command was killed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// It had not reached the API server.
    Sent,
    /// The API server had done it, and the command did not know yet.
    Served,
}

/// Runs `understudy ARGUMENTS` and kills it at the first moment of a writing request at which it was not killed before. Whether
/// there was any.
async fn killed(arguments: &[&str], before: &mut BTreeSet<(String, Moment)>) -> bool {
    let bed = stage().await.bed();
    let ran = requests::run(bed, User::Developer, arguments, async |mut request: Request| {
        if request.writes() {
            if before.insert((request.line(), Moment::Sent)) {
                return ControlFlow::Break(request);
            }
            if before.insert((request.line(), Moment::Served)) {
                request.serve().await;
                return ControlFlow::Break(request);
            }
        }
        tokio::spawn(request.pass());
        ControlFlow::Continue(())
    });
    match ran.await {
        None => true,
        Some(ran) => {
            ran.done();
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_is_killed_around_any_write_goes_on_where_it_was() {
    // D05
    the_bank().await;
    // The same key at every run: whatever differs at the end would be the killing's work.
    let key = stage().await.bed().path().join("killed.env");
    std::fs::write(&key, "JWT_KEY=of-this-preview-alone\n").unwrap();
    let key = format!("jwt-key={}", key.display());
    let arguments = [
        "clone", "bank", "--pr", "5", "--policy", "bank", "--secret", &key, "--output", "json",
    ];
    let mut moments = BTreeSet::new();
    while killed(&arguments, &mut moments).await {
        assert!(moments.len() < MOST, "it never ends");
    }
    let written: BTreeSet<&str> = moments.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(moments.len(), 2 * written.len());
    assert!(
        written.contains("POST /api/v1/namespaces") && written.len() > 20,
        "it was hardly killed: {written:?}"
    );

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
    // Nor does any of it differ from what a clone of today would be.
    developer(&["diff", CLONE]).await.done();
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
