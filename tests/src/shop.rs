//! The sample golden on a testbed: its namespace, its real database, the previews' template, the policy.
//!
//! Used by the demo and by tests. What an administrator would do by hand is done by hand here: with `kubectl`, `helm` and
//! `psql`, as the admin.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, Secret};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::OnceCell;
use understudy::keys;
use understudy::policy::PreviewPolicy;

use crate::testbed::{NAMESPACE, Postgres, TestBed, Understudy, User, installed};

/// The golden's namespace.
pub const GOLDEN: &str = "shop";
/// The template on the previews' server.
pub const TEMPLATE: &str = "shop_seed";
/// Password of the golden's database, as it stands in the golden's Secrets: nothing of a preview may hold it.
pub const PASSWORD: &str = "goldenpasswordofthedemo";
/// The golden's key at its payment provider; the policy lets a clone take it along.
pub const STRIPE_KEY: &str = "sk_test_of_the_demo_only";
/// How many volumes there are; kwok's Pods mount nothing, so a volume is a name.
const VOLUMES: usize = 24;

/// Sets everything up but the policy: golden server, template, namespace, release, rights of the developer, Secret.
pub async fn without_policy(bed: &TestBed) -> Result<()> {
    databases(bed).await?;
    volumes(bed).await?;
    golden(bed).await?;
    developer(bed).await?;
    administrator_secret(bed).await
}

/// Sets everything up, with the demo's policy as the default one.
pub async fn open(bed: &TestBed) -> Result<()> {
    without_policy(bed).await?;
    policy_by_default(bed).await
}

/// Applies the demo's policy in place of the chart's `default`, so that a plain label is enough.
async fn policy_by_default(bed: &TestBed) -> Result<()> {
    policy(bed, |policy| {
        policy["metadata"]["name"] = json!(keys::DEFAULT_POLICY);
        policy["spec"]["creators"] = json!({});
    })
    .await
}

/// The test binary's bed with Understudy and the sample golden on it; its policy is the default one.
///
/// # Panics
/// If any of it cannot be set up.
pub async fn stage() -> &'static Understudy {
    static STAGE: OnceCell<&'static Understudy> = OnceCell::const_new();
    let opened = STAGE.get_or_try_init(|| async {
        let understudy = installed().await;
        open(understudy.bed()).await?;
        anyhow::Ok(understudy)
    });
    opened
        .await
        .unwrap_or_else(|error| panic!("failed to set up the sample golden: {error:?}"))
}

/// Applies the demo's policy `shop`, changed by `edit`, with what only this bed knows: the port of its server.
pub async fn policy(bed: &TestBed, edit: impl FnOnce(&mut Value)) -> Result<()> {
    let text = std::fs::read_to_string(example("policies/demo.yaml"))?;
    let mut policy: Value = serde_saphyr::from_str(&text)?;
    policy["spec"]["databases"][0]["branch"]["postgres"]["reach"]["port"] = json!(bed.previews().port);
    edit(&mut policy);
    let name = policy["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    apply::<PreviewPolicy>(bed, None, &name, &policy).await
}

async fn databases(bed: &TestBed) -> Result<()> {
    let seed = example("golden/seed.sql");
    for (server, database, login) in [(bed.golden(), "shop", true), (bed.previews(), TEMPLATE, false)] {
        let client = server.connect("postgres").await?;
        let password = if login {
            format!("LOGIN PASSWORD '{PASSWORD}'")
        } else {
            "NOLOGIN".to_owned()
        };
        client
            .batch_execute(&format!("CREATE ROLE shop {password}"))
            .await
            .context("failed to create the role shop")?;
        client
            .batch_execute(&format!("CREATE DATABASE {database} OWNER shop"))
            .await?;
        psql(server, database, &seed).await?;
    }
    Ok(())
}

/// Runs a file with the system's `psql`.
async fn psql(server: &Postgres, database: &str, file: &Path) -> Result<()> {
    let mut command = Command::new("psql");
    command
        .args([
            "--no-psqlrc",
            "--quiet",
            "--host",
            &server.host,
            "--port",
            &server.port.to_string(),
        ])
        .args(["--username", &server.username, "--dbname", database, "--file"])
        .arg(file)
        .env("PGPASSWORD", &server.password)
        .kill_on_drop(true);
    let output = command
        .output()
        .await
        .context("failed to run psql; install it: apt-get install postgresql-client")?;
    if !output.status.success() {
        bail!(
            "psql failed on {}: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

async fn volumes(bed: &TestBed) -> Result<()> {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": { "name": "demo", "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } },
        "provisioner": "kubernetes.io/no-provisioner",
    });
    apply::<StorageClass>(bed, None, "demo", &class).await?;
    for number in 0..VOLUMES {
        let name = format!("demo-{number}");
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
            "spec": {
                "storageClassName": "demo", "capacity": { "storage": "10Gi" }, "accessModes": ["ReadWriteOnce"],
                "hostPath": { "path": format!("/nonexistent/{name}") },
            },
        });
        apply::<PersistentVolume>(bed, None, &name, &volume).await?;
    }
    Ok(())
}

async fn golden(bed: &TestBed) -> Result<()> {
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": GOLDEN, "labels": { keys::GOLDEN: "true" } },
    });
    apply::<Namespace>(bed, None, GOLDEN, &namespace).await?;
    let mut helm = bed.helm(User::Admin);
    helm.args(["upgrade", "--install", "shop"])
        .arg(example("golden"))
        .args(["--namespace", GOLDEN])
        .args([
            "--set",
            &format!("database.password={PASSWORD},stripe.apiKey={STRIPE_KEY}"),
        ]);
    let output = helm.output().await.context("failed to run helm")?;
    if !output.status.success() {
        bail!(
            "helm failed to install the golden: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// The developer may read the golden, of its Secrets the one that the policy lets a clone take along, and make
/// namespaces; nothing else.
async fn developer(bed: &TestBed) -> Result<()> {
    let subject = json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers" }]);
    let role =
        |name: &str| json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name });
    let view = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": { "name": "developers-view" }, "roleRef": role("view"), "subjects": subject,
    });
    apply::<RoleBinding>(bed, Some(GOLDEN), "developers-view", &view).await?;
    let sandbox_key = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "developers-sandbox-key" },
        "rules": [{ "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["shop-api"], "verbs": ["get"] }],
    });
    apply::<Role>(bed, Some(GOLDEN), "developers-sandbox-key", &sandbox_key).await?;
    let read = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": { "name": "developers-sandbox-key" }, "subjects": subject,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "developers-sandbox-key" },
    });
    apply::<RoleBinding>(bed, Some(GOLDEN), "developers-sandbox-key", &read).await?;
    let create = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": { "name": "developers-create-previews" }, "roleRef": role("understudy-creator"), "subjects": subject,
    });
    apply::<ClusterRoleBinding>(bed, None, "developers-create-previews", &create).await
}

/// The Secret that the policy's `adminSecret` names: over TLS, verified with the bed's own CA.
async fn administrator_secret(bed: &TestBed) -> Result<()> {
    let server = bed.previews();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "preview-postgres" },
        "stringData": {
            "host": server.host, "port": server.port.to_string(),
            "username": server.username, "password": server.password,
            "sslmode": "verify-full", "ca.crt": std::fs::read_to_string(bed.ca_file())?,
        },
    });
    apply::<Secret>(bed, Some(NAMESPACE), "preview-postgres", &secret).await
}

/// Server-side apply as the admin.
pub async fn apply<K>(bed: &TestBed, namespace: Option<&str>, name: &str, object: &Value) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let resource = kube::core::ApiResource::erase::<K>(&());
    let client = bed.client(User::Admin).await?;
    let api: Api<kube::core::DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let params = PatchParams::apply("administrator").force();
    api.patch(name, &params, &Patch::Apply(object))
        .await
        .with_context(|| format!("failed to apply {} {name}", resource.kind))?;
    Ok(())
}

/// A file below `examples/`.
pub fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("examples")
        .join(path)
}
