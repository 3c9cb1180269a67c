//! Understudy on a bed, goldens that a developer may clone, and previews that are gone when they have been measured.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, Role, RoleBinding};
use kube::api::DeleteParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use understudy::keys;
use understudy::policy::PreviewPolicy;
use understudy_tests::shop::{apply, example};
use understudy_tests::testbed::{InstallOptions, Options, TestBed, User, eventually};

use super::counter::Counter;
use super::golden::{self, KINDS};
use super::ways::{Ran, Way};

/// Objects of a preview that is small.
const FEW: usize = 100;
/// The longest that the end of a preview with thousands of objects takes.
const SOON: Duration = Duration::from_secs(300);

/// The bed.
pub struct Stage {
    /// With Understudy and a policy that lists the latest golden's Secrets.
    pub bed: TestBed,
    /// Who clones.
    pub developer: Client,
    /// Who sees to everything else.
    pub admin: Client,
    previews: usize,
    /// Small ones that were measured.
    measured: Vec<String>,
}

/// A golden, and what its Secrets hold.
pub struct Golden {
    /// Its namespace.
    pub name: String,
    secrets: BTreeMap<String, Value>,
}

/// What a clone would be, as files for those that cannot plan it.
pub struct Prepared {
    /// The preview.
    pub name: String,
    /// Number of its pull request.
    pub pr: String,
    /// Its namespace, as JSON.
    pub namespace: String,
    /// Lists that its objects belong to.
    pub lists: BTreeSet<String>,
    /// For [`super::post`].
    pub lines: PathBuf,
    /// For kubectl.
    pub manifests: PathBuf,
    objects: BTreeSet<(String, String)>,
}

impl Stage {
    /// Starts it.
    pub async fn open() -> Result<Self> {
        let bed = TestBed::start(Options {
            postgres: false,
            ..Options::default()
        })
        .await?;
        bed.install(InstallOptions::default()).await?;
        let subjects =
            json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers" }]);
        let creators = binding(
            "ClusterRoleBinding",
            "bench-creators",
            "ClusterRole",
            "understudy-creator",
            &subjects,
        );
        apply::<ClusterRoleBinding>(&bed, None, "bench-creators", &creators).await?;
        Ok(Stage {
            developer: bed.client(User::Developer).await?,
            admin: bed.client(User::Admin).await?,
            bed,
            previews: 0,
            measured: Vec::new(),
        })
    }

    /// Makes a golden of `count` objects that developers may view, and of its Secrets those that the policy lists.
    pub async fn golden(&self, count: usize) -> Result<Golden> {
        let name = format!("golden-{count}");
        let objects = golden::objects(&name, count);
        let secrets = objects.iter().filter(|object| object["kind"] == "Secret");
        let secrets: BTreeMap<String, Value> = secrets
            .map(|secret| {
                (
                    text(secret, "/metadata/name").to_owned(),
                    encoded(&secret["stringData"]),
                )
            })
            .collect();
        let listed: Vec<&String> = secrets.keys().collect();
        policy(&self.bed, &listed).await?;
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": { keys::GOLDEN: "true" } } });
        apply::<Namespace>(&self.bed, None, &name, &namespace).await?;
        let subjects =
            json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers" }]);
        let view = binding("RoleBinding", "view", "ClusterRole", "view", &subjects);
        apply::<RoleBinding>(&self.bed, Some(&name), "view", &view).await?;
        let read = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "listed-secrets" },
            "rules": [{ "apiGroups": [""], "resources": ["secrets"], "resourceNames": listed, "verbs": ["get"] }] });
        apply::<Role>(&self.bed, Some(&name), "listed-secrets", &read).await?;
        let reads = binding(
            "RoleBinding",
            "listed-secrets",
            "Role",
            "listed-secrets",
            &subjects,
        );
        apply::<RoleBinding>(&self.bed, Some(&name), "listed-secrets", &reads).await?;

        let made = stream::iter(&objects).map(|object| async {
            let list = golden::path(text(object, "/kind"), &name).context("a kind of its own")?;
            let request = http::Request::post(list).header(http::header::CONTENT_TYPE, "application/json");
            self.admin
                .request_text(request.body(serde_json::to_vec(object)?)?)
                .await?;
            anyhow::Ok(())
        });
        let _: Vec<()> = made.buffer_unordered(16).try_collect().await?;
        Ok(Golden { name, secrets })
    }

    /// Has a preview of `golden` made in this way, looks whether everything is there, and ends it.
    pub async fn run(&mut self, golden: &Golden, way: Way, counter: Option<&Counter>) -> Result<Ran> {
        self.previews += 1;
        let prepared = self.prepare(golden, self.previews).await?;
        let ran = way.run(self, golden, &prepared, counter).await;
        let ran = ran.with_context(|| format!("{} into {}", way.name(), prepared.name))?;
        let there = self.objects(&prepared.name).await?;
        let missing: Vec<_> = prepared.objects.difference(&there).collect();
        ensure!(missing.is_empty(), "{} left out {missing:?}", way.name());
        // The end of a small one takes far longer than its making, and disturbs nobody when it is done.
        if prepared.objects.len() <= FEW {
            self.measured.push(prepared.name);
        } else {
            self.end(&prepared.name).await?;
        }
        Ok(ran)
    }

    /// Ends what [`Self::run`] left.
    pub async fn clear(&mut self) -> Result<()> {
        let measured = std::mem::take(&mut self.measured);
        let ends = measured.iter().map(|name| self.end(name));
        let _: Vec<()> = futures::future::try_join_all(ends).await?;
        Ok(())
    }

    /// What a clone would be, by its own word; only the values of Secrets, which it does not show, are the golden's.
    async fn prepare(&self, golden: &Golden, number: usize) -> Result<Prepared> {
        let pr = number.to_string();
        let mut command = self.bed.understudy(User::Developer)?;
        let said = command
            .args([
                "clone",
                &golden.name,
                "--pr",
                &pr,
                "--dry-run",
                "--output",
                "yaml",
            ])
            .output()
            .await?;
        ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        // One by one: of a thousand in one text the parser thinks that somebody means harm.
        let said = String::from_utf8(said.stdout)?;
        let documents = said.split("\n---\n").map(serde_saphyr::from_str);
        let mut documents: Vec<Value> = documents.collect::<Result<_, _>>()?;
        ensure!(!documents.is_empty(), "no plan");
        let namespace = documents.remove(0);
        let name = text(&namespace, "/metadata/name").to_owned();
        let mut lines = vec![namespace.to_string()];
        let (mut lists, mut objects) = (BTreeSet::new(), BTreeSet::new());
        for object in &mut documents {
            let (kind, own) = (
                text(object, "/kind").to_owned(),
                text(object, "/metadata/name").to_owned(),
            );
            if let Some(data) = golden.secrets.get(&own).filter(|_| kind == "Secret") {
                object["data"] = data.clone();
            }
            let list =
                golden::path(&kind, &name).with_context(|| format!("{kind}/{own} is not the golden's"))?;
            lines.push(format!("{list}\t{own}\t{object}"));
            lists.insert(list);
            objects.insert((kind, own));
        }
        let count: usize = golden.name.rsplit('-').next().unwrap_or_default().parse()?;
        ensure!(
            objects.len() == count,
            "{} objects are planned of {count}",
            objects.len()
        );
        let (namespace, file) = (lines[0].clone(), |end: &str| {
            self.bed.path().join(format!("{name}.{end}"))
        });
        let (posted, manifests) = (file("lines"), file("json"));
        std::fs::write(&posted, lines.join("\n"))?;
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": documents });
        std::fs::write(&manifests, list.to_string())?;
        Ok(Prepared {
            name,
            pr,
            namespace,
            lists,
            lines: posted,
            manifests,
            objects,
        })
    }

    /// Kind and name of everything in `namespace` that a golden has any of.
    async fn objects(&self, namespace: &str) -> Result<BTreeSet<(String, String)>> {
        let mut there = BTreeSet::new();
        for (_, kind, _) in KINDS {
            let list = golden::path(kind, namespace).context("a list")?;
            let list: Value = self
                .admin
                .request(http::Request::get(list).body(Vec::new())?)
                .await?;
            let items = list["items"].as_array().into_iter().flatten();
            there.extend(items.map(|item| (kind.to_owned(), text(item, "/metadata/name").to_owned())));
        }
        Ok(there)
    }

    async fn end(&self, name: &str) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.admin.clone());
        namespaces.delete(name, &DeleteParams::default()).await?;
        eventually(SOON, "the preview is gone", || async {
            ensure!(namespaces.get_opt(name).await?.is_none(), "{name} is there");
            Ok(())
        })
        .await
    }
}

/// The sample policy under the name of the default one, without its database, which lists these Secrets.
async fn policy(bed: &TestBed, secrets: &[&String]) -> Result<()> {
    let text = std::fs::read_to_string(example("policies/demo.yaml"))?;
    let mut policy: Value = serde_saphyr::from_str(&text)?;
    policy["metadata"]["name"] = json!(keys::DEFAULT_POLICY);
    let spec = &mut policy["spec"];
    (spec["creators"], spec["databases"]) = (json!({}), json!([]));
    spec["secrets"] = json!({ "copy": secrets });
    apply::<PreviewPolicy>(bed, None, keys::DEFAULT_POLICY, &policy).await
}

/// The `data` of what is written as `stringData`.
fn encoded(texts: &Value) -> Value {
    let texts = texts.as_object().into_iter().flatten();
    let encoded = |text: &Value| json!(STANDARD.encode(text.as_str().unwrap_or_default()));
    texts.map(|(key, text)| (key.clone(), encoded(text))).collect()
}

fn binding(kind: &str, name: &str, role_kind: &str, role: &str, subjects: &Value) -> Value {
    json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": name }, "subjects": subjects,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role } })
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
