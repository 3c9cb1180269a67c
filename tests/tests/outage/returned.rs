//! What happened while nobody of ours looked, put right on return.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Pod, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use understudy::keys;
use understudy_tests::previews::{objects, secret};
use understudy_tests::testbed::{Role, User, eventually};

use crate::stage::{ALONE, SOON, client, create, living_preview, pod, running, stage};

const KINDS: [(&str, &str, &str); 5] = [
    ("v1", "LimitRange", "limitranges"),
    ("v1", "ResourceQuota", "resourcequotas"),
    ("v1", "Secret", "secrets"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
];

/// Every guardrail of a preview by resource and name, without what the API server makes anew.
async fn guardrails(preview: &str) -> Result<BTreeMap<(&'static str, String), Value>> {
    let mut all = BTreeMap::new();
    for (version, kind, plural) in KINDS {
        let api = objects(User::Admin, preview, version, kind, plural).await;
        for found in api.list(&ListParams::default().labels(keys::GUARDRAIL)).await? {
            let name = found.metadata.name.unwrap_or_default();
            let mut whole = found.data;
            whole.as_object_mut().map(|whole| whole.remove("status"));
            whole["labels"] = json!(found.metadata.labels);
            all.insert((plural, name), whole);
        }
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn guardrails_that_were_broken_meanwhile_are_put_back_whole() {
    // C21
    let _alone = ALONE.lock().await;
    let understudy = stage().await;
    let (preview, branch) = living_preview("broken").await;
    let before = guardrails(&preview).await.unwrap();
    understudy.stop(Role::Control).await.unwrap();
    understudy.stop(Role::Serve).await.unwrap();

    // What an exempt user changes waits for admission, deletes does not; what the control plane writes is not reviewed.
    let bed = understudy.bed();
    let past = bed.impersonating("system:kube-controller-manager").await.unwrap();
    let policies: Api<NetworkPolicy> = Api::namespaced(past.clone(), &preview);
    let open = Patch::Merge(json!({ "spec": { "egress": [{}], "ingress": [{}] } }));
    let (deny, params) = ("understudy-default-deny", PatchParams::default());
    policies.patch(deny, &params, &open).await.unwrap();
    let beside = json!({ "metadata": { "name": "beside" }, "spec": { "podSelector": {}, "egress": [{}] } });
    let beside = serde_json::from_value(beside).unwrap();
    policies.create(&PostParams::default(), &beside).await.unwrap();
    let quotas: Api<ResourceQuota> = Api::namespaced(past, &preview);
    let more = Patch::Merge(json!({ "spec": { "hard": { "pods": "2000" } } }));
    quotas.patch("understudy", &params, &more).await.unwrap();
    for (version, kind, plural) in KINDS {
        let api = objects(User::Admin, &preview, version, kind, plural).await;
        for (_, name) in before.keys().filter(|(of, _)| *of == plural) {
            if name != deny && plural != "resourcequotas" {
                api.delete(name, &DeleteParams::default()).await.unwrap();
            }
        }
    }
    assert_eq!(guardrails(&preview).await.unwrap().len(), 2);

    understudy.start(Role::Control).await.unwrap();
    understudy.start(Role::Serve).await.unwrap();
    understudy.wait_until_ready(Role::Control).await.unwrap();
    understudy.wait_until_ready(Role::Serve).await.unwrap();
    let names = |all: &BTreeMap<(&'static str, String), Value>| all.keys().cloned().collect::<Vec<_>>();
    eventually(SOON, "everything is as it was", || async {
        let mut found = guardrails(&preview).await?;
        ensure!(names(&found) == names(&before), "{:?}", names(&found));
        for (name, was) in &before {
            let is = found.remove(name).unwrap_or_default();
            // A new password is as good as the old one, which nobody has kept.
            ensure!(is == *was || name.0 == "secrets", "{name:?}: {is}");
        }
        let beside = policies.get_opt("beside").await?;
        ensure!(beside.is_none(), "what was put beside them is there");
        Ok(())
    })
    .await
    .unwrap();
    let again = secret(&preview, &keys::branch_secret("app")).await;
    assert_eq!(again["dbname"], branch);
    let developer = client(User::Developer).await;
    create::<Pod>(&developer, &preview, pod("late")).await.unwrap();
    running(&developer, &preview, "late").await;
}
