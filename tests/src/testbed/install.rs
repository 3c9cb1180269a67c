//! Putting Understudy on the bed, from the chart as anybody would.
//!
//! The chart brings identities, rights, policies and webhook configurations; its Deployments stay at zero replicas, for
//! kwok's Pods run nothing. `serve` and `control` run on this machine instead, with tokens of the chart's own
//! ServiceAccounts, and the API server reaches `serve` by a Service of type ExternalName to `localhost`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::understudy::{NAMESPACE, Role};
use super::{TestBed, Understudy, User, ports};

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
        if options.start {
            understudy.start(Role::Control).await?;
            understudy.start(Role::Serve).await?;
            understudy.wait_until_ready(Role::Control).await?;
            understudy.wait_until_ready(Role::Serve).await?;
        }
        Ok(understudy)
    }

    async fn upgrade(&self, options: &InstallOptions, port: u16) -> Result<()> {
        let mut helm = self.helm(User::Admin);
        helm.args(["upgrade", "--install", "understudy"])
            .arg(&options.chart)
            .args(["--namespace", NAMESPACE, "--create-namespace"])
            .args([
                "--set",
                "serve.replicas=0,control.replicas=0,service.externalName=localhost",
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
