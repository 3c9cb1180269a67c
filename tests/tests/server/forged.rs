//! Whoever reaches the port may ask anything, and gains nothing by it.

use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use understudy::keys;
use understudy_tests::previews::ready_preview;
use understudy_tests::shop;
use understudy_tests::testbed::User;

use crate::replica::{Options, Replica};
use crate::reviews::{pod, preview};

const TOKEN: &str = "the-token-that-nobody-is-told";

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_review_learns_nothing_secret_and_changes_nothing() {
    // B05
    let bed = shop::stage().await.bed();
    let replica = Replica::start(Options::default()).await;
    let admin = bed.client(User::Admin).await.unwrap();
    let name = ready_preview("forged").await;
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    let secrets: Api<Secret> = Api::namespaced(admin.clone(), &name);
    let golden = format!(
        "postgres://app:{}@db.shop:5432/shop?application_name={TOKEN}",
        shop::PASSWORD
    );
    let secret = json!({ "metadata": { "name": "mine" }, "stringData": { "token": TOKEN, "url": golden } });
    secrets
        .create(&PostParams::default(), &serde_json::from_value(secret).unwrap())
        .await
        .unwrap();
    let branch = secrets
        .get(&keys::branch_secret("app"))
        .await
        .unwrap()
        .data
        .unwrap();
    let password = String::from_utf8(branch["password"].0.clone()).unwrap();

    let state = async || {
        let namespace = namespaces.get(&name).await.unwrap();
        let secrets = secrets.list(&ListParams::default()).await.unwrap();
        let versions: Vec<_> = secrets
            .iter()
            .map(|secret| (secret.name_any(), secret.resource_version()))
            .collect();
        let pods: Api<Pod> = Api::namespaced(admin.clone(), &name);
        (
            namespace.annotations().clone(),
            versions,
            pods.list(&ListParams::default()).await.unwrap().items.len(),
        )
    };
    let before = state().await;
    let from = |key: &str| json!({ "secretKeyRef": { "name": "mine", "key": key } });
    let spying = pod(
        &name,
        json!([
            { "name": "TOKEN", "valueFrom": from("token") },
            { "name": "URL", "valueFrom": from("url") },
            { "name": "DATABASE_URL", "value": "postgres://app:$(TOKEN)@db.shop:5432/shop" },
            { "name": "OTHER", "value": "mysql://a:$(TOKEN)@db.shop/$(URL)" },
            { "name": "HOST", "value": "$(TOKEN).shop.svc" },
        ]),
    );
    let mut everything = spying.clone();
    everything["request"]["object"]["spec"]["containers"][0]["envFrom"] = json!([
        { "secretRef": { "name": "mine" } }, { "secretRef": { "name": keys::branch_secret("app") } },
    ]);
    let mut controller = preview(&name);
    controller["request"]["userInfo"]["username"] =
        json!("system:serviceaccount:understudy-system:understudy-controller");
    controller["request"]["userInfo"]["groups"] = json!(["system:masters"]);
    for review in [&spying, &everything, &controller] {
        for path in ["/mutate", "/validate"] {
            let response = replica.caller().review(path, review).await.unwrap();
            let mut text = response.to_string();
            if let Some(patch) = response["patch"].as_str() {
                text += &decoded(patch);
            }
            for value in [TOKEN, shop::PASSWORD, &password] {
                assert!(!text.contains(value), "{value} is told: {text}");
            }
        }
    }
    assert_eq!(state().await, before);
    let log = replica.log();
    assert!(!log.contains(TOKEN) && !log.contains(shop::PASSWORD));
}

/// From base64, as a patch comes.
fn decoded(text: &str) -> String {
    let value = json!({ "metadata": {}, "data": { "patch": text } });
    let secret: Secret = serde_json::from_value(value).unwrap();
    String::from_utf8(secret.data.unwrap()["patch"].0.clone()).unwrap()
}
