//! A power cut: the control plane and we start together, in any order, and nobody helps.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use understudy::keys;
use understudy_tests::previews::ready_preview;
use understudy_tests::testbed::{Process, Role, Signal, Supervisor, User, eventually};

use crate::stage::{
    ALONE, SOON, client, create, create_namespace, living_preview, pod, running, stage, unique,
};

/// Everything but PostgreSQL, which is not the cluster's.
const EVERYTHING: [&str; 7] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
    "serve",
    "control",
];

/// How a process that runs was started.
fn as_it_runs(supervisor: &Supervisor, name: &str) -> Result<Process> {
    let states = supervisor.states()?;
    let state = states.iter().find(|state| state.name == name && state.running);
    let pid = state.with_context(|| format!("{name} does not run"))?.pid;
    let words = |file: &str| -> Result<Vec<String>> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{file}"))?;
        Ok(text.split_terminator('\0').map(str::to_owned).collect())
    };
    let variable = |word: &String| {
        word.split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    Ok(Process {
        name: name.to_owned(),
        argv: words("cmdline")?,
        env: words("environ")?
            .iter()
            .filter_map(variable)
            .collect::<BTreeMap<_, _>>(),
        stop_by: Signal::SigKill,
        ..Process::default()
    })
}

/// What a kubelet does, and all that anybody does here: what has ended is started again.
fn revive(supervisor: &Supervisor, processes: &[Process]) -> Result<()> {
    for state in supervisor.states()?.iter().filter(|state| !state.running) {
        if let Some(process) = processes.iter().find(|process| process.name == state.name) {
            supervisor.launch(process.clone())?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_power_cut_everything_comes_back_without_hands() {
    // C17
    let _alone = ALONE.lock().await;
    let understudy = stage().await;
    let supervisor = understudy.bed().supervisor();
    let (preview, _) = living_preview("cold").await;
    let developer = client(User::Developer).await;
    let namespaces: Api<Namespace> = Api::all(developer.clone());
    let before = namespaces.get(&preview).await.unwrap().metadata;
    let processes = EVERYTHING.map(|name| as_it_runs(supervisor, name).unwrap());
    for name in EVERYTHING {
        supervisor.signal(name, Signal::SigKill).unwrap();
    }
    eventually(SOON, "nothing runs any more", || async {
        let states = supervisor.states()?;
        let running = states
            .iter()
            .find(|state| state.running && EVERYTHING.contains(&state.name.as_str()));
        ensure!(running.is_none(), "{running:?}");
        anyhow::Ok(())
    })
    .await
    .unwrap();

    eventually(SOON, "both of ours are ready", || async {
        revive(supervisor, &processes)?;
        for role in [Role::Serve, Role::Control] {
            let (status, text) = understudy.get(role, "/readyz").await?;
            ensure!(status == 200, "{}: {text}", role.name());
        }
        anyhow::Ok(())
    })
    .await
    .unwrap();
    // Unlike a kubelet, kwok is another one after a restart, and would wait for the leases of the one it was.
    let leases: Api<Lease> = Api::namespaced(client(User::Admin).await, "kube-node-lease");
    leases
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .unwrap();
    // In a preview that was there, beside it, and with a new one.
    eventually(SOON, "a Pod is admitted", || async {
        revive(supervisor, &processes)?;
        create::<Pod>(&developer, &preview, pod("after")).await?;
        anyhow::Ok(())
    })
    .await
    .unwrap();
    running(&developer, &preview, "web").await;
    running(&developer, &preview, "after").await;
    let plain = unique("plain");
    create_namespace(&developer, &plain, json!({})).await.unwrap();
    let deployment = json!({ "metadata": { "name": "web" }, "spec": { "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": pod("web")["spec"] } } });
    create::<Deployment>(&developer, &plain, deployment)
        .await
        .unwrap();
    let deployments: Api<Deployment> = Api::namespaced(developer.clone(), &plain);
    eventually(SOON, "the Deployment is available", || async {
        let status = deployments.get("web").await?.status.unwrap_or_default();
        ensure!(status.available_replicas == Some(1), "{status:?}");
        anyhow::Ok(())
    })
    .await
    .unwrap();
    ready_preview("born-after").await;
    let after = namespaces.get(&preview).await.unwrap().metadata;
    let annotations =
        |of: &kube::api::ObjectMeta, key: &str| of.annotations.as_ref().and_then(|all| all.get(key).cloned());
    for key in [keys::EXPIRES_AT, keys::GUARDRAILS] {
        assert_eq!(annotations(&before, key), annotations(&after, key), "{key}");
    }
}
