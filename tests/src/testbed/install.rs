//! Putting Understudy on the bed, from the chart as anybody would.
//!
//! The chart brings identities, rights, policies and webhook configurations; its Deployments stay at zero replicas, for
//! kwok's Pods run nothing. `serve` and `control` run on this machine instead, with tokens of the chart's own
//! ServiceAccounts, and the API server reaches `serve` by a Service of type ExternalName to `localhost`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::understudy::{NAMESPACE, Role};
use super::{READY_WITHIN, TestBed, Understudy, User, eventually, ports};

/// What to install, beside the defaults.
#[derive(Debug, Clone)]
pub struct InstallOptions {
    /// The chart's directory.
    pub chart: PathBuf,
    /// Further values, `key=value` as for `helm --set`.
    pub set: Vec<String>,
    /// Further values files.
    pub values: Vec<PathBuf>,
    /// Whether `serve` and `control` are started and waited for.
    pub start: bool,
}

impl Default for InstallOptions {
    fn default() -> Self {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR"))
            .with_file_name("charts")
            .join("understudy");
        Self {
            chart,
            set: Vec::new(),
            values: Vec::new(),
            start: true,
        }
    }
}

impl TestBed {
    /// Installs the chart, or upgrades it, and starts `serve` and `control`.
    pub async fn install(&self, options: InstallOptions) -> Result<Understudy> {
        let understudy = Understudy::new(self.clone(), ports::free()?, [ports::free()?, ports::free()?]);
        self.upgrade(&options, understudy.port()).await?;
        self.wait_for_policies().await?;
        if options.start {
            understudy.start(Role::Control).await?;
            understudy.start(Role::Serve).await?;
            understudy.wait_until_ready(Role::Control).await?;
            understudy.wait_until_ready(Role::Serve).await?;
            self.wait_for_webhook().await?;
        }
        Ok(understudy)
    }

    /// Waits until the API server obeys the ValidatingAdmissionPolicies, which it loads about a second after it has
    /// stored them: nobody but an administrator may make a golden.
    async fn wait_for_policies(&self) -> Result<()> {
        eventually(READY_WITHIN, "the policies of the chart are in force", || async {
            match self.birth("understudy.dev/golden").await? {
                Err(refusal) if refusal.contains("understudy-contract") => Ok(()),
                other => bail!("a developer's golden: {other:?}"),
            }
        })
        .await
    }

    /// Waits until the API server asks `serve`: a preview gets its lease, or is refused by us.
    async fn wait_for_webhook(&self) -> Result<()> {
        eventually(READY_WITHIN, "the API server asks our webhook", || async {
            match self.birth("understudy.dev/preview").await? {
                Ok(notes) if notes.contains_key("understudy.dev/expires-at") => Ok(()),
                Err(refusal) if refusal.contains("\"namespaces.understudy.dev\" denied the request") => {
                    Ok(())
                }
                other => bail!("a developer's preview: {other:?}"),
            }
        })
        .await
    }

    /// What would come of a developer's namespace with this label: its annotations, or the refusal.
    async fn birth(&self, label: &str) -> Result<Result<BTreeMap<String, String>, String>> {
        let namespaces: Api<Namespace> = Api::all(self.client(User::Developer).await?);
        let name = format!("probe-{:08x}", rand::random::<u32>());
        let namespace =
            serde_json::from_value(json!({"metadata": {"name": name, "labels": {label: "true"}}}))?;
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        match namespaces.create(&dry_run, &namespace).await {
            Ok(born) => Ok(Ok(born.metadata.annotations.unwrap_or_default())),
            Err(kube::Error::Api(status)) => Ok(Err(status.message.clone())),
            Err(error) => Err(error.into()),
        }
    }

    async fn upgrade(&self, options: &InstallOptions, port: u16) -> Result<()> {
        let mut helm = self.helm(User::Admin);
        helm.args(["upgrade", "--install", "understudy"])
            .arg(&options.chart)
            .args(["--namespace", NAMESPACE, "--create-namespace"])
            .args([
                "--set",
                // No endpoint is withdrawn here that anybody would have to learn of.
                "serve.replicas=0,control.replicas=0,serve.drainSeconds=0,service.externalName=localhost",
            ])
            .args(["--set", &format!("service.port={port}")]);
        for value in &options.set {
            helm.args(["--set", value]);
        }
        for file in &options.values {
            helm.arg("--values").arg(file);
        }
        let output = helm.output().await.context("failed to run helm")?;
        if !output.status.success() {
            bail!(
                "helm failed to install {} ({}): {}",
                options.chart.display(),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }
}
