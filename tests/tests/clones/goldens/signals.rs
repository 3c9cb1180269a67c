//! Flux, KEDA, sealed Secrets, a mesh, and kinds that nobody knows.

use serde_json::json;
use understudy_tests::previews::{objects, secret, settled};
use understudy_tests::testbed::User;

use super::operators;
use super::{cloned, destroyed, manual, planned, refused_without_flags};

/// Sealed Secrets in the golden.
async fn sealed_secrets() {
    let url = "amqp://signals:signals-golden-broker@rabbitmq.signals.svc:5672/";
    let made: [(&str, &[(&str, &str)]); 2] = [
        (
            "queue-auth",
            &[("password", "signals-golden-broker"), ("url", url)],
        ),
        ("partner-api", &[("token", "signals-golden-partner")]),
    ];
    for (name, data) in made {
        let owner = ("bitnami.com/v1alpha1", "SealedSecret", "sealedsecrets", name);
        operators::secret("signals", owner, name, data).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signals_are_cloned_with_kinds_that_nobody_knows() {
    let manual = manual("signals").await;
    sealed_secrets().await;
    // D03
    let refused = [
        "SealedSecret/partner-api",
        "SealedSecret/queue-auth",
        "Secret/partner-api",
    ];
    refused_without_flags("signals", &refused).await;
    planned(&manual, "signals").await;
    cloned(&manual, "signals").await;

    let auth = secret("signals-pr-7", "queue-auth").await;
    assert_eq!(
        auth["url"],
        format!(
            "amqp://signals:{}@rabbitmq.signals-pr-7.svc:5672/",
            auth["password"]
        )
    );
    let scalers = objects(
        User::Admin,
        "signals-pr-7",
        "keda.sh/v1alpha1",
        "ScaledObject",
        "scaledobjects",
    )
    .await;
    assert_eq!(
        scalers.get("dispatch").await.unwrap().data["spec"]["maxReplicaCount"],
        1
    );
    let topics = objects(
        User::Admin,
        "signals-pr-7",
        "messaging.example.com/v1",
        "Topic",
        "topics",
    )
    .await;
    assert_eq!(
        topics.get("orders").await.unwrap().data["spec"],
        json!({
            "partitions": 12, "broker": "amqp://rabbitmq.signals-pr-7.svc.cluster.local:5672",
            "webhook": "https://signals-pr-7.preview.example.com/events/orders",
            "serviceRef": { "name": "ingest", "namespace": "signals-pr-7" },
        })
    );
    let pools = objects(
        User::Admin,
        "signals-pr-7",
        "workers.example.com/v1",
        "WorkerPool",
        "workerpools",
    )
    .await;
    let pool = pools.get("enrich").await.unwrap();
    assert_eq!(pool.metadata.finalizers, None);
    let container = &pool.data["spec"]["podTemplate"]["spec"]["containers"][0];
    assert_eq!(
        container["args"][1],
        "--callback=http://ingest.signals-pr-7.svc.cluster.local/enriched"
    );
    assert_eq!(container["image"], "registry.example.com/signals/enrich:pr-7");
    settled("signals-pr-7", |metadata| {
        let annotations = metadata.annotations.unwrap_or_default();
        anyhow::ensure!(
            annotations.get("linkerd.io/inject").map(String::as_str) == Some("enabled"),
            "{annotations:?}"
        );
        Ok(())
    })
    .await;
    destroyed("signals").await;
}
