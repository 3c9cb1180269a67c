//! What is left of a golden in a preview: references to it, and marks by which what delivers the golden knows its own.
//!
//! By the laws that clones are made by: what planning would rewrite is a trace where it stands.

use super::golden::decoded;
use super::hosts::golden_hosts;
use super::references::{Found, References};
use super::snapshot::{Snapshot, group_of, kind_of, name_of};
use kube::core::DynamicObject;
use std::collections::BTreeMap;

/// Where Argo CD, Flux and Helm write whose an object is; what stands in one row says so together. Charts write
/// `app.kubernetes.io/instance` whoever applies them, and Argo CD may tell its own by it.
/// Sources: <https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>,
/// <https://fluxcd.io/flux/components/kustomize/kustomizations/#labels-and-annotations>.
const MARKS: [&[&str]; 7] = [
    &["app.kubernetes.io/instance"],
    &["argocd.argoproj.io/instance"],
    &["argocd.argoproj.io/tracking-id"],
    &["helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace"],
    &[
        "kustomize.toolkit.fluxcd.io/name",
        "kustomize.toolkit.fluxcd.io/namespace",
    ],
    &["meta.helm.sh/release-name", "meta.helm.sh/release-namespace"],
    &[
        "resourceset.fluxcd.controlplane.io/name",
        "resourceset.fluxcd.controlplane.io/namespace",
    ],
];

/// What the traces of some goldens look like.
#[derive(Debug, Default)]
pub struct Traces {
    references: Vec<References>,
    marks: BTreeMap<(String, String), Vec<Mark>>,
}

impl Traces {
    /// Those of `goldens`.
    pub fn new<'s>(goldens: impl IntoIterator<Item = &'s Snapshot>) -> Self {
        let mut traces = Traces::default();
        for golden in goldens {
            let services = golden.of("Service").map(|service| name_of(service).to_owned());
            let hosts = golden_hosts(golden).into_iter().map(|host| (host, String::new()));
            traces
                .references
                .push(References::new(golden.name(), "", services, hosts.collect()));
            for object in &golden.objects {
                traces.marks.entry(id(object)).or_default().extend(marks(object));
            }
        }
        traces
    }

    /// The paths in `object` that lead to a golden; never what stands there.
    pub fn references(&self, object: &DynamicObject) -> Vec<String> {
        let mut found = Found::default();
        for references in &self.references {
            if kind_of(object) == "Secret" && group_of(object).is_empty() {
                for (key, mut value) in decoded(&object.data["data"]) {
                    references.place(&mut value, &format!("data.{key}"), &mut found);
                }
            } else {
                let mut data = object.data.clone();
                if let Some(fields) = data.as_object_mut() {
                    fields.remove("status");
                }
                references.walk(&mut data, "", &mut found);
            }
            for (key, value) in object.metadata.annotations.iter().flatten() {
                references.place(
                    &mut value.clone(),
                    &format!("metadata.annotations[{key}]"),
                    &mut found,
                );
            }
        }
        found.rewritten.dedup();
        found.rewritten
    }

    /// The keys by which what delivers a golden may take `object` for its own: the golden's object of the same kind and
    /// name carries them with the same value.
    pub fn marks(&self, object: &DynamicObject) -> Vec<&'static str> {
        let goldens = self.marks.get(&id(object)).map(Vec::as_slice).unwrap_or_default();
        let shared = marks(object).into_iter().filter(|mark| goldens.contains(mark));
        shared.map(|(key, _)| key).collect()
    }
}

fn id(object: &DynamicObject) -> (String, String) {
    (kind_of(object).to_owned(), name_of(object).to_owned())
}

/// The first key of a row, and what stands under all of them.
type Mark = (&'static str, Vec<Option<String>>);

fn marks(object: &DynamicObject) -> Vec<Mark> {
    let maps = [&object.metadata.labels, &object.metadata.annotations];
    let value = |key: &&str| maps.iter().find_map(|map| map.as_ref()?.get(*key)).cloned();
    let row = |keys: &&'static [&'static str]| -> Mark { (keys[0], keys.iter().map(value).collect()) };
    let rows = MARKS.iter().map(row);
    rows.filter(|(_, values)| values.iter().any(Option::is_some))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    fn traces() -> Traces {
        let mark = json!({ "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web" });
        let golden = Snapshot {
            golden: serde_json::from_value(json!({ "name": "shop" })).unwrap(),
            objects: vec![
                object(json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" } })),
                object(
                    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "annotations": mark } }),
                ),
                object(
                    json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "web" },
                    "spec": { "rules": [{ "host": "shop.example.com" }] } }),
                ),
            ],
            ..Snapshot::default()
        };
        Traces::new([&golden])
    }

    #[test]
    fn what_leads_to_the_golden_is_found_wherever_it_stands() {
        let map = |text: &str| {
            object(
                json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m" }, "data": { "URL": text } }),
            )
        };
        for text in [
            "http://web.shop/",
            "https://shop.example.com/x",
            "web.shop.svc.cluster.local",
        ] {
            assert_eq!(traces().references(&map(text)), ["data.URL"], "{text}");
        }
        assert!(traces().references(&map("http://web.shop-pr-7/ shop")).is_empty());
        // d2ViLnNob3A= is web.shop
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "data": { "url": "d2ViLnNob3A=" } });
        assert_eq!(traces().references(&object(secret)), ["data.url"]);
    }

    #[test]
    fn only_the_goldens_own_mark_is_one() {
        let web = |id: &str| {
            let mark = json!({ "argocd.argoproj.io/tracking-id": id });
            object(
                json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "annotations": mark } }),
            )
        };
        let helm = |namespace: &str| {
            let marks =
                json!({ "meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": namespace });
            object(
                json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "annotations": marks } }),
            )
        };
        let golden = Snapshot {
            objects: vec![helm("shop")],
            ..Snapshot::default()
        };
        let released = Traces::new([&golden]);
        assert_eq!(released.marks(&helm("shop")), ["meta.helm.sh/release-name"]);
        assert!(released.marks(&helm("shop-pr-7")).is_empty());
        let copied = web("shop:apps/Deployment:shop/web");
        assert_eq!(traces().marks(&copied), ["argocd.argoproj.io/tracking-id"]);
        assert!(
            traces()
                .marks(&web("pr-7:apps/Deployment:shop-pr-7/web"))
                .is_empty()
        );
    }
}
