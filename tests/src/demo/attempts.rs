//! Six attempts that must fail in a preview and succeed elsewhere.
//!
//! For these the developer is made `cluster-admin`: what refuses is admission, not RBAC. Only users and groups named at
//! installation are exempt, and the developer is not among them.

use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use understudy::keys;

use super::acts::{kubectl, output};
use super::narrator::Narrator;
use super::{CLONE, POLICY, SECOND};
use crate::shop::{GOLDEN, apply};
use crate::testbed::{TestBed, User, eventually};

/// A namespace without our label, where each attempt succeeds.
const PLAIN: &str = "plain";

/// One attempt.
struct Attempt {
    /// In words.
    what: &'static str,
    /// Who refuses: the name of our webhook or policy.
    by: &'static str,
    /// The reason code.
    reason: &'static str,
    /// Where it is tried.
    preview: &'static str,
    /// `kubectl` arguments without the namespace.
    arguments: Vec<String>,
    /// What `kubectl` reads.
    input: Option<Value>,
}

/// Tries all six, here and there.
pub async fn all(bed: &TestBed, tell: &mut Narrator) -> Result<()> {
    tell.act("Six attempts by a developer with every right that RBAC can give");
    everything_is_allowed(bed).await?;
    prepare(bed).await?;
    for attempt in attempts() {
        let words = match run(bed, attempt.preview, &attempt).await {
            Ok(said) => bail!("{} in a preview was allowed: {said}", attempt.what),
            Err(error) => error.to_string(),
        };
        ensure!(
            words.contains(attempt.by),
            "{} was not refused by {}: {words}",
            attempt.what,
            attempt.by
        );
        ensure!(
            words.contains(&format!("{}: ", attempt.reason)),
            "no {} in: {words}",
            attempt.reason
        );
        tell.refused(attempt.what, &words);
        run(bed, PLAIN, &attempt)
            .await
            .with_context(|| format!("{} outside previews was refused", attempt.what))?;
    }
    tell.held(format!(
        "each of the six succeeded in the unlabelled namespace {PLAIN}"
    ));
    Ok(())
}

fn attempts() -> Vec<Attempt> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let stdin = || words("create --filename -");
    let off = json!({ "metadata": { "labels": { keys::PREVIEW: null, "team": null } } }).to_string();
    let lifted = json!({ "spec": { "schedulingGates": [] } }).to_string();
    let mut unlabel = words("patch namespace NAMESPACE --subresource status --type merge --patch");
    unlabel.push(off);
    let mut lift = words("patch pod held --type merge --patch");
    lift.push(lifted);
    // One that names a single host of somebody else's merely gets its own instead.
    let host = "*.preview.example.com";
    vec![
        Attempt {
            what: "the preview label taken off, through the status sub-resource",
            by: "understudy-contract",
            reason: "label-removed",
            preview: CLONE,
            arguments: unlabel,
            input: None,
        },
        Attempt {
            what: "a Pod at a database of the golden's server",
            by: "objects.understudy.dev",
            reason: "protected-endpoint",
            preview: CLONE,
            arguments: stdin(),
            input: Some(json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "thief" },
                "spec": { "containers": [{ "name": "thief", "image": "registry.example.com/thief:1", "env": [
                    { "name": "LEDGER_URL", "value": "postgres://shop:secret@db.shop.svc.cluster.local/ledger" }
                ] }] },
            })),
        },
        Attempt {
            what: "a gate of ours patched away",
            by: "understudy-gates",
            reason: "gate-lifted",
            preview: CLONE,
            arguments: lift,
            input: None,
        },
        Attempt {
            what: "a guardrail deleted",
            by: "understudy-guardrails",
            reason: "guardrail-tampered",
            preview: CLONE,
            arguments: words("delete networkpolicy understudy-default-deny"),
            input: None,
        },
        Attempt {
            what: "an allow-all NetworkPolicy beside the default-deny",
            by: "objects.understudy.dev",
            reason: "network-widened",
            preview: CLONE,
            arguments: stdin(),
            input: Some(json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "allow-all" },
                "spec": { "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}] },
            })),
        },
        Attempt {
            what: "a second preview taking the hosts of all others",
            by: "objects.understudy.dev",
            reason: "host-stolen",
            preview: SECOND,
            arguments: stdin(),
            input: Some(json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "thief" },
                "spec": { "rules": [{ "host": host, "http": { "paths": [{ "path": "/", "pathType": "Prefix",
                    "backend": { "service": { "name": "web", "port": { "number": 80 } } } }] } }] },
            })),
        },
    ]
}

async fn run(bed: &TestBed, namespace: &str, attempt: &Attempt) -> Result<String> {
    let mut command = bed.kubectl(User::Developer);
    command.args(["--namespace", namespace]);
    command.args(
        attempt
            .arguments
            .iter()
            .map(|word| if word == "NAMESPACE" { namespace } else { word }),
    );
    let Some(input) = &attempt.input else {
        return output(command).await;
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("kubectl has no standard input")?;
    stdin.write_all(input.to_string().as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    ensure!(output.status.success(), "{}", said(&output.stderr));
    Ok(said(&output.stdout))
}

async fn everything_is_allowed(bed: &TestBed) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": { "name": "demo-every-right" },
        "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "apiGroup": group, "kind": "User", "name": User::Developer.name() }],
    });
    apply::<ClusterRoleBinding>(bed, None, "demo-every-right", &binding).await?;
    eventually(
        std::time::Duration::from_secs(30),
        "the developer has every right",
        || async {
            kubectl(
                bed,
                User::Developer,
                &["auth", "can-i", "*", "*", "--all-namespaces"],
            )
            .await
        },
    )
    .await?;
    Ok(())
}

/// A second preview, the unlabelled namespace with what the attempts act on, and a Pod in the preview that admission holds.
async fn prepare(bed: &TestBed) -> Result<()> {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": PLAIN, "labels": { "team": "x" } } });
    let gated = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "held" },
        "spec": { "schedulingGates": [{ "name": keys::GATE_REVIEW }],
                  "containers": [{ "name": "held", "image": "registry.example.com/held:1" }] },
    });
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "understudy-default-deny" },
        "spec": { "podSelector": {} },
    });
    let create = |input: Value| Attempt {
        what: "to prepare",
        by: "",
        reason: "",
        preview: GOLDEN,
        arguments: vec!["create".to_owned(), "--filename".to_owned(), "-".to_owned()],
        input: Some(input),
    };
    let second = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": SECOND, "labels": { keys::PREVIEW: "true", keys::POLICY: POLICY } },
    });
    run(bed, "default", &create(second)).await?;
    run(bed, "default", &create(namespace)).await?;
    run(bed, PLAIN, &create(policy)).await?;
    run(bed, PLAIN, &create(gated.clone())).await?;
    run(bed, CLONE, &create(gated)).await?;
    Ok(())
}
