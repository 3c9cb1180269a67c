//! `understudy refresh`: a clone brought to the golden of today.
//!
//! Guarantees: its own images, variables, Secrets, passwords and branches stay. Only what a clone made is deleted, and only
//! where the golden has it no longer. Nothing is written before the whole plan stands; running it again goes on.

use super::clone::{carry_out, target::Target};
use super::planning::{self, Again};
use super::{clone, data, diff, wait};
use crate::cluster::Cluster;
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::{Output, Refresh};
use serde_json::json;
use understudy::clone::{kind_of, name_of};
use understudy::violation::printable;

/// Refreshes a clone.
pub async fn run(cluster: &Cluster, settings: Refresh, printer: &Printer) -> Result<(), Failure> {
    let name = settings.name.as_str();
    let progress = Progress::new(printer, settings.output == Output::Json && !settings.dry_run);
    progress.begin(&format!("reading {name} and its golden"), 0);
    let installed = cluster.installed().await?;
    let typed = (&settings.line, &settings.connection);
    let again = Again::plan(cluster, &installed, name, typed, clone::seed).await?;
    planning::report(&again.plan, &again.settings, printer);
    if settings.dry_run {
        drop(progress);
        let differences = diff::differences(cluster, &again).await?;
        diff::show(&again, &differences, settings.output, printer)?;
        return again.refusals();
    }
    again.refusals()?;
    refuse_an_ending_one(&again)?;
    let target = Target::Ours(Box::new(again.namespace.clone()));
    let written = carry_out::run(
        cluster,
        &again.plan,
        target,
        &again.read.resources,
        &again.settings,
        &progress,
    )
    .await?;
    let pruned = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => return Err(Failure::new(Exit::Interrupted, "stopped")
            .caused_by("everything was applied; not all was deleted that the golden has no longer")
            .hint(format!("go on with: {}", again.settings.again))),
        pruned = prune(cluster, &again, &progress, printer) => pruned?,
    };
    progress.done(
        &format!("{name}: {}, {pruned} deleted", written.describe()),
        json!({ "event": "applied", "name": name, "created": written.created, "changed": written.changed,
            "unchanged": written.unchanged, "deleted": pruned }),
    );
    if let Some(timeout) = settings.wait {
        let waiting = (timeout, &again.settings.again, &*again.plan.operated());
        wait::ready(cluster, name, waiting, &progress).await?;
    }
    if settings.output == Output::Json {
        progress.note(
            "",
            json!({ "event": "done", "name": name, "ready": settings.wait.is_some() }),
        );
        return Ok(());
    }
    drop(progress);
    data(printer, name)
}

fn refuse_an_ending_one(again: &Again<'_>) -> Result<(), Failure> {
    if again.namespace.metadata.deletion_timestamp.is_none() {
        return Ok(());
    }
    Err(
        Failure::new(Exit::Taken, format!("{} is being deleted", again.plan.name()))
            .hint(again.settings.again.clone_of_it()),
    )
}

/// Deletes what a clone made and no plan makes any more; names what is left alone.
async fn prune(
    cluster: &Cluster,
    again: &Again<'_>,
    progress: &Progress,
    printer: &Printer,
) -> Result<usize, Failure> {
    let (ours, others): (Vec<_>, Vec<_>) = diff::beside(again).into_iter().partition(|(_, ours)| *ours);
    for (object, _) in &ours {
        cluster.prune(object, &again.read.resources).await?;
        let (kind, name) = (kind_of(object), name_of(object));
        let event = json!({ "event": "object", "kind": kind, "name": name, "outcome": "deleted" });
        progress.note(&format!("deleted   {kind}/{name}"), event);
    }
    for (object, _) in &others {
        printer.warn(&printable(&format!(
            "{} is no part of the clone and was not made with it; it was left alone",
            diff::id(object)
        )));
    }
    Ok(ours.len())
}
