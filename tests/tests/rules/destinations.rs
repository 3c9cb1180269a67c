//! Where a preview may not lead, however the way there is spelt or hidden.

use serde_json::json;
use understudy::keys;
use understudy_tests::previews::{
    SOON, assert_refused, create, grant_everything, make, objects, own_policy, pod, preview, preview_under,
    ready_preview, sealed, unique, vendors_kind,
};
use understudy_tests::testbed::{User, eventually};

use crate::guarded;

const OBJECTS: &str = "objects.understudy.dev";

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_of_the_golden_is_found_through_the_service_that_hides_it() {
    let (preview, elsewhere) = (ready_preview("alias").await, unique("elsewhere"));
    make(User::Admin, json!({ "metadata": { "name": elsewhere } }))
        .await
        .unwrap();
    let alias = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "far" },
        "spec": { "type": "ExternalName", "externalName": "db.shop.svc.cluster.local" } });
    create(User::Admin, &elsewhere, "services", alias).await.unwrap();
    let env = json!([{ "name": "A", "value": format!("postgres://u:p@far.{elsewhere}.svc:5432/shop") }]);
    let refused = eventually(SOON, "admission knows the alias", || async {
        match create(User::Developer, &preview, "pods", pod(&unique("x"), env.clone())).await {
            Err(error) => Ok(error.to_string()),
            Ok(_) => anyhow::bail!("let in"),
        }
    })
    .await
    .unwrap();
    assert!(
        refused.contains("an alias of db.shop.svc.cluster.local"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_golden_service_is_as_good_as_its_name() {
    let preview = ready_preview("address").await;
    let service = objects(User::Admin, "shop", "v1", "Service", "services").await;
    let found = service.list(&Default::default()).await.unwrap().items;
    let address = found
        .iter()
        .find_map(|service| {
            service.data["spec"]["clusterIP"]
                .as_str()
                .filter(|ip| *ip != "None")
        })
        .expect("the golden has a Service with an address");
    let env = json!([{ "name": "A", "value": format!("http://{address}:80/") }]);
    let refused = create(User::Developer, &preview, "pods", pod("x", env)).await;
    let message = assert_refused(refused, OBJECTS, &["protected-endpoint"]);
    assert!(message.contains("the address of Service"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_file_is_read_before_the_pod_is() {
    let preview = ready_preview("file").await;
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "app" },
        "data": { "app.yaml": "database:\n  url: postgres://u:hunter2hunter2@db.shop:5432/ledger\n" } });
    create(User::Developer, &preview, "configmaps", map)
        .await
        .unwrap();
    let mut reader = pod("x", json!([]));
    reader["spec"]["volumes"] = json!([{ "name": "v", "configMap": { "name": "app" } }]);
    let message = assert_refused(
        create(User::Developer, &preview, "pods", reader).await,
        OBJECTS,
        &["protected-endpoint"],
    );
    assert!(
        message.contains("file app.yaml of ConfigMap app: host db.shop"),
        "{message}"
    );
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_laxer_policy_opens_nothing_that_another_protects() {
    // C25
    let host = format!("{}.prod.example.com", unique("db"));
    own_policy("strict", |spec| spec["protected"] = json!({ "hosts": [host] })).await;
    let lax = own_policy("lax", |spec| spec["databases"] = json!([])).await;
    let namespace = preview_under(&lax, "lax").await;
    guarded(&namespace).await;
    for value in [
        format!("postgres://u:p@{host}/x"),
        "postgres://u:p@db.shop/shop".to_owned(),
    ] {
        let env = json!([{ "name": "A", "value": value }]);
        let refused = create(User::Developer, &namespace, "pods", pod(&unique("x"), env)).await;
        assert_refused(refused, OBJECTS, &["protected-endpoint"]);
    }
    let mut none = preview(&unique("none"), json!({ keys::DATABASES: "none" }));
    none["metadata"]["labels"][keys::POLICY] = json!("default");
    make(User::Developer, none.clone()).await.unwrap();
    let name = none["metadata"]["name"].as_str().unwrap();
    guarded(name).await;
    let env = json!([{ "name": "A", "value": "postgres://u:p@db.shop/shop" }]);
    assert_refused(
        create(User::Developer, name, "pods", pod("x", env)).await,
        OBJECTS,
        &["protected-endpoint"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_leads_to_the_previews_own_backends_whoever_grants_the_reference() {
    vendors_kind("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes").await;
    let policy = own_policy("routes", |spec| {
        spec["kinds"] = json!(["gateway.networking.k8s.io/HTTPRoute"])
    })
    .await;
    let namespace = preview_under(&policy, "routes").await;
    sealed(&namespace).await;
    grant_everything(&namespace).await;
    let own = format!("{namespace}.preview.example.com");
    let route = |rule| {
        json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": { "name": unique("web") },
            "spec": { "parentRefs": [{ "name": "shared", "namespace": "shop" }], "hostnames": [own], "rules": [rule] } })
    };
    let golden = json!({ "name": "api", "namespace": "shop", "port": 80 });
    let mirror = json!({ "type": "RequestMirror", "requestMirror": { "backendRef": golden } });
    for rule in [
        json!({ "backendRefs": [golden] }),
        json!({ "backendRefs": [{ "name": "web", "port": 80 }, golden] }),
        json!({ "backendRefs": [{ "name": "web", "port": 80 }], "filters": [mirror] }),
    ] {
        let refused = create(User::Developer, &namespace, "httproutes", route(rule)).await;
        let message = assert_refused(refused, OBJECTS, &["protected-endpoint"]);
        assert!(
            message.contains("api is in the protected namespace shop"),
            "{message}"
        );
    }
    let harmless = route(json!({ "backendRefs": [{ "name": "api", "port": 80 }] }));
    create(User::Developer, &namespace, "httproutes", harmless)
        .await
        .unwrap();
}
