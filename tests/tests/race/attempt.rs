//! One namespace and its first Pod, asked for in the same instant, as a GitOps controller would.

use std::time::Duration;

use anyhow::{Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{DeleteParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use understudy::keys;
use understudy_tests::shop;
use understudy_tests::testbed::{TestBed, User};

use crate::SOON;

/// The variable that leads to the golden's database.
pub const VARIABLE: &str = "DATABASE_URL";
const OWN_SECRET: &str = "team-db";
const GITOPS: (&str, &str) = ("argocd", "argocd-application-controller");
/// As often as something asks again whose namespace is not there yet.
const AT_ONCE: Duration = Duration::from_millis(5);
/// As the Job controller after a refusal, only less patient.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Who makes it: somebody with every right, from the first instant, and exempt from nothing. A person gets rights in a
/// preview with its access binding only, which comes with the seal.
pub async fn creator(bed: &TestBed) -> Result<Client> {
    let (namespace, name) = GITOPS;
    let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
    shop::apply::<Namespace>(bed, None, namespace, &manifest).await?;
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } });
    shop::apply::<ServiceAccount>(bed, Some(namespace), name, &account).await?;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": namespace }],
    });
    shop::apply::<ClusterRoleBinding>(bed, None, name, &binding).await?;
    bed.service_account_client(namespace, name).await
}

/// A namespace that is none of ours, made by the admin.
pub async fn plain_namespace(admin: &Client, name: &str) -> Result<()> {
    let namespace = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
    Api::<Namespace>::all(admin.clone())
        .create(&PostParams::default(), &namespace)
        .await?;
    Ok(())
}

/// Whose Pod it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Nobody's: its creator asks again when it is refused.
    Bare,
    /// A Deployment's, by its ReplicaSet.
    Deployed,
}

/// What is made.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub namespace: String,
    pub workload: Workload,
    /// The Pod reads the golden's connection from a Secret of its own namespace.
    pub connected: bool,
}

impl Attempt {
    /// Half of all are bare, and half of either are connected.
    pub fn number(index: usize) -> Self {
        Self {
            namespace: format!("race-{index}-{:08x}", rand::random::<u32>()),
            workload: if index.is_multiple_of(2) {
                Workload::Bare
            } else {
                Workload::Deployed
            },
            connected: (index / 2).is_multiple_of(2),
        }
    }

    /// Makes the namespace and what goes into it in the same instant; the refusals on the way.
    pub async fn make(&self, client: &Client) -> Result<Vec<String>> {
        let secret = async {
            match self.connected {
                true => self.insist::<Secret>(client, &self.secret()).await,
                false => Ok(Vec::new()),
            }
        };
        let workload = async {
            match self.workload {
                Workload::Bare => self.insist::<Pod>(client, &self.pod()).await,
                Workload::Deployed => self.insist::<Deployment>(client, &self.deployment()).await,
            }
        };
        let (namespace, _, refusals) = tokio::join!(self.preview(client), secret, workload);
        namespace?;
        refusals
    }

    /// Deletes the namespace; nobody waits for its end.
    pub async fn unmake(&self, client: &Client) -> Result<()> {
        Api::<Namespace>::all(client.clone())
            .delete(&self.namespace, &DeleteParams::default())
            .await?;
        Ok(())
    }

    /// Makes the namespace alone.
    pub async fn preview(&self, client: &Client) -> Result<()> {
        let namespace =
            json!({ "metadata": { "name": self.namespace, "labels": { keys::PREVIEW: "true" } } });
        let api = Api::<Namespace>::all(client.clone());
        api.create(&PostParams::default(), &serde_json::from_value(namespace)?)
            .await?;
        Ok(())
    }

    /// Asks until the object is there.
    async fn insist<K>(&self, client: &Client, manifest: &Value) -> Result<Vec<String>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Serialize
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(client.clone(), &self.namespace);
        let object: K = serde_json::from_value(manifest.clone())?;
        let (end, mut refusals) = (Instant::now() + SOON, Vec::new());
        while Instant::now() < end {
            let status = match api.create(&PostParams::default(), &object).await {
                Ok(_) => return Ok(refusals),
                Err(kube::Error::Api(status)) => status,
                Err(error) => return Err(error.into()),
            };
            let pause = match status.code {
                // The namespace, or the ServiceAccount that Kubernetes puts into it, is not there yet.
                404 => AT_ONCE,
                403 if status.message.contains("error looking up service account") => AT_ONCE,
                _ if status
                    .message
                    .contains("\"objects.understudy.dev\" denied the request") =>
                {
                    refusals.push(status.message.clone());
                    BACK_OFF
                }
                _ => bail!("{} in {}: {}", K::kind(&()), self.namespace, status.message),
            };
            sleep(pause).await;
        }
        bail!(
            "{} in {} was never admitted: {refusals:#?}",
            K::kind(&()),
            self.namespace
        );
    }

    fn secret(&self) -> Value {
        let url = format!(
            "postgres://shop:{}@db.shop.svc.cluster.local:5432/shop",
            shop::PASSWORD
        );
        json!({ "metadata": { "name": OWN_SECRET }, "stringData": { "url": url } })
    }

    fn spec(&self) -> Value {
        let env = match self.connected {
            true => {
                json!([{ "name": VARIABLE, "valueFrom": { "secretKeyRef": { "name": OWN_SECRET, "key": "url" } } }])
            }
            false => json!([]),
        };
        json!({ "containers": [{ "name": "main", "image": "registry.example.com/shop/web:1", "env": env }] })
    }

    fn pod(&self) -> Value {
        json!({ "metadata": { "name": "web" }, "spec": self.spec() })
    }

    fn deployment(&self) -> Value {
        let labels = json!({ "app": "web" });
        json!({ "metadata": { "name": "web" }, "spec": { "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": self.spec() } } })
    }
}

/// Whether an entry of a Pod's environment means the golden's database, as it was written.
pub fn is_golden(variable: &Value) -> bool {
    variable["valueFrom"]["secretKeyRef"]["name"] != keys::branch_secret("app").as_str()
}

/// Waits until `namespace` is gone.
pub async fn gone(bed: &TestBed, namespace: &str) -> Result<()> {
    let api = Api::<Namespace>::all(bed.client(User::Admin).await?);
    understudy_tests::testbed::eventually(SOON, "the namespace is gone", || async {
        match api.get_metadata_opt(namespace).await? {
            Some(found) => bail!("{:?}", found.metadata),
            None => Ok(()),
        }
    })
    .await
}
