//! `understudy clone`: read, plan, apply in waves, wait.
//!
//! Guarantees: nothing is written before the whole plan stands and the target is free or already this clone. Running it
//! again converges and touches nothing that is right.

pub(super) mod carry_out;
mod images;
mod render;
pub(super) mod source;
pub(super) mod target;

use super::planning;
use super::wait::{self, Answering};
use crate::cluster::Cluster;
use crate::error::Failure;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::{Clone, PlanOutput};
use rand::distr::{Alphanumeric, SampleString};
use serde_json::json;
use std::time::Instant;
use target::Target;
use understudy::clone::Seed;

/// Clones a golden.
pub async fn run(cluster: &Cluster, mut settings: Clone, printer: &Printer) -> Result<(), Failure> {
    let progress = Progress::new(printer, settings.output == PlanOutput::Json && !settings.dry_run);
    progress.begin(&format!("reading {}", settings.golden), 0);
    let installed = cluster.installed().await?;
    let mut target = find_target(cluster, &settings).await?;
    settings.spec.seed = match &target {
        Target::Ours(_) => cluster.seed(&settings.spec.name).await?,
        Target::New => None,
    }
    .unwrap_or_else(seed);
    let read = planning::read(cluster, &installed, &settings).await?;
    let mut plan = read.plan(&settings)?;
    progress.done(
        &format!("read {} objects of {}", read.count(), settings.golden),
        json!({ "event": "read", "golden": settings.golden, "objects": read.count() }),
    );
    planning::report(&plan, &settings, printer);
    if !settings.dry_run {
        planning::refusals(&plan, &settings)?;
    }
    if images::run(cluster, read.objects(), &mut settings, &progress).await? {
        // That took its time, and images have other names now.
        plan = read.plan(&settings)?;
        target = find_target(cluster, &settings).await?;
    }
    if settings.dry_run {
        drop(progress);
        render::show(&plan, &settings, printer)?;
        return planning::refusals(&plan, &settings);
    }
    planning::refusals(&plan, &settings)?;
    let written = carry_out::run(cluster, &plan, target, &read.resources, &settings, &progress).await?;
    let url = render::url(&plan);
    let counts = written.describe();
    let expires_at = written.expires_at;
    progress.done(
        &format!("{}: {counts}", plan.name()),
        json!({ "event": "applied", "name": plan.name(), "created": written.created, "changed": written.changed, "unchanged": written.unchanged }),
    );
    if let Some(timeout) = settings.wait {
        let started = Instant::now();
        wait::ready(cluster, plan.name(), timeout, &settings.again, &progress).await?;
        if let Some(url) = &url {
            let left = timeout.saturating_sub(started.elapsed());
            let waiting = (left, settings.again.as_str(), settings.wait_url);
            if wait::answers(url, plan.name(), waiting, &progress).await? == Answering::Unknown {
                printer.warn(&format!(
                    "whether {url} answers is not known: its name does not resolve here"
                ));
            }
        }
    }
    if settings.output == PlanOutput::Json {
        progress.note(
            "",
            json!({ "event": "done", "name": plan.name(), "url": url, "expiresAt": expires_at, "ready": settings.wait.is_some() }),
        );
        return Ok(());
    }
    drop(progress);
    if let Some(end) = &expires_at {
        printer.say(&format!(
            "It lives until {end}; move that with: understudy extend {} --by 1h",
            plan.name()
        ));
    }
    super::data(printer, url.as_deref().unwrap_or(plan.name()))
}

async fn find_target(cluster: &Cluster, settings: &Clone) -> Result<Target, Failure> {
    let existing = cluster.namespace(&settings.spec.name).await?;
    target::check(existing, settings)
}

/// What the clone's own passwords are derived from, where it has none yet.
pub(super) fn seed() -> Seed {
    Seed::new(Alphanumeric.sample_string(&mut rand::rng(), 32))
}
