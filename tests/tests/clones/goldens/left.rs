//! Whether anything of a golden is left in its clone.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::discovery::{Discovery, Scope, verbs};
use serde_json::Value;
use understudy::host;
use understudy_tests::shop::stage;
use understudy_tests::testbed::User;

/// What programs mark a golden with, and what only it may be.
const MARKS: [&str; 14] = [
    "argocd.argoproj.io",
    "toolkit.fluxcd.io",
    "meta.helm.sh",
    "helm.sh/chart",
    "\"Helm\"",
    "last-applied-configuration",
    "cert-manager.io",
    "eks.amazonaws.com",
    "sts.amazonaws.com",
    "iam.gke.io",
    "azure.workload.identity",
    "autoscaling.keda.sh",
    "workers.example.com/drain",
    // Every secret of the examples and of the operators played here holds this.
    "-golden-",
];

/// Asserts that no object of `clone` holds a name, host, identity, secret or mark of `golden`.
pub async fn assert_nothing(golden: &str, clone: &str) {
    let original = everything(golden).await;
    let uids: BTreeSet<String> = original
        .iter()
        .filter_map(|object| object.metadata.uid.clone())
        .collect();
    let hosts: BTreeSet<String> = original.iter().flat_map(hosts).collect();
    let objects = everything(clone).await;
    assert!(objects.len() > 10, "{clone} is empty");
    for mut object in objects {
        object.metadata.managed_fields = None;
        let types = object.types.clone().unwrap_or_default();
        let id = format!(
            "{}/{}",
            types.kind,
            object.metadata.name.as_deref().unwrap_or_default()
        );
        for text in texts(&object) {
            for mark in MARKS {
                assert!(!text.contains(mark), "{id} of {clone} holds {mark}: {text}");
            }
            for uid in &uids {
                assert!(
                    !text.contains(uid.as_str()),
                    "{id} of {clone} holds a uid of {golden}: {text}"
                );
            }
            for candidate in host::candidates(&text)
                .map(|part| part.text)
                .filter(|part| part.contains('.'))
            {
                let leads =
                    host::namespace(candidate).as_deref() == Some(golden) || hosts.contains(candidate);
                assert!(!leads, "{id} of {clone} leads to {candidate}: {text}");
            }
        }
    }
}

/// The object as text, and what its Secret's values say.
fn texts(object: &DynamicObject) -> Vec<String> {
    let mut texts = vec![serde_json::to_string(object).unwrap()];
    for value in object.data["data"]
        .as_object()
        .into_iter()
        .flat_map(|data| data.values())
    {
        let bytes = value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        texts.extend(bytes.and_then(|bytes| String::from_utf8(bytes).ok()));
    }
    texts
}

/// The hosts that a route asks for.
fn hosts(object: &DynamicObject) -> Vec<String> {
    let rules = object.data.pointer("/spec/rules").and_then(Value::as_array);
    let of_rules = rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule["host"].as_str());
    let names = object.data.pointer("/spec/hostnames").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    of_rules.chain(names).map(str::to_owned).collect()
}

/// Every object of `namespace` that somebody could have copied; Events only speak of them.
async fn everything(namespace: &str) -> Vec<DynamicObject> {
    let client = stage().await.bed().client(User::Admin).await.unwrap();
    let discovery = Discovery::new(client.clone()).run_aggregated().await.unwrap();
    let mut found = Vec::new();
    for (resource, capabilities) in discovery.groups().flat_map(|group| group.recommended_resources()) {
        let is_listed = capabilities.scope == Scope::Namespaced
            && capabilities.supports_operation(verbs::LIST)
            && capabilities.supports_operation(verbs::CREATE);
        if !is_listed || resource.kind == "Event" {
            continue;
        }
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        match api.list(&ListParams::default()).await {
            Ok(list) => found.extend(list.items.into_iter().map(|object| DynamicObject {
                types: Some(kube::core::TypeMeta {
                    api_version: resource.api_version.clone(),
                    kind: resource.kind.clone(),
                }),
                ..object
            })),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 405) => {}
            Err(error) => panic!("{}: {error}", resource.plural),
        }
    }
    found
}
