//! One control plane with Understudy on it, users who may do whatever RBAC can give, and previews to try things on.
//!
//! There are no databases: what the layers hold does not depend on them, and a branch's Secret is made by the
//! controller's own hand.

use std::fmt::Debug;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use understudy::keys;
use understudy::policy::PreviewPolicy;
use understudy_tests::shop;
use understudy_tests::testbed::{
    InstallOptions, NAMESPACE, Options, Role, TestBed, Understudy, User, eventually,
};

/// The longest that anything here takes on an idle machine, several times over.
pub const SOON: Duration = Duration::from_secs(60);
/// A golden.
pub const GOLDEN: &str = "golden";
/// A service account in the chart value `systemServiceAccounts`.
pub const MACHINERY: &str = "policy-engine/background";
/// A service account in the chart value `goldenKeepers`.
pub const KEEPER: &str = "gitops/applier";
/// A label in the chart value `reservedNamespaceLabels`.
pub const RESERVED: &str = "mesh.example/inject";
/// A policy that only observes, beside the chart's `default`.
pub const OBSERVING: &str = "observing";

/// How many previews there are for tests that begin when nobody can make one.
const SPARE: usize = 34;

static STAGE: OnceCell<Understudy> = OnceCell::const_new();
static PREVIEWS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The installation, running at first; [`crate::mode`] says what it is now.
pub async fn understudy() -> &'static Understudy {
    let opened = STAGE.get_or_try_init(|| async {
        let options = Options {
            nodes: 1,
            postgres: false,
        };
        let bed = TestBed::start(options).await?;
        let understudy = bed
            .install(InstallOptions {
                set: vec![
                    format!("systemServiceAccounts[0]={MACHINERY}"),
                    format!("goldenKeepers[0]={KEEPER}"),
                    format!("reservedNamespaceLabels[0]={RESERVED}"),
                ],
                ..InstallOptions::default()
            })
            .await?;
        everything(&bed).await?;
        let golden = json!({ "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": GOLDEN, "labels": { keys::GOLDEN: "true" } } });
        shop::apply::<Namespace>(&bed, None, GOLDEN, &golden).await?;
        let observing = json!({ "apiVersion": "understudy.dev/v1alpha1", "kind": "PreviewPolicy",
            "metadata": { "name": OBSERVING },
            "spec": { "enforcement": "warn", "creators": { "groups": ["developers"] } } });
        shop::apply::<PreviewPolicy>(&bed, None, OBSERVING, &observing).await?;
        let names: Vec<String> = (0..SPARE).map(|_| unique("preview")).collect();
        try_join_all(names.iter().map(|name| seal(&bed, name))).await?;
        PREVIEWS.lock().expect("nobody panics with it").extend(names);
        anyhow::Ok(understudy)
    });
    opened
        .await
        .unwrap_or_else(|error| panic!("failed to set the stage: {error:?}"))
}

/// Gives the developers every right there is: what stops them here is ours, not RBAC.
pub async fn everything(bed: &TestBed) -> Result<()> {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": { "name": "developers-everything" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers" }],
    });
    shop::apply::<ClusterRoleBinding>(bed, None, "developers-everything", &binding).await
}

pub async fn client(user: User) -> Client {
    let bed = understudy().await.bed();
    bed.client(user).await.expect("the bed knows its users")
}

/// A client with the token of one of our own two service accounts.
pub async fn own(role: Role) -> Client {
    account(NAMESPACE, role.service_account()).await
}

/// A client with the token of a service account.
pub async fn account(namespace: &str, name: &str) -> Client {
    let bed = understudy().await.bed();
    bed.service_account_client(namespace, name)
        .await
        .expect("a token can be minted")
}

pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{:08x}", rand::random::<u32>())
}

/// One request, as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: &'static str,
    pub path: String,
    pub body: Option<Value>,
    content: &'static str,
    /// The user and the groups to be impersonated.
    acting_as: Option<(String, Vec<String>)>,
    /// What else is said of that user.
    extra: Option<(&'static str, &'static str)>,
}

impl Call {
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self::new("POST", path, Some(body), "application/json")
    }

    pub fn put(path: impl Into<String>, body: Value) -> Self {
        Self::new("PUT", path, Some(body), "application/json")
    }

    pub fn patch(path: impl Into<String>, body: Value) -> Self {
        Self::new("PATCH", path, Some(body), "application/merge-patch+json")
    }

    pub fn json_patch(path: impl Into<String>, body: Value) -> Self {
        Self::new("PATCH", path, Some(body), "application/json-patch+json")
    }

    pub fn apply(path: impl Into<String>, body: Value) -> Self {
        let path = format!("{}?fieldManager=layers&force=true", path.into());
        Self::new("PATCH", path, Some(body), "application/apply-patch+yaml")
    }

    pub fn delete(path: impl Into<String>) -> Self {
        Self::new("DELETE", path, None, "application/json")
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path, None, "application/json")
    }

    fn new(
        method: &'static str,
        path: impl Into<String>,
        body: Option<Value>,
        content: &'static str,
    ) -> Self {
        Self {
            method,
            path: path.into(),
            body,
            content,
            acting_as: None,
            extra: None,
        }
    }

    /// As another user, whom the caller impersonates.
    pub fn acting_as(mut self, user: &str, groups: &[&str]) -> Self {
        self.acting_as = Some((
            user.to_owned(),
            groups.iter().map(|group| (*group).to_owned()).collect(),
        ));
        self
    }

    /// With this in the `extra` of that user.
    pub fn saying(mut self, key: &'static str, value: &'static str) -> Self {
        self.extra = Some((key, value));
        self
    }

    /// Decided, and without effect.
    pub fn dry(mut self) -> Self {
        self.path
            .push_str(if self.path.contains('?') { "&" } else { "?" });
        self.path.push_str("dryRun=All");
        self
    }

    pub async fn by(&self, client: &Client) -> Result<Value, kube::Error> {
        let body = self
            .body
            .as_ref()
            .map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(&self.path)
            .header("content-type", self.content);
        if let Some((user, groups)) = &self.acting_as {
            request = request.header("impersonate-user", user);
            for group in groups {
                request = request.header("impersonate-group", group);
            }
        }
        if let Some((key, value)) = self.extra {
            request = request.header(format!("impersonate-extra-{key}"), value);
        }
        client.request(request.body(body).expect("a request")).await
    }
}

pub fn namespace(name: &str) -> String {
    format!("/api/v1/namespaces/{name}")
}

/// A path below a namespace in the core group.
pub fn core(namespace: &str, rest: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/{rest}")
}

/// A path below a namespace in another group.
pub fn group(group: &str, namespace: &str, rest: &str) -> String {
    format!("/apis/{group}/v1/namespaces/{namespace}/{rest}")
}

/// A Namespace object.
pub fn object(name: &str, labels: Value, annotations: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "labels": labels, "annotations": annotations } })
}

/// Makes a namespace that is no preview.
pub async fn plain(prefix: &str) -> String {
    let name = unique(prefix);
    let made = Call::post("/api/v1/namespaces", object(&name, json!({}), json!({})));
    made.by(&client(User::Developer).await)
        .await
        .expect("a namespace");
    name
}

/// A sealed preview of the developer's that no other test has.
pub async fn preview() -> String {
    understudy().await;
    let taken = PREVIEWS.lock().expect("nobody panics with it").pop();
    taken.expect("more tests than previews: raise SPARE")
}

/// Makes a preview of the developer's, and waits until it is sealed.
pub async fn seal(bed: &TestBed, name: &str) -> Result<()> {
    let developer = bed.client(User::Developer).await?;
    let made = Call::post(
        "/api/v1/namespaces",
        object(name, json!({ keys::PREVIEW: "true" }), json!({})),
    );
    made.by(&developer).await?;
    let api: Api<Namespace> = Api::all(developer);
    eventually(SOON, "the preview is sealed", || async {
        let annotations = api.get(name).await?.metadata.annotations.unwrap_or_default();
        ensure!(annotations.contains_key(keys::GUARDRAILS), "{annotations:?}");
        Ok(())
    })
    .await
}

pub fn pod(name: &str, annotations: Value, gates: &[&str]) -> Value {
    let gates: Vec<Value> = gates.iter().map(|gate| json!({ "name": gate })).collect();
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "annotations": annotations },
        "spec": { "containers": [{ "name": "main", "image": "x" }], "schedulingGates": gates } })
}

/// Makes a Pod as the admin, when the namespace has its ServiceAccount.
pub async fn make_pod(namespace: &str, manifest: Value) {
    let api: Api<Pod> = Api::namespaced(client(User::Admin).await, namespace);
    let pod: Pod = serde_json::from_value(manifest).expect("a Pod");
    eventually(SOON, "the Pod is made", || async {
        api.create(&PostParams::default(), &pod).await.map(|_| ())
    })
    .await
    .unwrap();
}

/// The message of a refusal; panics where there was none.
pub fn refusal<T: Debug>(result: Result<T, kube::Error>) -> String {
    match result {
        Err(kube::Error::Api(status)) => status.message.clone(),
        other => panic!("not refused: {other:?}"),
    }
}

/// Asserts that `result` is a refusal by `by` (a webhook's or a policy's name) with this reason code.
pub fn assert_refused<T: Debug>(result: Result<T, kube::Error>, by: &str, code: &str) {
    let message = refusal(result);
    assert!(message.contains(by), "not refused by {by}: {message}");
    assert!(
        message.contains(&format!("{code}: ")),
        "not for {code}: {message}"
    );
}

/// Waits until what stands at `path` is gone.
pub async fn gone(path: &str) {
    let admin = client(User::Admin).await;
    eventually(SOON, &format!("{path} is gone"), || async {
        match Call::get(path).by(&admin).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => bail!("{other:?}"),
        }
    })
    .await
    .unwrap();
}
