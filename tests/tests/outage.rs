//! Both processes gone: nobody else pays, nothing of a preview opens, everything still ends; and what happened meanwhile
//! is put right on return.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};
use understudy::keys;
use understudy_tests::shop;
use understudy_tests::testbed::{Launch, NAMESPACE, Role, Signal, TestBed, Understudy, User, eventually};

/// The longest that anything here takes on an idle machine, several times over.
const SOON: Duration = Duration::from_secs(90);
/// What the API server says when nobody answers for us; the rest of the sentence is the cause.
const NOBODY_ANSWERS: &str = "failed calling webhook \"objects.understudy.dev\"";

/// The processes belong to one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());
static STAGE: OnceCell<&'static Understudy> = OnceCell::const_new();

/// The bed with the sample golden. The developer may do everything that RBAC can give, and is exempt from nothing: what
/// stops them here is ours.
async fn stage() -> &'static Understudy {
    let opened = STAGE.get_or_try_init(|| async {
        let understudy = shop::stage().await;
        let everything = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": { "name": "developer-everything" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "developer" }],
        });
        shop::apply::<ClusterRoleBinding>(understudy.bed(), None, "developer-everything", &everything).await?;
        anyhow::Ok(understudy)
    });
    opened
        .await
        .unwrap_or_else(|error| panic!("failed to set up the sample golden: {error:?}"))
}

async fn client(user: User) -> Client {
    stage()
        .await
        .bed()
        .client(user)
        .await
        .expect("the bed knows its users")
}

fn unique(prefix: &str) -> String {
    format!("{prefix}-{:08x}", rand::random::<u32>())
}

async fn create<K>(client: &Client, namespace: &str, object: Value) -> Result<K, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Serialize
        + DeserializeOwned
        + std::fmt::Debug,
{
    let object: K = serde_json::from_value(object).expect("an object of this kind");
    Api::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &object)
        .await
}

async fn create_namespace(client: &Client, name: &str, labels: Value) -> Result<Namespace, kube::Error> {
    let namespace = serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } }))
        .expect("a Namespace");
    Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await
}

fn pod(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "main", "image": "x" }] } })
}

/// Asserts that `result` is a refusal whose message holds each of `parts`.
fn assert_refused<T: std::fmt::Debug>(result: Result<T, kube::Error>, parts: &[&str]) {
    let message = match result {
        Err(kube::Error::Api(status)) => status.message.clone(),
        other => panic!("not refused: {other:?}"),
    };
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing: {message}");
    }
}

/// A sealed preview of the developer's with a Pod that runs; its branch's name.
async fn living_preview(name: &str) -> String {
    let developer = client(User::Developer).await;
    create_namespace(&developer, name, json!({ keys::PREVIEW: "true" }))
        .await
        .unwrap();
    let namespaces: Api<Namespace> = Api::all(developer.clone());
    eventually(SOON, "the preview is sealed and has its branch", || async {
        let annotations = namespaces
            .get(name)
            .await?
            .metadata
            .annotations
            .unwrap_or_default();
        let ready = annotations
            .get(&keys::database_state("app"))
            .is_some_and(|state| state == "ready");
        ensure!(
            ready && annotations.contains_key(keys::GUARDRAILS),
            "{annotations:?}"
        );
        Ok(())
    })
    .await
    .unwrap();
    create::<Pod>(&developer, name, pod("web")).await.unwrap();
    running(&developer, name, "web").await;
    let secrets: Api<Secret> = Api::namespaced(client(User::Admin).await, name);
    let data = secrets
        .get(&keys::branch_secret("app"))
        .await
        .unwrap()
        .data
        .unwrap_or_default();
    String::from_utf8(data["dbname"].0.clone()).unwrap()
}

async fn running(client: &Client, namespace: &str, name: &str) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    eventually(SOON, "the Pod runs", || async {
        let status = pods.get(name).await?.status.unwrap_or_default();
        ensure!(status.phase.as_deref() == Some("Running"), "{status:?}");
        Ok(())
    })
    .await
    .unwrap();
}

/// Deletes a namespace and waits until it is gone.
async fn end(client: &Client, name: &str) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.delete(name, &DeleteParams::default()).await.unwrap();
    eventually(SOON, "the namespace is gone", || async {
        match namespaces.get_opt(name).await? {
            Some(found) => bail!("{:?}", found.status),
            None => Ok(()),
        }
    })
    .await
    .unwrap();
}

/// How many of database and role of this name the previews' server has.
async fn left_of(bed: &TestBed, branch: &str) -> Result<i64> {
    let server = bed.previews().connect("postgres").await?;
    let query = "SELECT (SELECT count(*) FROM pg_database WHERE datname = $1) + \
                 (SELECT count(*) FROM pg_roles WHERE rolname = $1)";
    Ok(server.query_one(query, &[&branch]).await?.get(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_processes_gone_only_creation_in_previews_waits_and_their_return_sweeps() {
    let _alone = ALONE.lock().await;
    let understudy = stage().await;
    let bed = understudy.bed();
    let (ending, staying) = (unique("ending"), unique("staying"));
    let (ending_branch, staying_branch) = tokio::join!(living_preview(&ending), living_preview(&staying));
    understudy.stop(Role::Control).await.unwrap();
    understudy.stop(Role::Serve).await.unwrap();

    let developer = client(User::Developer).await;
    everything_else_goes_on(&developer).await;
    a_preview_stays_shut(&developer, &staying).await;
    // Guardrails, a Pod, a branch Secret and all.
    end(&developer, &ending).await;
    assert_eq!(
        left_of(bed, &ending_branch).await.unwrap(),
        2,
        "nobody was there to drop it"
    );

    let often = Launch {
        arguments: vec!["--sweep-seconds=1".to_owned()],
        ..Launch::default()
    };
    understudy.start_with(Role::Control, often).await.unwrap();
    understudy.start(Role::Serve).await.unwrap();
    understudy.wait_until_ready(Role::Control).await.unwrap();
    understudy.wait_until_ready(Role::Serve).await.unwrap();
    eventually(SOON, "the branch is swept", || async {
        let left = left_of(bed, &ending_branch).await?;
        ensure!(left == 0, "{left} of database and role are left");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(
        left_of(bed, &staying_branch).await.unwrap(),
        2,
        "a living preview keeps its branch"
    );
    create::<Pod>(&developer, &staying, pod("late")).await.unwrap();
    running(&developer, &staying, "late").await;
}

/// C15
async fn everything_else_goes_on(developer: &Client) {
    let plain = unique("plain");
    create_namespace(developer, &plain, json!({})).await.unwrap();
    let deployment = json!({ "metadata": { "name": "web" }, "spec": { "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": pod("web")["spec"] } } });
    create::<Deployment>(developer, &plain, deployment).await.unwrap();
    let deployments: Api<Deployment> = Api::namespaced(developer.clone(), &plain);
    eventually(SOON, "the Deployment is available", || async {
        let status = deployments.get("web").await?.status.unwrap_or_default();
        ensure!(status.available_replicas == Some(1), "{status:?}");
        Ok(())
    })
    .await
    .unwrap();
    deployments.delete("web", &DeleteParams::default()).await.unwrap();
    // The cluster's own, and ours.
    for namespace in ["kube-system", NAMESPACE, plain.as_str()] {
        let name = unique("x");
        create::<ConfigMap>(developer, namespace, json!({ "metadata": { "name": name } }))
            .await
            .unwrap();
        create::<Lease>(developer, namespace, json!({ "metadata": { "name": name } }))
            .await
            .unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(developer.clone(), namespace);
        let data = Patch::Merge(json!({ "data": { "a": "b" } }));
        maps.patch(&name, &PatchParams::default(), &data).await.unwrap();
        maps.delete(&name, &DeleteParams::default()).await.unwrap();
        Api::<Lease>::namespaced(developer.clone(), namespace)
            .delete(&name, &DeleteParams::default())
            .await
            .unwrap();
    }
    let ours: Api<Deployment> = Api::namespaced(developer.clone(), NAMESPACE);
    let restarted = Patch::Merge(
        json!({ "spec": { "template": { "metadata": { "annotations": { "restarted": "now" } } } } }),
    );
    ours.patch(Role::Serve.service_account(), &PatchParams::default(), &restarted)
        .await
        .unwrap();
    end(developer, &plain).await;
}

/// C15, C23
async fn a_preview_stays_shut(developer: &Client, preview: &str) {
    let refused = create::<Pod>(developer, preview, pod("new")).await;
    assert_refused(refused, &[NOBODY_ANSWERS, "connection refused"]);
    let refused = create::<ConfigMap>(developer, preview, json!({ "metadata": { "name": "new" } })).await;
    assert_refused(refused, &[NOBODY_ANSWERS]);
    let born = create_namespace(developer, &unique("born"), json!({ keys::PREVIEW: "true" })).await;
    assert_refused(born, &["failed calling webhook \"namespaces.understudy.dev\""]);
    // What the machinery writes all the time, and the end of anything, do not wait.
    create::<Lease>(developer, preview, json!({ "metadata": { "name": "new" } }))
        .await
        .unwrap();
    Api::<Pod>::namespaced(developer.clone(), preview)
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();

    let policies: Api<NetworkPolicy> = Api::namespaced(developer.clone(), preview);
    let deleted = policies
        .delete("understudy-default-deny", &DeleteParams::default())
        .await;
    assert_refused(deleted, &["understudy-guardrails", "guardrail-tampered: "]);
    let secrets: Api<Secret> = Api::namespaced(developer.clone(), preview);
    let deleted = secrets
        .delete(&keys::branch_secret("app"), &DeleteParams::default())
        .await;
    assert_refused(deleted, &["understudy-guardrails", "guardrail-tampered: "]);
    let namespaces: Api<Namespace> = Api::all(developer.clone());
    let off = Patch::Merge(json!({ "metadata": { "labels": { keys::PREVIEW: null } } }));
    let removed = namespaces
        .patch_status(preview, &PatchParams::default(), &off)
        .await;
    assert_refused(removed, &["understudy-contract", "label-removed: "]);
    let removed = namespaces.patch(preview, &PatchParams::default(), &off).await;
    // Mutation comes before validation, so here it is nobody's answer that refuses.
    assert_refused(removed, &["failed calling webhook \"namespaces.understudy.dev\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_that_has_begun_is_answered_when_admission_is_told_to_stop() {
    // B08
    let _alone = ALONE.lock().await;
    let understudy = stage().await;
    let bed = understudy.bed();
    let secrets: Api<Secret> = Api::namespaced(client(User::Admin).await, NAMESPACE);
    let authority = secrets.get("understudy-webhook-ca").await.unwrap().data.unwrap()["ca.crt"]
        .0
        .clone();
    let port = understudy.port();
    let begun = tokio::task::spawn_blocking(move || Review::begin(port, &authority))
        .await
        .unwrap()
        .unwrap();

    bed.supervisor()
        .signal(Role::Serve.name(), Signal::SigTerm)
        .unwrap();
    eventually(SOON, "no new connection is taken", || async {
        ensure!(
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err(),
            "one was taken"
        );
        Ok(())
    })
    .await
    .unwrap();
    let answer = tokio::task::spawn_blocking(move || begun.finish())
        .await
        .unwrap()
        .unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"allowed\":true"),
        "{answer}"
    );
    eventually(SOON, "serve has ended well", || async {
        let states = bed.supervisor().states()?;
        let state = states
            .iter()
            .find(|state| state.name == Role::Serve.name())
            .context("it was never started")?;
        ensure!(!state.running && state.exit == "exit status 0", "{state:?}");
        Ok(())
    })
    .await
    .unwrap();
    understudy.start(Role::Serve).await.unwrap();
    understudy.wait_until_ready(Role::Serve).await.unwrap();
}

/// A review half said: the server has taken the head and asked for the rest.
struct Review {
    stream: StreamOwned<ClientConnection, TcpStream>,
    body: String,
}

impl Review {
    fn begin(port: u16, authority: &[u8]) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authority) {
            roots.add(certificate?)?;
        }
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        let service = ServerName::try_from(format!("understudy-webhook.{NAMESPACE}.svc"))?;
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(SOON))?;
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), service)?, socket);
        let body = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "begun", "kind": { "group": "", "version": "v1", "kind": "ConfigMap" },
            "resource": { "group": "", "version": "v1", "resource": "configmaps" },
            "name": "begun", "namespace": "begun", "operation": "CREATE", "userInfo": { "username": "somebody" },
            "object": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "begun" } }, "oldObject": null,
        } });
        let body = body.to_string();
        let head = format!(
            "POST /validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Expect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.flush()?;
        let mut told = Vec::new();
        while !told.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            told.extend(byte);
        }
        let told = String::from_utf8(told)?;
        ensure!(told.starts_with("HTTP/1.1 100 "), "{told}");
        Ok(Self { stream, body })
    }

    /// The rest, and all that is answered.
    fn finish(mut self) -> Result<String> {
        self.stream.write_all(self.body.as_bytes())?;
        self.stream.flush()?;
        let mut answer = Vec::new();
        // A server that closes without a farewell is an error to rustls, after everything that was said.
        if let Err(error) = self.stream.read_to_end(&mut answer) {
            ensure!(!answer.is_empty(), "no answer: {error}");
        }
        Ok(String::from_utf8(answer)?)
    }
}
