//! The samples: each size with each outcome, and whether an answer is the right one.

use crate::facts::PREVIEW;
use crate::pod::{GOLDEN_URL, pod};
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use understudy::keys;

/// How large the Pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 3 KB, a plain Pod.
    Small,
    /// 7 KB, a usual one.
    Usual,
    /// 52 KB, with a mesh and an operator's notes.
    Large,
    /// 1 MB, nearly what etcd takes.
    Huge,
}

impl Size {
    /// Every size.
    pub const ALL: [Size; 4] = [Size::Small, Size::Usual, Size::Large, Size::Huge];

    /// Bytes of the Pod, about.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Size::Small => 3_000,
            Size::Usual => 7_000,
            Size::Large => 52_000,
            Size::Huge => 1_000_000,
        }
    }

    /// As it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Size::Small => "3 KB",
            Size::Usual => "7 KB",
            Size::Large => "52 KB",
            Size::Huge => "1 MB",
        }
    }
}

/// What has to come of the review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A Deployment with the Pod as its template: no rule speaks of it.
    NotOurs,
    /// A Pod that mutation has seen already.
    NothingToDo,
    /// A variable connects to the golden's database, and is pointed at the branch.
    Rewrite,
    /// A variable leads to a Service of the golden.
    Refuse,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 4] = [
        Outcome::NotOurs,
        Outcome::NothingToDo,
        Outcome::Rewrite,
        Outcome::Refuse,
    ];

    /// As it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::NotOurs => "not ours",
            Outcome::NothingToDo => "nothing to do",
            Outcome::Rewrite => "rewrite",
            Outcome::Refuse => "refuse",
        }
    }
}

/// One review, and what has to come of it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// How large.
    pub size: Size,
    /// What comes of it.
    pub outcome: Outcome,
    /// The AdmissionReview, as it is sent.
    pub review: Vec<u8>,
    object: Value,
}

impl Sample {
    /// Every size with every outcome.
    pub fn all() -> impl Iterator<Item = Sample> {
        let of = |size| Outcome::ALL.map(|outcome| Sample::new(size, outcome));
        Size::ALL.into_iter().flat_map(of)
    }

    /// One of them.
    #[must_use]
    pub fn new(size: Size, outcome: Outcome) -> Self {
        let object = match outcome {
            Outcome::NotOurs => deployment(&pod(PREVIEW, size.bytes(), &variable(GOLDEN_URL))),
            Outcome::NothingToDo => reviewed(pod(
                PREVIEW,
                size.bytes(),
                &variable("postgres://u:p@db:5432/own"),
            )),
            Outcome::Rewrite => pod(PREVIEW, size.bytes(), &variable(GOLDEN_URL)),
            Outcome::Refuse => pod(
                PREVIEW,
                size.bytes(),
                &variable("http://service-7.shop.svc:8080/orders"),
            ),
        };
        let review = review(&object).into_bytes();
        Sample {
            size,
            outcome,
            review,
            object,
        }
    }

    /// As it is printed and called.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.size.name(), self.outcome.name())
    }

    /// Whether this AdmissionReview is the right answer: its patch is applied, and what comes of it compared.
    pub fn check(&self, answer: &[u8]) -> Result<()> {
        let answer: Value = serde_json::from_slice(answer)?;
        let response = &answer["response"];
        ensure!(response["uid"] == UID, "the answer is to another review");
        if self.outcome == Outcome::Refuse {
            let reason = &response["status"]["details"]["causes"][0]["reason"];
            ensure!(
                response["allowed"] == false && reason == "protected-endpoint",
                "not refused: {response}"
            );
            return Ok(());
        }
        ensure!(response["allowed"] == true, "refused: {response}");
        let expected = match self.outcome {
            Outcome::Rewrite => reviewed(rewritten(self.object.clone())),
            _ => {
                ensure!(response["patch"].is_null(), "patched: {response}");
                return Ok(());
            }
        };
        let patch = response["patch"].as_str().context("no patch")?;
        let patch: json_patch::Patch = serde_json::from_slice(&STANDARD.decode(patch)?)?;
        let mut object = self.object.clone();
        json_patch::patch(&mut object, &patch)?;
        ensure!(object == expected, "the patch {patch} leads elsewhere");
        Ok(())
    }
}

const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

fn variable(value: &str) -> Value {
    json!({ "name": "DATABASE_URL", "value": value })
}

/// Index of [`variable`] among those of the first container.
const AT: usize = 1;

/// With the mark of a review.
fn reviewed(mut pod: Value) -> Value {
    pod["metadata"]["annotations"][keys::REVIEWED] = json!("v1");
    pod
}

/// What the rules have to make of a connection to the golden's database: its identity comes from the branch's Secret, and
/// its option stays.
fn rewritten(mut pod: Value) -> Value {
    let env = pod["spec"]["containers"][0]["env"]
        .as_array_mut()
        .expect("variables");
    env[AT]["value"] = json!(
        "postgres://$(UNDERSTUDY_APP_USER):$(UNDERSTUDY_APP_PASSWORD)@$(UNDERSTUDY_APP_HOST):$(UNDERSTUDY_APP_PORT)/\
         $(UNDERSTUDY_APP_DBNAME)?sslmode=disable"
    );
    let part = |(name, key): (&str, &str)| {
        let from = json!({ "secretKeyRef": { "name": "understudy-db-app", "key": key } });
        json!({ "name": format!("UNDERSTUDY_APP_{name}"), "valueFrom": from })
    };
    let parts = [
        ("USER", "username"),
        ("PASSWORD", "password"),
        ("HOST", "host"),
        ("PORT", "port"),
        ("DBNAME", "dbname"),
    ];
    env.splice(0..0, parts.map(part));
    pod
}

fn deployment(pod: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": PREVIEW, "labels": { "app": "web" } },
        "spec": {
            "replicas": 1, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": pod["metadata"], "spec": pod["spec"] }
        }
    })
}

/// As an API server writes it, in its order: what the object is stands before it.
fn review(object: &Value) -> String {
    let (group, kind, resource) = match object["kind"].as_str() {
        Some("Deployment") => ("apps", "Deployment", "deployments"),
        _ => ("", "Pod", "pods"),
    };
    let kind = json!({ "group": group, "version": "v1", "kind": kind });
    let resource = json!({ "group": group, "version": "v1", "resource": resource });
    let user = json!({
        "username": "system:serviceaccount:kube-system:replicaset-controller", "uid": "b0b5b3e0-5b5f-4f5b-8f5b-5b5f4f5b8f5b",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"]
    });
    let options = json!({ "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" });
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{UID}","kind":{kind},"resource":{resource},"requestKind":{kind},"requestResource":{resource},"namespace":"{PREVIEW}","operation":"CREATE","userInfo":{user},"object":{object},"oldObject":null,"dryRun":false,"options":{options}}}}}"#
    )
}
