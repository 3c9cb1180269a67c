//! The narrated demo. Every act checks what it shows; the first one that does not hold ends it with its reason.

mod acts;
mod attempts;
mod narrator;

use std::time::Instant;

use anyhow::{Context, Result};

use crate::shop;
use crate::testbed::{InstallOptions, Options, TestBed, User};
use narrator::Narrator;

/// The preview that `clone` makes.
const CLONE: &str = "shop-pr-7";
/// The policy beside the chart's own.
const POLICY: &str = "shop";
/// A second preview under that policy.
const SECOND: &str = "shop-second";
/// The preview that a plain manifest makes, under the chart's own policy.
const BORN: &str = "by-hand";

/// Plays the demo; with `keep`, the testbed is left running with a clone in it.
pub fn run(keep: bool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Two providers could be compiled in by features; rustls then refuses to choose.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let playing = async {
        tokio::select! {
            result = play(keep) => result,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted; everything the demo started is being stopped"),
        }
    };
    runtime.block_on(playing)
}

async fn play(keep: bool) -> Result<()> {
    let mut tell = Narrator::default();
    tell.act("A control plane, two PostgreSQL servers, Understudy from its chart");
    let bed = TestBed::start(Options::default())
        .await
        .context("failed to start the testbed")?;
    // From here on: the first run has built a control plane before this.
    let started = Instant::now();
    bed.install(InstallOptions::default())
        .await
        .context("failed to install Understudy")?;
    tell.held(format!(
        "API server at {}, webhook and controller with the chart's own identities",
        bed.server()
    ));

    acts::golden(&bed, &mut tell).await?;
    acts::born_with_the_label(&bed, &mut tell).await?;
    acts::clone(&bed, &mut tell).await?;
    acts::branch(&bed, &mut tell).await?;
    attempts::all(&bed, &mut tell).await?;
    if keep {
        return leave(&bed, &mut tell);
    }
    acts::the_end(&bed, &mut tell).await?;
    tell.curtain(started.elapsed());
    Ok(())
}

fn leave(bed: &TestBed, tell: &mut Narrator) -> Result<()> {
    let record = bed.detach()?;
    let branch = bed.previews().url("postgres");
    tell.act("Left running; look around");
    tell.line(format!("export KUBECONFIG={}", record.kubeconfig.display()));
    tell.line(format!(
        "kubectl get namespaces -L understudy.dev/phase         # kubectl is {}",
        record.kubectl.display()
    ));
    tell.line(format!(
        "kubectl --context {} -n {CLONE} get all,networkpolicies",
        User::Developer.name()
    ));
    tell.line(format!(
        "kubectl --context {} -n {} get all",
        User::Developer.name(),
        shop::GOLDEN
    ));
    tell.line(format!("psql '{branch}' -c '\\l'"));
    tell.line("cargo testbed down                                          # ends it".to_owned());
    Ok(())
}
