//! The two processes: what they answer, what they may, what they say.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use tokio::sync::Mutex;
use understudy_tests::testbed::{NAMESPACE, Process, Role, Supervisor, User};

use crate::stage::{client, ready_preview, stage};

/// Held by whoever ends `control`, or needs it to go on.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn both_answer_health_and_metrics() {
    let _alone = ALONE.lock().await;
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

/// `control` as it was started, but saying everything there is to say.
fn outspoken(supervisor: &Supervisor) -> Process {
    let name = Role::Control.name();
    let states = supervisor.states().unwrap();
    let state = states.iter().find(|state| state.name == name && state.running);
    let pid = state.expect("it runs").pid;
    let words = |file: &str| -> Vec<String> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    };
    let mut env: BTreeMap<String, String> = words("environ")
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    env.insert("RUST_LOG".to_owned(), "trace".to_owned());
    Process {
        name: name.to_owned(),
        argv: words("cmdline"),
        env,
        ..Process::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_hold_no_secret_value_also_where_they_say_everything() {
    // B15: tests/tests/server/logs.rs has the levels of `serve`.
    let _alone = ALONE.lock().await;
    let understudy = stage().await;
    let bed = understudy.bed();
    let outspoken = outspoken(bed.supervisor());
    understudy.stop(Role::Control).await.unwrap();
    bed.supervisor().launch(outspoken).unwrap();
    let preview = ready_preview("logs").await;
    let password = crate::stage::secret(&preview, "understudy-db-app").await["password"].clone();
    // Ended, so that no line of it is half written.
    understudy.stop(Role::Control).await.unwrap();
    let read = |name: &str| std::fs::read_to_string(bed.logs().join(format!("{name}.log"))).unwrap();
    let logs = ["serve", "control"].map(|name| (name, read(name)));
    understudy.start(Role::Control).await.unwrap();
    understudy.wait_until_ready(Role::Control).await.unwrap();
    assert!(
        logs[1].1.contains("\"level\":\"TRACE\""),
        "it said no more than ever"
    );
    for (name, log) in &logs {
        for secret in [
            password.as_str(),
            understudy_tests::shop::PASSWORD,
            &bed.previews().password,
            // What a server keeps of a password, and what a role is given in place of it.
            "SCRAM-SHA-256$",
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
