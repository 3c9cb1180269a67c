//! `understudy destroy`: the lease ends now; the controller does the work, so that stopping this changes nothing.

use crate::cluster::Cluster;
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::Destroy;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use understudy::keys;
use understudy::lease::whole_seconds;
use understudy::phase::Phase;
use understudy::preview::Preview;

const PAUSE: Duration = Duration::from_millis(500);

/// Ends a preview.
pub async fn run(cluster: &Cluster, settings: Destroy, printer: &Printer) -> Result<(), Failure> {
    let name = &settings.name;
    let existing = cluster.preview(name).await?;
    if !settings.yes && !confirmed(name).await? {
        return Err(Failure::new(Exit::Interrupted, "nothing was changed"));
    }
    if !existing.preview.deleting {
        let now = whole_seconds(Timestamp::now()).to_string();
        let annotations = json!({ keys::ON_EXPIRY: "destroy", keys::EXPIRES_AT: now });
        cluster
            .annotate(name, None, annotations, &format!("cannot end {name}"))
            .await?;
    }
    match settings.wait {
        Some(timeout) => gone(cluster, name, timeout, printer).await,
        None => {
            printer.say(&format!(
                "{name} ends now: routes, workloads, database branches, namespace."
            ));
            Ok(())
        }
    }
}

async fn confirmed(name: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::new(Exit::Refused, format!("{name} was not destroyed"))
            .caused_by("there is no terminal to ask on")
            .hint(format!("understudy destroy {name} --yes")));
    }
    let question = format!("Destroy {name} and its databases? [y/N] ");
    let answer = tokio::task::spawn_blocking(move || {
        let mut answer = String::new();
        let _ = write!(std::io::stderr(), "{question}");
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await.ok().and_then(Result::ok).unwrap_or_default();
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Watches until the namespace is gone, and says what is left.
async fn gone(cluster: &Cluster, name: &str, timeout: Duration, printer: &Printer) -> Result<(), Failure> {
    let progress = Progress::new(printer, false);
    progress.begin(&format!("ending {name}"), 0);
    let started = Instant::now();
    let mut said = String::new();
    loop {
        let Some(namespace) = cluster.namespace(name).await? else {
            progress.done(
                &format!("{name} is gone after {:.0?}", started.elapsed()),
                json!(null),
            );
            return Ok(());
        };
        let left = left(&namespace);
        if left != said {
            progress.note(&left, json!(null));
            said.clone_from(&left);
        }
        if started.elapsed() > timeout {
            let failure = Failure::new(
                Exit::NotInTime,
                format!("{name} is still there after {} seconds", timeout.as_secs()),
            );
            let failure = failure.caused_by(said);
            return Err(if namespace.metadata.deletion_timestamp.is_some() {
                failure.hint(format!(
                    "kubectl get namespace {name} --output yaml shows which finalizers hold it"
                ))
            } else {
                failure.hint("understudy doctor")
            });
        }
        sleep(PAUSE).await;
    }
}

/// What stands between now and the end.
fn left(namespace: &Namespace) -> String {
    if namespace.metadata.deletion_timestamp.is_none() {
        let preview = Preview::of(&namespace.metadata);
        let begun = preview.is_some_and(|preview| preview.phase == Some(Phase::Expired));
        let message = namespace
            .metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(keys::MESSAGE));
        return match message {
            Some(message) if begun => message.clone(),
            _ if begun => "the controller is ending it".to_owned(),
            _ => "the controller has not begun yet".to_owned(),
        };
    }
    let conditions = namespace
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let remaining: Vec<_> = conditions
        .filter(|condition| condition.status == "True")
        .filter_map(|condition| condition.message.clone())
        .filter(|message| !message.is_empty())
        .collect();
    if remaining.is_empty() {
        "its objects are being deleted".to_owned()
    } else {
        remaining.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finalizer_that_holds_the_namespace_is_named() {
        // D07
        let namespace = serde_json::from_value(json!({
            "metadata": { "name": "x", "deletionTimestamp": "2026-01-01T00:00:00Z" },
            "status": { "conditions": [
                { "type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All resources successfully discovered" },
                { "type": "NamespaceFinalizersRemaining", "status": "True", "message": "Some content has finalizers remaining: x.example/y in 1 resource instances" }
            ] }
        }))
        .unwrap();
        assert_eq!(
            left(&namespace),
            "Some content has finalizers remaining: x.example/y in 1 resource instances"
        );
    }
}
