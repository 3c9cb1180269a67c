//! Waiting until every workload of a preview is ready and its URL answers, and saying what holds it back.

mod url;

pub use url::Answering;

use crate::cluster::Cluster;
use crate::error::{Exit, Failure};
use crate::holding::{Standing, standings};
use crate::progress::Progress;
use crate::web::Web;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use understudy::preview::{BranchState, Preview};

const PAUSE: Duration = Duration::from_millis(700);
/// A branch that has failed for this long will not mend by itself while somebody watches.
const FAILED_FOR: Duration = Duration::from_secs(12);

/// Waits until every workload of `name` is ready.
pub async fn ready(
    cluster: &Cluster,
    name: &str,
    timeout: Duration,
    again: &str,
    progress: &Progress,
) -> Result<(), Failure> {
    let work = poll(cluster, name, timeout, progress);
    interruptible(name, again, work).await
}

/// Waits until the URL of `name` answers. Where its name is not known here, that is said and nothing is waited for, unless
/// somebody insists.
pub async fn answers(
    url: &str,
    name: &str,
    (timeout, again, insist): (Duration, &str, bool),
    progress: &Progress,
) -> Result<Answering, Failure> {
    let web =
        Web::new().map_err(|why| Failure::new(Exit::Failed, format!("cannot ask {url}")).caused_by(why))?;
    let patience = url::Patience {
        timeout,
        pause: PAUSE,
        insist,
    };
    let work = url::poll(&web, url, name, patience, progress);
    interruptible(name, again, work).await
}

async fn interruptible<T>(
    name: &str,
    again: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "stopped waiting")
            .caused_by("everything was applied; the preview goes on without you")
            .hint(format!("wait again with: {again}; undo with: understudy destroy {name}"))),
        done = work => done,
    }
}

async fn poll(cluster: &Cluster, name: &str, timeout: Duration, progress: &Progress) -> Result<(), Failure> {
    progress.begin("waiting for the workloads", 0);
    let started = Instant::now();
    let (mut said, mut failed_since) = (String::new(), None);
    loop {
        let preview = cluster.preview(name).await?.preview;
        let all = standings(&preview, &cluster.workloads(name).await?);
        let missing: Vec<&Standing> = all.iter().filter(|standing| !standing.is_ready()).collect();
        if missing.is_empty() {
            progress.done(
                &format!("{} workloads ready after {:.0?}", all.len(), started.elapsed()),
                json!({ "event": "ready", "workloads": all.len() }),
            );
            return Ok(());
        }
        if let Some((database, why)) = failed_branch(&preview) {
            let since = *failed_since.get_or_insert_with(Instant::now);
            if since.elapsed() > FAILED_FOR {
                return Err(branch_failure(name, &preview, database, why));
            }
        } else {
            failed_since = None;
        }
        let line = summary(&missing, all.len());
        if line != said {
            let waiting: Vec<_> = missing
                .iter()
                .map(|s| json!({ "workload": s.id, "ready": s.ready, "wanted": s.wanted, "why": s.why }))
                .collect();
            progress.note(&line, json!({ "event": "waiting", "missing": waiting }));
            said = line;
        }
        if started.elapsed() > timeout {
            return Err(late(name, &missing, timeout));
        }
        sleep(PAUSE).await;
    }
}

fn failed_branch(preview: &Preview) -> Option<(&str, &str)> {
    preview.branches.iter().find_map(|(name, state)| match state {
        BranchState::Failed(why) => Some((name.as_str(), why.as_str())),
        _ => None,
    })
}

/// The preview waits for a database that somebody has to mend.
pub fn branch_failure(name: &str, preview: &Preview, database: &str, why: &str) -> Failure {
    Failure::new(Exit::Failed, format!("database {database} of {name} cannot be branched"))
        .caused_by(why)
        .caused_by("the Pods stay held; the controller tries again by itself")
        .hint(format!(
            "kubectl get previewpolicy {} --output yaml, and check the adminSecret, server and template of database {database}",
            preview.policy
        ))
}

fn summary(missing: &[&Standing], all: usize) -> String {
    let first = missing[0];
    let why = first.why.as_deref().unwrap_or("its Pods are not ready yet");
    format!(
        "{} of {all} workloads ready; {}: {why}",
        all - missing.len(),
        first.id
    )
}

fn late(name: &str, missing: &[&Standing], timeout: Duration) -> Failure {
    let what = format!("{name} is not ready after {} seconds", timeout.as_secs());
    let failure = missing
        .iter()
        .fold(Failure::new(Exit::NotInTime, what), |failure, standing| {
            let why = standing.why.as_deref().unwrap_or("its Pods are not ready yet");
            failure.caused_by(format!(
                "{} has {} of {} Pods ready: {why}",
                standing.id, standing.ready, standing.wanted
            ))
        });
    failure.hint(format!("understudy describe {name}"))
}
