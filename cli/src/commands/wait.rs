//! Waiting until every workload of a preview is ready and its URL answers, and saying what holds it back.

mod url;

pub use url::{Answering, Page};

use crate::cluster::Cluster;
use crate::error::{Exit, Failure};
use crate::holding::{Standing, standings};
use crate::progress::Progress;
use crate::settings::Typed;
use crate::web::Web;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use understudy::preview::{BranchState, Preview};

const PAUSE: Duration = Duration::from_millis(700);
/// A branch that has failed for this long will not mend by itself while somebody watches.
const FAILED_FOR: Duration = Duration::from_secs(12);

/// Waits until every workload of `name` is ready. Of `unknown` ones only their operators can tell, and that is said.
pub async fn ready(
    cluster: &Cluster,
    name: &str,
    (timeout, again, unknown): (Duration, &Typed, &[String]),
    progress: &Progress,
) -> Result<(), Failure> {
    let work = poll(cluster, name, (timeout, again, unknown), progress);
    interruptible(name, again, work).await
}

/// Waits until the URL of a preview answers. Where that cannot be told from here, it is said and nothing is waited for,
/// unless somebody insists.
pub async fn answers(
    cluster: &Cluster,
    page: Page<'_>,
    (timeout, again, insist): (Duration, &Typed, bool),
    progress: &Progress,
) -> Result<Answering, Failure> {
    let url = page.url;
    let web =
        Web::new().map_err(|why| Failure::new(Exit::Failed, format!("cannot ask {url}")).caused_by(why))?;
    let patience = url::Patience {
        timeout,
        pause: PAUSE,
        insist,
    };
    let unserved = async || match page.has_routes {
        true => cluster.unserved(page.name).await,
        false => None,
    };
    let work = url::poll(&web, &page, unserved, patience, progress);
    interruptible(page.name, again, work).await
}

async fn interruptible<T>(
    name: &str,
    again: &Typed,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "stopped waiting")
            .caused_by("everything was applied; the preview goes on without you")
            .hint(format!(
                "wait again with: {again}; undo with: {}",
                again.other(&format!("destroy {name}"))
            ))),
        done = work => done,
    }
}

async fn poll(
    cluster: &Cluster,
    name: &str,
    (timeout, again, unknown): (Duration, &Typed, &[String]),
    progress: &Progress,
) -> Result<(), Failure> {
    progress.begin("waiting for the workloads", 0);
    let started = Instant::now();
    let (mut said, mut failed_since) = (Said::default(), None);
    loop {
        let preview = cluster.preview(name).await?.preview;
        let all = standings(&preview, &cluster.workloads(name).await?);
        said.tell(&all, progress);
        let missing: Vec<&Standing> = all.iter().filter(|standing| !standing.is_ready()).collect();
        if missing.is_empty() {
            let mut line = format!("{} workloads ready after {:.0?}", all.len(), started.elapsed());
            if !unknown.is_empty() {
                let unknown = unknown.join(", ");
                line.push_str(&format!("; how far {unknown} got is known to the operator only"));
            }
            progress.done(
                &line,
                json!({ "event": "ready", "workloads": all.len(), "unknown": unknown }),
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
        if started.elapsed() > timeout {
            return Err(late(name, &missing, timeout, again));
        }
        sleep(PAUSE).await;
    }
}

/// What was said of each workload, and of all of them; only changes are said.
#[derive(Default)]
struct Said {
    each: BTreeMap<String, String>,
    line: String,
    event: Value,
}

impl Said {
    fn tell(&mut self, all: &[Standing], progress: &Progress) {
        for standing in all {
            let sentence = standing.sentence();
            let before = self.each.insert(standing.id.clone(), sentence.clone());
            if before.as_ref() != Some(&sentence) {
                progress.part(&standing.id, &sentence, standing.is_ready());
            }
        }
        let missing: Vec<&Standing> = all.iter().filter(|standing| !standing.is_ready()).collect();
        if missing.is_empty() {
            return;
        }
        let waiting: Vec<_> = missing
            .iter()
            .map(|s| json!({ "workload": s.id, "ready": s.ready, "wanted": s.wanted, "why": s.why }))
            .collect();
        let event = json!({ "event": "waiting", "missing": waiting });
        let line = format!("{} of {} workloads ready", all.len() - missing.len(), all.len());
        if line != self.line {
            progress.note(&line, event.clone());
        } else if event != self.event {
            progress.event(event.clone());
        }
        (self.line, self.event) = (line, event);
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

fn late(name: &str, missing: &[&Standing], timeout: Duration, again: &Typed) -> Failure {
    let what = format!("{name} is not ready after {} seconds", timeout.as_secs());
    let failure = missing
        .iter()
        .fold(Failure::new(Exit::NotInTime, what), |failure, standing| {
            failure.caused_by(standing.sentence())
        });
    failure.hint(again.other(&format!("describe {name}")))
}
