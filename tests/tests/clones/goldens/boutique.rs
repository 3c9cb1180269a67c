//! Ten services and Redis.

use serde_json::json;
use understudy_tests::previews::objects;
use understudy_tests::testbed::User;

use super::{cloned, destroyed, manual, planned, refused_without_flags};

#[tokio::test(flavor = "multi_thread")]
async fn the_boutique_is_cloned_without_its_load_and_finds_itself() {
    let manual = manual("boutique").await;
    refused_without_flags("boutique", &[]).await;
    planned(&manual, "boutique").await;
    let ran = manual.of_manifests().await.unwrap().done();
    assert!(ran.stdout.contains("Deployment/checkout"), "{}", ran.stdout);
    cloned(&manual, "boutique").await;

    let deployments = objects(
        User::Admin,
        "boutique-pr-7",
        "apps/v1",
        "Deployment",
        "deployments",
    )
    .await;
    assert!(deployments.get_opt("load").await.unwrap().is_none());
    let checkout = deployments.get("checkout").await.unwrap();
    assert_eq!(checkout.data["spec"]["replicas"], 1);
    let env = &checkout.data["spec"]["template"]["spec"]["containers"][0]["env"];
    for (name, value) in [
        ("CATALOG_ADDR", "catalog:3550"),
        ("CART_ADDR", "cart.boutique-pr-7:7070"),
        ("CURRENCY_ADDR", "currency.boutique-pr-7.svc:7000"),
        ("SHIPPING_ADDR", "shipping.boutique-pr-7.svc.cluster.local:50052"),
        (
            "PAYMENT_ADDR",
            "dns:///payment.boutique-pr-7.svc.cluster.local.:50051",
        ),
    ] {
        let entry = json!({ "name": name, "value": value });
        assert!(env.as_array().unwrap().contains(&entry), "{entry}: {env}");
    }
    let products = objects(User::Admin, "boutique-pr-7", "v1", "ConfigMap", "configmaps").await;
    let products = products.get("products").await.unwrap().data["data"]["products.json"].to_string();
    assert!(
        products.contains("https://boutique-pr-7.preview.example.com/static/"),
        "{products}"
    );
    destroyed("boutique").await;
}
