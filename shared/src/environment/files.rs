//! The files a Pod gets from ConfigMaps and Secrets.
//!
//! Source: <https://kubernetes.io/docs/concepts/storage/volumes/#configmap>, and the kinds beside it.

use super::{Kind, Reference, list, optional, text};
use serde_json::Value;

/// The ConfigMap that the cluster itself puts into every namespace and keeps as it is.
const CLUSTERS_OWN: &str = "kube-root-ca.crt";

/// One source of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// The volume's name.
    pub volume: String,
    /// Where its files come from.
    pub reference: Reference,
    /// The keys that become files; `None` means all.
    pub keys: Option<Vec<String>>,
    /// Whether the Pod starts without it.
    pub optional: bool,
}

impl Mounted {
    /// Whether `key` becomes a file.
    pub fn has(&self, key: &str) -> bool {
        self.keys
            .as_ref()
            .is_none_or(|keys| keys.iter().any(|one| one == key))
    }
}

/// Every ConfigMap and Secret that becomes files in `pod`.
pub fn mounted(pod: &Value) -> Vec<Mounted> {
    let mut found = Vec::new();
    for volume in list(&pod["spec"], "volumes") {
        let name = text(volume, "name");
        found.extend(source(name, volume, "secretName"));
        let projected = volume.get("projected").unwrap_or(&Value::Null);
        found.extend(list(projected, "sources").flat_map(|projection| source(name, projection, "name")));
    }
    let own = |reference: &Reference| reference.kind == Kind::ConfigMap && reference.name == CLUSTERS_OWN;
    found.retain(|mounted| !own(&mounted.reference));
    found
}

/// The files that come from the Pod's own labels and annotations: volume, path and content.
/// Source: <https://kubernetes.io/docs/concepts/workloads/pods/downward-api/>.
pub fn own_files(pod: &Value) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for volume in list(&pod["spec"], "volumes") {
        let projected = list(volume.get("projected").unwrap_or(&Value::Null), "sources");
        let sources = projected
            .chain(std::iter::once(volume))
            .filter_map(|source| source.get("downwardAPI"));
        for item in sources.flat_map(|source| list(source, "items")) {
            let path = text(item.get("fieldRef").unwrap_or(&Value::Null), "fieldPath");
            let content = match path {
                "" => continue,
                "metadata.annotations" | "metadata.labels" => {
                    pod["metadata"][&path["metadata.".len()..]].to_string()
                }
                path => super::downward::field(pod, path),
            };
            found.push((
                text(volume, "name").to_owned(),
                text(item, "path").to_owned(),
                content,
            ));
        }
    }
    found
}

/// `secret_name` is the field of a Secret's name, which a volume and a projection call differently.
fn source(volume: &str, value: &Value, secret_name: &str) -> Option<Mounted> {
    let (kind, source, name) = match (value.get("configMap"), value.get("secret")) {
        (Some(source), _) => (Kind::ConfigMap, source, text(source, "name")),
        (_, Some(source)) => (Kind::Secret, source, text(source, secret_name)),
        _ => return None,
    };
    let items = source
        .get("items")
        .and_then(Value::as_array)
        .filter(|items| !items.is_empty());
    Some(Mounted {
        volume: volume.to_owned(),
        reference: Reference {
            kind,
            name: name.to_owned(),
        },
        keys: items.map(|items| items.iter().map(|item| text(item, "key").to_owned()).collect()),
        optional: optional(source),
    })
}
