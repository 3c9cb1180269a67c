//! A plan as manifests that a repository can hold.
//!
//! Guarantees: no value of a Secret is among them, and nothing that differs from one run to the next: the same plan gives
//! the same manifests, whenever it was made.

use super::lineage::Lineage;
use super::plan::Plan;
use super::snapshot::{kind_of, name_of};
use super::verdict::Wave;
use crate::keys;
use kube::core::DynamicObject;
use serde_json::{Value, json};

/// What a repository can hold of a clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifests {
    /// The namespace, then every object in the order in which a clone makes them; no Secret.
    pub objects: Vec<Value>,
    /// What is not among them.
    pub provided: Vec<Provided>,
}

/// A Secret that whoever applies the manifests has to provide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provided {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Its keys.
    pub keys: Vec<String>,
}

/// The manifests of `plan`.
pub fn manifests(plan: &Plan) -> Manifests {
    let (secrets, others): (Vec<_>, Vec<_>) = Wave::ALL
        .iter()
        .flat_map(|wave| plan.wave(*wave))
        .partition(|object| is_secret(object));
    let written = others
        .into_iter()
        .map(|object| serde_json::to_value(object).unwrap_or_default());
    Manifests {
        objects: std::iter::once(namespace(plan)).chain(written).collect(),
        provided: secrets.into_iter().map(provided).collect(),
    }
}

/// What but Secrets carries values that are derived from the seed: what differs between two plans made with two seeds.
pub fn derived(one: &Plan, other: &Plan) -> Vec<String> {
    let made = |plan: &Plan| {
        let objects = plan
            .items
            .iter()
            .filter_map(|item| Some((item.id(), item.made.clone()?.1)));
        objects.collect::<Vec<_>>()
    };
    let pairs = made(one).into_iter().zip(made(other));
    pairs
        .filter(|((_, one), (_, other))| !is_secret(one) && one != other)
        .map(|((id, _), _)| id)
        .collect()
}

fn namespace(plan: &Plan) -> Value {
    let mut metadata = plan.namespace.metadata.clone();
    if let Some(text) = metadata
        .annotations
        .as_mut()
        .and_then(|all| all.get_mut(keys::LINEAGE))
        && let Ok(lineage) = serde_json::from_str::<Lineage>(text)
    {
        // When the golden was read is not what a repository wants to know.
        let timeless = Lineage {
            at: String::new(),
            ..lineage
        };
        *text = timeless.text();
    }
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata })
}

fn provided(secret: &DynamicObject) -> Provided {
    let fields = ["data", "stringData"].map(|field| secret.data[field].as_object());
    Provided {
        name: name_of(secret).to_owned(),
        kind: secret.data["type"].as_str().unwrap_or("Opaque").to_owned(),
        keys: fields
            .into_iter()
            .flatten()
            .flat_map(|data| data.keys().cloned())
            .collect(),
    }
}

fn is_secret(object: &DynamicObject) -> bool {
    kind_of(object) == "Secret" && super::snapshot::group_of(object).is_empty()
}
