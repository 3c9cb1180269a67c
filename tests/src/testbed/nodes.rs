//! What is put on a fresh control plane: the rights of `access.yaml`, and nodes for kwok to play.

use anyhow::{Context, Result, anyhow, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{ConfigMap, Node, ServiceAccount};
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::TypeMeta;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::{READY_WITHIN, eventually};

const ACCESS: &str = include_str!("../../testbed/access.yaml");

/// Applies the roles of `access.yaml`.
pub async fn grant_access(admin: &Client) -> Result<()> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(ACCESS).context("failed to read access.yaml")?;
    for object in objects {
        let object: DynamicObject = serde_json::from_value(object)?;
        let types = object.types.clone().unwrap_or_default();
        let resource = resource_of(&types);
        let name = object
            .metadata
            .name
            .clone()
            .context("an object of access.yaml has no name")?;
        let api: Api<DynamicObject> = Api::all_with(admin.clone(), &resource);
        // The API server is ready before its own first roles are: asking again is what kubectl would do.
        eventually(READY_WITHIN, &format!("{name} is applied"), || {
            let parameters = PatchParams::apply("testbed").force();
            let (api, object, name) = (api.clone(), object.clone(), name.clone());
            async move { api.patch(&name, &parameters, &Patch::Apply(object)).await }
        })
        .await?;
    }
    Ok(())
}

fn resource_of(types: &TypeMeta) -> ApiResource {
    let (group, version) = types
        .api_version
        .split_once('/')
        .unwrap_or(("", &types.api_version));
    ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(group, version, &types.kind))
}

/// Creates nodes that have room for thousands of Pods.
pub async fn create(admin: &Client, count: u16) -> Result<()> {
    let nodes: Api<Node> = Api::all(admin.clone());
    let room = json!({"cpu": "1000", "memory": "4Ti", "ephemeral-storage": "16Ti", "pods": "10000"});
    try_join_all((1..=count).map(|number| {
        let (nodes, name) = (nodes.clone(), format!("node-{number}"));
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            }},
            "status": {"allocatable": room, "capacity": room},
        });
        async move {
            let node = serde_json::from_value(node)?;
            nodes
                .create(&PostParams::default(), &node)
                .await
                .context("failed to create a node")
        }
    }))
    .await?;
    Ok(())
}

/// Waits until kwok has made the nodes ready and the controllers have served the first namespace.
pub async fn wait_until_ready(admin: &Client, count: u16) -> Result<()> {
    let nodes: Api<Node> = Api::all(admin.clone());
    eventually(READY_WITHIN, "the nodes are ready", || async {
        let ready = nodes
            .list(&ListParams::default())
            .await?
            .into_iter()
            .filter(is_ready)
            .count();
        ensure!(ready == usize::from(count), "{ready} of {count} nodes are ready");
        Ok(())
    })
    .await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), "default");
    let maps: Api<ConfigMap> = Api::namespaced(admin.clone(), "default");
    eventually(READY_WITHIN, "the controllers serve namespaces", || async {
        accounts
            .get_opt("default")
            .await?
            .ok_or_else(|| anyhow!("no ServiceAccount `default` yet"))?;
        maps.get_opt("kube-root-ca.crt")
            .await?
            .ok_or_else(|| anyhow!("no ConfigMap `kube-root-ca.crt` yet"))?;
        anyhow::Ok(())
    })
    .await
}

/// Ready, and no taint of the controllers keeps Pods away any more.
fn is_ready(node: &Node) -> bool {
    let conditions = node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let tainted = node
        .spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten())
        .next()
        .is_some();
    !tainted
        && conditions
            .into_iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
