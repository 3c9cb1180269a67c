//! A clone from its plan to its end.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use understudy_tests::shop::PASSWORD;
use understudy_tests::testbed::{User, eventually};

use crate::run::{SOON, developer, stage, understudy};

/// Kinds whose objects a clone applies, with their resource versions: what a second run must not touch.
async fn versions(namespace: &str) -> BTreeMap<String, String> {
    let client = stage().await.bed().client(User::Admin).await.unwrap();
    let kinds = [
        ("", "ConfigMap"),
        ("", "Secret"),
        ("", "Service"),
        ("", "ServiceAccount"),
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("batch", "CronJob"),
        ("networking.k8s.io", "Ingress"),
    ];
    let mut found = BTreeMap::new();
    for (group, kind) in kinds {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        for object in api.list(&ListParams::default()).await.unwrap() {
            // Status moves on by itself; the generation is the spec's. Where there is none, the version is.
            let metadata = object.metadata;
            let version = metadata
                .generation
                .map_or(metadata.resource_version.unwrap_or_default(), |number| {
                    number.to_string()
                });
            found.insert(format!("{kind}/{}", metadata.name.unwrap_or_default()), version);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_gives_every_object_its_verdict_and_writes_nothing() {
    let ran = developer(&[
        "clone",
        "shop",
        "--pr",
        "90",
        "--image",
        "web=registry.example.com/shop/web:pr-90",
        "--dry-run",
    ])
    .await
    .done();
    for (object, verdict) in [
        ("Deployment/web", "rewrite"),
        ("Deployment/api", "rewrite"),
        ("ConfigMap/worker-config", "rewrite"),
        ("Ingress/web", "rewrite"),
        ("CronJob/nightly-mail", "rewrite"),
        ("Job/migrate", "skip"),
        ("ConfigMap/kube-root-ca.crt", "skip"),
        ("ServiceAccount/default", "skip"),
    ] {
        let (kind, name) = object.split_once('/').unwrap();
        let line = ran
            .stdout
            .lines()
            .find(|line| line.contains(name) && line.contains(kind));
        assert!(
            line.is_some_and(|line| line.contains(verdict)),
            "{object} is not {verdict}: {line:?}\n{}",
            ran.stdout
        );
    }
    let json = developer(&["clone", "shop", "--pr", "90", "--dry-run", "-o", "json"])
        .await
        .done()
        .json();
    assert!(json.is_object() || json.is_array());
    let yaml = developer(&["clone", "shop", "--pr", "90", "--dry-run", "-o", "yaml"])
        .await
        .done();
    assert!(
        !yaml.stdout.contains(PASSWORD) && !yaml.stdout.contains("argocd.argoproj.io"),
        "{}",
        yaml.stdout
    );
    let namespaces: Api<Namespace> = Api::all(stage().await.bed().client(User::Admin).await.unwrap());
    assert!(namespaces.get_opt("shop-pr-90").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_lives_is_looked_after_and_ends() {
    let image = "web=registry.example.com/shop/web:pr-91";
    let first = developer(&[
        "clone", "shop", "--pr", "91", "--image", image, "--ttl", "30m", "--wait",
    ])
    .await
    .done();
    assert!(
        first.stdout.contains("https://shop-pr-91.preview.example.com"),
        "{first:?}"
    );

    let before = versions("shop-pr-91").await;
    let second = developer(&[
        "clone", "shop", "--pr", "91", "--image", image, "--ttl", "30m", "--wait",
    ])
    .await
    .done();
    assert!(
        second.stderr.contains("0 created, 0 changed"),
        "{}",
        second.stderr
    );
    assert_eq!(
        versions("shop-pr-91").await,
        before,
        "a second run touched something"
    );

    let bed = stage().await.bed();
    let secrets: Api<Secret> = Api::namespaced(bed.client(User::Admin).await.unwrap(), "shop-pr-91");
    assert!(
        secrets.get_opt("shop-db").await.unwrap().is_none(),
        "a Secret of the golden was copied"
    );
    assert!(
        secrets.get_opt("shop-api").await.unwrap().is_some(),
        "the Secret that the policy lists was not"
    );

    let list = developer(&["list", "-o", "json"]).await.done().json();
    assert!(list.to_string().contains("\"shop-pr-91\""), "{list}");
    eventually(SOON, "the list says where it is reached", || async {
        let list = developer(&["list", "-o", "json"]).await.done().json();
        anyhow::ensure!(
            list.to_string()
                .contains("https://shop-pr-91.preview.example.com"),
            "{list}"
        );
        Ok(())
    })
    .await
    .unwrap();
    let described = developer(&["describe", "shop-pr-91"]).await.done();
    for part in ["developer", "default", "app", "shop"] {
        assert!(
            described.stdout.contains(part),
            "{part} is missing: {}",
            described.stdout
        );
    }

    let end = async || {
        let namespaces: Api<Namespace> = Api::all(bed.client(User::Admin).await.unwrap());
        let annotations = namespaces
            .get("shop-pr-91")
            .await
            .unwrap()
            .metadata
            .annotations
            .unwrap();
        annotations["understudy.dev/expires-at"]
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let was = end().await;
    developer(&["extend", "shop-pr-91", "--by", "20m"]).await.done();
    assert_eq!(end().await.as_second() - was.as_second(), 20 * 60);
    let refused = developer(&["extend", "shop-pr-91", "--by", "99h"]).await;
    assert!(refused.code != 0 && refused.stderr.contains("2h"), "{refused:?}");

    // Nobody else's business.
    let nosy = understudy(User::Developer2, &["destroy", "shop-pr-91", "--yes"]).await;
    assert_eq!(nosy.code, 4, "{nosy:?}");
    // F04
    let unasked = developer(&["destroy", "shop-pr-91"]).await;
    assert!(
        unasked.code != 0 && unasked.stderr.contains("--yes"),
        "{unasked:?}"
    );
    developer(&["destroy", "shop-pr-91", "--yes", "--wait"])
        .await
        .done();
    let namespaces: Api<Namespace> = Api::all(bed.client(User::Admin).await.unwrap());
    assert!(namespaces.get_opt("shop-pr-91").await.unwrap().is_none());
    eventually(SOON, "the branch is gone", || async {
        let server = bed.previews().connect("postgres").await?;
        let query = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'preview\\_shop\\_pr\\_91\\_%'";
        let left: i64 = server.query_one(query, &[]).await?.get(0);
        anyhow::ensure!(left == 0, "{left} roles are left");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cloned_leads_nowhere_into_the_golden() {
    let ran = developer(&["clone", "shop", "--pr", "92", "--dry-run", "-o", "yaml"])
        .await
        .done();
    for trace in [
        "shop.svc",
        "redis.shop:",
        "shop.example.com",
        "argocd",
        "meta.helm.sh",
        "arn:aws",
        PASSWORD,
        "letsencrypt",
    ] {
        // The lineage may name the golden; nothing else may lead there.
        assert!(!ran.stdout.contains(trace), "{trace} is left:\n{}", ran.stdout);
    }
    assert!(ran.stdout.contains("understudy-db-app"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_for_programs_is_json_alone() {
    // F02
    let ran = developer(&["list", "-o", "json"]).await.done();
    let _: Value = ran.json();
    let ran = developer(&["clone", "shop", "--pr", "93", "--dry-run", "-o", "json"])
        .await
        .done();
    let _: Value = ran.json();
}
