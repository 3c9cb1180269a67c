//! What a preview may talk to.

use super::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who may reach a preview, and what a preview may reach. Pods of the same preview always may.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// Namespaces whose Pods may reach the preview: the ingress controller's.
    #[schemars(length(max = 16))]
    pub ingress_from: Vec<Peer>,
    /// What the preview may reach.
    pub egress: Egress,
}

impl Network {
    /// One that opens nothing.
    pub fn closed() -> Self {
        let egress = Egress {
            dns: Vec::new(),
            internet: false,
            ..Egress::default()
        };
        Network {
            ingress_from: Vec::new(),
            egress,
        }
    }
}

/// The label of every namespace that holds its name
/// (<https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name>).
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Namespaces, by their labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// All of these labels must be on the namespace.
    #[schemars(schema_with = "schema::labels")]
    pub namespace_labels: BTreeMap<String, String>,
}

impl Peer {
    /// The namespace with this name.
    pub fn namespace(name: &str) -> Self {
        Peer {
            namespace_labels: [(NAMESPACE_NAME.to_owned(), name.to_owned())].into(),
        }
    }

    /// Whether this chooses a namespace by its name.
    pub fn is_by_name(&self) -> bool {
        self.namespace_labels.contains_key(NAMESPACE_NAME)
    }
}

/// What a preview may reach besides itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Egress {
    /// Where the cluster's DNS servers run; port 53 only.
    #[schemars(length(max = 8))]
    pub dns: Vec<Peer>,
    /// Whether everything outside `exceptCidrs` may be reached.
    pub internet: bool,
    /// Networks that may be reached, also inside `exceptCidrs`.
    #[schemars(schema_with = "schema::cidrs")]
    pub cidrs: Vec<String>,
    /// Namespaces that may be reached.
    #[schemars(length(max = 16))]
    pub namespaces: Vec<Peer>,
    /// What `internet` leaves out: the private and link-local networks, cloud metadata among them.
    #[schemars(schema_with = "schema::cidrs")]
    pub except_cidrs: Vec<String>,
}

impl Default for Egress {
    fn default() -> Self {
        let private = [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "169.254.0.0/16",
            "fc00::/7",
            "fe80::/10",
        ];
        Egress {
            dns: vec![Peer::namespace("kube-system")],
            internet: true,
            cidrs: Vec::new(),
            namespaces: Vec::new(),
            except_cidrs: private.map(str::to_owned).to_vec(),
        }
    }
}
