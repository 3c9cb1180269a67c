//! Guardrails: there, whole, and put back. That they are nobody else's is shown in `layers`.

use anyhow::ensure;
use k8s_openapi::api::core::v1::{LimitRange, Pod, ResourceQuota};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::testbed::{User, eventually};

use crate::stage::{
    SOON, assert_refused, client, make, make_pod, pod, preview, ready_preview, settled, stage, unique,
};

const OBJECTS: &str = "objects.understudy.dev";

async fn api<K>(user: User, namespace: &str) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    Api::namespaced(client(user).await, namespace)
}

fn network_policy(spec: Value) -> NetworkPolicy {
    serde_json::from_value(json!({ "metadata": { "name": unique("np") }, "spec": spec })).unwrap()
}

fn ingress(host: &str) -> Ingress {
    serde_json::from_value(json!({ "metadata": { "name": unique("web") }, "spec": { "rules": [{ "host": host, "http": {
        "paths": [{ "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "web", "port": { "number": 80 } } } }]
    } }] } }))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_gets_every_guardrail_of_its_policy() {
    let name = ready_preview("rails").await;
    let params = ListParams::default().labels(keys::GUARDRAIL);
    let policies = api::<NetworkPolicy>(User::Developer, &name)
        .await
        .list(&params)
        .await
        .unwrap();
    let names: Vec<_> = policies
        .items
        .iter()
        .filter_map(|policy| policy.metadata.name.clone())
        .collect();
    assert_eq!(
        names,
        [
            "understudy-db-app",
            "understudy-default-deny",
            "understudy-dns",
            "understudy-egress",
            "understudy-ingress",
            "understudy-same-namespace"
        ]
    );
    let quota = api::<ResourceQuota>(User::Developer, &name)
        .await
        .get("understudy")
        .await
        .unwrap();
    assert_eq!(quota.status.unwrap().hard.unwrap()["pods"].0, "20");
    assert!(
        api::<LimitRange>(User::Developer, &name)
            .await
            .get("understudy")
            .await
            .is_ok()
    );
    let bindings = api::<RoleBinding>(User::Admin, &name)
        .await
        .list(&params)
        .await
        .unwrap();
    assert_eq!(bindings.items.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_breaks_is_put_back_whole() {
    let name = ready_preview("rails").await;
    let policies = api::<NetworkPolicy>(User::Admin, &name).await;
    let widened = Patch::Merge(json!({ "spec": { "egress": [{}] } }));
    policies
        .patch("understudy-default-deny", &PatchParams::default(), &widened)
        .await
        .unwrap();
    policies
        .delete("understudy-dns", &DeleteParams::default())
        .await
        .unwrap();
    eventually(SOON, "both policies are as before", || async {
        let deny = policies.get("understudy-default-deny").await?;
        ensure!(
            deny.spec
                .and_then(|spec| spec.egress)
                .is_none_or(|egress| egress.is_empty()),
            "still widened"
        );
        policies.get("understudy-dns").await?;
        anyhow::Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_policy_beside_ours_opens_nothing_further() {
    let name = ready_preview("rails").await;
    let policies = api::<NetworkPolicy>(User::Developer, &name).await;
    for spec in [
        json!({ "podSelector": {}, "ingress": [{}], "egress": [{}] }),
        json!({ "podSelector": {}, "egress": [{ "to": [{ "namespaceSelector": {} }] }] }),
        json!({ "podSelector": {}, "egress": [{ "to": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }] }] }),
    ] {
        let refused = policies
            .create(&PostParams::default(), &network_policy(spec))
            .await;
        assert_refused(refused, OBJECTS, &["network-widened"]);
    }
    let narrow = json!({ "podSelector": { "matchLabels": { "app": "db" } }, "ingress": [{ "from": [{ "podSelector": {} }] }] });
    policies
        .create(&PostParams::default(), &network_policy(narrow))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_takes_its_own_hosts_only() {
    let (one, two) = tokio::join!(ready_preview("host"), ready_preview("host"));
    let own = format!("{one}.preview.example.com");
    let ingresses = api::<Ingress>(User::Developer, &one).await;
    ingresses
        .create(&PostParams::default(), &ingress(&own))
        .await
        .unwrap();
    ingresses
        .create(&PostParams::default(), &ingress(&format!("api--{own}")))
        .await
        .unwrap();
    let others = api::<Ingress>(User::Developer, &two).await;
    let wildcard = others
        .create(&PostParams::default(), &ingress("*.preview.example.com"))
        .await;
    assert_refused(wildcard, OBJECTS, &["host-stolen"]);
    for stolen in [own.as_str(), "shop.example.com"] {
        let made = others
            .create(&PostParams::default(), &ingress(stolen))
            .await
            .unwrap();
        let host = made.spec.and_then(|spec| spec.rules?.remove(0).host);
        assert_eq!(
            host.as_deref(),
            Some(format!("{two}.preview.example.com").as_str()),
            "{stolen}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_the_first_instant_is_held_and_then_runs() {
    let name = unique("held");
    make(User::Developer, preview(&name, json!({}))).await.unwrap();
    let pods = api::<Pod>(User::Admin, &name).await;
    // Right after its namespace: refused while nothing is known of it, then admitted under its gates.
    eventually(SOON, "the Pod is admitted", || async {
        let created = make_pod(User::Admin, &name, pod("web", json!([]))).await;
        match created {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(anyhow::anyhow!("{error}")),
        }
    })
    .await
    .unwrap();
    eventually(SOON, "the Pod runs", || async {
        let pod = pods.get("web").await?;
        let phase = pod.status.and_then(|status| status.phase);
        ensure!(
            phase.as_deref() == Some("Running"),
            "{phase:?}, gates {:?}",
            pod.spec.and_then(|spec| spec.scheduling_gates)
        );
        ensure!(
            pod.metadata
                .annotations
                .is_some_and(|annotations| annotations.contains_key(keys::REVIEWED))
        );
        anyhow::Ok(())
    })
    .await
    .unwrap();
    let pod = pods.get("web").await.unwrap().spec.unwrap();
    let limits = pod.containers[0]
        .resources
        .as_ref()
        .and_then(|resources| resources.limits.as_ref());
    assert!(
        limits.is_some_and(|limits| limits.contains_key("memory")),
        "it came before its limits: {limits:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_come_off_by_the_controller_only() {
    // A branch that can never be made keeps the Pod held.
    let bed = stage().await.bed();
    let policy = unique("broken");
    understudy_tests::shop::policy(bed, |object| {
        object["metadata"]["name"] = json!(policy);
        object["spec"]["creators"] = json!({ "users": ["developer"] });
        object["spec"]["databases"][0]["branch"]["postgres"]["template"] = json!("no_such_template");
    })
    .await
    .unwrap();
    let name = unique("gate");
    let mut manifest = preview(&name, json!({}));
    manifest["metadata"]["labels"][keys::POLICY] = json!(policy);
    eventually(SOON, "admission knows the policy", || async {
        make(User::Developer, manifest.clone())
            .await
            .map_err(|error| anyhow::anyhow!("{error}"))
    })
    .await
    .unwrap();
    settled(&name, |metadata| {
        let message = metadata
            .annotations
            .and_then(|annotations| annotations.get(keys::MESSAGE).cloned())
            .unwrap_or_default();
        ensure!(
            message.contains("template database no_such_template does not exist"),
            "{message:?}"
        );
        let phase = metadata
            .labels
            .and_then(|labels| labels.get(keys::PHASE).cloned());
        ensure!(phase.as_deref() == Some("Failed"), "{phase:?}");
        Ok(())
    })
    .await;
    make_pod(User::Developer, &name, pod("web", json!([])))
        .await
        .unwrap();
    let pods = api::<Pod>(User::Developer, &name).await;
    let lifted = Patch::Merge(json!({ "spec": { "schedulingGates": [] } }));
    let refused = pods.patch("web", &PatchParams::default(), &lifted).await;
    assert_refused(refused, "objects.understudy.dev", &["gate-lifted"]);
    let unmarked = Patch::Merge(json!({ "metadata": { "annotations": { keys::REVIEWED: null } } }));
    assert_refused(
        pods.patch("web", &PatchParams::default(), &unmarked).await,
        "understudy-gates",
        &["field-reserved"],
    );
    assert!(pods.get("web").await.unwrap().spec.unwrap().node_name.is_none());
}
