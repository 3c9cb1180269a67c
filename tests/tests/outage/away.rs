//! Both processes gone: nobody else pays, nothing of a preview opens, everything still ends.

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use understudy::keys;
use understudy_tests::testbed::{Launch, NAMESPACE, Role, TestBed, User, eventually};

use crate::stage::{
    ALONE, SOON, assert_refused, client, create, create_namespace, end, living_preview, pod, running, stage,
    unique,
};

/// What the API server says when nobody answers for us; the rest of the sentence is the cause.
const NOBODY_ANSWERS: &str = "failed calling webhook \"objects.understudy.dev\"";

/// How many of database and role of this name the previews' server has.
async fn left_of(bed: &TestBed, branch: &str) -> Result<i64> {
    let server = bed.previews().connect("postgres").await?;
    let query = "SELECT (SELECT count(*) FROM pg_database WHERE datname = $1) + \
                 (SELECT count(*) FROM pg_roles WHERE rolname = $1)";
    Ok(server.query_one(query, &[&branch]).await?.get(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_processes_gone_only_creation_in_previews_waits_and_their_return_sweeps() {
    let _alone = ALONE.lock().await;
    let understudy = stage().await;
    let bed = understudy.bed();
    let ((ending, ending_branch), (staying, staying_branch)) =
        tokio::join!(living_preview("ending"), living_preview("staying"));
    understudy.stop(Role::Control).await.unwrap();
    understudy.stop(Role::Serve).await.unwrap();

    let developer = client(User::Developer).await;
    everything_else_goes_on(&developer).await;
    a_preview_stays_shut(&developer, &staying).await;
    // Guardrails, a Pod, a branch Secret and all.
    end(&developer, &ending).await;
    assert_eq!(
        left_of(bed, &ending_branch).await.unwrap(),
        2,
        "nobody was there to drop it"
    );

    let often = Launch {
        arguments: vec!["--sweep-seconds=1".to_owned()],
        ..Launch::default()
    };
    understudy.start_with(Role::Control, often).await.unwrap();
    understudy.start(Role::Serve).await.unwrap();
    understudy.wait_until_ready(Role::Control).await.unwrap();
    understudy.wait_until_ready(Role::Serve).await.unwrap();
    eventually(SOON, "the branch is swept", || async {
        let left = left_of(bed, &ending_branch).await?;
        ensure!(left == 0, "{left} of database and role are left");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(
        left_of(bed, &staying_branch).await.unwrap(),
        2,
        "a living preview keeps its branch"
    );
    create::<Pod>(&developer, &staying, pod("late")).await.unwrap();
    running(&developer, &staying, "late").await;
}

/// C15
async fn everything_else_goes_on(developer: &Client) {
    let plain = unique("plain");
    create_namespace(developer, &plain, json!({})).await.unwrap();
    let deployment = json!({ "metadata": { "name": "web" }, "spec": { "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": pod("web")["spec"] } } });
    create::<Deployment>(developer, &plain, deployment).await.unwrap();
    let deployments: Api<Deployment> = Api::namespaced(developer.clone(), &plain);
    eventually(SOON, "the Deployment is available", || async {
        let status = deployments.get("web").await?.status.unwrap_or_default();
        ensure!(status.available_replicas == Some(1), "{status:?}");
        Ok(())
    })
    .await
    .unwrap();
    deployments.delete("web", &DeleteParams::default()).await.unwrap();
    // The cluster's own, and ours.
    for namespace in ["kube-system", NAMESPACE, plain.as_str()] {
        let name = unique("x");
        create::<ConfigMap>(developer, namespace, json!({ "metadata": { "name": name } }))
            .await
            .unwrap();
        create::<Lease>(developer, namespace, json!({ "metadata": { "name": name } }))
            .await
            .unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(developer.clone(), namespace);
        let data = Patch::Merge(json!({ "data": { "a": "b" } }));
        maps.patch(&name, &PatchParams::default(), &data).await.unwrap();
        maps.delete(&name, &DeleteParams::default()).await.unwrap();
        Api::<Lease>::namespaced(developer.clone(), namespace)
            .delete(&name, &DeleteParams::default())
            .await
            .unwrap();
    }
    let ours: Api<Deployment> = Api::namespaced(developer.clone(), NAMESPACE);
    let restarted = Patch::Merge(
        json!({ "spec": { "template": { "metadata": { "annotations": { "restarted": "now" } } } } }),
    );
    ours.patch(Role::Serve.service_account(), &PatchParams::default(), &restarted)
        .await
        .unwrap();
    end(developer, &plain).await;
}

/// C15, C23
async fn a_preview_stays_shut(developer: &Client, preview: &str) {
    let refused = create::<Pod>(developer, preview, pod("new")).await;
    assert_refused(refused, &[NOBODY_ANSWERS, "connection refused"]);
    let refused = create::<ConfigMap>(developer, preview, json!({ "metadata": { "name": "new" } })).await;
    assert_refused(refused, &[NOBODY_ANSWERS]);
    let born = create_namespace(developer, &unique("born"), json!({ keys::PREVIEW: "true" })).await;
    assert_refused(born, &["failed calling webhook \"namespaces.understudy.dev\""]);
    // What the machinery writes all the time, and the end of anything, do not wait.
    create::<Lease>(developer, preview, json!({ "metadata": { "name": "new" } }))
        .await
        .unwrap();
    Api::<Pod>::namespaced(developer.clone(), preview)
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();

    let policies: Api<NetworkPolicy> = Api::namespaced(developer.clone(), preview);
    let deleted = policies
        .delete("understudy-default-deny", &DeleteParams::default())
        .await;
    assert_refused(deleted, &["understudy-guardrails", "guardrail-tampered: "]);
    let secrets: Api<Secret> = Api::namespaced(developer.clone(), preview);
    let deleted = secrets
        .delete(&keys::branch_secret("app"), &DeleteParams::default())
        .await;
    assert_refused(deleted, &["understudy-guardrails", "guardrail-tampered: "]);
    let namespaces: Api<Namespace> = Api::all(developer.clone());
    let off = Patch::Merge(json!({ "metadata": { "labels": { keys::PREVIEW: null } } }));
    let removed = namespaces
        .patch_status(preview, &PatchParams::default(), &off)
        .await;
    assert_refused(removed, &["understudy-contract", "label-removed: "]);
    let removed = namespaces.patch(preview, &PatchParams::default(), &off).await;
    // Mutation comes before validation, so here it is nobody's answer that refuses.
    assert_refused(removed, &["failed calling webhook \"namespaces.understudy.dev\""]);
}
