//! `understudy clone`: read, plan, apply in waves, wait.
//!
//! Guarantees: nothing is written before the whole plan stands and the target is free or already this clone. Running it
//! again converges and touches nothing that is right.

pub(super) mod carry_out;
pub(super) mod images;
mod render;
pub(super) mod source;
pub(super) mod target;

use super::planning;
use super::wait::{self, Answering, Page};
use crate::cluster::{Cluster, Resources};
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::{Clone, PlanOutput};
use rand::distr::{Alphanumeric, SampleString};
use serde_json::json;
use std::time::{Duration, Instant};
use target::Target;
use understudy::clone::{Plan, Seed, Wave, kind_of};

/// What a clone will be, before anything of it is written.
struct Prepared {
    plan: Plan,
    url: Option<String>,
    target: Target,
    resources: Resources,
}

/// Clones a golden.
pub async fn run(cluster: &Cluster, mut settings: Clone, printer: &Printer) -> Result<(), Failure> {
    let progress = Progress::new(printer, settings.output == PlanOutput::Json && !settings.dry_run);
    let again = settings.again.clone();
    let prepared = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "stopped")
            .caused_by("nothing was written")
            .hint(format!("begin again with: {again}"))),
        prepared = prepare(cluster, &mut settings, printer, &progress) => prepared,
    };
    let Prepared {
        plan,
        url,
        target,
        resources,
    } = prepared?;
    if settings.dry_run {
        drop(progress);
        render::show(&plan, url.as_deref(), &settings, printer)?;
        return planning::refusals(&plan, &settings);
    }
    let written = carry_out::run(cluster, &plan, target, &resources, &settings, &progress).await?;
    let counts = written.describe();
    let expires_at = written.expires_at;
    progress.done(
        &format!("{}: {counts}", plan.name()),
        json!({ "event": "applied", "name": plan.name(), "created": written.created, "changed": written.changed, "unchanged": written.unchanged }),
    );
    if let Some(timeout) = settings.wait {
        wait_for(
            cluster,
            (&plan, url.as_deref()),
            timeout,
            &settings,
            &progress,
            printer,
        )
        .await?;
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
            "It lives until {end}; move that with: {}",
            again.other(&format!("extend {} --by 1h", plan.name()))
        ));
    }
    super::data(printer, url.as_deref().unwrap_or(plan.name()))
}

/// Reads, plans, and waits for the images. What would be refused is refused before anything is waited for.
async fn prepare(
    cluster: &Cluster,
    settings: &mut Clone,
    printer: &Printer,
    progress: &Progress,
) -> Result<Prepared, Failure> {
    progress.begin(&format!("reading {}", settings.golden), 0);
    let (installed, target) = futures::join!(cluster.installed(), find_target(cluster, settings));
    let (installed, mut target) = (installed?, target?);
    settings.spec.seed = match &target {
        Target::Ours(_) => cluster.seed(&settings.spec.name).await?,
        Target::New => None,
    }
    .unwrap_or_else(seed);
    let read = planning::read(cluster, &installed, settings).await?;
    let mut plan = read.plan(settings)?;
    progress.done(
        &format!("read {} objects of {}", read.count(), settings.golden),
        json!({ "event": "read", "golden": settings.golden, "objects": read.count() }),
    );
    planning::report(&plan, settings, printer);
    if !settings.dry_run {
        planning::refusals(&plan, settings)?;
    }
    if images::run(cluster, read.objects(), settings, progress).await? {
        // That took its time, and images have other names now.
        plan = read.plan(settings)?;
        target = find_target(cluster, settings).await?;
        if !settings.dry_run {
            planning::refusals(&plan, settings)?;
        }
    }
    let gateways = cluster.gateways(&plan.gateways()).await;
    Ok(Prepared {
        url: plan.url(&gateways),
        plan,
        target,
        resources: read.resources,
    })
}

/// Waits until the workloads of a preview are ready and its URL answers, all within `timeout`.
async fn wait_for(
    cluster: &Cluster,
    (plan, url): (&Plan, Option<&str>),
    timeout: Duration,
    settings: &Clone,
    progress: &Progress,
    printer: &Printer,
) -> Result<(), Failure> {
    let started = Instant::now();
    let name = plan.name();
    let waiting = (timeout, &settings.again, &*plan.operated());
    wait::ready(cluster, name, waiting, progress).await?;
    let Some(url) = url else {
        return Ok(());
    };
    let has = |is: fn(&str) -> bool| plan.wave(Wave::Routes).any(|route| is(kind_of(route)));
    let page = Page {
        name,
        url,
        hosts: &plan.hosts,
        is_golden: &|host| plan.is_golden_host(host),
        has_ingresses: has(|kind| kind == "Ingress"),
        has_routes: has(|kind| kind == "HTTPRoute"),
    };
    let left = timeout.saturating_sub(started.elapsed());
    let waiting = (left, &settings.again, settings.wait_url);
    if let Answering::Unknown(why) = wait::answers(cluster, page, waiting, progress).await? {
        printer.warn(&format!("whether {url} answers is not known: {why}"));
    }
    Ok(())
}

async fn find_target(cluster: &Cluster, settings: &Clone) -> Result<Target, Failure> {
    let existing = cluster.namespace(&settings.spec.name).await?;
    target::check(existing, settings)
}

/// What the clone's own passwords are derived from, where it has none yet.
pub(super) fn seed() -> Seed {
    Seed::new(Alphanumeric.sample_string(&mut rand::rng(), 32))
}
