//! What is said about requests, at every level: who, what and why, never what stood in them.

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::{create, ready_preview, secret};
use understudy_tests::shop;
use understudy_tests::testbed::{User, eventually};

use crate::replica::{Options, Replica, SOON};
use crate::reviews::{config_map, creation, pod, preview};

/// In every place where a review holds something that is nobody's business.
const VALUE: &str = "nobodys-business-4711";

#[tokio::test(flavor = "multi_thread")]
async fn no_level_of_the_log_and_no_metric_holds_a_value_or_a_name_as_a_label() {
    // B15
    let sealed = ready_preview("told").await;
    let branch = keys::branch_secret("app");
    let password = secret(&sealed, &branch).await["password"].clone();
    let golden = format!("postgres://app:{}@db.shop:5432/shop", shop::PASSWORD);
    let own = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "mine" }, "stringData": { "url": golden } });
    create(User::Admin, &sealed, "secrets", own).await.unwrap();
    // Both are read; one is rewritten, the other holds the branch's password.
    let read = |name: &str, key: &str| json!({ "secretKeyRef": { "name": name, "key": key } });
    let reading = json!([{ "name": "DATABASE_URL", "valueFrom": read("mine", "url") },
        { "name": "OWN", "valueFrom": read(&branch, "password") }]);
    // What is said at the levels below is said at these too.
    for level in ["info", "debug", "trace"] {
        let replica = Replica::start(Options {
            log: level,
            ..Options::default()
        })
        .await;
        eventually(SOON, "a connection is read and rewritten", || async {
            let review = pod(&sealed, reading.clone());
            let response = replica.caller().review("/mutate", &review).await?;
            let patch = STANDARD.decode(response["patch"].as_str().context("no patch")?)?;
            let patch = String::from_utf8(patch)?;
            ensure!(patch.contains("\"uri\""), "{patch}");
            Ok(())
        })
        .await
        .unwrap();
        let mut call = replica.caller().connect().await.unwrap();
        let url = format!("postgres://app:{VALUE}@db.shop:5432/shop");
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": { "a": VALUE, "b": url } });
        let mut annotated = preview("labelled-by-no-metric");
        annotated["request"]["object"]["metadata"]["annotations"] =
            json!({ "note": VALUE, "understudy.dev/ttl": VALUE });
        let env = json!([{ "name": "A", "value": VALUE }, { "name": "DATABASE_URL", "value": url },
            { "name": "R", "value": format!("redis://:{VALUE}@cache.shop:6379") }]);
        for review in [
            creation("Secret", "labelled-by-no-metric", secret),
            annotated,
            pod("labelled-by-no-metric", env),
        ] {
            for path in ["/mutate", "/validate"] {
                call.review(path, &review).await.unwrap();
            }
        }
        let broken = config_map("x")
            .to_string()
            .replace("\"b\"", &format!("\"{VALUE}"));
        assert_eq!(call.post("/mutate", broken.as_bytes()).await.unwrap().status, 400);
        let log = replica.log();
        let kubeconfig = std::fs::read_dir(replica.bed.path())
            .unwrap()
            .filter_map(Result::ok);
        let tokens: Vec<String> = kubeconfig
            .filter(|file| {
                file.file_name()
                    .to_string_lossy()
                    .contains("understudy-admission")
            })
            .filter_map(|file| {
                let text = std::fs::read_to_string(file.path()).ok()?;
                let config: Value = serde_saphyr::from_str(&text).ok()?;
                Some(config["users"][0]["user"]["token"].as_str()?.to_owned())
            })
            .collect();
        assert!(!tokens.is_empty());
        let secrets = [VALUE, shop::PASSWORD, &password];
        let lines = log
            .lines()
            .filter(|line| secrets.iter().any(|secret| line.contains(secret)));
        assert_eq!(lines.collect::<Vec<_>>(), Vec::<&str>::new(), "at {level}");
        assert!(
            tokens.iter().all(|token| !log.contains(token.as_str())),
            "a token at {level}"
        );
        assert!(!log.contains("PRIVATE KEY"), "a key at {level}");
        assert!(
            log.lines()
                .all(|line| serde_json::from_str::<Value>(line).is_ok()),
            "no JSON at {level}"
        );
        let (_, metrics) = replica.get("/metrics").await.unwrap();
        assert!(
            !secrets.iter().any(|secret| metrics.contains(secret))
                && !metrics.contains("labelled-by-no-metric")
                && !metrics.contains(&sealed),
            "{metrics}"
        );
    }
}
