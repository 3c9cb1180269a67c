//! The RoleBindings of a preview: people, admission's reading right, the controller's writing right.

use crate::keys;
use crate::policy::Access;
use crate::preview::Preview;
use crate::rights::service_account;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const RBAC: &str = "rbac.authorization.k8s.io";

/// Name and body of each.
pub(super) fn bindings(preview: &Preview, access: &Access, own: &str) -> Vec<(String, Value)> {
    let account = |name: &str| json!({ "kind": "ServiceAccount", "name": name, "namespace": own });
    let mut all = vec![
        (
            "understudy-admission".to_owned(),
            binding(keys::ROLE_ADMISSION, vec![account(keys::ADMISSION_ACCOUNT)]),
        ),
        (
            "understudy-controller".to_owned(),
            binding(keys::ROLE_CONTROLLER, vec![account(keys::CONTROLLER_ACCOUNT)]),
        ),
    ];
    let people = with_access(preview, access);
    if !people.is_empty() {
        all.push(("understudy-access".to_owned(), binding(keys::ROLE_USER, people)));
    }
    all
}

/// The subjects with access: the creator, the owner where the policy says so, and whom the policy names; each once. A service
/// account is one, however its user is called.
pub(crate) fn with_access(preview: &Preview, access: &Access) -> Vec<Value> {
    let owner = preview.owner.iter().filter(|_| access.owner);
    let users: BTreeSet<&String> = preview.creator.iter().chain(owner).collect();
    let groups: BTreeSet<&String> = access.groups.iter().collect();
    let accounts: BTreeSet<&String> = access.service_accounts.iter().collect();
    let named = |kind: &str, name: &str| json!({ "apiGroup": RBAC, "kind": kind, "name": name });
    let account = |namespace: &str, name: &str| json!({ "kind": "ServiceAccount", "name": name, "namespace": namespace });
    let mut subjects: Vec<Value> = users
        .into_iter()
        .map(|user| match service_account(user) {
            Some((namespace, name)) => account(namespace, name),
            None => named("User", user),
        })
        .collect();
    subjects.extend(groups.into_iter().map(|group| named("Group", group)));
    let named_accounts = accounts.into_iter().filter_map(|named| named.split_once('/'));
    subjects.extend(named_accounts.map(|(namespace, name)| account(namespace, name)));
    subjects
}

fn binding(role: &str, subjects: Vec<Value>) -> Value {
    json!({ "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": role }, "subjects": subjects })
}
