//! The two processes: what they answer, what they may, what they say.

use anyhow::ensure;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use understudy_tests::testbed::{NAMESPACE, Role, User, eventually};

use crate::stage::{SOON, client, ready_preview, stage};

#[tokio::test(flavor = "multi_thread")]
async fn both_answer_health_and_metrics() {
    let understudy = stage().await;
    ready_preview("metrics").await;
    for role in [Role::Serve, Role::Control] {
        for path in ["/livez", "/readyz"] {
            assert_eq!(
                understudy.get(role, path).await.unwrap().0,
                200,
                "{role:?} {path}"
            );
        }
    }
    let (_, text) = understudy.get(Role::Serve, "/metrics").await.unwrap();
    assert!(
        text.contains("understudy_reasons_total{stage=\"mutate\",reason=\"lease-granted\"}"),
        "{text}"
    );
    let (_, text) = understudy.get(Role::Control, "/metrics").await.unwrap();
    assert!(
        text.contains("understudy_actions_total{action=\"sealed\"}"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ca_bundle_is_set_on_every_entry() {
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client(User::Admin).await);
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client(User::Admin).await);
    let bundle = async || {
        let found = validating.get("understudy").await?;
        let first = found.webhooks.unwrap_or_default().into_iter().next();
        first
            .and_then(|webhook| webhook.client_config.ca_bundle)
            .ok_or_else(|| anyhow::anyhow!("no caBundle"))
    };
    let before = bundle().await.unwrap();
    assert!(
        String::from_utf8(before.0.clone())
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    assert!(
        mutating
            .get("understudy")
            .await
            .unwrap()
            .webhooks
            .unwrap()
            .iter()
            .all(|webhook| webhook.client_config.ca_bundle.as_ref() == Some(&before))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_hold_no_secret_value() {
    // B15
    let understudy = stage().await;
    let preview = ready_preview("logs").await;
    let password = crate::stage::secret(&preview, "understudy-db-app").await["password"].clone();
    eventually(SOON, "the seal is in the log", || async {
        ensure!(!understudy.bed().log_tail("control").is_empty(), "no log");
        anyhow::Ok(())
    })
    .await
    .unwrap();
    for name in ["serve", "control"] {
        let log = std::fs::read_to_string(understudy.bed().logs().join(format!("{name}.log"))).unwrap();
        for secret in [
            password.as_str(),
            understudy_tests::shop::PASSWORD,
            &understudy.bed().previews().password,
        ] {
            assert!(!log.contains(secret), "{name} logs a password");
        }
        assert!(
            log.lines()
                .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
            "{name} logs something that is no JSON"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_a_preview_is_no_way_into_its_pods() {
    // C24: `get` of some sub-resources is how one gets a shell or a proxy.
    let preview = crate::stage::ready_preview("inside").await;
    let bed = stage().await.bed();
    for account in ["understudy-controller", "understudy-admission"] {
        let client = bed.service_account_client(NAMESPACE, account).await.unwrap();
        let reviews: Api<SelfSubjectAccessReview> = Api::all(client);
        for (verb, resource, sub_resource) in [
            ("get", "pods", "exec"),
            ("create", "pods", "exec"),
            ("get", "pods", "attach"),
            ("get", "pods", "portforward"),
            ("get", "pods", "proxy"),
            ("get", "pods", "log"),
            ("get", "services", "proxy"),
            ("create", "serviceaccounts", "token"),
            ("create", "pods", ""),
        ] {
            let asked: SelfSubjectAccessReview = serde_json::from_value(json!({ "spec": { "resourceAttributes": {
                "namespace": preview, "verb": verb, "group": "", "resource": resource, "subresource": sub_resource } } }))
            .unwrap();
            let answer = reviews.create(&PostParams::default(), &asked).await.unwrap();
            let allowed = answer.status.is_some_and(|status| status.allowed);
            assert!(!allowed, "{account} may {verb} {resource}/{sub_resource}");
        }
    }
}
