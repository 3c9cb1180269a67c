//! Secrets: which ones a clone uses, and what becomes of each.
//!
//! Never copied by value unless the policy lists them. A key that means a policy database is not used any more: the
//! variable is planned onto the branch. Whatever else is in use and nobody makes again is refused by name.

use super::snapshot::name_of;
use super::verdict::{Item, Verdict};
use crate::connection;
use crate::keys;
use crate::policy::PreviewPolicySpec;
use kube::core::{DynamicObject, TypeMeta};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One place where the clone refers to a Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    /// The Secret.
    pub(super) secret: String,
    /// Its key; `None` for the whole of it.
    pub(super) key: Option<String>,
    /// Who refers to it: `Deployment/api, variable API_KEY`.
    pub(super) by: String,
}

/// What is known about the uses of the golden's Secrets after workloads were rewritten.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    /// Still needed.
    pub(super) uses: BTreeSet<Use>,
    /// No longer needed, since a variable means a branch: Secret → keys and their databases.
    pub(super) branched: BTreeMap<String, BTreeSet<(String, String)>>,
}

impl Usage {
    /// Records that `by` refers to `secret`; branch Secrets are made by the controller and do not count.
    pub(super) fn uses(&mut self, secret: &str, key: Option<&str>, by: String) {
        if !secret.is_empty() && !secret.starts_with(keys::BRANCH_SECRET_PREFIX) {
            self.uses.insert(Use {
                secret: secret.to_owned(),
                key: key.map(str::to_owned),
                by,
            });
        }
    }

    /// Every Secret that is or was referred to.
    pub(super) fn secrets(&self) -> BTreeSet<&str> {
        self.uses
            .iter()
            .map(|used| used.secret.as_str())
            .chain(self.branched.keys().map(String::as_str))
            .collect()
    }

    /// Whether the clone uses Secret `name` at all.
    pub(super) fn is_used(&self, name: &str) -> bool {
        self.of(name).next().is_some()
    }

    /// Whether the clone uses `key` of Secret `name`, by itself or with all others.
    pub(super) fn needs(&self, name: &str, key: &str) -> bool {
        self.of(name)
            .any(|used| used.key.as_deref().is_none_or(|used| used == key))
    }

    fn of<'u>(&'u self, secret: &'u str) -> impl Iterator<Item = &'u Use> + 'u {
        self.uses.iter().filter(move |used| used.secret == secret)
    }

    /// What becomes of Secret `name`, which the policy does not list for copying.
    pub(super) fn judge(
        &self,
        object: &DynamicObject,
        policy_name: &str,
        policy: &PreviewPolicySpec,
    ) -> Item {
        let name = name_of(object);
        let uses: Vec<&Use> = self.of(name).collect();
        if uses.is_empty() {
            return match self.branched.get(name) {
                Some(keys) => {
                    let keys: Vec<_> = keys
                        .iter()
                        .map(|(key, database)| format!("{key} is now {}", keys::branch_secret(database)))
                        .collect();
                    Item::unmade(
                        object,
                        Verdict::ReCreate,
                        format!("the branch's own connection: {}", keys.join(", ")),
                    )
                }
                None => Item::unmade(object, Verdict::Skip, "nothing of the clone uses it"),
            };
        }
        let by: Vec<_> = uses.iter().take(4).map(|used| used.describe()).collect();
        let more = if uses.len() > 4 {
            format!(" and {} more", uses.len() - 4)
        } else {
            String::new()
        };
        let whole = uses.iter().find_map(|used| used.key.as_deref()).unwrap_or("KEY");
        let mark = if policy.databases.is_empty() {
            String::new()
        } else {
            format!(
                ", or, where it holds a connection to one of its databases, add {name}/{whole} to that database's match.secrets"
            )
        };
        Item::unmade(
            object,
            Verdict::Refuse,
            format!(
                "Secrets are not copied, and {}{more} would miss it",
                by.join("; ")
            ),
        )
        .remedy(format!(
            "add {name} to secrets.copy of PreviewPolicy {policy_name}, make it an ExternalSecret, or give it with --secret {name}=FILE{mark}"
        ))
    }
}

impl Use {
    fn describe(&self) -> String {
        match &self.key {
            Some(key) => format!("{} (key {key})", self.by),
            None => self.by.clone(),
        }
    }
}

/// The Secret that an ExternalSecret makes.
pub(super) fn target(object: &DynamicObject) -> &str {
    let named = object.data.pointer("/spec/target/name").and_then(Value::as_str);
    named.unwrap_or_else(|| name_of(object))
}

/// A stand-in for a Secret that is referred to but could not be read.
pub(super) fn unread(name: &str) -> DynamicObject {
    let types = Some(TypeMeta {
        api_version: "v1".to_owned(),
        kind: "Secret".to_owned(),
    });
    let mut object = DynamicObject {
        types,
        metadata: Default::default(),
        data: Value::Null,
    };
    object.metadata.name = Some(name.to_owned());
    object
}

/// Why the Secret belongs to the cluster rather than to the environment; such Secrets are made again by whoever made them.
pub(super) fn made_elsewhere(object: &DynamicObject) -> Option<&'static str> {
    let kind = object
        .data
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let annotation = |key: &str| {
        object
            .metadata
            .annotations
            .as_ref()
            .is_some_and(|all| all.contains_key(key))
    };
    match kind {
        "kubernetes.io/service-account-token" => {
            Some("a ServiceAccount's token is that ServiceAccount's alone")
        }
        "helm.sh/release.v1" => Some("it records a Helm release of the golden"),
        "bootstrap.kubernetes.io/token" => Some("it lets nodes join the cluster"),
        _ if annotation("kubernetes.io/service-account.name") => Some("it belongs to one ServiceAccount"),
        _ if name_of(object).starts_with(keys::BRANCH_SECRET_PREFIX) => {
            Some("the name is reserved for branches")
        }
        _ => None,
    }
}

/// Whether every key of `data` means a policy database, by its value or by its mark.
pub(super) fn all_branched(
    policy: &PreviewPolicySpec,
    secret: &str,
    data: &crate::environment::Data,
) -> Option<BTreeSet<(String, String)>> {
    let database = |(key, value): (&String, &String)| {
        let found = super::golden::meant(&policy.databases, value)
            .or_else(|| connection::marked(&policy.databases, secret, key))?;
        Some((key.clone(), found.name.clone()))
    };
    (!data.is_empty())
        .then(|| data.iter().map(database).collect())
        .flatten()
}
