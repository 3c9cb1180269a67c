//! Secrets of operators.

use super::*;

fn reads(secret: &str) -> Value {
    workload(
        "Deployment",
        "reader",
        json!({ "template": { "metadata": { "labels": { "app": "reader" } }, "spec": { "containers": [{ "name": "x",
        "image": "registry.example.com/x:1", "env": [{ "name": "KEY", "valueFrom": { "secretKeyRef": { "name": secret, "key": "key" } } }] }] } } }),
    )
}

fn secret(name: &str, metadata: Value) -> Value {
    let mut object = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "data": { "key": "aHVudGVyMmh1bnRlcjI=" } });
    for (key, value) in metadata.as_object().unwrap() {
        object["metadata"][key] = value.clone();
    }
    object
}

#[test]
fn every_form_of_an_external_secret_is_copied_with_its_keys_mapped() {
    let external = json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": { "name": "made", "annotations": { "force-sync": "1" } }, "spec": {
        "refreshInterval": "1h", "secretStoreRef": { "name": "vault", "kind": "ClusterSecretStore" },
        "target": { "name": "made", "creationPolicy": "Owner", "deletionPolicy": "Retain", "template": { "data": { "url": "http://api.shop.svc/{{ .key }}" } } },
        "data": [{ "secretKey": "key", "remoteRef": { "key": "shop/api", "property": "key", "version": "v2" } }],
        "dataFrom": [{ "extract": { "key": "shop/all" } }, { "find": { "path": "shop/some", "name": { "regexp": ".*" } } }] } });
    let policy = json!({ "kinds": ["external-secrets.io/ExternalSecret"], "secrets": { "stores": ["previews"], "keyPrefixes": ["preview/"], "keyMap": { "shop/": "preview/" } } });
    let plan = clone_of(
        [
            external,
            api_service(),
            reads("made"),
            secret(
                "made",
                json!({ "annotations": { "reconcile.external-secrets.io/data-hash": "x" } }),
            ),
        ],
        policy,
    );
    assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
    let spec = &made(&plan, "ExternalSecret", "made").data["spec"];
    assert_eq!(
        spec["secretStoreRef"],
        json!({ "name": "previews", "kind": "ClusterSecretStore" })
    );
    assert_eq!(
        spec["data"][0]["remoteRef"],
        json!({ "key": "preview/api", "property": "key", "version": "v2" })
    );
    assert_eq!(spec["dataFrom"][0]["extract"]["key"], "preview/all");
    assert_eq!(spec["dataFrom"][1]["find"]["path"], "preview/some");
    assert_eq!(
        spec["target"]["template"]["data"]["url"],
        "http://api.shop-pr-7.svc/{{ .key }}"
    );
    assert_eq!(item(&plan, "Secret", "made").verdict, Verdict::ReCreate);
}

#[test]
fn what_an_operator_put_into_the_golden_is_never_copied() {
    let owner = |version: &str, kind: &str| json!({ "ownerReferences": [{ "apiVersion": version, "kind": kind, "name": "x", "uid": "1", "controller": true }] });
    for (name, metadata) in [
        (
            "by-label",
            json!({ "labels": { "reconcile.external-secrets.io/created-by": "x" } }),
        ),
        ("by-sealed", owner("bitnami.com/v1alpha1", "SealedSecret")),
        (
            "by-cert-manager",
            json!({ "annotations": { "cert-manager.io/certificate-name": "shop" }, "labels": { "controller.cert-manager.io/fao": "true" } }),
        ),
    ] {
        let plan = clone_of([reads(name), secret(name, metadata)], json!({}));
        let refused = item(&plan, "Secret", name);
        assert_eq!(
            (refused.verdict, refused.made.is_none()),
            (Verdict::Refuse, true),
            "{name}"
        );
        for way_out in ["secrets.copy", "ExternalSecret", "--secret"] {
            assert!(refused.remedy.contains(way_out), "{name}: {}", refused.remedy);
        }
    }
}

#[test]
fn what_reads_and_writes_stores_for_the_golden_is_left_out() {
    let kinds = ["SecretStore", "PushSecret"];
    let objects = kinds.map(|kind| json!({ "apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": { "name": "x" }, "spec": {} }));
    let plan = clone_of(objects, json!({}));
    assert!(plan.items.iter().all(|item| item.verdict == Verdict::Skip));
    let cluster = json!({ "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": { "name": "fanned",
        "ownerReferences": [{ "apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "name": "all", "uid": "1", "controller": true }] }, "spec": {} });
    let plan = clone_of(
        [cluster],
        json!({ "kinds": ["external-secrets.io/ExternalSecret"] }),
    );
    assert_eq!(
        item(&plan, "ExternalSecret", "fanned").reason,
        "made by ClusterExternalSecret all"
    );
}
