//! What is said about requests, at every level: who, what and why, never what stood in them.

use serde_json::{Value, json};

use crate::replica::{Options, Replica};
use crate::reviews::{config_map, creation, pod, preview};

/// In every place where a review holds something that is nobody's business.
const VALUE: &str = "nobodys-business-4711";

#[tokio::test(flavor = "multi_thread")]
async fn no_level_of_the_log_and_no_metric_holds_a_value_or_a_name_as_a_label() {
    // B15
    // What is said at the levels below is said at these too.
    for level in ["info", "debug", "trace"] {
        let replica = Replica::start(Options {
            log: level,
            ..Options::default()
        })
        .await;
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
        let lines = log.lines().filter(|line| line.contains(VALUE));
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
            !metrics.contains(VALUE) && !metrics.contains("labelled-by-no-metric"),
            "{metrics}"
        );
    }
}
