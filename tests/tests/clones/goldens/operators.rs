//! The operators of the examples, as far as a clone can tell: what they are asked for, they make.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use understudy_tests::previews::{SOON, create, objects};
use understudy_tests::testbed::{User, eventually};

/// Who asks for something: `apiVersion`, kind, plural, name.
pub type Owner<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Makes `manifest` in `namespace` once `owner` is there, as its own.
pub async fn make(namespace: &str, owner: Owner<'_>, plural: &str, mut manifest: Value) {
    let (version, kind, plural_of_owner, name) = owner;
    let api = objects(User::Admin, namespace, version, kind, plural_of_owner).await;
    let what = format!("{kind} {name} is in {namespace}");
    let found = eventually(SOON, &what, || async { api.get(name).await })
        .await
        .unwrap();
    manifest["metadata"]["ownerReferences"] = json!([{
        "apiVersion": version, "kind": kind, "name": name, "uid": found.metadata.uid, "controller": true,
    }]);
    match create(User::Admin, namespace, plural, manifest).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        Err(error) => panic!("{kind} {name} of {namespace}: {error}"),
    }
}

/// Makes the Secret `name` as `owner` would.
pub async fn secret(namespace: &str, owner: Owner<'_>, name: &str, data: &[(&str, &str)]) {
    let data: BTreeMap<_, _> = data.iter().copied().collect();
    let manifest =
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data });
    make(namespace, owner, "secrets", manifest).await;
}
