//! One admission request, read.

use crate::rights;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// What is being done to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// It is being made.
    Create,
    /// It is being changed.
    Update,
    /// It is being deleted. No webhook of ours matches this.
    Delete,
    /// A connection to a sub-resource. No webhook of ours matches this.
    Connect,
}

/// Who asks, as the API server authenticated them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct User {
    /// The user's name.
    #[serde(default, rename = "username")]
    pub name: String,
    /// The user's groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

impl User {
    /// `(namespace, name)` where this is a service account.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        rights::service_account(&self.name)
    }

    /// Whether this is a person: neither a service account nor a component of the cluster.
    pub fn is_human(&self) -> bool {
        !self.name.is_empty() && !self.name.starts_with("system:")
    }
}

/// One request. Prints what it is about, not the objects: they may hold secret values.
#[derive(Clone, PartialEq)]
pub struct Request {
    /// Copied into the answer.
    pub uid: String,
    /// The object's kind; empty where nobody said.
    pub kind: String,
    /// API group of the resource; empty for the core group.
    pub group: String,
    /// Plural resource, e.g. `pods`.
    pub resource: String,
    /// Sub-resource, or empty.
    pub sub_resource: String,
    /// The object's name; may be empty with `generateName`.
    pub name: String,
    /// The namespace of the request; empty for cluster-scoped objects, except that a Namespace names itself.
    pub namespace: String,
    /// What is being done.
    pub operation: Operation,
    /// Who asks.
    pub user: User,
    /// The object as it should become; `Null` where there is none.
    pub object: Value,
    /// The object as it is; `Null` at creation.
    pub old_object: Value,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request {
            operation,
            group,
            resource,
            sub_resource,
            namespace,
            name,
            ..
        } = self;
        write!(
            f,
            "Request({operation:?} {group}/{resource}/{sub_resource} {namespace}/{name} by {})",
            self.user.name
        )
    }
}

impl Request {
    /// The creation of `object` by `user`: what admission would be asked, made up from a manifest. `resource` is the plural.
    pub fn creation(object: Value, resource: &str, user: User) -> Self {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        Request {
            uid: text("uid"),
            kind: object["kind"].as_str().unwrap_or_default().to_owned(),
            group: api_version
                .split_once('/')
                .map_or("", |(group, _)| group)
                .to_owned(),
            resource: resource.to_owned(),
            sub_resource: String::new(),
            name: text("name"),
            namespace: text("namespace"),
            operation: Operation::Create,
            user,
            object,
            old_object: Value::Null,
        }
    }

    /// Whether this is resource `group`/`resource` (or the sub-resource after a slash).
    pub fn is(&self, group: &str, resource: &str) -> bool {
        let (resource, sub_resource) = resource.split_once('/').unwrap_or((resource, ""));
        self.group == group && self.resource == resource && self.sub_resource == sub_resource
    }

    /// Whether the object itself is a Namespace.
    pub fn is_namespace(&self) -> bool {
        self.is("", "namespaces")
    }

    /// Whether an object is being made or changed.
    pub fn is_write(&self) -> bool {
        matches!(self.operation, Operation::Create | Operation::Update) && self.object.is_object()
    }

    /// Whether the object is on its way out, and goes with this or is asked to be nothing else meanwhile: what does not go,
    /// since somebody's finalizer keeps it, is in force like anything else. What happens to a Namespace on its way out is
    /// nobody's business. The chart's matchCondition `not-being-deleted` says the same.
    pub fn is_deleting(&self) -> bool {
        self.is_dying() && (self.is_namespace() || self.is_the_last() || self.says_the_same())
    }

    /// Whether the API server lets a dying object go with this update, since nothing keeps it any more. Source:
    /// `ShouldDeleteDuringUpdate` of `k8s.io/apiserver/pkg/registry/generic/registry`.
    fn is_the_last(&self) -> bool {
        finalizers(&self.object).next().is_none()
            && self.old_object["metadata"]["deletionGracePeriodSeconds"] == 0
    }

    /// Whether the object was on its way out already. What it says of itself does not count: an object that is made by
    /// server-side apply may bring a time of deletion along.
    pub fn is_dying(&self) -> bool {
        self.old_object["metadata"]["deletionTimestamp"].is_string()
    }

    /// Whether nothing changes but finalizers, and what the API server itself keeps.
    pub fn is_about_finalizers(&self) -> bool {
        self.operation == Operation::Update
            && self.object["metadata"]["labels"] == self.old_object["metadata"]["labels"]
            && self.says_the_same()
    }

    /// The finalizers that would be on the object and are not on it yet.
    pub fn new_finalizers(&self) -> impl Iterator<Item = &str> {
        let is_new = |finalizer: &&str| finalizers(&self.old_object).all(|old| old != *finalizer);
        finalizers(&self.object).filter(is_new)
    }

    /// Whether both objects say the same, but for what is kept on them: status, and of the metadata all but annotations,
    /// which may give an identity or have a Pod injected. Labels that do count only when something is made.
    fn says_the_same(&self) -> bool {
        fn said(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
            let fields = object.as_object().into_iter().flatten();
            fields.filter(|(field, _)| !matches!(field.as_str(), "metadata" | "status"))
        }
        self.object["metadata"]["annotations"] == self.old_object["metadata"]["annotations"]
            && said(&self.object).eq(said(&self.old_object))
    }

    /// Whether the object is being made.
    pub fn is_create(&self) -> bool {
        self.operation == Operation::Create
    }

    /// A label of the object.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.object["metadata"]["labels"][key].as_str()
    }

    /// A label of the object as it is.
    pub fn old_label(&self, key: &str) -> Option<&str> {
        self.old_object["metadata"]["labels"][key].as_str()
    }

    /// An annotation of the object.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.object["metadata"]["annotations"][key].as_str()
    }

    /// An annotation of the object as it is.
    pub fn old_annotation(&self, key: &str) -> Option<&str> {
        self.old_object["metadata"]["annotations"][key].as_str()
    }
}

fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    let all = object["metadata"]["finalizers"].as_array().into_iter().flatten();
    all.filter_map(Value::as_str)
}
