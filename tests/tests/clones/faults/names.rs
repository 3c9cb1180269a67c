//! D15: names at their limits, on the server that has the last word.

use serde_json::json;
use understudy_tests::previews::objects;
use understudy_tests::testbed::User;

use super::{config, golden, ingress, plain_policy, service, workload};
use crate::run::developer;

#[tokio::test(flavor = "multi_thread")]
async fn pull_requests_of_goldens_with_the_longest_names_stay_apart() {
    // D15
    let policy = plain_policy().await;
    // Alike up to where the name of a clone is cut.
    let salt = understudy_tests::previews::unique("n");
    let long = |end: &str| format!("{salt}-{}-{end}", "x".repeat(63 - salt.len() - 2 - end.len()));
    let (one, other) = (long("a"), long("b"));
    // The longest name that a Service may have, and a host that is none for a single label.
    let web = "w".repeat(63);
    for name in [&one, &other] {
        assert_eq!(name.len(), 63);
        let objects = vec![
            ("configmaps", config(&web, json!({}))),
            ("services", service(&web)),
            ("deployments", workload(&web)),
            ("ingresses", ingress(&web, &format!("{name}.example.com"))),
            (
                "ingresses",
                json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "zz" }, "spec": {
                "rules": [{ "host": "*.wild.example.com", "http": { "paths": [{ "path": "/", "pathType": "Prefix",
                    "backend": { "service": { "name": web, "port": { "number": 80 } } } }] } }] } }),
            ),
        ];
        golden(name, objects).await;
    }
    let mut clones = Vec::new();
    for golden in [&one, &other] {
        for pr in ["1", "11"] {
            let ran = developer(&[
                "clone", golden, "--pr", pr, "--policy", &policy, "--wait", "-o", "json",
            ])
            .await
            .done();
            let last: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
            clones.push((
                last["name"].as_str().unwrap().to_owned(),
                last["url"].as_str().unwrap().to_owned(),
            ));
        }
    }
    let mut hosts = Vec::new();
    for (name, url) in &clones {
        assert!(
            name.len() <= 47 && url.starts_with(&format!("http://{name}.")),
            "{name} {url}"
        );
        let ingresses = objects(User::Admin, name, "networking.k8s.io/v1", "Ingress", "ingresses").await;
        for ingress in ingresses.list(&Default::default()).await.unwrap() {
            let host = ingress.data["spec"]["rules"][0]["host"]
                .as_str()
                .unwrap()
                .to_owned();
            assert!(host.split('.').next().unwrap().len() <= 63, "{host}");
            hosts.push(host);
        }
    }
    clones.sort();
    clones.dedup();
    hosts.sort();
    hosts.dedup();
    assert_eq!((clones.len(), hosts.len()), (4, 8), "{clones:?} {hosts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_cannot_be_one_are_refused_before_anything_is_read() {
    // D15, F05
    for name in [
        "Shop-PR-1",
        "shöp",
        "shop_1",
        "-shop",
        "shop--1",
        &"s".repeat(64),
        &"s".repeat(48),
        "",
    ] {
        let ran = developer(&["clone", "shop", &format!("--name={name}")]).await;
        assert_eq!(ran.code, 2, "{name}: {ran:?}");
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    }
}
