//! Taken away, in either order: nothing is left that blocks anything.

use anyhow::{Result, bail, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{Api, ListParams};
use kube::{Client, Resource};
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};
use understudy::keys;
use understudy_tests::testbed::{
    InstallOptions, NAMESPACE, Options, Role, TestBed, Understudy, User, eventually,
};

use crate::stage::{self, Call, SOON, assert_refused, core, group, namespace};

/// A control plane of its own: it is installed and taken away.
static BED: OnceCell<TestBed> = OnceCell::const_new();
static ALONE: Mutex<()> = Mutex::const_new(());

struct Installed {
    bed: TestBed,
    understudy: Understudy,
    preview: String,
}

/// Understudy on the bed, with a sealed preview.
async fn installed() -> Installed {
    let options = Options {
        nodes: 1,
        postgres: false,
    };
    let bed = BED
        .get_or_try_init(|| TestBed::start(options))
        .await
        .expect("a bed")
        .clone();
    let understudy = bed
        .install(InstallOptions::default())
        .await
        .expect("an installation");
    stage::everything(&bed).await.expect("rights of the developers");
    let preview = stage::unique("preview");
    stage::seal(&bed, &preview).await.expect("a preview");
    Installed {
        bed,
        understudy,
        preview,
    }
}

impl Installed {
    async fn client(&self, user: User) -> Client {
        self.bed.client(user).await.expect("the bed knows its users")
    }

    async fn stop(&self) {
        for role in [Role::Control, Role::Serve] {
            self.understudy.stop(role).await.expect("it can be stopped");
        }
    }

    /// Waits until no webhook configuration is left.
    async fn no_configuration_is_left(&self) {
        let admin = self.client(User::Admin).await;
        eventually(SOON, "no webhook configuration is left", || async {
            none::<MutatingWebhookConfiguration>(&admin).await?;
            none::<ValidatingWebhookConfiguration>(&admin).await
        })
        .await
        .unwrap();
    }

    /// What is left of a preview is a namespace like any other, for everybody with the rights.
    async fn the_preview_is_free(&self, policies_too: bool) {
        let (developer, path) = (self.client(User::Developer).await, namespace(&self.preview));
        let map =
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": stage::unique("x") } });
        eventually(SOON, "creation goes on", || async {
            Call::post(core(&self.preview, "configmaps"), map.clone())
                .by(&developer)
                .await
                .map(|_| ())
        })
        .await
        .unwrap();
        let off = json!({ "metadata": { "labels": { keys::PREVIEW: null } } });
        if policies_too {
            let guardrails = group("networking.k8s.io", &self.preview, "networkpolicies");
            eventually(SOON, "the policies are gone", || async {
                Call::delete(&guardrails).by(&developer).await.map(|_| ())
            })
            .await
            .unwrap();
            Call::patch(&path, off).by(&developer).await.unwrap();
        } else {
            assert_refused(
                Call::patch(&path, off.clone()).by(&developer).await,
                "understudy-contract",
                "label-removed",
            );
            Call::patch(&path, off)
                .by(&self.client(User::Admin).await)
                .await
                .unwrap();
        }
        Call::delete(&path).by(&developer).await.unwrap();
        eventually(SOON, "the namespace is gone", || async {
            match Call::get(&path).by(&developer).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                other => bail!("{other:?}"),
            }
        })
        .await
        .unwrap();
    }
}

async fn none<K>(client: &Client) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let found = Api::<K>::all(client.clone()).list(&ListParams::default()).await?;
    ensure!(found.items.is_empty(), "{} {}", found.items.len(), K::plural(&()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_uninstall_leaves_nothing_that_blocks() {
    // C18
    let _alone = ALONE.lock().await;
    let installed = installed().await;
    let mut helm = installed.bed.helm(User::Admin);
    let output = helm
        .args(["uninstall", "understudy", "--namespace", NAMESPACE])
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    installed.stop().await;
    installed.no_configuration_is_left().await;
    installed.the_preview_is_free(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_our_namespace_first_takes_the_webhook_configurations_along() {
    // C18
    let _alone = ALONE.lock().await;
    let installed = installed().await;
    let admin = installed.client(User::Admin).await;
    for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{kind}/understudy");
        eventually(SOON, "it belongs to our namespace", || async {
            let found = Call::get(&path).by(&admin).await?;
            ensure!(
                found["metadata"]["ownerReferences"][0]["name"] == NAMESPACE,
                "{}",
                found["metadata"]
            );
            anyhow::Ok(())
        })
        .await
        .unwrap();
    }
    Call::delete(namespace(NAMESPACE)).by(&admin).await.unwrap();
    installed.no_configuration_is_left().await;
    installed.stop().await;
    installed.the_preview_is_free(false).await;
    swept(&installed.bed, &admin).await;
}

/// The chart's README says how to remove what Helm can no longer: by the label, and it is all.
async fn swept(bed: &TestBed, admin: &Client) {
    let kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings,clusterroles,clusterrolebindings,previewpolicies";
    let mut kubectl = bed.kubectl(User::Admin);
    kubectl.args(["delete", kinds, "--selector", "app.kubernetes.io/name=understudy"]);
    let output = kubectl.output().await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for kind in ["validatingadmissionpolicies", "validatingadmissionpolicybindings"] {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{kind}");
        let left: Value = Call::get(path).by(admin).await.unwrap();
        let names: Vec<&str> = left["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item["metadata"]["name"].as_str())
            .filter(|name| name.contains("understudy"))
            .collect();
        assert!(names.is_empty(), "{names:?}");
    }
    let path = namespace(NAMESPACE);
    eventually(SOON, "our namespace is gone", || async {
        match Call::get(&path).by(admin).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => bail!("{other:?}"),
        }
    })
    .await
    .unwrap();
}
