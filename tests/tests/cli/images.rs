//! Images against a registry on this machine: named by their digests, and waited for before anything is written.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use serde_json::json;
use tokio::net::TcpListener;
use understudy_tests::shop;
use understudy_tests::testbed::User;

use crate::run::{Ran, command, stage};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// `ci:hunter2`.
const AUTH: &str = "Y2k6aHVudGVyMg==";

/// A registry to which the image is pushed when it has been asked `pushed` times; it wants to know who asks.
async fn registry(pushed: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let answer = move |request: &Request<Incoming>| {
        let known = request
            .headers()
            .get("authorization")
            .is_some_and(|shown| shown == &format!("Basic {AUTH}"));
        let response = Response::builder();
        match request.uri().path() {
            _ if !known => response
                .status(401)
                .header("www-authenticate", "Basic realm=\"registry\""),
            "/v2/shop/web/manifests/pr" if asked.fetch_add(1, Ordering::SeqCst) >= pushed => {
                response.header("docker-content-digest", DIGEST)
            }
            _ => response.status(404),
        }
        .body(Empty::<Bytes>::new())
        .unwrap()
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let response = answer(&request);
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// A golden of one workload, pulled by a Secret that developers may read, or may not.
async fn golden(name: &str, registry: SocketAddr, readable: bool) {
    let bed = stage().await.bed();
    let rbac = "rbac.authorization.k8s.io";
    let binding = |kind: &str, role: &str| {
        json!({ "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": { "name": role },
            "roleRef": { "apiGroup": rbac, "kind": kind, "name": role },
            "subjects": [{ "apiGroup": rbac, "kind": "Group", "name": "developers" }] })
    };
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "labels": { "understudy.dev/golden": "true" } } });
    shop::apply::<Namespace>(bed, None, name, &namespace)
        .await
        .unwrap();
    shop::apply::<RoleBinding>(bed, Some(name), "view", &binding("ClusterRole", "view"))
        .await
        .unwrap();
    let role = json!({ "apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": { "name": "pull" },
        "rules": [{ "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["pull"], "verbs": ["get"] }] });
    if readable {
        shop::apply::<Role>(bed, Some(name), "pull", &role).await.unwrap();
        shop::apply::<RoleBinding>(bed, Some(name), "pull", &binding("Role", "pull"))
            .await
            .unwrap();
    }
    let auths = format!(r#"{{"auths": {{"{registry}": {{"auth": "{AUTH}"}}}}}}"#);
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "pull" },
        "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": auths } });
    shop::apply::<Secret>(bed, Some(name), "pull", &secret)
        .await
        .unwrap();
    let labels = json!({ "app": "web" });
    let container = json!({ "name": "web", "image": "registry.example.com/web:1" });
    let pod = json!({ "containers": [container], "imagePullSecrets": [{ "name": "pull" }] });
    let web = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "replicas": 0, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": pod } } });
    shop::apply::<Deployment>(bed, Some(name), "web", &web)
        .await
        .unwrap();
}

/// `clone shop`, as somebody who has logged in to the registry.
async fn clone(registry: SocketAddr, pr: &str, arguments: &[&str]) -> Ran {
    of_the_shop("clone", registry, pr, arguments).await
}

async fn of_the_shop(verb: &str, registry: SocketAddr, pr: &str, arguments: &[&str]) -> Ran {
    let login = tempfile::tempdir().unwrap();
    let text = format!(r#"{{"auths": {{"{registry}": {{"auth": "{AUTH}"}}}}}}"#);
    std::fs::write(login.path().join("config.json"), text).unwrap();
    let image = format!("web={registry}/shop/web:pr");
    let first = [verb, "shop", "--pr", pr, "--image", &image];
    let mut command = command(User::Developer, &[&first, arguments].concat()).await;
    command.env("DOCKER_CONFIG", login.path());
    let ran: Ran = command.output().await.unwrap().into();
    // F06
    assert!(
        !ran.stderr.contains("hunter2") && !ran.stderr.contains(AUTH) && !ran.stdout.contains(AUTH),
        "{ran:?}"
    );
    ran
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_named_by_its_digest_once_it_is_pushed() {
    let registry = registry(1).await;
    let ran = clone(registry, "191", &["--resolve", "--wait-image", "1m"])
        .await
        .done();
    assert!(ran.stderr.contains("it is not pushed yet"), "{}", ran.stderr);
    let deployments: Api<Deployment> = Api::namespaced(
        stage().await.bed().client(User::Admin).await.unwrap(),
        "shop-pr-191",
    );
    let web = deployments.get("web").await.unwrap();
    let containers = web.spec.unwrap().template.spec.unwrap().containers;
    let wanted = format!("{registry}/shop/web:pr@{DIGEST}");
    assert!(
        containers.iter().any(|c| c.image.as_deref() == Some(&wanted)),
        "{containers:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_holds_digests_where_the_file_says_resolve() {
    let registry = registry(0).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("clone.yaml");
    let text = "apiVersion: understudy.dev/v1alpha1\nkind: CloneSpec\ngoldens: [shop]\nresolve: true\nwaitImage: 1m\n";
    std::fs::write(&file, text).unwrap();
    let spec = file.display().to_string();
    let rendered = of_the_shop("render", registry, "194", &["--spec", &spec])
        .await
        .done();
    let wanted = format!("{registry}/shop/web:pr@{DIGEST}");
    assert!(rendered.stdout.contains(&wanted), "{}", rendered.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_for_an_image_that_is_not_pushed() {
    let registry = registry(usize::MAX).await;
    let late = clone(registry, "192", &["--wait-image", "1s"]).await;
    assert_eq!(late.code, 9, "{late:?}");
    assert!(
        late.stderr.contains("/shop/web:pr: it is not pushed yet") && late.stderr.contains("hint: "),
        "{}",
        late.stderr
    );
    let missing = clone(registry, "192", &["--resolve"]).await;
    assert_eq!(missing.code, 6, "{missing:?}");
    assert!(missing.stderr.contains("--wait-image"), "{}", missing.stderr);
    let namespaces: Api<Namespace> = Api::all(stage().await.bed().client(User::Admin).await.unwrap());
    assert!(namespaces.get_opt("shop-pr-192").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_asked_with_the_secret_the_golden_is_pulled_by_if_the_caller_may_read_it() {
    // F06
    let registry = registry(0).await;
    let image = format!("web={registry}/shop/web:pr");
    let resolve = |golden: &'static str| {
        let image = image.clone();
        async move {
            let arguments = [
                "clone",
                golden,
                "--pr",
                "1",
                "--image",
                &image,
                "--resolve",
                "--dry-run",
                "-o",
                "yaml",
            ];
            let mut command = command(User::Developer, &arguments).await;
            let ran: Ran = command
                .env("DOCKER_CONFIG", "/nonexistent")
                .output()
                .await
                .unwrap()
                .into();
            assert!(
                !format!("{ran:?}").contains("hunter2") && !format!("{ran:?}").contains(AUTH),
                "{ran:?}"
            );
            ran
        }
    };
    golden("pulled", registry, true).await;
    let ran = resolve("pulled").await;
    assert!(
        ran.stdout.contains(&format!("{registry}/shop/web:pr@{DIGEST}")),
        "{ran:?}"
    );
    golden("pulled-in-secret", registry, false).await;
    let ran = resolve("pulled-in-secret").await;
    assert_eq!(ran.code, 4, "{ran:?}");
    let why = "Secret pull of pulled-in-secret was not used: you may not read it";
    assert!(
        ran.stderr.contains(why) && ran.stderr.contains("docker login"),
        "{}",
        ran.stderr
    );
}
