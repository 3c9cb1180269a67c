//! A golden as its reader may see it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde_json::Value;
use std::collections::BTreeSet;

/// A kind that could not be listed. Reported, never skipped in silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The kind.
    pub kind: String,
    /// Why, for people.
    pub why: String,
}

/// Everything that was read of a golden, one consistent list per kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The golden namespace.
    pub golden: ObjectMeta,
    /// Its objects, each with its type.
    pub objects: Vec<DynamicObject>,
    /// Kinds that could not be listed.
    pub unreadable: Vec<Unreadable>,
    /// Kinds and names that several goldens have.
    pub collisions: BTreeSet<(String, String)>,
    /// `apiVersion` and kind of what belongs to the whole cluster, as far as manifests hold any.
    pub cluster_wide: BTreeSet<(String, String)>,
    /// Whether the objects come from manifests: whoever clones gives the Secrets among them.
    pub from_manifests: bool,
}

impl Snapshot {
    /// The golden's name.
    pub fn name(&self) -> &str {
        self.golden.name.as_deref().unwrap_or_default()
    }

    /// The goldens whose objects moved in.
    pub fn others(&self) -> Vec<String> {
        let namespaces = self
            .objects
            .iter()
            .filter_map(|object| object.metadata.namespace.clone());
        let others = namespaces.filter(|namespace| namespace != self.name());
        others.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether objects of `kind` could be listed.
    pub fn could_read(&self, kind: &str) -> bool {
        !self.unreadable.iter().any(|unreadable| unreadable.kind == kind)
    }

    /// The objects of `kind`.
    pub(super) fn of<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'s DynamicObject> + 's {
        self.objects.iter().filter(move |object| kind_of(object) == kind)
    }
}

/// The object's kind.
pub fn kind_of(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |types| types.kind.as_str())
}

/// The object's API group; empty for the core group.
pub(super) fn group_of(object: &DynamicObject) -> &str {
    let version = object
        .types
        .as_ref()
        .map_or("", |types| types.api_version.as_str());
    version.split_once('/').map_or("", |(group, _)| group)
}

/// The object's name.
pub fn name_of(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

/// Kind and name of the controller that owns `object`.
pub(super) fn controller(object: &DynamicObject) -> Option<(&str, &str)> {
    let owners = object.metadata.owner_references.iter().flatten();
    owners
        .filter(|owner| owner.controller == Some(true))
        .map(|owner| (owner.kind.as_str(), owner.name.as_str()))
        .next()
}

/// Whether both are of one kind and name.
pub(super) fn is_same(one: &DynamicObject, other: &DynamicObject) -> bool {
    kind_of(one) == kind_of(other) && name_of(one) == name_of(other)
}

/// What is in the list of `value` at `pointer`; nothing where there is none.
pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.into_iter().flatten()
}
