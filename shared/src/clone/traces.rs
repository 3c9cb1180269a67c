//! What is left of a golden in a preview: references to it, and marks by which what delivers the golden knows its own.
//!
//! By the laws that clones are made by: what planning would rewrite is a trace where it stands.

use super::golden::{database_behind, decoded};
use super::hosts::TextHosts;
use super::references::{Found, References};
use super::snapshot::{Snapshot, group_of, kind_of, name_of};
use crate::policy::PreviewPolicySpec;
use kube::core::DynamicObject;
use std::collections::{BTreeMap, BTreeSet};

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

/// What a text in a preview has to do with the goldens; never what stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Paths of what leads to a golden.
    pub references: Vec<String>,
    /// Paths of what belongs to a host of a golden without being one, with that host.
    pub similar: Vec<(String, String)>,
    /// Paths of what leads to a Service of a golden that the policy shares.
    pub shared: Vec<String>,
}

impl Traces {
    /// Those of `goldens` in a preview under `policy`.
    pub fn new<'s>(
        goldens: impl IntoIterator<Item = &'s Snapshot>,
        policy: Option<&PreviewPolicySpec>,
    ) -> Self {
        let mut traces = Traces::default();
        let domain = policy.map_or("", |policy| policy.hosts.domain.as_str());
        for golden in goldens {
            let services = golden.of("Service").map(|service| name_of(service).to_owned());
            let shared = policy.map(|policy| shared(golden, policy)).unwrap_or_default();
            let references =
                References::new(golden.name(), "", services, TextHosts::gone(golden, domain)).sharing(shared);
            traces.references.push(references);
            for object in &golden.objects {
                traces.marks.entry(id(object)).or_default().extend(marks(object));
            }
        }
        traces
    }

    /// What in `object` leads to a golden, may lead to one, or is shared.
    pub fn left(&self, object: &DynamicObject) -> Left {
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
        let similar = found
            .outside
            .into_iter()
            .map(|outside| (outside.path, outside.host));
        let mut left = Left {
            references: found.rewritten,
            similar: similar.collect(),
            shared: found.shared,
        };
        left.references.dedup();
        left.similar.dedup();
        left.shared.dedup();
        left
    }

    /// Whether `object` carries a mark by which something that delivers objects may know its own.
    pub fn is_marked(object: &DynamicObject) -> bool {
        !marks(object).is_empty()
    }

    /// The keys by which what delivers a golden may take `object` for its own: the golden's object of the same kind and
    /// name carries them with the same value.
    pub fn marks(&self, object: &DynamicObject) -> Vec<&'static str> {
        let goldens = self.marks.get(&id(object)).map(Vec::as_slice).unwrap_or_default();
        let shared = marks(object).into_iter().filter(|mark| goldens.contains(mark));
        shared.map(|(key, _)| key).collect()
    }
}

/// The Services of `golden` that `policy` shares. A database is never shared.
fn shared(golden: &Snapshot, policy: &PreviewPolicySpec) -> BTreeSet<String> {
    let services = golden.of("Service").filter(|service| {
        policy.sharing.has(golden.name(), name_of(service))
            && database_behind(&policy.databases, golden.name(), service).is_none()
    });
    services.map(|service| name_of(service).to_owned()).collect()
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
        Traces::new([&golden()], None)
    }

    fn golden() -> Snapshot {
        let mark = json!({ "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web" });
        Snapshot {
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
        }
    }

    fn map(text: &str) -> DynamicObject {
        object(
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m" }, "data": { "URL": text } }),
        )
    }

    #[test]
    fn what_leads_to_the_golden_is_found_wherever_it_stands() {
        for text in [
            "http://web.shop/",
            "https://shop.example.com/x",
            "web.shop.svc.cluster.local",
        ] {
            assert_eq!(traces().left(&map(text)).references, ["data.URL"], "{text}");
        }
        assert_eq!(traces().left(&map("http://web.shop-pr-7/ shop")), Left::default());
        // d2ViLnNob3A= is web.shop
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "data": { "url": "d2ViLnNob3A=" } });
        assert_eq!(traces().left(&object(secret)).references, ["data.url"]);
    }

    #[test]
    fn what_belongs_to_a_host_of_the_golden_is_told_from_the_host() {
        let similar = vec![("data.URL".to_owned(), "shop.example.com".to_owned())];
        for text in [
            ".shop.example.com",
            "https://WWW.shop.example.com/",
            "a@b.c.shop.example.com",
        ] {
            let left = traces().left(&map(text));
            assert_eq!((left.references.len(), &left.similar), (0, &similar), "{text}");
        }
        let policy: PreviewPolicySpec =
            serde_json::from_value(json!({ "hosts": { "domain": "preview.shop.example.com" } })).unwrap();
        let traces = Traces::new([&golden()], Some(&policy));
        for text in [
            ".example.com",
            "myshop.example.com",
            "https://shop-pr-7.preview.shop.example.com/",
        ] {
            assert_eq!(traces.left(&map(text)), Left::default(), "{text}");
        }
    }

    #[test]
    fn what_the_policy_shares_is_no_trace_and_is_named() {
        let policy = |database: &str| -> PreviewPolicySpec {
            serde_json::from_value(json!({
                "sharing": { "services": [{ "service": "shop/web", "podLabels": { "app": "web" }, "ports": [80] }] },
                "databases": [{ "name": "app", "match": { "hosts": [database] }, "branch": { "postgres": {
                    "adminSecret": { "namespace": "x", "name": "y" }, "template": "t", "reach": { "cidrs": ["10.9.0.0/24"], "port": 5432 } } } }]
            }))
            .unwrap()
        };
        let alias = |host: &str| {
            object(
                json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" },
                "spec": { "type": "ExternalName", "externalName": host } }),
            )
        };
        let left = |database: &str, host: &str| {
            let left = Traces::new([&golden()], Some(&policy(database))).left(&alias(host));
            (left.references.len(), left.shared)
        };
        let whole = "web.shop.svc.cluster.local";
        assert_eq!(
            left("db.shop.svc", whole),
            (0, vec!["spec.externalName".to_owned()])
        );
        // Nothing else of the golden is: no Pod behind it, no other Service, no database.
        for (database, host) in [
            ("db.shop.svc", "web-0.web.shop.svc"),
            ("db.shop.svc", "api.shop.svc.cluster.local"),
            ("web.shop.svc", whole),
        ] {
            assert_eq!(left(database, host), (1, Vec::new()), "{host}");
        }
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
        let released = Traces::new([&golden], None);
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
