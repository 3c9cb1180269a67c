//! Labelling a namespace that exists: what may be adopted, what is reviewed first, what a slip does.

use anyhow::ensure;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy::policy::PreviewPolicy;
use understudy_tests::previews::{
    SOON, assert_refused, client, create, make, own_policy, pod, preview, settled, stage, unique,
};
use understudy_tests::testbed::{NAMESPACE, User, eventually};

async fn label(user: User, name: &str, labels: Value) -> Result<Namespace, kube::Error> {
    let api: Api<Namespace> = Api::all(client(user).await);
    let patch = Patch::Merge(json!({ "metadata": { "labels": labels } }));
    api.patch(name, &PatchParams::default(), &patch).await
}

/// Puts the label on `name` as soon as admission knows the policy that it names.
async fn adopt(name: &str) {
    eventually(SOON, "admission knows the policy", || async {
        label(User::Admin, name, json!({ keys::PREVIEW: "true" }))
            .await
            .map(|_| ())
    })
    .await
    .unwrap();
}

async fn plain(prefix: &str, labels: Value) -> String {
    let name = unique(prefix);
    make(
        User::Admin,
        json!({ "metadata": { "name": name, "labels": labels } }),
    )
    .await
    .unwrap();
    name
}

async fn phase(name: &str, wanted: &str) -> String {
    let api: Api<Namespace> = Api::all(client(User::Admin).await);
    eventually(SOON, &format!("{name} is {wanted}"), || async {
        let metadata = api.get(name).await?.metadata;
        let annotations = metadata.annotations.unwrap_or_default();
        let message = annotations.get(keys::MESSAGE).cloned().unwrap_or_default();
        let phase = metadata
            .labels
            .unwrap_or_default()
            .get(keys::PHASE)
            .cloned()
            .unwrap_or_default();
        ensure!(phase == wanted, "{phase}: {message}");
        Ok::<_, anyhow::Error>(message)
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_namespace_becomes_a_preview_whose_lease_counts_from_then() {
    let name = plain("empty", json!({})).await;
    let adopted = label(User::Admin, &name, json!({ keys::PREVIEW: "true" }))
        .await
        .unwrap()
        .metadata;
    let annotations = adopted.annotations.unwrap();
    assert_eq!(adopted.labels.unwrap()[keys::ORIGIN], "adopted");
    assert_eq!(annotations[keys::CREATOR], "admin");
    assert!(annotations.contains_key(keys::ADOPTED_AT) && annotations.contains_key(keys::EXPIRES_AT));
    phase(&name, "Ready").await;
    let forged = json!({ "metadata": { "annotations": { keys::ADOPTED_AT: "2020-01-01T00:00:00Z" } } });
    let api: Api<Namespace> = Api::all(client(User::Developer2).await);
    assert!(
        api.patch(&name, &PatchParams::default(), &Patch::Merge(forged))
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_with_pods_is_not_adopted_by_a_slip() {
    // `kubectl label ns --all`: as an administrator, who is exempt, and the answer is the same.
    stage().await;
    let busy = plain("busy", json!({})).await;
    eventually(SOON, "its ServiceAccount is there", || async {
        create(User::Admin, &busy, "pods", pod("x", json!([])))
            .await
            .map(|_| ())
    })
    .await
    .unwrap();
    let refused = label(User::Admin, &busy, json!({ keys::PREVIEW: "true" })).await;
    let message = assert_refused(refused, "namespaces.understudy.dev", &["not-adoptable"]);
    assert!(message.contains("holds Pods"), "{message}");
    for name in [
        "default",
        "kube-system",
        "kube-public",
        "understudy-system",
        "shop",
    ] {
        let refused = label(User::Admin, name, json!({ keys::PREVIEW: "true" })).await;
        assert_refused(refused, "denied", &["not-adoptable"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_a_policy_protects_becomes_no_preview_and_none_is_born_by_its_name() {
    // C10
    stage().await;
    let there = plain("production", json!({})).await;
    let expected = unique("production");
    own_policy("protecting", |spec| {
        spec["protected"] = json!({ "namespaces": [there, expected] })
    })
    .await;
    let (dry, expected) = (
        PostParams {
            dry_run: true,
            ..PostParams::default()
        },
        serde_json::from_value(preview(&expected, json!({}))).unwrap(),
    );
    for user in [User::Developer, User::Admin] {
        let api: Api<Namespace> = Api::all(client(user).await);
        let refused = eventually(SOON, "admission knows the policy", || async {
            match api.create(&dry, &expected).await {
                Ok(_) => anyhow::bail!("born"),
                refused => Ok(refused),
            }
        })
        .await
        .unwrap();
        let message = assert_refused(refused, "namespaces.understudy.dev", &["not-adoptable"]);
        assert!(message.contains("is protected by a policy"), "{message}");
    }
    // By another policy than the one it asks for, and by an exempt user: who else may change a namespace that is none?
    let refused = label(User::Admin, &there, json!({ keys::PREVIEW: "true" })).await;
    let message = assert_refused(refused, "namespaces.understudy.dev", &["not-adoptable"]);
    assert!(message.contains("is protected by a policy"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_is_reviewed_before_the_seal_and_deleted_by_nobody() {
    // C29
    let policy = own_policy("adopt", |spec| {
        spec["adopt"] = json!({ "existing": "any", "selector": { "team": "web" } });
        spec["creators"] = json!({ "users": ["admin"] });
    })
    .await;
    let name = plain("team", json!({ "team": "web", keys::POLICY: policy })).await;
    let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": {
        "selector": { "matchLabels": { "app": "web" } }, "template": { "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "web", "image": "registry.example.com/web:1",
            "env": [{ "name": "DATABASE_URL", "value": "postgres://u:p@db.shop/shop" }] }] } } } });
    create(User::Admin, &name, "deployments", deployment)
        .await
        .unwrap();
    let exposed = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "outside" }, "spec": { "type": "NodePort", "ports": [{ "port": 80 }] } });
    create(User::Admin, &name, "services", exposed).await.unwrap();
    let pods = understudy_tests::previews::objects(User::Admin, &name, "v1", "Pod", "pods").await;
    let running = async || -> anyhow::Result<Value> {
        let found = pods.list(&Default::default()).await?.items;
        let living: Vec<_> = found
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .collect();
        ensure!(living.len() == 1, "{} Pods", living.len());
        Ok(serde_json::to_value(living[0])?)
    };
    let before = eventually(SOON, "the workload runs", running).await.unwrap();

    adopt(&name).await;
    let message = phase(&name, "Failed").await;
    assert!(message.contains("Service outside: exposure-lowered"), "{message}");
    assert_eq!(
        running().await.unwrap()["metadata"]["uid"],
        before["metadata"]["uid"],
        "nothing is touched while something is wrong"
    );

    let services = understudy_tests::previews::objects(User::Admin, &name, "v1", "Service", "services").await;
    services.delete("outside", &Default::default()).await.unwrap();
    settled(&name, |metadata| {
        ensure!(
            metadata
                .annotations
                .unwrap_or_default()
                .contains_key(keys::GUARDRAILS),
            "not sealed"
        );
        Ok(())
    })
    .await;
    let after = eventually(SOON, "its Pod was made again, reviewed", || async {
        let pod = running().await?;
        ensure!(
            pod["metadata"]["annotations"][keys::REVIEWED].is_string(),
            "{}",
            pod["metadata"]["name"]
        );
        Ok::<_, anyhow::Error>(pod)
    })
    .await
    .unwrap();
    assert_eq!(
        after["spec"]["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["name"],
        "understudy-db-app"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_out_holds_the_seal_as_long_as_it_is_there() {
    // C29
    let policy = own_policy("leaving", |spec| {
        spec["adopt"] = json!({ "existing": "any", "selector": { "team": "web" } });
        spec["creators"] = json!({ "users": ["admin"] });
    })
    .await;
    let name = plain("leaving", json!({ "team": "web", keys::POLICY: policy })).await;
    // Nobody reviewed it, it takes an hour to end, and somebody's finalizer keeps it; so with what opens the network under
    // the label of a guardrail.
    let mut lasting = pod("lasting", json!([]));
    lasting["metadata"]["finalizers"] = json!(["example.org/wait"]);
    lasting["spec"]["terminationGracePeriodSeconds"] = json!(3600);
    lasting["spec"]["volumes"] = json!([{ "name": "s", "csi": { "driver": "secrets.example.org" } }]);
    let opened = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "opened",
        "labels": { keys::GUARDRAIL: "opened" }, "finalizers": ["example.org/wait"] }, "spec": { "podSelector": {}, "egress": [{}] } });
    create(User::Admin, &name, "networkpolicies", opened)
        .await
        .unwrap();
    eventually(SOON, "its ServiceAccount is there", || async {
        create(User::Admin, &name, "pods", lasting.clone())
            .await
            .map(|_| ())
    })
    .await
    .unwrap();
    let pods = understudy_tests::previews::objects(User::Admin, &name, "v1", "Pod", "pods").await;
    let seen = async || Ok::<Value, anyhow::Error>(serde_json::to_value(pods.get("lasting").await?)?);
    eventually(SOON, "it runs", || async {
        let seen = seen().await?;
        ensure!(seen["spec"]["nodeName"].is_string(), "{}", seen["status"]);
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    pods.delete("lasting", &Default::default()).await.unwrap();
    assert_eq!(
        seen().await.unwrap()["metadata"]["deletionGracePeriodSeconds"],
        3600
    );

    adopt(&name).await;
    let policies = understudy_tests::previews::objects(
        User::Admin,
        &name,
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "networkpolicies",
    )
    .await;
    let namespaces: Api<Namespace> = Api::all(client(User::Admin).await);
    let unsealed = async |message: &str| {
        eventually(SOON, message, || async {
            let annotations = namespaces.get(&name).await?.metadata.annotations;
            let annotations = annotations.unwrap_or_default();
            let found = annotations.get(keys::MESSAGE).cloned().unwrap_or_default();
            assert!(!annotations.contains_key(keys::GUARDRAILS), "sealed: {found}");
            ensure!(found.contains(message), "{found}");
            Ok::<_, anyhow::Error>(())
        })
        .await
        .unwrap();
    };
    eventually(SOON, "the open policy is on its way out", || async {
        let found = policies.get("opened").await?;
        ensure!(found.metadata.deletion_timestamp.is_some(), "it stands");
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    unsealed("the guardrails are being put in place").await;

    let freed = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    let patch = PatchParams::default();
    policies.patch("opened", &patch, &freed).await.unwrap();
    unsealed("what was there before is ending").await;
    let grace = seen().await.unwrap()["metadata"]["deletionGracePeriodSeconds"].clone();
    assert!(grace.as_u64() <= Some(30), "{grace}");

    pods.patch("lasting", &patch, &freed).await.unwrap();
    phase(&name, "Ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_changes_finds_its_own_secrets_in_an_adopted_preview() {
    // C29
    let pull = unique("pull");
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": pull },
        "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": "{\"auths\":{}}" } });
    create(User::Admin, NAMESPACE, "secrets", secret).await.unwrap();
    let policy = own_policy("edited", |spec| {
        spec["adopt"] = json!({ "existing": "any", "selector": { "team": "web" } });
        spec["creators"] = json!({ "users": ["admin"] });
        spec["secrets"] = json!({ "pull": [pull] });
    })
    .await;
    let name = plain("edited", json!({ "team": "web", keys::POLICY: policy })).await;
    adopt(&name).await;
    phase(&name, "Ready").await;
    let namespaces: Api<Namespace> = Api::all(client(User::Admin).await);
    let seal = async || {
        let annotations = namespaces
            .get(&name)
            .await?
            .metadata
            .annotations
            .unwrap_or_default();
        anyhow::Ok(annotations.get(keys::GUARDRAILS).cloned())
    };
    let before = seal().await.unwrap();
    let policies: Api<PreviewPolicy> = Api::all(client(User::Admin).await);
    let more = Patch::Merge(json!({ "spec": { "quota": { "pods": "21" } } }));
    policies
        .patch(&policy, &PatchParams::default(), &more)
        .await
        .unwrap();
    eventually(SOON, "it is sealed anew", || async {
        let now = seal().await?;
        let message = namespaces.get(&name).await?.metadata.annotations;
        ensure!(now != before, "{message:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    phase(&name, "Ready").await;
    let secrets =
        understudy_tests::previews::objects(User::Admin, NAMESPACE, "v1", "Secret", "secrets").await;
    secrets.delete(&pull, &Default::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_namespace_outlives_its_lease_unless_somebody_said_otherwise() {
    // D12
    let name = plain("kept", json!({})).await;
    let api: Api<Namespace> = Api::all(client(User::Admin).await);
    let patch = Patch::Merge(
        json!({ "metadata": { "labels": { keys::PREVIEW: "true" }, "annotations": { keys::TTL: "2s" } } }),
    );
    api.patch(&name, &PatchParams::default(), &patch).await.unwrap();
    let message = phase(&name, "Expired").await;
    assert!(message.contains("is kept"), "{message}");
    // It runs on, so it is looked after: a guardrail that an administrator takes away comes back.
    let quotas =
        understudy_tests::previews::objects(User::Admin, &name, "v1", "ResourceQuota", "resourcequotas")
            .await;
    let quota = eventually(SOON, "it has its quota", || async {
        quotas.get("understudy").await
    })
    .await
    .unwrap();
    quotas.delete("understudy", &Default::default()).await.unwrap();
    eventually(SOON, "the quota is back", || async {
        let now = quotas.get_opt("understudy").await?;
        ensure!(
            now.is_some_and(|now| now.metadata.uid != quota.metadata.uid),
            "it is gone"
        );
        Ok::<_, anyhow::Error>(())
    })
    .await
    .unwrap();
    assert!(phase(&name, "Expired").await.contains("is kept"));
    let destroy = Patch::Merge(json!({ "metadata": { "annotations": { keys::ON_EXPIRY: "destroy" } } }));
    api.patch(&name, &PatchParams::default(), &destroy).await.unwrap();
    eventually(
        std::time::Duration::from_secs(90),
        "the namespace is gone",
        || async {
            ensure!(api.get_opt(&name).await?.is_none(), "still there");
            Ok::<_, anyhow::Error>(())
        },
    )
    .await
    .unwrap();
}

fn is_reviewed(pod: &DynamicObject) -> bool {
    let annotations = pod.metadata.annotations.as_ref();
    annotations.is_some_and(|annotations| annotations.contains_key(keys::REVIEWED))
}

/// Whether this Pod may run something, is not reviewed, and was there in a second before that of `moment`: of what was made
/// in the same one, nobody can tell.
fn runs_unreviewed(pod: &DynamicObject, moment: jiff::Timestamp) -> bool {
    let made = pod.metadata.creation_timestamp.as_ref();
    let phase = pod.data["status"]["phase"].as_str().unwrap_or_default();
    made.is_some_and(|made| made.0.as_second() < moment.as_second())
        && !is_reviewed(pod)
        && pod.data["spec"]["nodeName"].is_string()
        && !["Succeeded", "Failed"].contains(&phase)
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_namespaces_are_labelled_while_pods_run_and_start_in_them() {
    // C29: right after the label, the API server's own cache may still let a Pod past admission.
    let policy = own_policy("crowd", |spec| {
        spec["adopt"] = json!({ "existing": "any", "selector": { "team": "web" } });
        spec["creators"] = json!({ "users": ["admin"] });
        spec["databases"] = json!([]);
    })
    .await;
    let one = async |number: usize| {
        let name = plain(
            &format!("busy-{number}"),
            json!({ "team": "web", keys::POLICY: policy }),
        )
        .await;
        let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": {
            "replicas": 2, "selector": { "matchLabels": { "app": "web" } }, "template": { "metadata": { "labels": { "app": "web" } },
            "spec": { "containers": [{ "name": "web", "image": "registry.example.com/web:1" }] } } } });
        let mut late = deployment.clone();
        late["metadata"]["name"] = json!("late");
        create(User::Admin, &name, "deployments", deployment)
            .await
            .unwrap();
        let pods = understudy_tests::previews::objects(User::Admin, &name, "v1", "Pod", "pods").await;
        // In one half of them Pods run, in the other they are just about to.
        if number.is_multiple_of(2) {
            eventually(SOON, &format!("Pods run in {name}"), || async {
                let (found, now) = (
                    pods.list(&Default::default()).await?.items,
                    jiff::Timestamp::now(),
                );
                let running = found.iter().filter(|pod| runs_unreviewed(pod, now)).count();
                ensure!(running == 2, "{running} Pods");
                Ok::<_, anyhow::Error>(())
            })
            .await
            .unwrap();
        }
        // In the same instant as the label, and after it.
        let (labelled, _) = tokio::join!(
            eventually(SOON, "admission knows the policy", || async {
                label(User::Admin, &name, json!({ keys::PREVIEW: "true" }))
                    .await
                    .map(|_| ())
            }),
            eventually(SOON, "the second workload is taken", || async {
                match create(User::Admin, &name, "deployments", late.clone()).await {
                    Err(kube::Error::Api(status)) if status.code != 409 => {
                        anyhow::bail!("{}", status.message)
                    }
                    _ => Ok(()),
                }
            })
        );
        labelled.unwrap();
        let api: Api<Namespace> = Api::all(client(User::Admin).await);
        eventually(
            SOON,
            &format!("{name} is sealed, every Pod in it reviewed"),
            || async {
                let metadata = api.get(&name).await?.metadata;
                let annotations = metadata.annotations.unwrap_or_default();
                let sealed = annotations.contains_key(keys::GUARDRAILS);
                // Read after the namespace: what is unreviewed now was so at the seal, and on its way out it runs as well. What
                // the API server let past after the label is replaced later.
                let found = pods.list(&Default::default()).await?.items;
                let adopted: jiff::Timestamp = annotations[keys::ADOPTED_AT].parse()?;
                let slipped = found.iter().find(|pod| runs_unreviewed(pod, adopted));
                assert!(!sealed || slipped.is_none(), "{name} is sealed: {slipped:?}");
                let living: Vec<_> = found
                    .iter()
                    .filter(|pod| pod.metadata.deletion_timestamp.is_none())
                    .collect();
                let reviewed = living.iter().filter(|pod| is_reviewed(pod)).count();
                let all = living.len();
                ensure!(
                    sealed && reviewed == all && all == 4,
                    "sealed {sealed}, {reviewed} of {all} Pods: {:?}",
                    annotations.get(keys::MESSAGE)
                );
                Ok::<_, anyhow::Error>(())
            },
        )
        .await
        .unwrap();
    };
    futures::stream::iter(0..60).for_each_concurrent(12, one).await;
}
