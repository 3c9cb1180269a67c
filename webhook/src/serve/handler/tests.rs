use super::*;
use http_body_util::BodyExt;
use serde_json::json;
use understudy::environment::Fact;

/// A cluster of which nothing is known.
struct Nothing;

impl Gather for Nothing {
    async fn gather(&self, _: Stage, _: &Request) -> Facts {
        self.remembered()
    }

    fn remembered(&self) -> Facts {
        Facts {
            now: jiff::Timestamp::UNIX_EPOCH,
            installation: Arc::default(),
            policies: Arc::default(),
            protected: Arc::default(),
            services: Arc::default(),
            fingerprints: Arc::default(),
            pods: Fact::Unknown,
            preview: None,
            wanted_seal: None,
            sources: BTreeMap::new(),
        }
    }

    async fn stands(&self, _: &str, _: &Facts) -> bool {
        false
    }
}

async fn answered(reviewer: &Reviewer<Nothing>) -> Value {
    let review = json!({ "apiVersion": "admission.k8s.io/v1", "request": {
        "uid": "some-uid", "operation": "CREATE", "namespace": "shop-pr-7", "name": "web", "userInfo": { "username": "dev" },
        "kind": { "kind": "Service" }, "resource": { "group": "", "resource": "services" },
        "object": { "metadata": { "name": "web" }, "spec": {} },
    } });
    let reply = reviewer
        .review(Stage::Mutate, review.to_string().as_bytes(), Instant::now())
        .await
        .unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_panic_inside_a_rule_denies_that_request_with_a_reason_and_is_counted() {
    // B10
    let metrics = Arc::new(Metrics::default());
    let mut reviewer = Reviewer::new(Nothing, metrics.clone());
    reviewer.rules = |_, _, _| panic!("a defect");
    let answer = answered(&reviewer).await;
    assert_eq!(answer["response"]["uid"], "some-uid");
    assert_eq!(answer["response"]["allowed"], false);
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("internal-error: "), "{message}");
    let line = r#"understudy_reasons_total{stage="mutate",reason="internal-error"} 1"#;
    assert!(metrics.text().contains(line), "{}", metrics.text());
    // The one that caught it goes on.
    reviewer.rules = rules;
    assert_eq!(answered(&reviewer).await["response"]["allowed"], true);
}
